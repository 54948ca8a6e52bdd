"""What each command of `imitate` does, by theme; `cluster.cli.main` knows which is where."""
