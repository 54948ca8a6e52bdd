"""What to do next, in words."""
