"""Advice on a run: what its folder says of rendering and of real frames."""
