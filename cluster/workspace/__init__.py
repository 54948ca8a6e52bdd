"""A run's folder: what lies where, and who holds it."""
