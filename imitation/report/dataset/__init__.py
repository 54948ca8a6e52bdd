"""The page of `imitate inspect --html`: what a dataset holds, and its oddest objects drawn."""
