"""Experiments: many runs on shared baselines. `compare` asks whether it helped, `sweep` searches settings."""
