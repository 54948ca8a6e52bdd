"""Watching a run: one protocol (`callbacks`); bars, cycle times, memory, Prometheus and trackers behind it."""
