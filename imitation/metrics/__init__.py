"""How good a detector is: average precision, the operating point, and their summary."""
