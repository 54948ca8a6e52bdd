"""Sky, sun, lamps, and light matched to a photo."""
