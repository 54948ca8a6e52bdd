"""What a single image's labels say about 3D: the ground plane, and cuboids from 2D boxes.

A box says how large an object looks; its class says how large it usually is; the flat ground says
how far away the spot is where its bottom edge stands. The two depths are combined by their
variances, and yaw and size are then chosen, near their priors, so that the cuboid projects back
onto the box (in the spirit of Hoiem, Efros, Hebert, "Putting Objects in Perspective", IJCV 2008).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from imitation.data.records import Box, Camera, Cuboid
from sim_actors.scene.ground import camera_height, camera_pitch, ground_y
from sim_actors.scene.projection import NEAR, iou, projected_box
from sim_actors.scene.sizes import SizePrior

YAWS = tuple(math.pi * k / 12 for k in range(12))
_BOX_NOISE = 1.5  # px, how well a label's edge is known
_BOTTOM_NOISE = 0.15  # m, how far bottoms of labelled objects scatter around a flat ground


def fit_ground(
    camera: Camera,
    bottoms: Sequence[tuple[float, float]],
    *,
    height_spread: float,
    pitch_spread: float,
) -> Camera:
    """The camera with height and pitch of the plane through the objects' bottoms.

    `bottoms` are (y, z) in camera axes, m. The camera's own height and pitch (or the defaults,
    1.65 m and 0) are the prior, with standard deviations `height_spread` (m) and `pitch_spread`
    (rad): with few objects, or objects at one depth, the prior decides. Robust: Huber weights,
    iterated, so that an object on a kerb or a slope does not tilt the road.
    """
    prior = np.array([ground_y(camera, 0.0), -math.tan(camera_pitch(camera))])
    precision = np.diag([1 / height_spread**2, 1 / pitch_spread**2])
    y = np.array([bottom[0] for bottom in bottoms])
    design = np.array([[1.0, bottom[1]] for bottom in bottoms]).reshape(-1, 2)
    weights = np.ones(len(y))
    plane = prior
    for _ in range(10 if len(y) else 0):
        weighted = design * (weights / _BOTTOM_NOISE**2)[:, None]
        plane = np.linalg.solve(precision + weighted.T @ design, precision @ prior + weighted.T @ y)
        residual = np.abs(y - design @ plane)
        weights = np.minimum(1.0, 1.5 * _BOTTOM_NOISE / np.maximum(residual, 1e-9))
    pitch = -math.atan(float(plane[1]))
    return replace(camera, height=max(float(plane[0]) * math.cos(pitch), 0.3), pitch=pitch)


@dataclass(frozen=True)
class Cut:
    """Which edges of a box lie on the image's border: there the object may go on unseen."""

    left: bool
    top: bool
    right: bool
    bottom: bool

    @classmethod
    def of(cls, box: Box, width: int, height: int, border: float) -> Cut:
        """A side is cut when it comes within `border` px of the image's edge."""
        return cls(box.x1 <= border, box.y1 <= border, box.x2 >= width - border, box.y2 >= height - border)


def depth_by_height(box: Box, camera: Camera, prior: SizePrior) -> float:
    """Depth at which the class's mean height looks as tall as the box, m."""
    return camera.fy * prior.height / max(box.height, 1.0)


def depth_on_ground(row: float, camera: Camera, far: float) -> float:
    """Depth at which the ground projects to an image row (px), m; `far` at and above the horizon."""
    pitch = camera_pitch(camera)
    down = (row - camera.cy) / camera.fy * math.cos(pitch) + math.sin(pitch)
    if down <= 0:
        return far
    return min(camera_height(camera) / down, far)


def estimate_cuboid(
    box: Box,
    prior: SizePrior,
    camera: Camera,
    *,
    image_size: tuple[int, int],
    border: float,
    road_yaw: float,
    pitch_spread: float,
    height_spread: float,
    far: float,
) -> Cuboid:
    """A cuboid of a class whose projection, clipped to the image, is about `box`.

    `image_size` is (width, height) in px; sides of the box within `border` px of the image's edge
    do not bind. `road_yaw` (rad) is the yaw preferred where the box's aspect ratio allows it.
    Depth is at most `far` m. The result's size stays within 30% (width, length) and 45% (height)
    of the prior.
    """
    cut = Cut.of(box, *image_size, border)
    best, best_cost = None, math.inf
    for yaw in (road_yaw, *YAWS):
        depth = _depth(box, prior, camera, cut, yaw, pitch_spread, height_spread, far)
        cuboid = _fit_to_box(box, prior, camera, cut, depth, yaw, image_size)
        cost = _cost(cuboid, box, prior, camera, image_size, road_yaw)
        if cost < best_cost:
            best, best_cost = cuboid, cost
    assert best is not None
    return best


def _half_extent(size: SizePrior | Cuboid, yaw: float) -> float:
    """Half of what an object measures along z, m: from its near face to its centre."""
    return (abs(math.sin(yaw)) * size.length + abs(math.cos(yaw)) * size.width) / 2


def _depth(
    box: Box,
    prior: SizePrior,
    camera: Camera,
    cut: Cut,
    yaw: float,
    pitch_spread: float,
    height_spread: float,
    far: float,
) -> float:
    """Depth of the centre, m, from whatever the visible edges tell."""
    half = _half_extent(prior, yaw)
    ground = depth_on_ground(box.y2, camera, far)
    if cut.bottom:
        # The feet are out of sight, nearer than the last visible ground, and the width tells more, if
        # whole. Of KITTI's cars cut at the bottom and a side, half lie within 30% of this depth.
        nearest = max(0.85 * ground, 0.5)
        if cut.left or cut.right:
            return nearest
        seen = abs(math.cos(yaw)) * prior.length + abs(math.sin(yaw)) * prior.width
        return min(camera.fx * seen / max(box.width, 1.0), nearest + half)
    if cut.top:
        return ground + half
    by_height = depth_by_height(box, camera, prior)
    height = camera_height(camera)
    ground_spread = math.sqrt(
        (ground * pitch_spread / height) ** 2
        + (ground * _BOX_NOISE / (camera.fy * height)) ** 2
        + (height_spread / height) ** 2
    )
    height_error = math.hypot(prior.spread, _BOX_NOISE / max(box.height, 1.0))
    w_ground, w_height = 1 / ground_spread**2, 1 / height_error**2
    log_near = (w_ground * math.log(ground) + w_height * math.log(by_height)) / (w_ground + w_height)
    return min(math.exp(log_near), far) + half


def _fit_to_box(
    box: Box,
    prior: SizePrior,
    camera: Camera,
    cut: Cut,
    depth: float,
    yaw: float,
    image_size: tuple[int, int],
) -> Cuboid:
    """Moves and scales a cuboid at a fixed depth and yaw until its free edges meet the box's."""
    x = ((box.x1 + box.x2) / 2 - camera.cx) / camera.fx * depth
    cuboid = Cuboid(x, ground_y(camera, depth), depth, prior.length, prior.width, prior.height, yaw)
    for _ in range(12):
        seen = projected_box(cuboid, camera)
        near = max(depth - _half_extent(cuboid, yaw), NEAR)
        left, right = box.x1 - seen.x1, box.x2 - seen.x2
        shift = (left + right) / 2
        if cut.left != cut.right:
            shift = right if cut.left else left
        length, width = cuboid.length, cuboid.width
        if not (cut.left or cut.right):
            ratio = box.width / max(seen.width, 1e-6)
            along = math.cos(yaw) ** 2  # the side that faces the camera takes more of the change
            length = _within(length * ratio**along, prior.length, 0.3)
            width = _within(width * ratio ** (1 - along), prior.width, 0.3)
        y, height = cuboid.y, cuboid.height
        if cut.bottom:
            y = ground_y(camera, depth)
            if not cut.top:
                height = _within(height + (seen.y1 - box.y1) * depth / camera.fy, prior.height, 0.45)
        else:
            y += (box.y2 - seen.y2) * near / camera.fy
            if not cut.top:
                height = _within(height * box.height / max(seen.height, 1e-6), prior.height, 0.45)
        cuboid = Cuboid(cuboid.x + shift * near / camera.fx, y, depth, length, width, height, yaw)
    return cuboid


def _within(value: float, mean: float, fraction: float) -> float:
    return min(max(value, mean * (1 - fraction)), mean * (1 + fraction))


def _cost(
    cuboid: Cuboid,
    box: Box,
    prior: SizePrior,
    camera: Camera,
    image_size: tuple[int, int],
    road_yaw: float,
) -> float:
    """How unlikely a cuboid is: a poor overlap first, then an odd size, then a yaw across the road."""
    overlap = iou(projected_box(cuboid, camera).clipped(*image_size), box.clipped(*image_size))
    size = (
        (math.log(cuboid.length / prior.length) / 0.12) ** 2
        + (math.log(cuboid.width / prior.width) / 0.1) ** 2
        + (math.log(cuboid.height / prior.height) / max(prior.spread, 0.05)) ** 2
    )
    off_road = abs(math.sin(cuboid.yaw - road_yaw)) if prior.kind in ("vehicle", "rider", "rail") else 0.0
    return 40.0 * (1.0 - overlap) + 0.5 * size + 1.5 * off_road
