"""COCO: JSON annotations beside folders of images."""
