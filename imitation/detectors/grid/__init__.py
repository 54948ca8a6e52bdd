"""The grid detector: its network, its candidates, what it learns from which object."""
