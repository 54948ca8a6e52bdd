"""Watching a run: progress lines, cycle times, memory, Prometheus, trackers."""
