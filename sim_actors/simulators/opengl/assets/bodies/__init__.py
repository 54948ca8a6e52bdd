"""Meshes of what can be labelled: vehicles and people, lofted from tables of proportions."""
