"""Props: buildings, trees, poles, signs, hedges, walls, debris."""

from __future__ import annotations

import math

import numpy as np

from sim_actors.opengl.materials import M
from sim_actors.opengl.shapes import Mesh, Part, assemble, box, ellipsoid, loft, merge, noisy, plate, tube


def building(roof: str, rise: float = 0.25) -> Mesh:
    """A house or block 10 x 10 x 10 m with a "flat", "gable" or "hip" roof that takes `rise` of the
    height; the facade's windows are the surface shader's."""
    top = 10.0 * (1 - rise)
    parts = [box((0, top / 2, 0), (9.8, top, 9.8), M.FACADE)]
    if roof == "flat":
        parts.append(box((0, top + 5 * rise, 0), (10.0, 10 * rise, 10.0), M.STONE))
    else:
        ridge = 5.0 if roof == "gable" else 3.0
        eaves = np.array([[-5, top, -5], [5, top, -5], [5, top, 5], [-5, top, 5]])
        crest = np.array([[-ridge, 10, -0.05], [ridge, 10, -0.05], [ridge, 10, 0.05], [-ridge, 10, 0.05]])
        strips = [M.FACADE if roof == "gable" and k % 2 else M.ROOF for k in range(4)]
        parts.append(loft(np.stack([eaves, crest]), np.array([strips]), caps=int(M.ROOF)))
        parts.append(box((2.0, 9.6, 0.8), (0.7, 0.8, 0.7), M.STONE))
    return assemble(parts)


def broadleaf(seed: int, blobs: int, crown: float, lumps: float) -> Mesh:
    """A trunk under a crown of noisy ellipsoids, 7 m tall; the crown starts at `crown` m."""
    rng = np.random.default_rng(seed)
    parts = [tube([(0, 0, 0), (0.05, crown + 0.6, 0), (0, 5.0, 0)], [0.2, 0.15, 0.05], M.BARK)]
    middle = (crown + 7.0) / 2
    for k in range(blobs):
        angle = k * 2.4 + rng.uniform(-0.4, 0.4)
        out = 0.0 if k == 0 else rng.uniform(0.8, 1.5)
        size = (1.7 if k == 0 else rng.uniform(0.9, 1.4)) * np.array([1.0, (7.0 - crown) / 4.5, 1.0])
        centre = (out * math.cos(angle), middle + rng.uniform(-0.9, 0.9) * (k > 0), out * math.sin(angle))
        parts.append(noisy(ellipsoid(centre, size, M.LEAF, 10), lumps, seed * 31 + k))
    return assemble(parts)


def conifer(seed: int, tiers: int, slender: float) -> Mesh:
    """A trunk and `tiers` of ragged cones, 8 m tall."""
    parts = [tube([(0, 0, 0), (0, 7.0, 0)], [0.18, 0.04], M.BARK)]
    for k in range(tiers):
        low, high = 0.9 + k * 6.2 / tiers, 0.9 + (k + 1.7) * 6.2 / tiers
        reach = slender * (1.0 - 0.8 * k / tiers)
        cone = tube([(0, low, 0), (0, min(high, 8.0), 0)], [reach, 0.05], M.LEAF, 9)
        parts.append(noisy(cone, 0.12, seed * 17 + k))
    return assemble(parts)


def poplar(seed: int) -> Mesh:
    """A slim lumpy column of leaves, 9 m tall."""
    rng = np.random.default_rng(seed)
    levels = np.linspace(1.0, 9.0, 9)
    radii = 1.1 * np.sin(np.linspace(0.35, math.pi - 0.12, 9)) * rng.uniform(0.85, 1.15, 9)
    crown = tube([(0, y, 0) for y in levels], list(radii), M.LEAF, 9)
    return assemble([tube([(0, 0, 0), (0, 2, 0)], [0.17, 0.13], M.BARK), noisy(crown, 0.16, seed)])


def pole(arm: float) -> Mesh:
    """A lamp post 7 m tall whose arm reaches `arm` m forward (0: a plain post)."""
    parts = [tube([(0, 0, 0), (0, 7.0, 0)], [0.09, 0.05], M.METAL)]
    if arm:
        parts.append(tube([(0, 6.9, 0), (arm, 7.0, 0)], [0.04, 0.035], M.METAL, 5))
        parts.append(box((arm, 6.95, 0), (0.6, 0.1, 0.22), M.HEADLAMP))
    return assemble(parts)


def sign(corners: int, turn: float) -> Mesh:
    """A plate with that many corners on a post, 2.6 m tall; the plate spans the length."""
    angle = np.arange(corners) / corners * 2 * math.pi + turn
    disc = plate(np.column_stack([0.34 * np.cos(angle), 2.25 + 0.34 * np.sin(angle)]), 0.03, M.SIGN)
    post = tube([(0, 0, 0), (0, 2.5, 0)], [0.035, 0.035], M.METAL)
    return assemble([post, disc.moved(z=-0.05)])


def hedge(seed: int, lumps: float) -> Mesh:
    """A clipped hedge 4 x 1 x 1.4 m with an uneven surface."""
    around = np.linspace(0, 2 * math.pi, 11)[:-1]
    ring = np.stack(
        [
            np.zeros(10),
            0.7 + 0.7 * np.sign(np.sin(around)) * np.abs(np.sin(around)) ** 0.4,
            0.5 * np.sign(np.cos(around)) * np.abs(np.cos(around)) ** 0.4,
        ],
        axis=1,
    )
    rings = np.stack([ring + np.array([x, 0, 0]) for x in np.linspace(-2, 2, 9)])
    return assemble([noisy(loft(rings, int(M.LEAF), caps=int(M.LEAF)), lumps, seed)])


def wall(coping: float) -> Mesh:
    """A wall 4 x 0.3 x 1.6 m, with a coping `coping` m tall (0: none)."""
    parts = [box((0, (1.6 - coping) / 2, 0), (4.0, 1.6 - coping, 0.26), M.STONE)]
    if coping:
        parts.append(box((0, 1.6 - coping / 2, 0), (4.0, coping, 0.3), M.ROOF))
    return assemble(parts)


def debris(seed: int) -> Mesh:
    """Something that lies on the road: a crate, sacks, or rubble."""
    rng = np.random.default_rng(seed)
    if seed % 3 == 0:
        return assemble([box((0, 0.5, 0), (1, 1, 1), M.WOOD), box((0, 0.5, 0), (1.04, 0.12, 1.04), M.TRIM)])
    lumps = []
    for k in range(3 if seed % 3 == 1 else 5):
        spot = (rng.uniform(-0.35, 0.35), 0.25, rng.uniform(-0.35, 0.35))
        material = M.CLOTH_UPPER if seed % 3 == 1 else M.STONE
        lumps.append(noisy(ellipsoid(spot, rng.uniform(0.25, 0.45, 3), material, 7), 0.06, seed + k))
    whole = merge(lumps)
    return assemble([Part(np.maximum(whole.corners, [-9, 0, -9]), whole.materials)])
