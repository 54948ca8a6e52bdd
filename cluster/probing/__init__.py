"""Scenes staged around failures, and what a detector finds in them: the counterfactual probe, the suite."""
