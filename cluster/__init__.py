"""The Ray application: train, evaluate, simulate, jobs and the command line."""
