"""A sweep's page and table."""
