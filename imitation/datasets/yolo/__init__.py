"""YOLO: text labels beside images, classes by number."""
