"""Several simulators in one pool: whose scenes are which, who gets which workers, and what each has done."""
