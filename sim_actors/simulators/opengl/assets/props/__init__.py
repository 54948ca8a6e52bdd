"""Meshes of what stands around: houses, trees, and the furniture of streets."""
