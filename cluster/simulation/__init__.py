"""The pool of simulator actors: work in flight, deadlines, blame, respawn."""
