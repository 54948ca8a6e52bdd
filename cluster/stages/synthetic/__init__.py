"""Where the synthetic frames of a cycle come from: rendered, the hardest of several, or taken from a run."""
