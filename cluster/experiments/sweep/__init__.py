"""A sweep: trials of other settings on a shared baseline, by Ray Tune."""
