"""From the finished runs of a comparison to its table: measures, rows, costs, caveats."""
