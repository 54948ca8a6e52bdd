"""Frames and their labels: records, images, categories, splits, sheets of pictures."""
