"""Watching a run: one protocol (`callbacks`); bars, time, memory, Prometheus and trackers behind it."""
