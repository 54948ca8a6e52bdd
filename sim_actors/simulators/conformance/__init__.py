"""Does a simulator do it right? Checks on scenes whose answer is known."""
