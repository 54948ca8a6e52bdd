"""Cuboids as boxes in the image, and how far two boxes agree."""

from __future__ import annotations

import numpy as np

from imitation.data.records import Box, Camera, Cuboid

NEAR = 0.2
"""Corners nearer than this are projected as if they lay at this depth, m."""


def projected_box(cuboid: Cuboid, camera: Camera) -> Box:
    """The box around the 8 projected corners, px, not clipped to the image."""
    corners = cuboid.corners()
    corners[:, 2] = np.maximum(corners[:, 2], NEAR)
    pixels = camera.project(corners)
    return Box(*map(float, (*pixels.min(axis=0), *pixels.max(axis=0))))


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, in [0, 1]; 0 where both are empty."""
    common = a.common(b)
    union = a.area + b.area - common
    return common / union if union > 0 else 0.0
