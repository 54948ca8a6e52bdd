"""Detectors: the paper's grid detector, torchvision's by name, anybody's by import path."""
