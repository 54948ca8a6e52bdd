"""The pool of simulator workers: scenes in flight, deadlines, faults, restarts."""
