"""Label Studio: a JSON file of tasks."""
