"""The road's own coordinates, and the road that fits what was seen on it.

Along is the length of the centre line's arc from where it passes the camera, across is to its right,
both m. `shaders/road.glsl` has the same formulas for the ground's texture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from imitation.data.records import Cuboid
from sim_actors.scene.records import Road

_ALIGNED = 0.3  # rad, a vehicle within this of the road's direction drives or parks along it
_PARKED = 3  # vehicles along one kerb that make a street one where people live
_CURVES = np.linspace(-0.01, 0.01, 21)


def wrap(angle: float) -> float:
    """An angle in [-pi, pi), rad."""
    return (angle + math.pi) % (2 * math.pi) - math.pi


def place(road: Road, along: float, across: float) -> tuple[float, float]:
    """Road coordinates -> camera (x, z), m."""
    turn = road.curvature * along
    if abs(turn) < 1e-9:
        a, c = along * (1.0 - road.curvature * across), across + turn * along / 2
    else:
        a = (1.0 / road.curvature - across) * math.sin(turn)
        c = 2.0 * math.sin(turn / 2) ** 2 / road.curvature + across * math.cos(turn)
    cos, sin = math.cos(road.heading), math.sin(road.heading)
    return road.offset + cos * c + sin * a, cos * a - sin * c


def to_road(road: Road, x: float, z: float) -> tuple[float, float]:
    """The inverse of `place`: camera (x, z) -> (along, across)."""
    cos, sin, k = math.cos(road.heading), math.sin(road.heading), road.curvature
    a, c = sin * (x - road.offset) + cos * z, cos * (x - road.offset) - sin * z
    turn, rest = k * a, 1.0 - k * c
    across = (2.0 * c - k * (a * a + c * c)) / (1.0 + math.hypot(turn, rest))
    return (a if abs(k) < 1e-9 else math.atan2(turn, rest) / k), across


def road_yaw(road: Road, along: float = 0.0) -> float:
    """The yaw (rad) of something whose length lies along the road there, driving away from the camera."""
    return wrap(road.heading + road.curvature * along - math.pi / 2)


CORNER = 5.0
"""Radius of the kerb's corners at a junction, m."""


def beside(road: Road, along: float, across: float) -> float:
    """How far a spot lies beyond what is paved for wheels, m, negative on it: lanes and shoulders, the
    other carriageway of a motorway, the road that crosses, with rounded corners between the two."""
    half = road.half + road.shoulder
    if road.median > 0 and across < -half - road.median / 2:
        across = -2 * half - road.median - across  # the other carriageway is this one's mirror image
    ours = abs(across) - half
    if road.junction <= 0:
        return ours
    theirs = abs(along - road.junction) - road.cross_width / 2
    u, v = CORNER - ours, CORNER - theirs
    return CORNER - math.hypot(max(u, 0.0), max(v, 0.0)) - min(max(u, v), 0.0)


def _tilt(direction: np.ndarray | float, axis: float) -> np.ndarray:
    """How far an axis (0 and pi are the same) lies from a direction, rad, in [-pi / 2, pi / 2)."""
    return np.asarray((direction - axis + math.pi / 2) % math.pi - math.pi / 2)


def fit_road(vehicles: Sequence[Cuboid], others: Sequence[Cuboid] = ()) -> Road:
    """A road under the camera and the vehicles that drive or park along it.

    Heading and curvature: the mode of the vehicles' axes (0 and pi are one direction), with a pull
    towards a straight road along the view direction, within half a radian: the camera's own car
    drives on the road, and cross traffic must not turn it; at least three vehicles along a bend are
    needed for one. Width and offset: the strip that holds the camera's own lane and the vehicles
    aligned with the road, at most 9 m to either side. Sidewalks reach below whatever stands a little
    beside the road, `others` (people, riders) too. Vehicles across the lanes, or two or more abreast
    beside them, ask for a junction; a row parked along a kerb for a residential street.
    """
    heading, curvature = _direction(vehicles)
    line = Road(heading, 0.0, curvature=curvature)  # through the camera
    spots = [to_road(line, cuboid.x, cuboid.z) for cuboid in vehicles]
    tilts = [
        float(abs(_tilt(road_yaw(line, along), cuboid.yaw))) for cuboid, (along, _) in zip(vehicles, spots)
    ]
    left, right = -1.8, 1.8
    for cuboid, (_, across), tilt in zip(vehicles, spots, tilts):
        if tilt < _ALIGNED and abs(across) < 9.0 - cuboid.width / 2:
            left = min(left, across - cuboid.width / 2 - 0.4)
            right = max(right, across + cuboid.width / 2 + 0.4)
    if right - left < 6.0:  # nothing beside us: the usual two lanes, ours on the right
        left = right - 6.4
    lanes = max(2, round((right - left) / 3.3))
    beyond = [2.5]
    for cuboid in (*vehicles, *others):
        across = to_road(line, cuboid.x, cuboid.z)[1]
        beyond.append(max(across - right, left - across) + 1.0)
    middle = (left + right) / 2
    rows = [
        sum(
            tilt < _ALIGNED and side * (across - middle) > (right - left) / 2 - 2.6
            for (_, across), tilt in zip(spots, tilts)
        )
        for side in (-1, 1)
    ]
    junction, width = _junction(vehicles, spots, tilts, (left, right))
    return Road(
        heading,
        middle / math.cos(heading),
        lanes,
        (right - left) / lanes,
        max(width for width in beyond if width <= 6.0),
        # The centre line is another parallel: its bend is a little wider or tighter.
        curvature=curvature / (1.0 - curvature * middle),
        junction=junction,
        cross_width=width,
        kind="residential" if max(rows, default=0) >= _PARKED else "",
    )


def _direction(vehicles: Sequence[Cuboid]) -> tuple[float, float]:
    """Heading (rad) and curvature (1/m) of the road that most vehicles' axes follow."""
    if not vehicles:
        return 0.0, 0.0
    headings = np.linspace(-0.5, 0.5, 101)
    curves = _CURVES if len(vehicles) >= 3 else np.zeros(1)
    score = 1.5 * np.exp(-0.5 * (headings[:, None] / 0.12) ** 2) - 0.6 * (np.abs(curves) / 0.004)
    for cuboid in vehicles:
        # Near the camera a bend is hardly told from a turn: only its far end matters.
        expected = headings[:, None] + curves * float(np.hypot(cuboid.x, cuboid.z))
        score = score + np.exp(-0.5 * (_tilt(expected, cuboid.yaw + math.pi / 2) / 0.08) ** 2)
    best = np.unravel_index(int(np.argmax(score)), score.shape)
    return float(headings[best[0]]), float(curves[best[1]])


def _junction(
    vehicles: Sequence[Cuboid],
    spots: Sequence[tuple[float, float]],
    tilts: Sequence[float],
    lanes: tuple[float, float],
) -> tuple[float, float]:
    """How far ahead a road crosses (0: none does) and its width, m: below the cross traffic."""
    across_us = [
        (along, lanes[0] - 1.0 < across < lanes[1] + 1.0, cuboid.width)
        for cuboid, (along, across), tilt in zip(vehicles, spots, tilts)
        if tilt > 1.1 and 8.0 < along < 70.0 and lanes[0] - 18.0 < across < lanes[1] + 18.0
    ]
    for along, on_lanes, _ in sorted(across_us):
        group = [other for other in across_us if abs(other[0] - along) < 6.0]
        if on_lanes or len(group) >= 2:
            low = min(a - width / 2 for a, _, width in group) - 0.6
            high = max(a + width / 2 for a, _, width in group) + 0.6
            return (low + high) / 2, max(high - low, 6.5)
    return 0.0, 7.0
