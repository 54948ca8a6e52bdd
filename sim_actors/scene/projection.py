"""Cuboids and pixels as boxes in the image, and how far two boxes agree."""

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


def visible_extents(ids: np.ndarray) -> dict[int, tuple[int, Box]]:
    """For every id > 0 in an id image (height, width): its pixel count and tight box, px."""
    rows, columns = np.nonzero(ids)
    values = ids[rows, columns]
    counts = np.bincount(values)
    result = {}
    for value in np.flatnonzero(counts):
        here = values == value
        x, y = columns[here], rows[here]
        box = Box(float(x.min()), float(y[0]), float(x.max() + 1), float(y[-1] + 1))
        result[int(value)] = (int(counts[value]), box)
    return result
