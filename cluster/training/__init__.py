"""Training: one train function and its two launchers."""
