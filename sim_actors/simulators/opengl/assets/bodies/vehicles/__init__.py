"""What stands on wheels and is driven from inside, from tables of proportions."""
