"""Wheels: a tyre, a rim with spokes or a lorry's dished disc."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from sim_actors.simulators.opengl.assets.bodies.vehicles.coachwork import quads
from sim_actors.simulators.opengl.assets.materials import M
from sim_actors.simulators.opengl.assets.shapes import Part, merge

Rim = Literal["spokes", "disc", "lorry", "cover"]
"""Alloy spokes; a steel disc; a lorry's hub that stands out; a flat cover (trams)."""


def revolved(profile: list[tuple[float, float, M]], sides: int) -> Part:
    """A body of revolution about z: (radius, z, material of the strip up to the next point), m. Seen
    from +z, the profile runs outwards-in."""
    angle = np.arange(sides + 1) / sides * 2 * math.pi
    reach, depth = np.array([p[0] for p in profile]), np.array([p[1] for p in profile])
    points = np.stack(
        [
            np.cos(angle)[None, :] * reach[:, None],
            np.sin(angle)[None, :] * reach[:, None],
            np.broadcast_to(depth[:, None], (len(profile), sides + 1)),
        ],
        axis=2,
    )
    material = np.array([[int(p[2])] * sides for p in profile[:-1]])
    return quads(points, material, flip=True)


def _spokes(count: int, inner: float, outer: float, z: float, wide: float) -> Part:
    """Bars from hub to rim, a little proud of the dark dish, narrower outside."""
    turn = np.arange(count) / count * 2 * math.pi + math.pi / 2
    along = np.stack([np.cos(turn), np.sin(turn), np.zeros(count)], axis=1)
    aside = np.stack([-np.sin(turn), np.cos(turn), np.zeros(count)], axis=1)
    depth, lift = np.array([0, 0, z]), np.array([0, 0, 0.03])
    corners = []
    a, b = along * inner - aside * wide, along * inner + aside * wide
    c, d = along * outer + aside * 0.8 * wide, along * outer - aside * 0.8 * wide
    corners += [np.stack([a, c, b], axis=1), np.stack([a, d, c], axis=1)]
    for near, far in ((a, d), (c, b)):
        corners += [
            np.stack([near, far - lift, far], axis=1),
            np.stack([near, near - lift, far - lift], axis=1),
        ]
    triangles = np.concatenate(corners) + depth
    return Part(triangles, np.full(len(triangles), int(M.METAL)))


def wheel(
    x: float,
    radius: float,
    outside: float,
    side: int,
    width: float = 0.2,
    rim: Rim = "spokes",
    spokes: int = 5,
) -> Part:
    """A wheel that stands on the road at `x`, its outer side at z = `outside` m on the left (side =
    1) or right (-1)."""
    r, sides = radius, 20 if rim in ("spokes", "disc") else 16
    dish = 0.66 * r
    profile: list[tuple[float, float, M]] = [
        (0.55 * r, -width, M.TYRE),
        (0.96 * r, -width, M.TYRE),
        (r, -width + 0.03, M.TYRE),
        (r, -0.03, M.TYRE),
        (0.955 * r, -0.004, M.TYRE),
        (0.74 * r, 0.0, M.METAL),
    ]
    parts = []
    if rim == "spokes":
        profile += [(0.66 * r, -0.008, M.METAL), (0.62 * r, -0.06, M.TRIM), (0.0, -0.055, M.TRIM)]
        parts.append(_spokes(spokes, 0.08 * r, dish, -0.012, 0.6 * r / spokes))
        parts.append(revolved([(0.17 * r, -0.02, M.METAL), (0.12 * r, 0.0, M.METAL), (0.0, 0.0, M.METAL)], 8))
    elif rim == "disc":
        profile += [(0.68 * r, -0.04, M.METAL), (0.54 * r, -0.05, M.TRIM), (0.44 * r, -0.03, M.METAL)]
        profile += [(0.2 * r, -0.005, M.TRIM), (0.0, 0.0, M.TRIM)]
    elif rim == "lorry":
        profile += [
            (0.6 * r, -0.1, M.METAL),
            (0.34 * r, -0.1, M.TRIM),
            (0.3 * r, 0.0, M.METAL),
            (0.0, 0.0, M.METAL),
        ]
    else:
        profile = [(r, -width, M.TYRE), (r, -0.02, M.TYRE), (0.8 * r, 0.0, M.METAL), (0.0, -0.01, M.METAL)]
        sides = 10
    whole = merge([revolved(profile, sides), *parts])
    corners = whole.corners * np.array([1, 1, side]) + np.array([x, r, side * outside])
    return Part(corners[:, ::-1] if side < 0 else corners, whole.materials)
