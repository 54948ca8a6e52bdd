"""Bodies, props and materials: what can be staged."""
