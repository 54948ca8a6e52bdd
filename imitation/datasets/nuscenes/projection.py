"""nuScenes' 3D boxes in a camera's axes and on its image, as its development kit projects them.

A 3D box has its centre and size (width, length, height) in m and its orientation in the world; it is moved by
the vehicle's pose at the moment of the image, and by the camera's place on the vehicle
(`NuScenes.get_sample_data`). Its 2D box is the extent, within the image, of the convex hull of those of its
eight corners that lie in front of the camera (`export_2d_annotations_as_json.py`): tight around the cuboid,
not around the object's pixels.
"""

from __future__ import annotations

import math

import numpy as np

from imitation.data.records import Box, Camera, Cuboid

# Corners in halves of (length, width, height), along the box's own x (ahead), y (left) and z (up).
_CORNERS = np.array([[x, y, z] for x in (1, -1) for y in (1, -1) for z in (1, -1)]) / 2


def corners_of(centre: np.ndarray, size: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """The eight corners (8, 3), m, of a box with centre (3,), size (3,) as width, length, height, and
    orientation (3, 3)."""
    width, length, height = size
    return centre + (_CORNERS * (length, width, height)) @ rotation.T


def cuboid_of(centre: np.ndarray, size: np.ndarray, rotation: np.ndarray) -> Cuboid:
    """The box as a cuboid of the camera's axes; of its orientation the turn about the camera's y is kept."""
    width, length, height = (float(side) for side in size)
    x, y, z = (float(v) for v in centre - rotation[:, 2] * height / 2)
    yaw = math.atan2(-rotation[2, 0], rotation[0, 0])
    return Cuboid(x, y, z, length=length, width=width, height=height, yaw=yaw)


def extent(corners: np.ndarray, camera: Camera, width: int, height: int) -> Box | None:
    """The box, px, around what an image of that size shows of the convex hull of the corners (N, 3) in front
    of the camera; None where it shows nothing."""
    front = corners[corners[:, 2] > 0]
    if len(front) < 3:
        return None
    pixels = camera.project(front)
    least, most = pixels.min(axis=0), pixels.max(axis=0)
    if (most < 0).any() or least[0] > width or least[1] > height:
        return None
    if (least >= 0).all() and most[0] <= width and most[1] <= height:
        polygon = pixels  # nothing is cut off: the hull's extent is that of the points
    else:
        polygon = _within(_hull(pixels), width, height)
    if not len(polygon):
        return None
    box = Box(*(float(v) for v in (*polygon.min(axis=0), *polygon.max(axis=0))))
    return box if box.area > 0 else None


def _within(polygon: np.ndarray, width: int, height: int) -> np.ndarray:
    """What of a convex polygon (N, 2) lies in an image of that size."""
    for axis, bound, sign in ((0, 0.0, 1), (0, float(width), -1), (1, 0.0, 1), (1, float(height), -1)):
        polygon = _cut(polygon, axis, bound, sign)
    return polygon


def _hull(points: np.ndarray) -> np.ndarray:
    """The corners of the convex hull of points (N, 2), in their order around it (Andrew's monotone chain)."""
    ordered = sorted({(float(x), float(y)) for x, y in points})

    def half(line: list[tuple[float, float]]) -> list[tuple[float, float]]:
        found: list[tuple[float, float]] = []
        for point in line:
            while len(found) > 1 and _turn(found[-2], found[-1], point) <= 0:
                found.pop()
            found.append(point)
        return found[:-1]

    return np.array(half(ordered) + half(ordered[::-1]) or ordered)


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _cut(polygon: np.ndarray, axis: int, bound: float, sign: int) -> np.ndarray:
    """What of a convex polygon (N, 2) lies on one side of a line along an axis (Sutherland and Hodgman)."""
    found: list[np.ndarray] = []
    for start, end in zip(polygon, np.roll(polygon, -1, axis=0)):
        inside, leads = sign * (start[axis] - bound) >= 0, sign * (end[axis] - bound) >= 0
        if inside:
            found.append(start)
        if inside != leads:
            crossing = start + (bound - start[axis]) / (end[axis] - start[axis]) * (end - start)
            crossing[axis] = bound
            found.append(crossing)
    return np.array(found).reshape(-1, 2)
