"""Scenes as files that other programs open: OpenUSD and glTF."""
