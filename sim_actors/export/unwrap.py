"""Texture coordinates for the surfaces of a body whose patterns are worth pixels.

Triangles of one surface that face the same way along the body's axes lie in one chart, seen along that
axis, so a wall is one rectangle at one scale; charts are packed into one texture.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from sim_actors.simulators.geometry.meshes import WorldMesh
from sim_actors.simulators.opengl.passes.ground_truth import pack

FINEST = 0.03
"""A texel's side, m; larger where a texture would not hold the body."""
LARGEST = 1024
"""Most texels along a side of a texture."""
_RIM = 3  # texels around a chart


@dataclass(frozen=True, eq=False)
class Unwrapped:
    """`uv` (T, 3, 2) in [0, 1], 0 for triangles without a chart; `charted` (N,): those with one, outer ones
    after those that lie behind them; `size`: width and height, texels."""

    uv: np.ndarray
    charted: np.ndarray
    size: tuple[int, int]


def unwrap(mesh: WorldMesh, surfaces: Collection[int]) -> Unwrapped | None:
    """Charts for these of a mesh's surfaces; None where no triangle has one of them."""
    charted = np.flatnonzero(np.isin(mesh.material, list(surfaces)))
    if not len(charted):
        return None
    corners = mesh.points[mesh.triangles[charted]]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    axis = np.abs(normals).argmax(axis=1)
    sign = np.take_along_axis(normals, axis[:, None], axis=1)[:, 0] >= 0
    _, chart = np.unique(np.stack([mesh.material[charted], axis, sign], axis=1), axis=0, return_inverse=True)
    chart = chart.reshape(-1)
    plane = np.array([[1, 2], [0, 2], [0, 1]])[axis]
    flat = np.take_along_axis(corners, plane[:, None, :], axis=2)
    count = int(chart.max()) + 1
    low, extent = np.empty((count, 2)), np.empty((count, 2))
    for k in range(count):
        points = flat[chart == k].reshape(-1, 2)
        low[k], extent[k] = points.min(axis=0), np.ptp(points, axis=0)
    texel = FINEST
    while True:
        sizes = [(int(w) + 2 * _RIM, int(h) + 2 * _RIM) for w, h in np.ceil(extent / texel)]
        if max(max(pair) for pair in sizes) <= LARGEST:
            pages = pack(sizes, (LARGEST, LARGEST))
            if len(pages) == 1:
                break
        texel *= 1.15
    place = np.array([pages[0][k] for k in range(count)])
    width, height = (place + np.array(sizes)).max(axis=0)
    size = (-(-int(width) // 4) * 4, -(-int(height) // 4) * 4)
    at = (flat - low[chart][:, None]) / texel + place[chart][:, None] + _RIM
    uv = np.zeros((len(mesh.triangles), 3, 2))
    uv[charted] = at / np.array(size)
    depth = np.take_along_axis(corners, axis[:, None, None], axis=2)[..., 0].mean(axis=1)
    return Unwrapped(uv, charted[np.argsort(np.where(sign, depth, -depth), kind="stable")], size)
