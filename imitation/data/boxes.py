"""Boxes against boxes: areas, overlaps, shares. float64 arrays (N, 4) of x1, y1, x2, y2 in px."""

from __future__ import annotations

import numpy as np


def areas(boxes: np.ndarray) -> np.ndarray:
    """Of boxes (N, 4): (N,), px^2; 0 for inverted ones."""
    return np.maximum(boxes[:, 2] - boxes[:, 0], 0) * np.maximum(boxes[:, 3] - boxes[:, 1], 0)


def intersections(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Areas in common, px^2, of boxes (..., 4) and (..., 4): each pair that their shapes broadcast to."""
    sides = np.maximum(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0)
    return np.asarray(sides[..., 0] * sides[..., 1])


def ratio(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    """`over` / `under`, 0 where that is 0."""
    return np.divide(over, under, out=np.zeros_like(over), where=under > 0)


def pairwise_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (N, 4) and (M, 4): float64 (N, M) in [0, 1], 0 for empty boxes."""
    a, b = (np.asarray(x, dtype=np.float64).reshape(-1, 4) for x in (a, b))
    both = intersections(a[:, None], b[None])
    return ratio(both, areas(a)[:, None] + areas(b)[None, :] - both)


def pairwise_coverage(boxes: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Share of each box (N, 4) that lies in each region (M, 4): float64 (N, M) in [0, 1]."""
    boxes, regions = (np.asarray(x, dtype=np.float64).reshape(-1, 4) for x in (boxes, regions))
    both = intersections(boxes[:, None], regions[None])
    return ratio(both, np.broadcast_to(areas(boxes)[:, None], both.shape))
