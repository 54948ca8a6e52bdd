"""Oriented rectangles on the ground, seen from above: do two overlap, does one hide another?

Coordinates are the camera's x (right) and z (forward), m; yaw is the cuboid's, rad.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from imitation.data.records import Cuboid
from sim_actors.scene.records import Prop


class Footprint(NamedTuple):
    """A rectangle: centre, extent along and across its yaw."""

    x: float
    z: float
    length: float
    width: float
    yaw: float

    @classmethod
    def of(cls, thing: Cuboid | Prop, margin: float = 0.0) -> Footprint:
        """The footprint of a cuboid or prop, `margin` m larger on every side."""
        return cls(thing.x, thing.z, thing.length + 2 * margin, thing.width + 2 * margin, thing.yaw)

    @property
    def radius(self) -> float:
        return math.hypot(self.length, self.width) / 2

    def corners(self) -> list[tuple[float, float]]:
        """The 4 corners (x, z), in order around the rectangle."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        half = ((1, 1), (1, -1), (-1, -1), (-1, 1))
        return [
            (
                self.x + c * i * self.length / 2 + s * j * self.width / 2,
                self.z - s * i * self.length / 2 + c * j * self.width / 2,
            )
            for i, j in half
        ]

    def distance(self, x: float = 0.0, z: float = 0.0) -> float:
        """From a point to the nearest point of the rectangle, m; 0 inside."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        dx, dz = x - self.x, z - self.z
        along, across = c * dx - s * dz, s * dx + c * dz
        return math.hypot(
            max(abs(along) - self.length / 2, 0.0),
            max(abs(across) - self.width / 2, 0.0),
        )


def overlaps(a: Footprint, b: Footprint) -> bool:
    """Whether two rectangles share area (separating axis theorem)."""
    if math.hypot(a.x - b.x, a.z - b.z) >= a.radius + b.radius:
        return False
    corners_a, corners_b = a.corners(), b.corners()
    for yaw in (a.yaw, a.yaw + math.pi / 2, b.yaw, b.yaw + math.pi / 2):
        ux, uz = math.cos(yaw), -math.sin(yaw)
        on_a = [x * ux + z * uz for x, z in corners_a]
        on_b = [x * ux + z * uz for x, z in corners_b]
        if max(on_a) <= min(on_b) or max(on_b) <= min(on_a):
            return False
    return True


def overlaps_any(a: Footprint, others: Iterable[Footprint]) -> bool:
    """Whether a rectangle shares area with any of the others."""
    return any(overlaps(a, other) for other in others)


def bearings(footprint: Footprint) -> tuple[float, float]:
    """The least and greatest bearing from the camera, rad: 0 ahead, positive to the right."""
    centre = math.atan2(footprint.x, footprint.z)
    offsets = []
    for x, z in footprint.corners():
        delta = math.atan2(x, z) - centre
        offsets.append((delta + math.pi) % (2 * math.pi) - math.pi)
    return centre + min(offsets), centre + max(offsets)


def hides(front: Footprint, behind: Footprint) -> bool:
    """Whether `front` stands between the camera and some of `behind`, seen from above."""
    if front.distance() >= math.hypot(behind.x, behind.z):
        return False
    (low_a, high_a), (low_b, high_b) = bearings(front), bearings(behind)
    return low_a < high_b and low_b < high_a
