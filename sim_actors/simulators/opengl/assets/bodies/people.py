"""People from lofted limbs: proportions, a pose of a handful of angles, clothes and hair.

Built in m with x forward, y up, z to the left. `pedestrian` stands, walks or sits; two_wheelers.py
puts the same trunk, arms and legs on bicycles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sim_actors.simulators.opengl.assets.materials import M
from sim_actors.simulators.opengl.assets.shapes import Mesh, Part, assemble, box, ellipsoid, loft, tube

Point = tuple[float, float, float]
Hair = Literal["short", "long", "bun", "cap", "hood", "helmet", "full_face", "bald"]


@dataclass(frozen=True)
class Person:
    """Proportions and pose of a person, by default a man 1.75 m tall.

    Pose (rad, forward positive): `hips`, `knees` (bent back), `arms` and `elbows`, each left and
    right; `lean` of the trunk; `spread` of the arms to the sides; `stance`: how far the feet stand to
    the sides, m. Proportions: `scale` of limbs and trunk, `head` of the head; `girth` of the trunk,
    `shoulders` and `pelvis` widths. Clothes: `coat` and `skirt`: the hems' reach below the hips, m
    (0: none); `sleeves` long or short; `shorts`; `bag` on the back, `case` in the right hand. `seat`: on
    a chair or a bench. `sides` of a limb.
    """

    hips: tuple[float, float] = (0.0, 0.0)
    knees: tuple[float, float] = (0.05, 0.05)
    arms: tuple[float, float] = (0.1, -0.1)
    elbows: tuple[float, float] = (0.25, 0.25)
    lean: float = 0.0
    spread: float = 0.12
    stance: float = 0.1
    scale: float = 1.0
    head: float = 1.0
    girth: float = 1.0
    shoulders: float = 1.0
    pelvis: float = 1.0
    coat: float = 0.0
    skirt: float = 0.0
    sleeves: bool = True
    shorts: bool = False
    hair: Hair = "short"
    bag: bool = False
    case: bool = False
    seat: Literal["", "chair", "bench"] = ""
    sides: int = 8


THIGH, SHIN, UPPER, FORE, TRUNK = 0.44, 0.42, 0.29, 0.25, 0.54


def swing(start: Point, length: float, angle: float, aside: float = 0.0) -> Point:
    """The end of a limb that hangs from `start`, swung forward by `angle` and sideways by `aside`."""
    down = length * math.cos(aside)
    return (
        start[0] + down * math.sin(angle),
        start[1] - down * math.cos(angle),
        start[2] + length * math.sin(aside),
    )


def _between(a: Point, b: Point, share: float) -> Point:
    x, y, z = (1 - share) * np.array(a) + share * np.array(b)
    return (float(x), float(y), float(z))


def leg(p: Person, top: Point, knee: Point, ankle: Point, turn: float) -> list[Part]:
    """Thigh, shin and shoe between given joints; `turn`: the shin's swing, which the shoe follows."""
    k = p.scale
    path = [top, _between(top, knee, 0.55), knee, _between(knee, ankle, 0.3), ankle]
    radii = [r * k for r in (0.086 * p.girth, 0.074 * p.girth, 0.058, 0.056, 0.042)]
    cloth = M.SKIN if p.skirt else M.CLOTH_LOWER
    if p.shorts:
        bare = tube(path[2:], [0.05 * k, 0.054 * k, 0.035 * k], M.SKIN, p.sides)
        parts = [tube(path[:3], [radii[0], radii[1], 0.068 * k], M.CLOTH_LOWER, p.sides), bare]
    else:
        parts = [tube(path, radii if not p.skirt else [0.9 * r for r in radii], cloth, p.sides)]
    c, s = math.cos(turn), math.sin(turn)
    sole = [
        (ankle[0] + k * (dx * c - dy * s), ankle[1] + k * (dx * s + dy * c), ankle[2])
        for dx, dy in ((-0.075, -0.045), (-0.05, -0.03), (0.03, -0.03), (0.12, -0.055), (0.185, -0.062))
    ]
    shape = [(0.03, 0.028), (0.055, 0.036), (0.05, 0.042), (0.03, 0.046), (0.016, 0.028)]
    parts.append(tube(sole, [(a * k, b * k) for a, b in shape], M.TYRE, p.sides))
    return parts


def _legs(p: Person, hip: Point) -> list[Part]:
    parts: list[Part] = []
    k = p.scale
    for side, flex, knee in ((1, p.hips[0], p.knees[0]), (-1, p.hips[1], p.knees[1])):
        top = (hip[0], hip[1], hip[2] + side * 0.088 * p.pelvis * k)
        aside = side * (p.stance * k - abs(top[2])) / ((THIGH + SHIN) * k)
        joint = swing(top, THIGH * k, flex, aside)
        ankle = swing(joint, SHIN * k, flex - knee, aside)
        parts += leg(p, top, joint, ankle, 0.6 * (flex - knee) if flex < knee else flex - knee)
    return parts


def along(p: Person, hip: Point, height: float, forward: float = 0.0) -> Point:
    """A point of the leaning trunk: `height` above the hips, `forward` of the spine, m of a grown-up."""
    s, c, k = math.sin(p.lean), math.cos(p.lean), p.scale
    return (hip[0] + k * (height * s + forward * c), hip[1] + k * (height * c - forward * s), hip[2])


def trunk(p: Person, hip: Point) -> list[Part]:
    """Pelvis to neck with clothes, bag and head."""
    g, k, w, b = p.girth, p.scale, p.shoulders, p.pelvis
    rows = [  # height, forward, half depth, half width
        (-0.06, -0.005, 0.085 * g, 0.125 * b * g),
        (0.0, -0.012, 0.112 * g, 0.168 * b * g),
        (0.09, -0.004, 0.106 * g, 0.158 * b * g),
        (0.2, 0.006, 0.106 * g, 0.148 * g),
        (0.33, 0.012, 0.12 * g, 0.168 * g * w),
        (0.43, 0.006, 0.116 * g, 0.186 * w),
        (0.5, -0.01, 0.088, 0.178 * w),
        (0.545, -0.012, 0.064, 0.115 * w),
        (0.57, -0.006, 0.052, 0.06),
    ]
    shirt = rows[1:] if p.skirt else rows
    if p.coat:
        stride = 0.62 * p.coat * (math.sin(abs(p.hips[0])) + math.sin(abs(p.hips[1])))
        hem = [
            (-p.coat, 0.0, 0.15 * g + stride, 0.195 * b * g),
            (-0.5 * p.coat, 0.0, 0.135 * g + 0.5 * stride, 0.19 * b * g),
        ]
        shirt = [*hem, *((h, f, 1.07 * d, 1.05 * z) for h, f, d, z in rows[1:])]
    cloth = loft(_rings(p, hip, shirt, p.sides + 4), int(M.CLOTH_UPPER), caps=int(M.CLOTH_UPPER))
    parts = [cloth, *head(p, hip)]
    if not p.coat and not p.skirt:
        belt = [(h, f, d + 0.004, z + 0.004) for h, f, d, z in rows[:3]]
        parts.append(loft(_rings(p, hip, belt, p.sides + 4), int(M.CLOTH_LOWER), caps=int(M.CLOTH_LOWER)))
    if p.skirt:
        swing_ = 0.6 * p.skirt * (math.sin(abs(p.hips[0])) + math.sin(abs(p.hips[1])))
        cone = [
            (-p.skirt, 0.0, 0.17 + swing_, 0.2 * b),
            (-0.5 * p.skirt, 0.0, 0.15 + 0.5 * swing_, 0.19 * b),
            (0.0, -0.012, 0.122 * g, 0.174 * b * g),
            (0.12, 0.0, 0.106 * g, 0.152 * g),
        ]
        parts.append(loft(_rings(p, hip, cone, p.sides + 4), int(M.CLOTH_LOWER), caps=int(M.CLOTH_LOWER)))
    if p.bag:
        x, y, z = along(p, hip, 0.3, -0.19)
        pack = [
            (x, y - 0.23 * k, z),
            (x, y - 0.2 * k, z),
            (x, y + 0.12 * k, z),
            (x + 0.03 * k, y + 0.21 * k, z),
        ]
        parts.append(
            tube(
                pack,
                [(0.06 * k, 0.1 * k), (0.1 * k, 0.16 * k), (0.095 * k, 0.16 * k), (0.05 * k, 0.1 * k)],
                M.TRIM,
                8,
            )
        )
    return parts


def _rings(p: Person, hip: Point, rows: list[tuple[float, float, float, float]], sides: int) -> np.ndarray:
    """Rings about the leaning spine, squarer than an ellipse."""
    angle = np.arange(sides) / sides * 2 * math.pi
    c, s = np.cos(angle), np.sin(angle)
    c, s = np.sign(c) * np.abs(c) ** 0.85, np.sign(s) * np.abs(s) ** 0.85
    result = []
    for height, forward, deep, wide in rows:
        x, y, z = along(p, hip, height, forward)
        reach = p.scale * deep * c
        ring = [x + reach * math.cos(p.lean), y - reach * math.sin(p.lean), z + p.scale * wide * s]
        result.append(np.stack(ring, axis=1))
    return np.array(result)


_SKULL = (  # height over the chin, middle, half depth, half width, m
    (-0.005, 0.045, 0.03, 0.028),
    (0.02, 0.03, 0.062, 0.05),
    (0.055, 0.015, 0.082, 0.064),
    (0.1, 0.008, 0.093, 0.072),
    (0.14, 0.002, 0.099, 0.076),
    (0.18, -0.003, 0.094, 0.072),
    (0.215, -0.007, 0.068, 0.053),
    (0.232, -0.008, 0.03, 0.025),
)


def head(p: Person, hip: Point) -> list[Part]:
    """Neck, head, nose, eyes, and what is on the head."""
    k, n = p.head * p.scale, p.sides + 2
    base = along(p, hip, TRUNK + 0.07, 0.02)
    angle = np.arange(n) / n * 2 * math.pi

    def shell(rows: list[tuple[float, float, float, float]], material: M) -> Part:
        rings = [
            np.stack(
                [
                    base[0] + k * (x + d * np.cos(angle)),
                    np.full(n, base[1] + k * y),
                    base[2] + k * w * np.sin(angle),
                ],
                axis=1,
            )
            for y, x, d, w in rows
        ]
        return loft(np.array(rings), int(material), caps=int(material))

    skull = list(_SKULL)
    neck = [along(p, hip, TRUNK - 0.01, -0.01), along(p, hip, TRUNK + 0.13 * p.head, 0.012)]
    parts = [tube(neck, [0.054 * k, 0.05 * k], M.SKIN, 8), shell(skull, M.SKIN)]

    def dot(x: float, y: float, z: float, size: Point, material: M) -> Part:
        centre = (base[0] + k * x, base[1] + k * y, base[2] + k * z)
        return box(centre, (k * size[0], k * size[1], k * size[2]), material)

    parts.append(dot(0.102, 0.083, 0.0, (0.03, 0.04, 0.022), M.SKIN))
    parts += [dot(0.083, 0.118, s * 0.032, (0.022, 0.014, 0.026), M.HAIR) for s in (-1, 1)]
    back = (0.02, 0.016, 0.003, 0.0, 0.0)  # m: the shell leaves the face free and covers the crown
    grown = [(y, x - b, 1.03 * d + 0.004, 1.1 * w) for b, (y, x, d, w) in zip(back, skull[3:])]
    top = (grown[-1][0] + 0.012, grown[-1][1], 0.6 * grown[-1][2], 0.6 * grown[-1][3])
    if p.hair in ("short", "bun", "cap"):
        material = M.CLOTH_UPPER if p.hair == "cap" else M.HAIR
        parts.append(shell([(0.06, -0.045, 0.05, 0.068), *grown, top], material))
        if p.hair == "bun":
            centre = (base[0] - 0.105 * k, base[1] + 0.17 * k, base[2])
            parts.append(ellipsoid(centre, (0.045 * k, 0.045 * k, 0.045 * k), M.HAIR, 6))
        if p.hair == "cap":
            parts.append(dot(0.115, 0.155, 0.0, (0.09, 0.012, 0.12), M.CLOTH_UPPER))
    elif p.hair == "long":
        fall = [(-0.12, -0.075, 0.04, 0.075), (-0.05, -0.06, 0.06, 0.088), (0.04, -0.04, 0.075, 0.088)]
        parts.append(shell([*fall, *grown, top], M.HAIR))
    elif p.hair == "hood":
        fall = [(-0.06, -0.03, 0.08, 0.09), (0.03, -0.03, 0.095, 0.092)]
        parts.append(
            shell([*fall, *((y, x - 0.008, 1.08 * d, 1.1 * w) for y, x, d, w in grown), top], M.CLOTH_UPPER)
        )
    elif p.hair == "helmet":
        dome = [(y + 0.02, x + 0.012, 1.12 * d, 1.12 * w) for y, x, d, w in skull[4:]]
        parts.append(shell([(0.13, -0.01, 0.118, 0.096), *dome], M.PLATE))
    elif p.hair == "full_face":
        dome = [(y + 0.012, 0.4 * x + 0.005, d + 0.028, w + 0.03) for y, x, d, w in skull]
        parts.append(shell(dome[:3], M.PAINT))
        parts.append(shell(dome[2:5], M.GLASS))
        parts.append(shell([(0.07, -0.03, 0.095, 0.099), (0.12, -0.03, 0.1, 0.106), dome[4]], M.PAINT))
        parts.append(shell(dome[4:], M.PAINT))
    return parts


def arm(p: Person, shoulder: Point, elbow: Point, hand: Point) -> list[Part]:
    """A sleeve (or a bare arm below a short one) and a hand between given joints."""
    k = p.scale
    wide = 1.0 if p.girth <= 1 else 0.5 + 0.5 * p.girth
    path = [shoulder, _between(shoulder, elbow, 0.25), elbow, _between(elbow, hand, 0.4), hand]
    radii = [r * k for r in (0.056 * wide, 0.06 * wide, 0.049 * wide, 0.048 * wide, 0.036)]
    if p.sleeves:
        parts = [tube(path, radii, M.CLOTH_UPPER, p.sides)]
    else:
        short = [*path[:2], _between(shoulder, elbow, 0.7)]
        parts = [tube(short, [radii[0], radii[1], 0.055 * k], M.CLOTH_UPPER, p.sides)]
        parts.append(tube(path[1:], [0.042 * k, 0.037 * k, 0.037 * k, 0.026 * k], M.SKIN, p.sides))
    parts.append(ellipsoid(shoulder, (0.058 * k * wide, 0.05 * k, 0.055 * k), M.CLOTH_UPPER, 6))
    reach = np.array(hand) - np.array(elbow)
    tip = np.array(hand) + reach / np.linalg.norm(reach) * 0.15 * k
    path = [_between(hand, tuple(tip), t) for t in (-0.1, 0.25, 0.65, 1.0)]
    parts.append(tube(path, [0.026 * k, (0.042 * k, 0.02 * k), (0.042 * k, 0.018 * k), 0.012 * k], M.SKIN, 6))
    return parts


def shoulder_of(p: Person, hip: Point, side: int) -> Point:
    x, y, z = along(p, hip, TRUNK - 0.07, -0.005)
    return (x, y, z + side * 0.172 * p.shoulders * p.scale)


def _arms(p: Person, hip: Point) -> list[Part]:
    parts: list[Part] = []
    k = p.scale
    for side, angle, bend in ((1, p.arms[0], p.elbows[0]), (-1, p.arms[1], p.elbows[1])):
        shoulder = shoulder_of(p, hip, side)
        elbow = swing(shoulder, UPPER * k, angle, side * p.spread)
        hand = swing(elbow, FORE * k, angle + bend, side * 0.5 * p.spread)
        parts += arm(p, shoulder, elbow, hand)
        if p.case and side < 0:
            parts.append(box((hand[0], hand[1] - 0.3 * k, hand[2]), (0.4 * k, 0.28 * k, 0.1 * k), M.TRIM))
    return parts


def _seat(p: Person, hip: Point, low: float) -> list[Part]:
    k, under = p.scale, hip[1] - 0.13 * p.scale
    long, wide = (0.46 * k, 0.5 * k) if p.seat == "chair" else (0.5 * k, 0.86 * k)
    x = hip[0] + 0.06 * k
    parts = [box((x, under, 0), (long, 0.05, wide), M.WOOD)]
    back = x - long / 2
    rows = (0.2, 0.4) if p.seat == "bench" else (0.3,)
    tall = 0.12 if p.seat == "bench" else 0.3
    parts += [box((back - 0.02 - 0.1 * r, under + r, 0), (0.03, tall, wide), M.WOOD) for r in rows]
    for z in (-0.45 * wide, 0.45 * wide):
        parts += [
            tube([(x + d * long, under, z), (x + d * long, low, z)], [0.02, 0.02], M.METAL, 4)
            for d in (-0.45, 0.45)
        ]
        parts.append(tube([(back, under, z), (back - 0.06, under + 0.46, z)], [0.018, 0.018], M.METAL, 4))
    return parts


def pedestrian(p: Person) -> Mesh:
    """A person on foot (or on a seat), in the unit cuboid."""
    hip = (0.0, 1.0, 0.0)
    parts = [*_legs(p, hip), *trunk(p, hip), *_arms(p, hip)]
    if p.seat:
        low = min(float(part.corners[:, :, 1].min()) for part in parts)
        parts += _seat(p, hip, low)
    return assemble(parts)
