"""What is in a dataset, and wrong with it."""
