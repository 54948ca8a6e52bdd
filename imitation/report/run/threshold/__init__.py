"""Where the threshold is: a plot, a table, and a slider."""
