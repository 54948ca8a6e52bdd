"""The skin of anything with a bonnet, a cab or a saloon: one surface drawn through long lines.

A designer's lines run from nose to tail (sill, shoulder, window sill, roof rail, ...); a station is
where all of them are sampled, and the faces of nose and tail close the ends. The lines of a half
section, from the middle of the floor over the side to the middle of the roof:

    0 floor, 1 its edge, 2 inside of the wheel house, 3 lip (lower edge of the side), 4-7 side,
    8 window sill or bonnet edge, 9 and 10 lower and upper edge of the panes, 11 roof rail,
    12 and 13 roof, bonnet or windscreen, 14 its middle

Over a wheel the lip follows the arch, so that the arch is a real opening with a house behind it.
Lengths are m, `x` counts backwards from the front bumper, heights from the road.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sim_actors.simulators.opengl.assets.materials import M
from sim_actors.simulators.opengl.assets.shapes import Part, merge

LIP, BELT, RAIL, MIDDLE = 3, 8, 11, 14
_SIDE = (0.0, 0.13, 0.36, 0.6, 0.8, 1.0)
"""Where lines 3-8 lie between lip and window sill."""

Patch = tuple[int, int, float, float, M]
"""Lines from and to, where it begins and ends (x in m on the side; on a face the share of its half
width, 0 in the middle), material."""


@dataclass(frozen=True)
class Face:
    """A nose or tail: `rows` are the heights of lines 3-7 there and `rake` how far each of lines
    3-11 stands back from the foremost point; `depth` and `power` its plan view, a superellipse that
    turns into the side `depth` behind the middle (a high power is a flat front with tight
    corners). `patches` are lamps, grille, panes, painted in turn."""

    rows: tuple[float, float, float, float, float]
    rake: tuple[float, ...]
    depth: float
    power: float
    patches: tuple[Patch, ...] = ()

    def bulge(self, share: np.ndarray) -> np.ndarray:
        """How far forward of its edge the face stands at shares of the half width, m."""
        return self.depth * np.sqrt(np.maximum(1 - np.abs(share) ** self.power, 0.0))


@dataclass(frozen=True)
class Arch:
    """An opening for a wheel at `x`, of a `radius` about the axle's `height`, m."""

    x: float
    height: float
    radius: float


@dataclass(frozen=True, kw_only=True)
class Lines:
    """The lines of a body, m; x counts backwards from the front bumper.

    `roofline` is the silhouette from the nose's edge to the tail's (where its first and last x are put) as
    (x, height, length of the rounding), `belt` the window sill as (x, height); `roof` the roof's width and
    `nose_width`, `tail_width` the ends' as shares of the width, `taper` the share of the length over which
    they narrow; `crown` the rise of the roof over its rails; `bonnet` its width as a share of the shoulders';
    `section` how wide lines 3-8 are; `bow` how far the screens bulge; `screens` (x from, x to) of windscreen
    and rear window; `patches` painted on it; `pitch`: the longest way between stations.
    """

    length: float
    width: float
    roofline: Sequence[tuple[float, float, float]]
    belt: Sequence[tuple[float, float]]
    nose: Face
    tail: Face
    sill: float
    roof: float
    nose_width: float
    tail_width: float
    patches: Sequence[Patch] = ()
    section: tuple[float, ...] = (0.93, 0.965, 0.985, 0.99, 1.0, 0.955)
    crown: float = 0.05
    bonnet: float = 0.9
    screens: Sequence[tuple[float, float]] = ()
    bow: float = 0.1
    pitch: float = 0.5
    taper: float = 0.34


@dataclass(frozen=True, kw_only=True)
class Coach(Lines):
    """What `skin` draws: the lines, the `floor`, and the wheels' `arches` with their `flare` and the depth of
    the `house` behind them."""

    floor: float
    arches: Sequence[Arch] = ()
    flare: float = 0.012
    house: float = 0.27


def rounded(points: Sequence[tuple[float, float, float]], steps: int = 4) -> np.ndarray:
    """A polyline (N, 2) whose corners are rounded over the length that each point names, m."""
    p = np.array([(x, y) for x, y, _ in points])
    result = [p[0]]
    for k in range(1, len(p) - 1):
        before, after = p[k - 1] - p[k], p[k + 1] - p[k]
        reach = [min(points[k][2], 0.49 * float(np.linalg.norm(v))) for v in (before, after)]
        start = p[k] + before / np.linalg.norm(before) * reach[0]
        end = p[k] + after / np.linalg.norm(after) * reach[1]
        t = np.linspace(0, 1, steps if points[k][2] > 0.02 else 2)[:, None]
        result += list((1 - t) ** 2 * start + 2 * t * (1 - t) * p[k] + t**2 * end)
    return np.array([*result, p[-1]])


def _smooth(t: np.ndarray) -> np.ndarray:
    t = np.clip(t, 0.0, 1.0)
    return t * t * (3 - 2 * t)


def _stations(c: Coach, roofline: np.ndarray) -> np.ndarray:
    """Where to sample: bends of the roofline, arches, ends of patches, and not too far apart."""
    first, last = c.nose.depth, c.length - c.tail.depth
    pinned = [first, last, *(x for x, _ in c.belt), *(x for patch in c.patches for x in patch[2:4])]
    arcs = [a.x + a.radius * math.cos(t) for a in c.arches for t in np.linspace(0, math.pi, 9)]
    bends = [float(x) for x in roofline[:, 0]]
    kept: list[float] = []
    for x, gap in [*((x, 0.004) for x in pinned), *((x, 0.02) for x in arcs), *((x, 0.05) for x in bends)]:
        if first <= x <= last and all(abs(x - other) > gap for other in kept):
            kept.append(x)
    kept.sort()
    fill = [
        a + (b - a) * (k + 1) / (count + 1)
        for a, b in pairwise(kept)
        for count in [math.ceil((b - a) / c.pitch) - 1]
        for k in range(count)
    ]
    return np.array(sorted(kept + fill))


def _lines(c: Coach) -> tuple[np.ndarray, np.ndarray]:
    """The stations (S,) and the 15 lines' points of the half z >= 0 there: (S, 15, 3)."""
    roofline = rounded(c.roofline)
    roofline[[0, -1], 0] = c.nose.depth, c.length - c.tail.depth
    x = _stations(c, roofline)
    first, last, half = x[0], x[-1], c.width / 2
    top = np.interp(x, roofline[:, 0], roofline[:, 1])
    belt = np.minimum(np.interp(x, *np.array(c.belt).T), top - 0.02)
    reach = c.taper * c.length
    ahead = np.clip((reach - x) / (reach - first), 0, 1) ** 2
    behind = np.clip((x - (c.length - reach)) / (last - (c.length - reach)), 0, 1) ** 2
    plan = half * (1 - (1 - c.nose_width) * ahead - (1 - c.tail_width) * behind)

    near_nose, near_tail = 1 - _smooth((x - first) / 0.7), 1 - _smooth((last - x) / 0.7)
    y = np.empty((len(x), 15))
    for k, share in zip(range(LIP, BELT), _SIDE):
        middle = c.sill + share * (belt - c.sill)
        y[:, k] = (
            middle + near_nose * (c.nose.rows[k - 3] - middle) + near_tail * (c.tail.rows[k - 3] - middle)
        )
    y[:, BELT] = belt
    lip, flare = y[:, LIP].copy(), np.zeros((len(x), 6))
    for arch in c.arches:
        inside = np.abs(x - arch.x) < arch.radius
        rise = np.sqrt(np.maximum(arch.radius**2 - (x - arch.x) ** 2, 0.0))
        lip = np.where(inside, np.maximum(lip, arch.height + rise), lip)
    y[:, LIP] = lip
    for k in range(LIP + 1, BELT):
        y[:, k] = np.minimum(np.maximum(y[:, k], y[:, k - 1] + 0.022), belt - 0.012 * (BELT - k))
    for arch in c.arches:
        away = np.hypot(x[:, None] - arch.x, y[:, LIP : BELT + 1] - arch.height) - arch.radius
        flare += c.flare * np.exp(-((away / 0.07) ** 2))

    z = np.zeros((len(x), 15))
    share = (y[:, LIP : BELT + 1] - c.sill) / (belt - c.sill)[:, None]
    z[:, LIP : BELT + 1] = plan[:, None] * np.interp(share, _SIDE, c.section) + flare
    z[:, BELT] = plan * c.section[-1]
    glass = top - belt
    grown = _smooth(glass / max(0.75 * float(glass.max()), 0.1))
    rail = z[:, BELT] * c.bonnet + grown * (half * c.roof - z[:, BELT] * c.bonnet)
    crown = np.minimum(c.crown, 0.45 * glass)
    y[:, 9] = belt + 0.03 * grown + 0.12 * (1 - grown) * (glass - crown)
    z[:, 9] = z[:, BELT] - 0.012 - 0.015 * grown
    y[:, RAIL], z[:, RAIL] = top - crown, rail
    upper = 0.9 * grown + 0.6 * (1 - grown)
    y[:, 10] = y[:, 9] + upper * (y[:, RAIL] - y[:, 9])
    z[:, 10] = z[:, 9] + (upper - 0.07) * (z[:, RAIL] - z[:, 9])
    for k, out, down in ((12, 0.8, 0.42), (13, 0.45, 0.11), (MIDDLE, 0.0, 0.0)):
        y[:, k], z[:, k] = top - down * crown, out * rail
    inner = np.minimum(half - c.house, z[:, LIP] - 0.03)
    y[:, 0] = y[:, 1] = np.minimum(c.floor, lip)
    y[:, 2] = lip
    z[:, 1] = z[:, 2] = inner

    points = np.stack([np.repeat(-x[:, None], 15, axis=1), y, z], axis=2)
    for face, along, sign in ((c.nose, x - first, -1.0), (c.tail, last - x, 1.0)):
        rake = np.array([face.rake[0]] * 3 + list(face.rake) + [face.rake[-1]] * 3)
        points[:, :, 0] += sign * (np.clip(1 - along / 0.8, 0, 1) ** 2)[:, None] * rake
        across = np.ones((len(x), 15))
        across[:, :LIP] = z[:, :LIP] / z[:, LIP : LIP + 1]
        across[:, RAIL:] = z[:, RAIL:] / z[:, RAIL : RAIL + 1]
        points[:, :, 0] -= sign * _bow(c, face, x, sign)[:, None] * face.bulge(across) / face.depth
    return x, points


def _bow(c: Coach, face: Face, x: np.ndarray, sign: float) -> np.ndarray:
    """How far the middle of each station stands before its sides: all of a face's depth at its edge,
    `bow` at the screens, nothing in between."""
    end = c.nose.depth if sign < 0 else c.length - face.depth
    nodes = [(end, face.depth)]
    for a, b in c.screens:
        if (sign < 0) == ((a + b) / 2 < c.length / 2):
            nodes += [(a, c.bow), (b, 0.8 * c.bow), (b + 0.4, 0.0) if sign < 0 else (a - 0.4, 0.0)]
    if len(nodes) == 1:
        nodes.append((end - sign * 0.35, 0.0))
    nodes.sort()
    xs, depths = zip(*nodes)
    outside = x < xs[0] if sign > 0 else x > xs[-1]
    return np.where(outside, 0.0, np.interp(x, xs, depths))


def quads(points: np.ndarray, materials: np.ndarray, flip: bool = False) -> Part:
    """A sheet of (R, C, 3) points as triangles; materials (R-1, C-1). Wound so that the normal is the
    way along the rows crossed with the way along the columns, or against it if `flip`."""
    a, b, c, d = points[:-1, :-1], points[:-1, 1:], points[1:, 1:], points[1:, :-1]
    corners = np.stack([np.stack([a, d, c], axis=2), np.stack([a, c, b], axis=2)], axis=2).reshape(-1, 3, 3)
    return Part(corners[:, ::-1] if flip else corners, np.repeat(materials.reshape(-1), 2).astype(np.int64))


def mirrored(points: np.ndarray) -> np.ndarray:
    """The other half of (R, C, 3) points of which the last column lies in the middle plane."""
    return np.concatenate([points, points[:, -2::-1] * [1, 1, -1]], axis=1)


def skin(c: Coach) -> Part:
    """The closed surface."""
    x, points = _lines(c)
    middles = (x[:-1] + x[1:]) / 2
    material = np.full((len(middles), MIDDLE), int(M.PAINT))
    material[:, :LIP] = int(M.TRIM)
    under = np.abs(middles[:, None] - np.array([a.x for a in c.arches] or [-9.0])).min(axis=1)
    material[under < max((a.radius for a in c.arches), default=0.0), 1:LIP] = int(M.TYRE)
    for low, high, start, end, what in c.patches:
        rows = (middles > start) & (middles < end)
        material[np.ix_(rows, range(low, high))] = int(what)
    whole, both = mirrored(points), np.concatenate([material, material[:, ::-1]], axis=1)
    return merge(
        [quads(whole, both, flip=True), _face(c.nose, points[0], 1.0), _face(c.tail, points[-1], -1.0)]
    )


_COLUMNS = (0.0, 0.25, 0.5, 0.7, 0.84, 0.93, 0.98, 1.0)


def _face(face: Face, edge: np.ndarray, way: float) -> Part:
    """The nose (way = 1) or tail (-1) inside the station `edge` (15, 3)."""
    share = list(_COLUMNS)
    for patch in face.patches:
        for value in patch[2:4]:
            near = min(range(len(share)), key=lambda k: abs(share[k] - value))
            if abs(share[near] - value) < 0.045 and share[near] not in (0.0, 1.0):
                share[near] = value  # moved rather than doubled: no slivers
            elif abs(share[near] - value) > 1e-6:
                share.append(value)
                share.sort()
    s = np.array(share)
    rows = edge[LIP : RAIL + 1]
    top = edge[MIDDLE : RAIL - 1 : -1]
    rise = np.interp(s * top[-1, 2], top[:, 2], top[:, 1]) - top[-1, 1]
    part_of = np.array([0.0, 0.0, 0.0, 0.0, 0.1, 0.3, 0.45, 0.75, 1.0])
    grid = np.stack(
        [
            rows[:, :1] + way * face.bulge(s),
            rows[:, 1:2] + part_of[:, None] * rise,
            rows[:, 2:] * s,
        ],
        axis=2,
    )
    # The upper lines of the edge lie before its sides by the bulge already.
    grid[-1, :, 0] = np.interp(s * top[-1, 2], top[:, 2], top[:, 0])
    material = np.full((len(rows) - 1, len(s) - 1), int(M.PAINT))
    middle = (s[:-1] + s[1:]) / 2
    for low, high, start, end, what in face.patches:
        material[low - LIP : high - LIP, (middle > start) & (middle < end)] = int(what)
    whole = mirrored(grid[:, ::-1])
    return quads(whole, np.concatenate([material[:, ::-1], material], axis=1), flip=way > 0)
