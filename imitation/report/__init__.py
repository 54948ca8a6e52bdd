"""What a run leaves to read: `summary.json`, the table, and one HTML file."""
