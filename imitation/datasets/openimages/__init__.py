"""Open Images: CSV tables of boxes."""
