"""Label audits of runs and evaluations."""
