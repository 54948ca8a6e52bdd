"""What the readers of all layouts share: paths inside a dataset, checks, tallies."""
