"""A program on a pipe as a simulator: scenes and answers are lines of JSON."""
