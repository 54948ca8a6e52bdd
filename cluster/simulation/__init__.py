"""The pool of simulator workers: work in flight, deadlines, blame, respawn."""
