"""Random scenes: those of a failing frame, perturbed; free ones; what stands around."""
