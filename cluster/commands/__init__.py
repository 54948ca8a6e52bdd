"""What each command of `imitate` does, by theme; `cluster.cli` knows which is where."""
