"""`imitate ui`: a page of runs as they go. Reads folders, changes nothing (docs/observing.md)."""
