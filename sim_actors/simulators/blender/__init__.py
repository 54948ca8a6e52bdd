"""Blender as a simulator: its path tracer lights what the embedded renderer stages."""
