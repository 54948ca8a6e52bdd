"""Cityscapes: a JSON file of polygons (or of boxes) an image."""
