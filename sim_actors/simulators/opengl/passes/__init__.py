"""The passes of a frame: shading, ground truth, lens, sensor, composite."""
