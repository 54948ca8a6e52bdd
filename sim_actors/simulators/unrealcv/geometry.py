"""From a scene to Unreal's level and back to pixels: axes, angles, fields of view.

A scene lies in the camera's axes (x right, y down, z forward, m), Unreal's level is left-handed (X forward,
Y right, Z up, cm; angles in degrees, yaw from X to Y, a positive pitch looks up). For a level camera at the
place itself that is X = 100 z, Y = 100 x, Z = -100 y, and an actor's yaw is its cuboid's in degrees + 90.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from imitation.data.records import Box, Camera, Cuboid
from sim_actors.scene.ground import camera_height, camera_pitch, ground_rotation
from sim_actors.scene.projection import NEAR
from sim_actors.scene.records import Scene
from sim_actors.simulators.unrealcv.manifest import Model, Place

CM = 100.0
Vector = tuple[float, float, float]
_WIDEST = math.tan(math.radians(80))  # half of the widest field of view


def number(value: float) -> str:
    """A number as the plugin reads it: it knows no exponents."""
    return f"{value:.4f}"


def numbers(*values: float) -> str:
    return " ".join(map(number, values))


@dataclass(frozen=True)
class Pose:
    """Where something stands in the level, cm; and its rotator, degrees."""

    location: Vector
    pitch: float
    yaw: float
    roll: float

    def moved(self, x: float, y: float, z: float) -> Pose:
        a, b, c = self.location
        return replace(self, location=(a + x, b + y, c + z))


def rotation(pitch: float, yaw: float, roll: float) -> np.ndarray:
    """(3, 3): columns are the forward, right and up axes of a rotator (degrees) in the level."""
    p, y, r = (math.radians(angle) for angle in (pitch, yaw, roll))
    forward = np.array([math.cos(p) * math.cos(y), math.cos(p) * math.sin(y), math.sin(p)])
    level = np.array([-math.sin(y), math.cos(y), 0.0])  # right, before it rolls
    up = np.cross(forward, level)
    right = math.cos(r) * level - math.sin(r) * up
    return np.stack([forward, right, np.cross(forward, right)], axis=1)


def rotator(axes: np.ndarray) -> Vector:
    """Pitch, yaw and roll in degrees of axes as `rotation` gives them."""
    forward, right, up = axes.T
    pitch = math.atan2(forward[2], math.hypot(forward[0], forward[1]))
    yaw = math.atan2(forward[1], forward[0])
    level = np.array([-math.sin(yaw), math.cos(yaw), 0.0])
    roll = math.atan2(float(up @ level), float(right @ level))
    return math.degrees(pitch), math.degrees(yaw), math.degrees(roll)


def _level_axes(camera: Camera, place: Place) -> np.ndarray:
    """(3, 3): takes vectors in the camera's axes to the level."""
    yaw = math.radians(place.yaw)
    c, s = math.cos(yaw), math.sin(yaw)
    # Rows: what the ground's right, down and forward give to X, Y and Z.
    turned = np.array([[-s, 0.0, c], [c, 0.0, s], [0.0, -1.0, 0.0]])
    return turned @ ground_rotation(camera).T


def camera_pose(camera: Camera, place: Place) -> Pose:
    """Where the camera of a scene stands in the level."""
    height = place.z + CM * camera_height(camera)
    return Pose((place.x, place.y, height), -math.degrees(camera_pitch(camera)), place.yaw, 0.0)


def actor_pose(cuboid: Cuboid, model: Model, camera: Camera, place: Place) -> tuple[Pose, Vector]:
    """Where a model stands, and its scale along its own axes, to fill a cuboid."""
    axes = _level_axes(camera, place)
    c, s = math.cos(cuboid.yaw), math.sin(cuboid.yaw)
    forward, up = axes @ (c, 0.0, -s), axes @ (0.0, -1.0, 0.0)
    body = np.stack([forward, np.cross(up, forward), up], axis=1)  # of the way it faces
    size = model.size
    scale = (cuboid.length / size.length, cuboid.width / size.width, cuboid.height / size.height)
    bottom = np.array(camera_pose(camera, place).location) + CM * axes @ (cuboid.x, cuboid.y, cuboid.z)
    origin = bottom - CM * body @ (np.array(model.pivot) * scale)
    turn = math.radians(model.turn)
    own = np.array([[math.cos(turn), math.sin(turn), 0], [-math.sin(turn), math.cos(turn), 0], [0, 0, 1]])
    along = (scale[1], scale[0], scale[2]) if model.turn % 180 else scale
    x, y, z = (float(v) for v in origin)
    return Pose((x, y, z), *rotator(body @ own)), along


@dataclass(frozen=True)
class Film:
    """What the level's camera takes: `width` x `height` px over a field of view of `fov` degrees, whose
    middle is the principal point. Of a scene's image it begins at (`left`, `top`) px, and has `scale` px for
    each of the image's."""

    width: int
    height: int
    fov: float
    left: float
    top: float
    scale: float = 1.0

    @property
    def span(self) -> tuple[float, float]:
        """Width and height in px of the scene's image."""
        return self.width / self.scale, self.height / self.scale


def rounded(camera: Camera) -> Camera:
    """The camera with its principal point on the middle or the edge of a pixel: a film's middle is there."""
    return replace(camera, cx=round(2 * camera.cx) / 2, cy=round(2 * camera.cy) / 2, fy=camera.fx)


def main_film(scene: Scene) -> Film:
    """A film that holds the scene's image. Where the principal point is off its middle it is wider, for the
    engine only knows fields of view that are as wide to the left as to the right; `rounded` cameras only."""
    camera = scene.camera
    left, top = (
        max(0, round(side - 2 * c)) for side, c in ((scene.width, camera.cx), (scene.height, camera.cy))
    )
    width, height = round(2 * (camera.cx + left)), round(2 * (camera.cy + top))
    return Film(width, height, _fov(width, camera.fx), -left, -top)


def wide_film(extents: list[Box], camera: Camera, most: int) -> Film:
    """A film that holds all of these boxes, sides of up to `most` px: of fewer px where they are larger."""
    half = [1.0, 1.0]
    for box in extents:
        half[0] = max(half[0], abs(box.x1 - camera.cx), abs(box.x2 - camera.cx))
        half[1] = max(half[1], abs(box.y1 - camera.cy), abs(box.y2 - camera.cy))
    half = [min(math.ceil(side) + 2, math.floor(_WIDEST * camera.fx)) for side in half]
    scale = min(1.0, most / (2 * max(half)))
    width, height = (2 * math.floor(side * scale) for side in half)
    across, down = width / 2 / scale, height / 2 / scale
    return Film(width, height, _fov(width / scale, camera.fx), camera.cx - across, camera.cy - down, scale)


def _fov(width: float, focal: float) -> float:
    return math.degrees(2 * math.atan(width / (2 * focal)))


_EDGES = [
    (a, b)
    for a, b in product(range(8), repeat=2)
    if a < b and ((a // 4 == b // 4 and (b - a) in (1, 3)) or b - a == 4)
]


def extent(cuboid: Cuboid, camera: Camera) -> Box | None:
    """The box around a cuboid as far as it lies before the lens (0.2 m), px, not clipped to the image."""
    corners = cuboid.corners()
    points = [corner for corner in corners if corner[2] >= NEAR]
    for a, b in _EDGES:
        one, other = corners[a], corners[b]
        if (one[2] < NEAR) != (other[2] < NEAR):
            points.append(one + (NEAR - one[2]) / (other[2] - one[2]) * (other - one))
    if not points:
        return None
    pixels = camera.project(np.array(points))
    return Box(*map(float, (*pixels.min(axis=0), *pixels.max(axis=0))))
