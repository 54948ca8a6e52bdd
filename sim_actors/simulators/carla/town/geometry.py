"""From a scene's axes (x right, y down, z forward, right-handed) to CARLA's (x forward, y right, z up,
left-handed), and back. Lengths are metres in both; CARLA's angles are degrees."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from imitation.data.records import Camera, Cuboid
from sim_actors.scene.ground import camera_height, camera_pitch


class Pose(NamedTuple):
    """A place, m, and a direction, degrees: pitch upwards, yaw to the right. There is no roll."""

    x: float
    y: float
    z: float
    pitch: float
    yaw: float

    def lifted(self, metres: float) -> Pose:
        """The same, higher."""
        return self._replace(z=self.z + metres)

    @property
    def rotation(self) -> np.ndarray:
        """(3, 3): columns are its forward, right and up in the world."""
        pitch, yaw = math.radians(self.pitch), math.radians(self.yaw)
        cp, sp, cy, sy = math.cos(pitch), math.sin(pitch), math.cos(yaw), math.sin(yaw)
        return np.array([[cp * cy, -sy, -sp * cy], [cp * sy, cy, -sp * sy], [sp, 0.0, cp]])


@dataclass(frozen=True)
class Body:
    """What stands for a category: a blueprint and its box. `middle`: the box's, in the blueprint's own axes
    (forward, right, up from its origin), m."""

    blueprint: str
    length: float
    width: float
    height: float
    middle: tuple[float, float, float]


def camera_pose(camera: Camera, x: float, y: float, ground: float, yaw: float) -> Pose:
    """Where a scene's camera is, if it stands over (x, y) on ground of this height and looks along yaw."""
    return Pose(x, y, ground + camera_height(camera), -math.degrees(camera_pitch(camera)), yaw)


def to_world(points: np.ndarray, camera: Pose) -> np.ndarray:
    """Points (N, 3) of a scene in CARLA's world."""
    x, y, z = np.asarray(points, dtype=np.float64).T
    return np.stack([z, x, -y], axis=1) @ camera.rotation.T + [camera.x, camera.y, camera.z]


def to_camera(points: np.ndarray, camera: Pose) -> np.ndarray:
    """The inverse of `to_world`."""
    forward, right, up = (
        (np.asarray(points, dtype=np.float64) - [camera.x, camera.y, camera.z]) @ camera.rotation
    ).T
    return np.stack([right, -up, forward], axis=1)


def to_world_yaw(yaw: float, camera: Pose) -> float:
    """A scene's yaw (rad, 0 to the right, -pi/2 driving away) as CARLA's, degrees in [-180, 180]."""
    return math.remainder(camera.yaw + math.degrees(yaw) + 90.0, 360.0)


def stood(body: Body, x: float, y: float, ground: float, yaw: float) -> Pose:
    """Where a body's origin is, if its box's bottom stands with its middle on (x, y, ground)."""
    ahead, right, up = body.middle
    c, s = math.cos(math.radians(yaw)), math.sin(math.radians(yaw))
    return Pose(x - c * ahead + s * right, y - s * ahead - c * right, ground - up + body.height / 2, 0.0, yaw)


def real_cuboid(asked: Cuboid, body: Body, ground: float, camera: Pose) -> Cuboid:
    """The cuboid of a body that stands where `asked` does, on ground of this height: what is labelled."""
    x, y, _ = to_world(np.array([[asked.x, asked.y, asked.z]]), camera)[0]
    place = to_camera(np.array([[x, y, ground]]), camera)[0]
    return replace(
        asked,
        x=float(place[0]),
        y=float(place[1]),
        z=float(place[2]),
        length=body.length,
        width=body.width,
        height=body.height,
    )
