"""How sure: bootstrap, paired comparisons, slices, seeds."""
