"""Suspected label errors: found, ranked, exported as labelling tasks, and read back."""
