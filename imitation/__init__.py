"""What to learn, what went wrong, what to ask a simulator for. No Ray, no renderer."""
