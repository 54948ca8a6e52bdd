"""Training: the sample plan, augmentation, and one plain loop."""
