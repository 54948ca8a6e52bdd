"""What a probe found, in words, plots and pictures."""
