"""A run's page, table and summary."""
