"""What is known of real data beside its frames: their facts, what can be staged, how to read in parallel."""
