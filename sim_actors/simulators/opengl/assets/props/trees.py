"""What grows: trees of branches and many small clusters of leaves, bushes, hedges, groves.

Leaves are small four-cornered cards, wider than a leaf and ragged like a twig of them, lit as the crown
that they belong to: some 450 make a crown with holes and an uneven edge for about 1,400 triangles. The
dark lumps within keep it from being seen through everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sim_actors.simulators.opengl.assets.materials import M
from sim_actors.simulators.opengl.assets.shapes import Mesh, Part, assemble, ellipsoid, loft, noisy, tube

Lobe = tuple[np.ndarray, np.ndarray]
"""Centre and radii of a part of a crown, m."""


def cards(
    rng: np.random.Generator,
    centres: np.ndarray,
    outward: np.ndarray,
    size: float,
    flat: float = 0.6,
) -> Part:
    """A ragged four-cornered card at each centre (N, 3), m, about `size` m wide and lit along `outward`
    (N, 3). `flat` in [0, 1]: how much it lies against the crown rather than any way."""
    count = len(centres)
    normal = _unit(flat * outward + (1 - flat) * _unit(rng.normal(size=(count, 3))))
    u = _unit(np.cross(normal, _unit(rng.normal(size=(count, 3)))))
    v = np.cross(normal, u)
    reach = size * rng.uniform(0.35, 0.75, (count, 4, 1))
    ring = np.stack([u, v, -u, -v], axis=1) * reach + centres[:, None]
    ring += normal[:, None] * rng.uniform(-0.25, 0.25, (count, 4, 1)) * size
    corners = ring[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3, 3)
    light = _unit(outward + 0.35 * rng.normal(size=(count, 3)))
    normals = np.repeat(light, 6, axis=0).reshape(-1, 3, 3)
    return Part(corners, np.full(2 * count, int(M.LEAF)), normals)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9))


def crown(
    rng: np.random.Generator, lobes: Sequence[Lobe], leaves: int, size: float, core: float = 0.72
) -> list[Part]:
    """Leaves over lobes, and dark lumps of `core` times their size within."""
    parts = []
    weight = np.array([radii.prod() ** (2 / 3) for _, radii in lobes])
    which = rng.choice(len(lobes), leaves, p=weight / weight.sum())
    direction = _unit(rng.normal(size=(leaves, 3)) + np.array([0.0, 0.15, 0.0]))
    middle = np.mean([centre for centre, _ in lobes], axis=0)
    centre = np.array([lobes[k][0] for k in which])
    radii = np.array([lobes[k][1] for k in which])
    spots = centre + direction * radii * rng.uniform(0.72, 1.06, (leaves, 1))
    outward = _unit(0.6 * direction / radii * radii.mean() + 0.7 * _unit(spots - middle))
    parts.append(cards(rng, spots, outward, size))
    for k, (at, size_) in enumerate(lobes):
        lump = ellipsoid(at, size_ * core, M.SHADE, 7)
        parts.append(noisy(lump, 0.16 * float(size_.mean()), 31 * k + 5))
    return parts


def _lobes(rng: np.random.Generator, count: int, low: float, top: float, wide: float) -> list[Lobe]:
    """Lobes that fill a crown from `low` to `top` m, about `wide` m in radius."""
    middle, tall = (low + top) / 2, (top - low) / 2
    lobes: list[Lobe] = [
        (np.array([0.0, middle + 0.15 * tall, 0.0]), np.array([0.62 * wide, 0.85 * tall, 0.62 * wide]))
    ]
    for k in range(count):
        angle = k * 2.4 + rng.uniform(-0.4, 0.4)
        out = rng.uniform(0.42, 0.62) * wide
        size = rng.uniform(0.38, 0.55)
        rise = middle + tall * rng.uniform(-0.55, 0.45)
        at = np.array([out * math.cos(angle), rise, out * math.sin(angle)])
        lobes.append((at, np.array([size * wide, size * 0.9 * tall, size * wide])))
    return lobes


def _limbs(lobes: Sequence[Lobe], fork: float, thick: float) -> list[Part]:
    """A trunk that leans a little and branches from `fork` m on into every lobe."""
    top = lobes[0][0]
    parts = [tube([(0, 0, 0), (0.06, fork, 0.03), tuple(top)], [thick, 0.72 * thick, 0.2 * thick], M.BARK, 7)]
    for at, _ in lobes[1:]:
        knee = (0.45 * at[0], fork + 0.55 * (at[1] - fork), 0.45 * at[2])
        start = (0.04, 0.85 * fork, 0.02)
        parts.append(tube([start, knee, tuple(at)], [0.45 * thick, 0.3 * thick, 0.1 * thick], M.BARK, 4))
    return parts


def broadleaf(seed: int, lobes: int = 6, low: float = 1.9, leaves: int = 460, size: float = 0.5) -> Mesh:
    """A tree 7 m tall whose crown starts at `low` m."""
    rng = np.random.default_rng([31, seed])
    parts = _lobes(rng, lobes, low, 7.0, 2.5)
    return assemble([*_limbs(parts, 0.75 * low + 0.4, 0.17), *crown(rng, parts, leaves, size)])


def clumped(seed: int, clumps: int = 17, low: float = 1.7) -> Mesh:
    """A tree 7 m tall whose crown is a cloud of separate ragged clumps."""
    rng = np.random.default_rng([37, seed])
    lobes = _lobes(rng, 5, low, 6.8, 2.3)
    parts = _limbs(lobes, 0.8 * low + 0.5, 0.2)
    for k in range(clumps):
        at, radii = lobes[k % len(lobes)]
        spot = at + _unit(rng.normal(size=3)) * radii * rng.uniform(0.35, 0.95)
        lump = ellipsoid(spot, rng.uniform(0.4, 0.85, 3) * [1, 0.8, 1], M.LEAF, 6)
        parts.append(noisy(lump, 0.2, seed * 31 + k))
    return assemble(parts)


def conifer(seed: int, whorls: int = 18, reach: float = 1.6, twigs: int = 11) -> Mesh:
    """A spruce 8 m tall: whorls of drooping twigs around a dark core."""
    rng = np.random.default_rng([41, seed])
    dark = tube([(0, 0.9, 0), (0, 7.4, 0)], [0.62 * reach, 0.05], M.SHADE, 8)
    parts = [tube([(0, 0, 0), (0, 7.8, 0)], [0.17, 0.03], M.BARK, 5), noisy(dark, 0.12, seed)]
    corners, normals = [], []
    for k in range(whorls):
        height = 0.8 + 7.0 * (k / whorls) ** 0.95 + rng.uniform(-0.14, 0.14, (twigs, 1))
        out = reach * (1.0 - 0.93 * k / whorls) * rng.uniform(0.6, 1.15, twigs)
        angle = (np.arange(twigs) + rng.uniform(-0.35, 0.35, twigs) + 0.5 * (k % 2)) / twigs * 2 * math.pi
        ray = np.stack([np.cos(angle), np.zeros(twigs), np.sin(angle)], axis=1)
        aside = np.stack([-ray[:, 2], np.zeros(twigs), ray[:, 0]], axis=1)
        wide = (0.14 + 0.15 * out)[:, None]
        up = np.array([[0.0, 1.0, 0.0]])
        root = up * (height + 0.3)
        tip = ray * out[:, None] + up * (height - 0.25 - rng.uniform(0.08, 0.25, (twigs, 1)) * out[:, None])
        mid = 0.6 * tip + 0.4 * root
        left, right = mid + aside * wide, mid - aside * wide
        corners += [np.stack([root, left, tip], axis=1), np.stack([root, tip, right], axis=1)]
        light = _unit(ray + [0.0, 0.75, 0.0] + 0.2 * rng.normal(size=ray.shape))
        normals += [np.repeat(light[:, None], 3, axis=1)] * 2
    flat = np.concatenate(corners)
    parts.append(Part(flat, np.full(len(flat), int(M.LEAF)), np.concatenate(normals)))
    return assemble(parts)


def poplar(seed: int, leaves: int = 420, size: float = 0.46) -> Mesh:
    """A slim column of leaves, 11 m tall."""
    rng = np.random.default_rng([43, seed])
    lobes: list[Lobe] = []
    for level in range(6):
        wide = 1.0 * math.sin(0.5 + 2.35 * level / 6) * rng.uniform(0.85, 1.1)
        at = np.array([rng.uniform(-0.15, 0.15), 2.2 + 1.55 * level, rng.uniform(-0.15, 0.15)])
        lobes.append((at, np.array([wide, 1.5, wide])))
    trunk = tube([(0, 0, 0), (0, 9.5, 0)], [0.18, 0.04], M.BARK, 6)
    return assemble([trunk, *crown(rng, lobes, leaves, size, 0.78)])


def bush(seed: int, leaves: int = 200, size: float = 0.26) -> Mesh:
    """A shrub 1.6 m wide and 1.2 m tall, leafy to the ground."""
    rng = np.random.default_rng([47, seed])
    lobes: list[Lobe] = [(np.array([0.0, 0.55, 0.0]), np.array([0.62, 0.6, 0.55]))]
    for k in range(3):
        at = np.array([0.42 * math.cos(2.1 * k + seed), 0.42, 0.36 * math.sin(2.1 * k + seed)])
        lobes.append((at, rng.uniform(0.32, 0.46, 3)))
    whole = crown(rng, lobes, leaves, size, 0.86)
    return assemble([Part(np.maximum(p.corners, [-9, 0, -9]), p.materials, p.normals) for p in whole])


def grove(seed: int, trees: int = 7, leaves: int = 300, size: float = 1.1) -> Mesh:
    """A strip of wood 24 x 8 m and 9 m tall, to be seen from afar."""
    rng = np.random.default_rng([53, seed])
    lobes: list[Lobe] = []
    for k in range(trees):
        tall = rng.uniform(2.7, 4.2)
        at = np.array([-10.0 + 20.0 * k / (trees - 1) + rng.uniform(-1, 1), tall, rng.uniform(-1.5, 1.5)])
        lobes.append((at, np.array([rng.uniform(2.2, 3.2), 1.05 * tall, rng.uniform(2, 3)])))
    whole = crown(rng, lobes, leaves, size, 0.88)
    return assemble([Part(np.maximum(p.corners, [-99, 0, -99]), p.materials, p.normals) for p in whole])


def hedge(seed: int, lumps: float, leaves: int = 340) -> Mesh:
    """A clipped hedge 4 x 1 x 1.4 m: an uneven block under a skin of leaves."""
    rng = np.random.default_rng([59, seed])
    around = np.linspace(0, 2 * math.pi, 9)[:-1]
    ring = np.stack(
        [
            np.zeros(8),
            0.7 + 0.66 * np.sign(np.sin(around)) * np.abs(np.sin(around)) ** 0.4,
            0.46 * np.sign(np.cos(around)) * np.abs(np.cos(around)) ** 0.4,
        ],
        axis=1,
    )
    rings = np.stack([ring + np.array([x, 0, 0]) for x in np.linspace(-1.95, 1.95, 9)])
    block = noisy(loft(rings, int(M.SHADE if leaves else M.LEAF), caps=int(M.SHADE)), lumps, seed)
    parts = [Part(np.maximum(block.corners, [-9, 0, -9]), block.materials)]
    if leaves:
        side = rng.choice(3, leaves, p=(0.36, 0.36, 0.28))
        along = rng.uniform(-1.95, 1.95, leaves)
        up = np.where(side == 2, 1.38, rng.uniform(0.08, 1.36, leaves))
        z = np.where(side == 0, 0.47, np.where(side == 1, -0.47, rng.uniform(-0.44, 0.44, leaves)))
        outward = np.stack([0 * z, 0.2 + (side == 2), np.sign(z) * (side < 2)], axis=1)
        skin = cards(rng, np.stack([along, up, z], axis=1), _unit(outward), 0.22, 0.75)
        parts.append(
            Part(np.clip(skin.corners, [-2, 0, -0.55], [2, 1.5, 0.55]), skin.materials, skin.normals)
        )
    return assemble(parts)
