"""Frozen sets of cases that a detector has to pass: what they are, and how a detector did."""
