"""The stages of a cycle on a cluster: prepare, train, evaluate, mine, simulate."""
