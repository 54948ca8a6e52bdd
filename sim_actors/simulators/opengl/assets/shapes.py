"""Triangle meshes from a few generators, and their assembly into a unit body.

Parts are built in metres with x forward, y up and z sideways. `assemble` turns them into the frame
of a cuboid: x in [-0.5, 0.5] along its length, y in [-1, 0] (down; the bottom at 0), z in
[-0.5, 0.5], so that scaling by (length, height, width) fills the cuboid exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

CREASE = math.cos(math.radians(48))
"""Faces that meet at a smaller angle are shaded as one smooth surface."""


@dataclass(frozen=True)
class Mesh:
    """An indexed mesh: positions (V, 3) in the unit cuboid, unit normals (V, 3), material (V,)
    float32, triangles (T, 3) int32; `size` is the prototype's (length, height, width) in m."""

    positions: np.ndarray
    normals: np.ndarray
    materials: np.ndarray
    triangles: np.ndarray
    size: tuple[float, float, float]


@dataclass(frozen=True)
class Part:
    """Triangles (T, 3, 3) in m, wound so that normals point outwards, and a material each (T,).

    `normals` (T, 3, 3), y up, are given where they are not the surface's own (leaves, lit as the crown
    that they belong to); NaN or None: the surface's.
    """

    corners: np.ndarray
    materials: np.ndarray
    normals: np.ndarray | None = None

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Part:
        return Part(self.corners + np.array([x, y, z]), self.materials, self.normals)


def _outward(corners: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Rewinds triangles whose normal points towards their `inside` point (T, 3)."""
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    wrong = np.einsum("ij,ij->i", normal, corners.mean(axis=1) - inside) < 0
    result = corners.copy()
    result[wrong] = corners[wrong][:, ::-1]
    return result


def loft(rings: np.ndarray, materials: np.ndarray | int, caps: int | tuple[int, int] | None = None) -> Part:
    """A skin over closed rings (S, R, 3); `materials` is one, or (S-1, R) per patch. `caps` closes
    the two ends with fans of those materials."""
    rings = np.asarray(rings, dtype=np.float64)
    count, size, _ = rings.shape
    centres = rings.mean(axis=1)
    a, b = rings[:-1], np.roll(rings, -1, axis=1)[:-1]
    c, d = np.roll(rings, -1, axis=1)[1:], rings[1:]
    quads = np.stack([np.stack([a, b, c], axis=2), np.stack([a, c, d], axis=2)], axis=2)
    corners = quads.reshape(-1, 3, 3)
    inside = np.repeat((centres[:-1] + centres[1:]) / 2, 2 * size, axis=0)
    material = np.repeat(np.broadcast_to(np.asarray(materials), (count - 1, size)).reshape(-1), 2)
    parts = [Part(_outward(corners, inside), material.astype(np.int64))]
    if caps is not None:
        ends = (caps, caps) if isinstance(caps, int) else caps
        for end, neighbour, cap in ((0, 1, ends[0]), (-1, -2, ends[1])):
            parts.append(_fan(rings[end], centres[end], centres[neighbour], cap))
    return merge(parts)


def _fan(ring: np.ndarray, centre: np.ndarray, inside: np.ndarray, material: int) -> Part:
    corners = np.stack([np.broadcast_to(centre, ring.shape), ring, np.roll(ring, -1, axis=0)], axis=1)
    return Part(_outward(corners, np.broadcast_to(inside, ring.shape)), np.full(len(ring), material))


def merge(parts: Sequence[Part]) -> Part:
    given = [np.full(p.corners.shape, np.nan) if p.normals is None else p.normals for p in parts]
    return Part(
        np.concatenate([p.corners for p in parts]),
        np.concatenate([p.materials for p in parts]),
        np.concatenate(given),
    )


def box(centre: Sequence[float], size: Sequence[float], material: int) -> Part:
    """An axis-aligned box: centre and full size, m."""
    s = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]]) / 2
    ends = np.array([[-0.5], [0.5]])
    ring = np.stack([np.broadcast_to(ends, (2, 4)), *(np.broadcast_to(s[:, k], (2, 4)) for k in (0, 1))], 2)
    return loft(ring * np.asarray(size) + np.asarray(centre), material, caps=material)


def ellipsoid(centre: ArrayLike, radii: ArrayLike, material: int, sides: int = 8) -> Part:
    """An ellipsoid with `sides` meridians, its poles along y."""
    polar = np.linspace(-0.5, 0.5, max(sides // 2, 3) + 1) * math.pi * 0.97
    around = np.arange(sides) / sides * 2 * math.pi
    unit = np.stack(
        [
            np.cos(polar)[:, None] * np.cos(around),
            np.broadcast_to(np.sin(polar)[:, None], (len(polar), sides)),
            np.cos(polar)[:, None] * np.sin(around),
        ],
        axis=2,
    )
    return loft(unit * np.asarray(radii) + np.asarray(centre), material, caps=material)


def tube(
    path: Sequence[Sequence[float]],
    radii: Sequence[float | tuple[float, float]],
    material: int,
    sides: int = 6,
) -> Part:
    """A tube along a path (m) with a radius at each point, or (radius, radius sideways in z)."""
    points = np.asarray(path, dtype=np.float64)
    direction = np.gradient(points, axis=0)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    side = np.array([0.0, 0.0, 1.0])
    if np.any(np.abs(direction @ side) > 0.9):
        side = np.array([1.0, 0.0, 0.0])
    u = side - (direction @ side)[:, None] * direction
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    v = np.cross(direction, u)
    angle = np.arange(sides) / sides * 2 * math.pi
    wide = np.array([r[1] if isinstance(r, tuple) else r for r in radii])[:, None, None]
    thick = np.array([r[0] if isinstance(r, tuple) else r for r in radii])[:, None, None]
    rings = (
        points[:, None]
        + wide * np.cos(angle)[None, :, None] * u[:, None]
        + thick * np.sin(angle)[None, :, None] * v[:, None]
    )
    return loft(rings, material, caps=material)


def hoop(centre: Sequence[float], radius: float, thickness: float, material: int, sides: int = 16) -> Part:
    """A ring in the x-y plane (a bicycle tyre), m."""
    angle = np.arange(sides + 1) / sides * 2 * math.pi
    around = np.arange(4) / 4 * 2 * math.pi
    reach = radius - thickness + thickness * np.cos(around)
    rings = np.stack(
        [
            np.cos(angle)[:, None] * reach,
            np.sin(angle)[:, None] * reach,
            np.broadcast_to(thickness * np.sin(around), (sides + 1, 4)),
        ],
        axis=2,
    )
    return loft(rings + np.asarray(centre), material)


def plate(outline: ArrayLike, thickness: float, material: int) -> Part:
    """A convex outline of (x, y) points in m, extruded symmetrically along z."""
    flat = np.asarray(outline, dtype=np.float64)
    ends = (-thickness / 2, thickness / 2)
    rings = np.stack([np.column_stack([flat, np.full(len(flat), z)]) for z in ends])
    return loft(rings, material, caps=material)


def noisy(part: Part, amount: float, seed: int) -> Part:
    """The part with every vertex moved at random by up to `amount` m; shared vertices stay shared."""
    keys, index = np.unique(np.round(part.corners.reshape(-1, 3), 5), axis=0, return_inverse=True)
    shift = np.random.default_rng(seed).uniform(-amount, amount, keys.shape)
    return Part((keys + shift)[index.reshape(-1)].reshape(-1, 3, 3), part.materials)


def _normals(corners: np.ndarray) -> np.ndarray:
    """A normal for every corner (T, 3, 3): the mean over faces at its point within the crease angle."""
    face = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    unit = face / np.maximum(np.linalg.norm(face, axis=1, keepdims=True), 1e-12)
    weighted, unit = np.repeat(face, 3, axis=0), np.repeat(unit, 3, axis=0)
    _, group = np.unique(np.round(corners.reshape(-1, 3), 4), axis=0, return_inverse=True)
    order = np.argsort(group.reshape(-1), kind="stable")
    group = group.reshape(-1)[order]
    total = weighted[order].copy()
    for shift in range(1, int(np.bincount(group).max())):
        first, second = order[:-shift], order[shift:]
        near = (group[:-shift] == group[shift:]) & (np.einsum("ij,ij->i", unit[first], unit[second]) > CREASE)
        total[:-shift][near] += weighted[second[near]]
        total[shift:][near] += weighted[first[near]]
    result = np.empty_like(total)
    result[order] = total
    return result / np.maximum(np.linalg.norm(result, axis=1, keepdims=True), 1e-12)


def assemble(parts: Sequence[Part]) -> Mesh:
    """Joins parts into one `Mesh` whose bounding box is the unit cuboid exactly."""
    whole = merge(parts)
    area = np.linalg.norm(
        np.cross(whole.corners[:, 1] - whole.corners[:, 0], whole.corners[:, 2] - whole.corners[:, 0]),
        axis=1,
    )
    corners, material = whole.corners[area > 1e-9], np.repeat(whole.materials[area > 1e-9], 3)
    normals = _normals(corners)
    assert whole.normals is not None
    given = whole.normals[area > 1e-9].reshape(-1, 3)
    normals = np.where(np.isnan(given), normals, given) * np.array([1.0, -1.0, 1.0])
    points = corners.reshape(-1, 3)
    low, high = points.min(axis=0), points.max(axis=0)
    unit = (points - low) / (high - low)
    positions = np.stack([unit[:, 0] - 0.5, -unit[:, 1], unit[:, 2] - 0.5], axis=1)
    rows = np.column_stack([positions, normals, material]).astype(np.float32)
    _, first, index = np.unique(np.round(rows, 4), axis=0, return_index=True, return_inverse=True)
    rows = rows[first]
    return Mesh(
        positions=np.ascontiguousarray(rows[:, :3]),
        normals=np.ascontiguousarray(rows[:, 3:6]),
        materials=np.ascontiguousarray(rows[:, 6]),
        triangles=index.reshape(-1, 3).astype(np.int32),
        size=(float(high[0] - low[0]), float(high[1] - low[1]), float(high[2] - low[2])),
    )
