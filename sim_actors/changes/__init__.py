"""One thing of a scene changed, everything else as it was: what a counterfactual asks."""
