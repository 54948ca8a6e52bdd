"""Make better detectors."""
