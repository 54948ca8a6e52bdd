"""Waymo's 3D boxes in a camera's coordinates, and which 2D box each belongs to.

Waymo's axes: vehicle and camera frames have x forward, y left, z up; a camera's `extrinsic` goes from
camera to vehicle. A 3D box has its centre and its heading about z in the vehicle frame. Cuboids here
stand on their bottom centre in KITTI's camera axes (x right, y down, z forward) and turn about y alone,
so the small roll and pitch of the camera against the vehicle are dropped from their direction, not from
their place. Lens distortion is dropped too (up to about 20 px at the corners of a front image).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from imitation.common.settings import DataError
from imitation.common.texts import shown
from imitation.data.boxes import pairwise_coverage, pairwise_iou
from imitation.data.records import Box, Camera, Cuboid, Object

NEAR = 0.1  # m; what lies nearer, or behind, is cut off before projecting
MOST = 1e6  # m, px: no measure of a street; what is beyond would overflow on its way to the image
MIN_IOU = 0.3  # of a 2D box with the projected cuboid: a 2D box shows the visible part alone
MIN_COVERAGE = 0.7  # share of the 2D box that has to lie in the projected cuboid
_EDGES = np.array([(i, j) for i in range(8) for j in range(i + 1, 8)])  # the hull is that of all pairs
_KITTI_AXES = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])


@dataclass(frozen=True)
class Calibration:
    """A camera, its image size (px), and the rotation (3, 3) and translation (3,), m, that take a point of
    the vehicle frame to KITTI's camera axes."""

    camera: Camera
    size: tuple[int, int]
    rotation: np.ndarray
    translation: np.ndarray

    @classmethod
    def of(cls, intrinsic: Sequence[Any], size: Sequence[Any], pose: Any, where: str) -> Calibration:
        """From fx, fy, cx, cy (px), width and height, and the extrinsic: 16 numbers, row by row, from
        camera to vehicle. Raises `DataError`.

        The camera's height is that over the vehicle frame's z = 0, where the ground is (detectors put their
        anchors for Waymo there); its pitch is that of its axis against the vehicle's plane.
        """
        try:
            numbers = np.array([*intrinsic, *size, *pose], dtype=np.float64)
            matrix = numbers[6:].reshape(4, 4)
        except (TypeError, ValueError):
            values = f"{shown(intrinsic)}, {shown(size)}, extrinsic {shown(pose)}"
            raise DataError(where, f"not a calibration: {values}") from None
        if not (np.abs(numbers) <= MOST).all():  # false for NaN as well
            what = f"a null, or a number that is not finite or beyond {MOST:g}: {numbers.tolist()}"
            raise DataError(where, f"the calibration has {what}")
        if not (numbers[:2] > 0).all():
            lengths = f"{numbers[0]:g} and {numbers[1]:g}"
            raise DataError(where, f"the focal lengths are {lengths} px, not above 0")
        turn = matrix[:3, :3]
        if not np.allclose(turn @ turn.T, np.eye(3), atol=1e-3):
            raise DataError(where, f"the extrinsic is not a rotation and a place: {matrix.tolist()}")
        fx, fy, cx, cy = (float(v) for v in numbers[:4])
        axis = turn[:, 0]
        camera = Camera(fx, fy, cx, cy, height=float(matrix[2, 3]), pitch=-math.asin(np.clip(axis[2], -1, 1)))
        rotation = _KITTI_AXES @ turn.T
        width, height = (int(v) for v in numbers[4:6])
        return cls(camera, (width, height), rotation, -rotation @ matrix[:3, 3])

    def cuboid(self, box: Sequence[float]) -> Cuboid:
        """A 3D box of the vehicle frame (centre x, y, z, length, width, height in m, heading in rad) in this
        camera's coordinates."""
        x, y, z, length, width, height, heading = box
        bottom = self.rotation @ np.array([x, y, z - height / 2]) + self.translation
        ahead = self.rotation @ np.array([math.cos(heading), math.sin(heading), 0.0])
        yaw = math.atan2(-ahead[2], ahead[0])
        at_x, at_y, at_z = (float(v) for v in bottom)
        return Cuboid(at_x, at_y, at_z, length=length, width=width, height=height, yaw=yaw)


@dataclass(frozen=True)
class LaserBox:
    """One object's 3D boxes in the vehicle frame (see `Calibration.cuboid`): as the lidar saw it, and as
    the camera `seen_by` did. `category` is None where only the latter is known."""

    laser_id: str
    category: str | None
    lidar: tuple[float, ...] | None = None
    synced: tuple[float, ...] | None = None
    seen_by: str | None = None

    def with_lidar(self, values: Sequence[Any], where: str) -> LaserBox:
        return replace(self, lidar=_numbers(values, where))

    def with_synced(self, values: Sequence[Any], seen_by: str, where: str) -> LaserBox:
        return replace(self, synced=_numbers(values, where), seen_by=seen_by)

    def seen_from(self, camera: str) -> tuple[float, ...] | None:
        """The box that holds for a camera, None if there is none."""
        return self.synced if camera == self.seen_by else self.lidar


def _numbers(values: Sequence[Any], where: str) -> tuple[float, ...]:
    if any(v is None or not abs(v) <= MOST for v in values) or min(values[3:6]) <= 0:
        what = f"has a null, a size not above 0 or a number that is not finite or beyond {MOST:g}"
        raise DataError(where, f"the 3D box {list(values)} {what}")
    return tuple(float(v) for v in values)


def projected_box(cuboid: Cuboid, calibration: Calibration) -> Box | None:
    """The box around a cuboid's projection, px, cut to the image; None if nothing of it is in the picture."""
    corners = cuboid.corners()
    starts, ends = corners[_EDGES[:, 0]], corners[_EDGES[:, 1]]
    crossing = (starts[:, 2] > NEAR) != (ends[:, 2] > NEAR)
    starts, ends = starts[crossing], ends[crossing]
    share = (NEAR - starts[:, 2]) / (ends[:, 2] - starts[:, 2])
    cut = starts + share[:, None] * (ends - starts)
    points = np.concatenate([corners[corners[:, 2] > NEAR], cut])
    if not len(points):
        return None
    pixels = calibration.camera.project(points)
    box = Box(*(float(v) for v in (*pixels.min(axis=0), *pixels.max(axis=0)))).clipped(*calibration.size)
    return box if box.area > 0 else None


def associate(
    objects: Sequence[Object],
    partners: Sequence[str | None],
    lasers: Sequence[LaserBox],
    camera: str,
    calibration: Calibration,
) -> list[Object]:
    """The N objects of an image with the cuboids that are theirs.

    `partners` (N) are the laser ids that the dataset itself gives. The rest is put together by projection:
    pairs of one category whose 2D box overlaps the projected cuboid by an IoU of `MIN_IOU` and lies in it
    by `MIN_COVERAGE`, the best first, each box and each cuboid once. Objects without a partner have none.
    """
    known = [(laser, laser.seen_from(camera)) for laser in lasers]
    cuboids = {laser.laser_id: calibration.cuboid(box) for laser, box in known if box is not None}
    chosen: dict[int, str] = {i: name for i, name in enumerate(partners) if name in cuboids}
    free = [i for i in range(len(objects)) if i not in chosen]
    taken = set(chosen.values())
    spare = [laser for laser in lasers if laser.laser_id in cuboids and laser.laser_id not in taken]
    boxes = {laser.laser_id: projected_box(cuboids[laser.laser_id], calibration) for laser in spare}
    spare = [laser for laser in spare if boxes[laser.laser_id] is not None]
    for i, j in _pairs([objects[i] for i in free], spare, [boxes[laser.laser_id] for laser in spare]):
        chosen[free[i]] = spare[j].laser_id
    return [replace(obj, cuboid=cuboids[chosen[i]]) if i in chosen else obj for i, obj in enumerate(objects)]


def _pairs(
    objects: Sequence[Object], lasers: Sequence[LaserBox], boxes: Sequence[Box | None]
) -> list[tuple[int, int]]:
    if not objects or not lasers:
        return []
    flat, seen = np.array([obj.box for obj in objects]), np.array(boxes, dtype=np.float64)
    iou, coverage = pairwise_iou(flat, seen), pairwise_coverage(flat, seen)
    alike = np.array([[laser.category in (None, obj.category) for laser in lasers] for obj in objects])
    iou[~alike | (iou < MIN_IOU) | (coverage < MIN_COVERAGE)] = 0
    pairs: list[tuple[int, int]] = []
    for place in np.argsort(-iou, axis=None, kind="stable"):
        i, j = (int(v) for v in np.unravel_index(place, iou.shape))
        if iou[i, j] <= 0:
            break
        if all(i != a and j != b for a, b in pairs):
            pairs.append((i, j))
    return pairs
