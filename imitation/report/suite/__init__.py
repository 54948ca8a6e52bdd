"""How detectors do on a regression suite, in words and as heat maps."""
