"""Pedestrians and cyclists from tubes and ellipsoids; a pose is a handful of angles."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sim_actors.opengl.materials import M
from sim_actors.opengl.shapes import Mesh, Part, assemble, box, ellipsoid, hoop, tube

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Person:
    """Proportions (m) and pose (rad, forward positive) of a person 1.75 m tall.

    `hips`: flexion of each hip; `knees`: of each knee; `arms`: of each shoulder; `elbow` of both;
    `lean` of the trunk. `girth` scales the trunk; `coat`: the upper cloth's hem below the hips;
    `hood` covers the head; `bag` hangs on the back.
    """

    hips: tuple[float, float] = (0.0, 0.0)
    knees: tuple[float, float] = (0.0, 0.0)
    arms: tuple[float, float] = (0.1, -0.1)
    elbow: float = 0.25
    lean: float = 0.0
    girth: float = 1.0
    coat: float = 0.0
    hood: bool = False
    bag: bool = False
    seat: bool = False
    sides: int = 8


THIGH, SHIN, UPPER, FORE, TRUNK = 0.45, 0.43, 0.29, 0.26, 0.55


def _swing(start: Point, length: float, angle: float) -> Point:
    """The end of a limb that hangs from `start`, swung forward by `angle`."""
    return (start[0] + length * math.sin(angle), start[1] - length * math.cos(angle), start[2])


def _legs(p: Person, hip: Point) -> list[Part]:
    parts: list[Part] = []
    for side, flex, knee in ((1, p.hips[0], p.knees[0]), (-1, p.hips[1], p.knees[1])):
        top = (hip[0], hip[1], hip[2] + side * 0.095)
        joint = _swing(top, THIGH, flex)
        ankle = _swing(joint, SHIN, flex - knee)
        parts.append(tube([top, joint, ankle], [0.088 * p.girth, 0.06, 0.042], M.CLOTH_LOWER, p.sides))
        turn = flex - knee
        toe = (ankle[0] + 0.17 * math.cos(turn), ankle[1] - 0.03 + 0.17 * math.sin(turn), ankle[2])
        heel = (ankle[0] - 0.06, ankle[1] - 0.015, ankle[2])
        parts.append(tube([heel, toe], [0.055, 0.035], M.TYRE, 6))
    return parts


def _along(p: Person, hip: Point, height: float, forward: float = 0.0) -> Point:
    """A point of the leaning trunk: `height` above the hips, `forward` of the spine."""
    s, c = math.sin(p.lean), math.cos(p.lean)
    return (hip[0] + height * s + forward * c, hip[1] + height * c - forward * s, hip[2])


def _trunk(p: Person, hip: Point) -> list[Part]:
    g = p.girth
    spine = [_along(p, hip, h) for h in (-0.07, 0.02, 0.2, 0.4, 0.52, 0.58)]
    girths = [(0.1 * g, 0.15 * g), (0.115 * g, 0.165 * g), (0.105 * g, 0.15 * g)]
    girths += [(0.125 * g, 0.19 * g), (0.09, 0.17 * g), (0.05, 0.06)]
    if p.coat:
        spine[0], girths[0] = _along(p, hip, -p.coat), (0.17 * g, 0.2 * g)
    crown = _along(p, hip, TRUNK + 0.222, 0.002)
    parts = [
        tube(spine, girths, M.CLOTH_UPPER, p.sides + 2),
        tube([_along(p, hip, TRUNK), _along(p, hip, TRUNK + 0.12, 0.02)], [0.05, 0.05], M.SKIN, 6),
        ellipsoid(_along(p, hip, TRUNK + 0.195, 0.025), (0.098, 0.122, 0.08), M.SKIN, p.sides),
        ellipsoid(crown, (0.115, 0.125, 0.105), M.CLOTH_UPPER, p.sides)
        if p.hood
        else ellipsoid(crown, (0.1, 0.108, 0.088), M.HAIR, p.sides),
    ]
    if p.bag:
        parts.append(box(_along(p, hip, 0.3, -0.2), (0.17, 0.42, 0.3), M.TRIM))
    return parts


def _arms(p: Person, hip: Point) -> list[Part]:
    parts: list[Part] = []
    for side, swing in ((1, p.arms[0]), (-1, p.arms[1])):
        x, y, z = _along(p, hip, TRUNK - 0.05)
        shoulder = (x, y, z + side * 0.185 * p.girth)
        bend = _swing(shoulder, UPPER, swing)
        wrist = _swing(bend, FORE, swing + p.elbow)
        elbow = (bend[0], bend[1], bend[2] + side * 0.04)
        hand = (wrist[0], wrist[1], wrist[2] + side * 0.02)
        parts.append(tube([shoulder, elbow, hand], [0.06 * p.girth, 0.047, 0.036], M.CLOTH_UPPER, 6))
        parts.append(ellipsoid(_swing(hand, 0.05, swing + p.elbow), (0.035, 0.06, 0.03), M.SKIN, 6))
    return parts


def pedestrian(p: Person) -> Mesh:
    """A person on foot (or on a chair, with `seat`), in the unit cuboid."""
    hip = (0.0, THIGH + SHIN + 0.04, 0.0)
    parts = [*_legs(p, hip), *_trunk(p, hip), *_arms(p, hip)]
    if p.seat:
        low = min(part.corners[:, :, 1].min() for part in parts)
        parts.append(box((-0.05, 0.81, 0), (0.44, 0.05, 0.46), M.WOOD))
        parts.append(box((-0.26, 1.08, 0), (0.04, 0.5, 0.44), M.WOOD))
        legs = [(x, z) for x in (-0.24, 0.14) for z in (-0.2, 0.2)]
        parts += [tube([(x, 0.8, z), (x, low, z)], [0.02, 0.02], M.METAL, 4) for x, z in legs]
    return assemble(parts)


@dataclass(frozen=True)
class Bicycle:
    """A bicycle (m): `wheel` radius, `base` between the axles, `bar` height of the handlebar."""

    wheel: float = 0.34
    base: float = 1.04
    bar: float = 1.05
    saddle: float = 0.95
    rack: bool = False
    step_through: bool = False


def _bicycle(b: Bicycle) -> list[Part]:
    front, rear = b.base / 2, -b.base / 2
    crank: Point = (-0.08, 0.29, 0.0)
    saddle: Point = (-0.24, b.saddle, 0.0)
    head: Point = (front - 0.17, b.bar - 0.16, 0.0)
    low_head: Point = (front - 0.13, b.bar - 0.3, 0.0)
    parts = [hoop((x, b.wheel, 0), b.wheel, 0.024, M.TYRE) for x in (front, rear)]
    parts += [hoop((x, b.wheel, 0), 0.07, 0.02, M.METAL, 8) for x in (front, rear)]
    upper: Point = (saddle[0] + 0.03, b.saddle - 0.18, 0.0)
    if b.step_through:
        upper = (crank[0] + 0.12, crank[1] + 0.12, 0.0)
    frame = [(head, low_head), (low_head, (front, b.wheel, 0.0)), (low_head, crank)]
    frame += [(crank, saddle), (head, upper)]
    frame += [((rear, b.wheel, 0.0), crank), ((rear, b.wheel, 0.0), (saddle[0] + 0.04, b.saddle - 0.2, 0.0))]
    parts += [tube(ends, [0.021, 0.021], M.PAINT, 5) for ends in frame]
    parts.append(tube([(front - 0.2, b.bar, 0.0), head], [0.018, 0.018], M.METAL, 4))
    grips = [(front - 0.24, b.bar, -0.27), (front - 0.18, b.bar + 0.01, 0.0), (front - 0.24, b.bar, 0.27)]
    parts.append(tube(grips, [0.018] * 3, M.TRIM, 5))
    parts.append(box((saddle[0] - 0.02, b.saddle, 0), (0.26, 0.06, 0.15), M.TRIM))
    parts.append(box((front - 0.08, b.bar - 0.14, 0), (0.06, 0.07, 0.07), M.HEADLAMP))
    parts.append(box((rear - 0.28, b.wheel + 0.34, 0), (0.04, 0.06, 0.06), M.TAILLAMP))
    parts.append(tube([(rear - 0.27, b.wheel + 0.34, 0), (rear, b.wheel + 0.36, 0)], [0.02, 0.02], M.TRIM, 4))
    if b.rack:
        parts.append(box((rear + 0.02, b.saddle - 0.12, 0), (0.42, 0.03, 0.14), M.METAL))
        parts.append(box((rear + 0.02, b.saddle + 0.02, 0), (0.36, 0.22, 0.3), M.TRIM))
    return parts


def bicycle(b: Bicycle) -> Mesh:
    """A bicycle without its rider."""
    return assemble(_bicycle(b))


def cyclist(b: Bicycle, rider: Person) -> Mesh:
    """A bicycle and its rider: legs reach the pedals, hands the bar."""
    hip = (-0.22, b.saddle + 0.09, 0.0)
    parts = [*_bicycle(b), *_trunk(rider, hip)]
    for side, turn in ((1, 0.35), (-1, 0.35 + math.pi)):
        pedal = np.array([-0.08 + 0.16 * math.cos(turn), 0.29 + 0.16 * math.sin(turn) + 0.07, side * 0.1])
        top = np.array([hip[0], hip[1], side * 0.09])
        knee = _bend(top, pedal, THIGH, SHIN, forward=True)
        parts.append(tube([tuple(top), tuple(knee), tuple(pedal)], [0.088, 0.062, 0.045], M.CLOTH_LOWER, 7))
        parts.append(box((pedal[0] + 0.06, pedal[1] - 0.05, pedal[2]), (0.25, 0.08, 0.09), M.TYRE))
        x, y, _ = _along(rider, hip, TRUNK - 0.05)
        shoulder = np.array([x, y, side * 0.185 * rider.girth])
        hand = np.array([b.base / 2 - 0.22, b.bar + 0.03, side * 0.24])
        elbow = _bend(shoulder, hand, UPPER, FORE + 0.04, forward=False)
        arm = [tuple(shoulder), tuple(elbow), tuple(hand)]
        parts.append(tube(arm, [0.062, 0.048, 0.038], M.CLOTH_UPPER, 6))
        parts.append(ellipsoid(tuple(hand), (0.045, 0.04, 0.04), M.SKIN, 6))
    return assemble(parts)


def _bend(start: np.ndarray, end: np.ndarray, first: float, second: float, forward: bool) -> np.ndarray:
    """The joint between two limbs of given lengths, bent in the vertical plane (law of cosines)."""
    gap = end - start
    distance = min(float(np.linalg.norm(gap)), 0.995 * (first + second))
    along = (first**2 - second**2 + distance**2) / (2 * distance)
    off = math.sqrt(max(first**2 - along**2, 0.0))
    direction = gap / np.linalg.norm(gap)
    normal = np.array([-direction[1], direction[0], 0.0])
    if (normal[0] > 0) != forward:
        normal = -normal
    return start + along * direction + off * normal / max(float(np.linalg.norm(normal)), 1e-6)
