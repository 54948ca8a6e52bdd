"""Bicycles and motorcycles, alone and ridden: feet reach the pedals, hands the bar."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sim_actors.simulators.opengl.assets.bodies.people import (
    FORE,
    SHIN,
    THIGH,
    UPPER,
    Person,
    Point,
    arm,
    leg,
    shoulder_of,
    trunk,
)
from sim_actors.simulators.opengl.assets.bodies.vehicles.wheels import revolved
from sim_actors.simulators.opengl.assets.materials import M
from sim_actors.simulators.opengl.assets.shapes import Mesh, Part, assemble, box, ellipsoid, hoop, tube


@dataclass(frozen=True)
class Bicycle:
    """A bicycle, m: `wheel` radius, `base` between the axles, heights of `bar` and `saddle`, half
    width `grip` of the bar; `drop` bars; `rack` with a pannier on each side, `basket` in front,
    `guards` over the wheels; `step_through` frame; `crank` and
    `steer`: turns of the pedals and of the front wheel, rad."""

    wheel: float = 0.34
    base: float = 1.04
    bar: float = 1.05
    saddle: float = 0.95
    grip: float = 0.26
    drop: bool = False
    rack: bool = False
    basket: bool = False
    guards: bool = True
    step_through: bool = False
    crank: float = 0.5
    steer: float = 0.0


_BOTTOM: Point = (-0.08, 0.28, 0.0)  # the crank's axle
_ARM = 0.17  # m, of a crank


def _pedal(b: Bicycle, side: int) -> Point:
    turn = b.crank + (0.0 if side > 0 else math.pi)
    return (_BOTTOM[0] + _ARM * math.cos(turn), _BOTTOM[1] + _ARM * math.sin(turn), side * 0.13)


def _steered(part: Part, x: float, angle: float) -> Part:
    """The part turned to the left about the upright axis at `x`."""
    c, s = math.cos(angle), math.sin(angle)
    turn = np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
    axis = np.array([x, 0.0, 0.0])
    return Part((part.corners - axis) @ turn + axis, part.materials)


def _wheels(b: Bicycle) -> list[Part]:
    front = _wheel(b, b.base / 2)
    return [*_wheel(b, -b.base / 2), *(_steered(part, b.base / 2 - 0.1, b.steer) for part in front)]


def _wheel(b: Bicycle, at: float) -> list[Part]:
    parts: list[Part] = []
    for x in (at,):
        parts.append(hoop((x, b.wheel, 0), b.wheel, 0.02, M.TYRE, 20))
        parts.append(hoop((x, b.wheel, 0), b.wheel - 0.036, 0.01, M.METAL, 20))
        hub = np.array([x, b.wheel, 0.0])
        for turn in np.arange(10) / 10 * 2 * math.pi:
            rim = hub + (b.wheel - 0.045) * np.array([math.cos(turn), math.sin(turn), 0.0])
            parts.append(tube([tuple(hub), tuple(rim)], [0.0035, 0.0035], M.METAL, 3))
        parts.append(tube([(x, b.wheel, -0.05), (x, b.wheel, 0.05)], [0.022, 0.022], M.METAL, 6))
        if b.guards:
            arc = np.linspace(0.15, 2.5, 8) if x < 0 else np.linspace(0.9, 2.4, 7)
            path = [
                (x + (b.wheel + 0.03) * math.cos(t), b.wheel + (b.wheel + 0.03) * math.sin(t), 0.0)
                for t in arc
            ]
            parts.append(tube(path, [(0.006, 0.028)] * len(path), M.TRIM, 4))
    return parts


def _bicycle(b: Bicycle) -> list[Part]:
    front, rear = b.base / 2, -b.base / 2
    saddle: Point = (-0.25, b.saddle, 0.0)
    head: Point = (front - 0.2, b.bar - 0.13, 0.0)
    neck: Point = (front - 0.155, b.bar - 0.3, 0.0)
    seat_lug: Point = (-0.2, b.saddle - 0.2, 0.0)
    upper: Point = (-0.13, 0.52, 0.0) if b.step_through else seat_lug
    top: Point = neck if b.step_through else head
    parts = _wheels(b)
    frame = [(head, neck), (neck, _BOTTOM), (_BOTTOM, seat_lug), (top, upper)]
    parts += [tube(ends, [0.02, 0.02], M.PAINT, 6) for ends in frame]
    for s in (-1, 1):
        axle: Point = (rear, b.wheel, s * 0.055)
        stays = [(axle, (_BOTTOM[0], _BOTTOM[1], s * 0.03)), (axle, (seat_lug[0], seat_lug[1], s * 0.02))]
        parts += [tube(ends, [0.009, 0.009], M.PAINT, 4) for ends in stays]
        fork = tube(
            [
                (neck[0], neck[1], s * 0.03),
                (front - 0.05, b.wheel + 0.12, s * 0.05),
                (front, b.wheel, s * 0.05),
            ],
            [0.013, 0.012, 0.01],
            M.PAINT,
            4,
        )
        parts.append(_steered(fork, front - 0.1, b.steer))
        pedal = _pedal(b, s)
        parts.append(
            tube(
                [(_BOTTOM[0], _BOTTOM[1], s * 0.07), (pedal[0], pedal[1], s * 0.075)], [0.012] * 2, M.METAL, 4
            )
        )
        parts.append(box(pedal, (0.1, 0.022, 0.09), M.TRIM))
        stem: Point = (head[0] - 0.02, b.bar, 0.0)
        if b.drop:
            bar = [stem, (stem[0] + 0.02, b.bar, s * b.grip), (stem[0] + 0.11, b.bar - 0.02, s * b.grip)]
            bar += [(stem[0] + 0.12, b.bar - 0.1, s * b.grip), (stem[0] + 0.02, b.bar - 0.13, s * b.grip)]
        else:
            bar = [
                stem,
                (stem[0] + 0.02, b.bar + 0.02, s * 0.5 * b.grip),
                (stem[0] - 0.12, b.bar + 0.01, s * b.grip),
            ]
        parts.append(tube(bar, [0.014] * len(bar), M.TRIM, 5))
    parts.append(tube([head, (head[0] - 0.02, b.bar, 0.0)], [0.016, 0.016], M.METAL, 5))
    parts.append(tube([seat_lug, saddle], [0.014, 0.014], M.METAL, 5))
    ring = revolved([(0.095, 0.0, M.METAL), (0.05, 0.0, M.METAL)], 12)
    parts.append(ring.moved(*_BOTTOM).moved(z=-0.06))
    parts.append(
        tube(
            [(-0.4, b.saddle + 0.01, 0), (-0.33, b.saddle + 0.02, 0), (-0.12, b.saddle + 0.02, 0)],
            [(0.03, 0.05), (0.035, 0.08), (0.02, 0.025)],
            M.TRIM,
            6,
        )
    )
    parts.append(ellipsoid((neck[0] + 0.07, neck[1] + 0.04, 0), (0.04, 0.04, 0.04), M.HEADLAMP, 6))
    lamp = (rear - 0.3, b.wheel + 0.3) if b.guards else (seat_lug[0] - 0.03, seat_lug[1] + 0.08)
    parts.append(box((*lamp, 0), (0.03, 0.06, 0.05), M.TAILLAMP))
    if b.rack:
        parts.append(box((rear - 0.02, b.wheel + 0.42, 0), (0.42, 0.025, 0.13), M.METAL))
        parts += [box((rear - 0.13, b.wheel + 0.24, s * 0.17), (0.36, 0.3, 0.13), M.TRIM) for s in (-1, 1)]
    if b.basket:
        parts.append(box((front - 0.02, b.bar - 0.17, 0), (0.3, 0.22, 0.38), M.WOOD))
    return parts


def bicycle(b: Bicycle) -> Mesh:
    """A bicycle without its rider."""
    return assemble(_bicycle(b))


def _rider(
    p: Person, hip: Point, pedals: tuple[Point, Point], grips: tuple[Point, Point], knee_out: float
) -> list[Part]:
    """A person from the saddle to pedals and grips (left, right)."""
    parts = trunk(p, hip)
    for side, pedal, grip in zip((1, -1), pedals, grips):
        top = np.array([hip[0], hip[1], side * 0.088 * p.pelvis])
        ankle = np.array([pedal[0] - 0.07, pedal[1] + 0.1, pedal[2]])
        knee = bend(top, ankle, THIGH * p.scale, SHIN * p.scale, forward=True) + np.array(
            [0, 0, side * knee_out]
        )
        parts += leg(p, _point(top), _point(knee), _point(ankle), -0.12)
        shoulder = np.array(shoulder_of(p, hip, side))
        hand = np.array(grip) + np.array([-0.05, 0.05, 0.0])
        elbow = bend(shoulder, hand, UPPER * p.scale, FORE * p.scale, forward=False) + np.array(
            [0, 0, side * 0.02]
        )
        parts += arm(p, _point(shoulder), _point(elbow), _point(hand))
    return parts


def _point(v: np.ndarray) -> Point:
    return (float(v[0]), float(v[1]), float(v[2]))


def cyclist(b: Bicycle, rider: Person) -> Mesh:
    """A bicycle and its rider."""
    head = b.base / 2 - 0.22
    grips = [(head + (0.1 if b.drop else -0.1), b.bar, s * b.grip) for s in (1, -1)]
    hip = (-0.25, b.saddle + 0.1, 0.0)
    riding = _rider(rider, hip, (_pedal(b, 1), _pedal(b, -1)), (grips[0], grips[1]), 0.03)
    return assemble([*_bicycle(b), *riding])


def bend(start: np.ndarray, end: np.ndarray, first: float, second: float, forward: bool) -> np.ndarray:
    """The joint between two limbs of given lengths, bent in the vertical plane (law of cosines)."""
    gap = end - start
    distance = min(float(np.linalg.norm(gap)), 0.995 * (first + second))
    share = (first**2 - second**2 + distance**2) / (2 * distance)
    off = math.sqrt(max(first**2 - share**2, 0.0))
    direction = gap / np.linalg.norm(gap)
    normal = np.array([-direction[1], direction[0], 0.0])
    if (normal[0] > 0) != forward:
        normal = -normal
    return np.asarray(start + share * direction + off * normal / max(float(np.linalg.norm(normal)), 1e-6))


@dataclass(frozen=True)
class Motorcycle:
    """A motorcycle, m: `base` between axles, `wheel` radius, `seat` and `bar` heights, half width
    `grip` of the bar; `scooter`: a floor for the feet and a shield before the knees; `case` behind,
    `bags` on its flanks."""

    base: float = 1.4
    wheel: float = 0.31
    seat: float = 0.8
    bar: float = 1.06
    grip: float = 0.34
    scooter: bool = False
    case: bool = False
    bags: bool = False


def _motorcycle(m: Motorcycle) -> list[Part]:
    front, rear, r = m.base / 2, -m.base / 2, m.wheel
    head: Point = (front - 0.32, m.bar - 0.16, 0.0)
    parts: list[Part] = []
    for x in (front, rear):
        wide = 0.055 if x > 0 else 0.075
        rim: list[tuple[float, float, M]] = [
            (0.6 * r, -0.6 * wide, M.TYRE),
            (0.93 * r, -wide, M.TYRE),
            (r, -0.4 * wide, M.TYRE),
            (r, 0.4 * wide, M.TYRE),
            (0.93 * r, wide, M.TYRE),
            (0.68 * r, 0.7 * wide, M.METAL),
            (0.62 * r, 0.3 * wide, M.TRIM),
            (0.3 * r, 0.3 * wide, M.METAL),
            (0.0, 0.9 * wide, M.METAL),
        ]
        disc = revolved(rim, 18).moved(x=x, y=r)
        back = Part(disc.corners[:, ::-1] * np.array([1, 1, -1]), disc.materials)
        parts += [disc, back]
    for s in (-1, 1):
        parts.append(tube([head, (front, r, 0)], [0.026, 0.026], M.METAL, 6).moved(z=s * 0.1))
        parts.append(tube([(-0.25, 0.36, 0), (rear, r, 0)], [0.03, 0.03], M.TRIM, 5).moved(z=s * 0.12))
        parts.append(
            tube(
                [
                    (head[0], m.bar - 0.02, 0),
                    (head[0] - 0.02, m.bar + 0.02, s * 0.6 * m.grip),
                    (head[0] - 0.14, m.bar, s * m.grip),
                ],
                [0.016] * 3,
                M.TRIM,
                5,
            )
        )
        parts.append(
            tube(
                [(head[0], m.bar, s * 0.7 * m.grip), (head[0] + 0.04, m.bar + 0.16, s * 0.72 * m.grip)],
                [0.008] * 2,
                M.TRIM,
                4,
            )
        )
        parts.append(
            ellipsoid((head[0] + 0.04, m.bar + 0.18, s * 0.72 * m.grip), (0.02, 0.04, 0.065), M.TRIM, 6)
        )
        parts.append(box((rear - 0.14, m.seat - 0.08, s * 0.13), (0.05, 0.04, 0.06), M.TAILLAMP))
    arc = np.linspace(0.5, 2.5, 7)
    guard = [(front + 1.08 * r * math.cos(t), r + 1.08 * r * math.sin(t), 0.0) for t in arc]
    parts.append(tube(guard, [(0.012, 0.075)] * 7, M.PAINT, 6))
    arc = np.linspace(0.8, 2.9, 7)
    guard = [(rear + 1.1 * r * math.cos(t), r + 1.1 * r * math.sin(t), 0.0) for t in arc]
    parts.append(tube(guard, [(0.015, 0.09)] * 7, M.TRIM, 6))
    parts.append(ellipsoid((head[0] + 0.09, m.bar - 0.16, 0), (0.075, 0.09, 0.085), M.HEADLAMP, 8))
    parts.append(
        tube(
            [(head[0] + 0.1, m.bar - 0.06, 0), (head[0], m.bar + 0.14, 0)],
            [(0.01, 0.15), (0.01, 0.1)],
            M.GLASS,
            6,
        )
    )
    seat = [
        (-0.02, m.seat + 0.02, 0),
        (-0.2, m.seat - 0.01, 0),
        (-0.5, m.seat + 0.03, 0),
        (rear - 0.08, m.seat + 0.06, 0),
    ]
    parts.append(tube(seat, [(0.03, 0.09), (0.05, 0.14), (0.05, 0.13), (0.03, 0.08)], M.TRIM, 8))
    tail = [(-0.2, m.seat - 0.1, 0), (-0.5, m.seat - 0.06, 0), (rear - 0.13, m.seat, 0)]
    parts.append(tube(tail, [(0.1, 0.11), (0.1, 0.12), (0.05, 0.08)], M.PAINT, 8))
    parts.append(box((rear - 0.15, m.seat - 0.02, 0), (0.05, 0.07, 0.14), M.TAILLAMP))
    parts.append(box((rear - 0.24, m.seat - 0.22, 0), (0.02, 0.17, 0.2), M.PLATE))
    if m.scooter:
        shield = [(front - 0.3, m.bar - 0.1, 0), (front - 0.26, 0.62, 0), (front - 0.3, 0.36, 0)]
        parts.append(tube(shield, [(0.05, 0.12), (0.05, 0.22), (0.06, 0.17)], M.PAINT, 8))
        parts.append(box((0.12, 0.3, 0), (0.62, 0.08, 0.34), M.TRIM))
        parts.append(
            tube(
                [(-0.1, 0.42, 0), (-0.45, 0.5, 0), (rear - 0.1, 0.62, 0)],
                [(0.2, 0.16), (0.2, 0.2), (0.1, 0.14)],
                M.PAINT,
                8,
            )
        )
    else:
        parts.append(
            tube(
                [(0.36, m.seat + 0.08, 0), (0.2, m.seat + 0.12, 0), (-0.06, m.seat + 0.05, 0)],
                [(0.09, 0.1), (0.13, 0.15), (0.08, 0.1)],
                M.PAINT,
                10,
            )
        )
        parts.append(box((0.06, 0.42, 0), (0.46, 0.34, 0.3), M.METAL))
        parts.append(tube([head, (0.3, 0.62, 0), (-0.2, 0.4, 0)], [0.05, 0.06, 0.05], M.TRIM, 6))
        parts.append(
            tube(
                [(0.2, 0.24, -0.16), (-0.4, 0.3, -0.2), (rear - 0.1, 0.42, -0.22)],
                [0.04, 0.05, 0.06],
                M.METAL,
                8,
            )
        )
    if m.case:
        parts.append(box((rear - 0.02, m.seat + 0.2, 0), (0.34, 0.28, 0.42), M.TRIM))
    if m.bags:
        parts += [box((rear + 0.02, m.seat - 0.2, s * 0.25), (0.5, 0.32, 0.2), M.TRIM) for s in (-1, 1)]
    return parts


def motorcycle(m: Motorcycle, rider: Person | None) -> Mesh:
    """A motorcycle with a rider, or alone."""
    parts = _motorcycle(m)
    if rider is not None:
        feet = (0.3, 0.3) if m.scooter else (0.0, 0.3)
        pedals: tuple[Point, Point] = ((*feet, 0.17), (*feet, -0.17))
        x = m.base / 2 - 0.46
        grips: tuple[Point, Point] = ((x, m.bar, m.grip - 0.05), (x, m.bar, 0.05 - m.grip))
        parts += _rider(rider, (-0.26, m.seat + 0.13, 0.0), pedals, grips, 0.1)
    return assemble(parts)
