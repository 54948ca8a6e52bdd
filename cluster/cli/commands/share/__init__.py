"""For other tools and other people."""
