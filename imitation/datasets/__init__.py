"""Datasets: readers and writers, one file a layout; `registry` opens one by its kind."""
