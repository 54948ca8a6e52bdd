"""Street furniture: lamps, signs, traffic lights, rails, fences, walls, bins, racks; and distractors."""

from __future__ import annotations

import math

import numpy as np

from sim_actors.simulators.opengl.assets.materials import M
from sim_actors.simulators.opengl.assets.shapes import (
    Mesh,
    Part,
    assemble,
    box,
    ellipsoid,
    hoop,
    merge,
    noisy,
    plate,
    tube,
)


def pole(arm: bool) -> Mesh:
    """A plain post 7 m tall, or one with cross-arms for wires."""
    parts = [tube([(0, 0, 0), (0, 7.0, 0)], [0.09, 0.06], M.METAL if not arm else M.WOOD)]
    if arm:
        parts.append(box((0, 6.4, 0), (0.16, 0.1, 0.18), M.METAL))
    return assemble(parts)


def lamp(style: str) -> Mesh:
    """A street lamp 7 m tall whose arm reaches 1.4 m along +x: "curved", "straight" or "lantern"."""
    if style == "lantern":
        post = tube([(0, 0, 0), (0, 1.0, 0), (0, 6.0, 0)], [0.1, 0.06, 0.05], M.TRIM)
        head = tube([(0, 6.1, 0), (0, 6.9, 0)], [0.16, 0.27], M.HEADLAMP, 6)
        arm = tube([(0, 6.0, 0), (0.7, 6.2, 0), (1.3, 6.1, 0)], [0.04, 0.03, 0.02], M.TRIM, 4)
        return assemble([post, head, arm, tube([(0, 6.9, 0), (0, 7.1, 0)], [0.3, 0.02], M.TRIM, 6)])
    if style == "curved":
        bow = [(0, 0, 0), (0, 5.6, 0), (0.15, 6.4, 0), (0.55, 6.9, 0), (1.0, 7.0, 0)]
        post = tube(bow, [0.09, 0.06, 0.05, 0.045, 0.04], M.METAL)
    else:
        post = merge(
            [
                tube([(0, 0, 0), (0, 6.9, 0)], [0.085, 0.05], M.METAL),
                tube([(0, 6.75, 0), (1.0, 6.98, 0)], [0.04, 0.035], M.METAL, 5),
            ]
        )
    return assemble(
        [
            post,
            box((1.15, 7.0, 0), (0.6, 0.09, 0.24), M.METAL),
            box((1.17, 6.94, 0), (0.5, 0.05, 0.2), M.HEADLAMP),
        ]
    )


def sign(corners: int, turn: float, plates: int = 1) -> Mesh:
    """A plate with that many corners on a post, 2.6 m tall; the plate spans the length. A second,
    smaller plate may hang below."""
    angle = np.arange(corners) / corners * 2 * math.pi + turn
    disc = plate(np.column_stack([0.34 * np.cos(angle), 2.25 + 0.34 * np.sin(angle)]), 0.03, M.SIGN)
    post = tube([(0, 0, 0), (0, 2.5, 0)], [0.035, 0.035], M.METAL)
    parts = [post, disc.moved(z=-0.05)]
    if plates > 1:
        parts.append(box((0, 1.72, -0.05), (0.5, 0.22, 0.03), M.PLATE))
    return assemble(parts)


def panel(rows: int) -> Mesh:
    """A large board on two posts, 3.2 m wide and 3.6 m tall, with rows of writing on both sides."""
    parts = [tube([(x, 0, 0), (x, 3.3, 0)], [0.06, 0.06], M.METAL) for x in (-1.0, 1.0)]
    parts.append(box((0, 2.5, 0), (3.2, 2.2, 0.06), M.PLATE))
    parts.append(box((0, 2.5, 0), (3.08, 2.08, 0.08), M.PAINT))
    for k in range(rows):
        y = 3.2 - 1.5 * k / max(rows - 1, 1)
        wide = (1.9, 1.3, 2.2)[k % 3]
        parts.append(box((-1.3 + wide / 2, y, 0), (wide, 0.2, 0.1), M.PLATE))
    return assemble(parts)


def traffic_light(seed: int) -> Mesh:
    """A signal head with three lamps on either side of a post, 3.3 m tall."""
    parts = [tube([(0, 0, 0), (0, 2.6, 0)], [0.06, 0.05], M.METAL)]
    parts.append(box((0, 2.85, 0), (0.3, 0.9, 0.22), M.TRIM))
    for face in (-1, 1):
        lit = (seed + (face > 0)) % 2
        for k in range(3):
            on = k == 0 if lit else k == 2
            material = (M.TAILLAMP if lit else M.HEADLAMP) if on else M.TYRE
            parts.append(ellipsoid((0, 3.12 - 0.27 * k, 0.11 * face), (0.09, 0.09, 0.03), material, 6))
    return assemble(parts)


def rail(beams: int) -> Mesh:
    """A guard rail 8 m long and 0.78 m tall: a corrugated beam (or two) on posts."""
    parts = [box((x, 0.36, -0.1), (0.12, 0.72, 0.1), M.METAL) for x in (-3.9, -1.95, 0.0, 1.95, 3.9)]
    for k in range(beams):
        y, z = 0.62 - 0.3 * k, 0.0
        for dy, dz in ((0.11, 0.0), (0.0, 0.07), (-0.11, 0.0)):
            parts.append(box((0, y + dy, z + dz), (8.0, 0.11, 0.05), M.METAL))
    return assemble(parts)


def barrier() -> Mesh:
    """A concrete barrier 8 m long, broad at its foot."""
    profile = np.array(
        [
            [-0.3, 0.0],
            [0.3, 0.0],
            [0.3, 0.08],
            [0.12, 0.3],
            [0.08, 0.8],
            [-0.08, 0.8],
            [-0.12, 0.3],
            [-0.3, 0.08],
        ]
    )
    convex = plate(profile[[0, 1, 2, 7]], 8.0, M.STONE)
    slope = plate(profile[[7, 2, 3, 6]], 8.0, M.STONE)
    top = plate(profile[[6, 3, 4, 5]], 8.0, M.STONE)
    whole = merge([convex, slope, top])
    return assemble([Part(whole.corners[..., [2, 1, 0]][:, ::-1], whole.materials)])


def fence(style: str) -> Mesh:
    """A fence 6 m long and 1.2 m tall: "pickets", "boards", "bars" or "wire"."""
    posts = 4 if style != "wire" else 3
    material = M.METAL if style in ("bars", "wire") else M.WOOD
    parts = [box((x, 0.6, 0), (0.09, 1.2, 0.09), material) for x in np.linspace(-2.95, 2.95, posts)]
    if style == "boards":
        for k in range(5):
            parts.append(box((0, 0.18 + 0.22 * k, 0.05), (6.0, 0.17, 0.02), material))
        return assemble(parts)
    parts += [box((0, y, 0), (6.0, 0.05 if style == "wire" else 0.08, 0.04), material) for y in (0.35, 0.95)]
    if style == "wire":
        parts.append(box((0, 0.65, 0), (6.0, 0.04, 0.03), material))
        return assemble(parts)
    wide, count = (0.09, 24) if style == "pickets" else (0.03, 34)
    parts += [box((x, 0.62, 0.03), (wide, 1.05, 0.02), material) for x in np.linspace(-2.85, 2.85, count)]
    return assemble(parts)


def wall(coping: float, material: M = M.STONE, piers: bool = False) -> Mesh:
    """A wall 6 x 0.3 x 1.6 m, with a coping `coping` m tall (0: none), and perhaps piers at its ends."""
    parts = [box((0, (1.6 - coping) / 2, 0), (6.0, 1.6 - coping, 0.26), material)]
    if coping:
        parts.append(box((0, 1.6 - coping / 2, 0), (6.0, coping, 0.3), M.STONE))
    if piers:
        parts += [box((x, 0.83, 0), (0.4, 1.66, 0.34), material) for x in (-2.8, 2.8)]
    return assemble(parts)


def bollard(style: int) -> Mesh:
    """A post 0.9 m tall with a band near its top."""
    parts = [tube([(0, 0, 0), (0, 0.86, 0), (0, 0.9, 0)], [0.065, 0.06, 0.02], M.PAINT, 8)]
    if style:
        parts.append(tube([(0, 0.7, 0), (0, 0.8, 0)], [0.067, 0.067], M.PLATE, 8))
    return assemble(parts)


def bin_(style: int) -> Mesh:
    """Something to throw things in, 1.1 m tall: a wheeled bin, two of them, or a round one."""
    if style == 2:
        body = tube([(0, 0.05, 0), (0, 0.95, 0)], [0.24, 0.28], M.PAINT, 9)
        return assemble([body, tube([(0, 0.95, 0), (0, 1.05, 0)], [0.29, 0.2], M.TRIM, 9)])
    parts = []
    for x in (0.0,) if style == 0 else (-0.33, 0.33):
        parts.append(box((x, 0.52, 0), (0.54, 0.86, 0.6), M.PAINT))
        parts.append(box((x, 0.99, 0.02), (0.6, 0.09, 0.7), M.PAINT))
        parts.append(box((x, 1.02, -0.36), (0.5, 0.05, 0.05), M.TRIM))
        parts.append(box((x, 0.1, -0.3), (0.44, 0.18, 0.1), M.TYRE))
    return assemble(parts)


def bike_rack(bikes: int) -> Mesh:
    """Bicycles (frames and wheels) side by side in their stands, 2.4 x 1.7 m."""
    parts = []
    for k in range(bikes):
        x = -1.0 + 2.0 * k / max(bikes - 1, 1)
        lines = [(0, 0.34, -0.52), (0, 0.85, -0.3), (0, 0.85, 0.35), (0, 0.34, 0.52)]
        bike = [tube(lines, [0.02] * 4, M.PAINT if k % 2 else M.METAL, 3)]
        bike.append(tube([(0, 0.3, 0), (0, 0.85, -0.28)], [0.02, 0.02], M.PAINT, 3))
        for z in (-0.52, 0.52):
            ring = hoop((z, 0.34, 0), 0.34, 0.025, M.TYRE, 10)
            bike.append(Part(ring.corners[..., [2, 1, 0]][:, ::-1], ring.materials))
        bike.append(box((0, 0.95, 0.42), (0.45, 0.04, 0.04), M.TRIM))
        bike.append(box((0, 0.93, -0.28), (0.12, 0.05, 0.24), M.TRIM))
        parts += [part.moved(x=x) for part in bike]
        parts.append(tube([(x + 0.12, 0, 0.3), (x + 0.12, 0.8, 0.3)], [0.025, 0.025], M.METAL, 4))
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


def distractor(seed: int) -> Mesh:
    """A geometric shape, turned any way: a ball, box, cone, ring, or spindle."""
    rng = np.random.default_rng([61, seed])
    shape = [
        ellipsoid((0, 0, 0), (0.5, 0.5, 0.5), M.SHAPE, 12),
        box((0, 0, 0), (0.9, 0.5, 0.6), M.SHAPE),
        tube([(0, -0.4, 0), (0, 0.4, 0)], [0.4, 0.01], M.SHAPE, 12),
        hoop((0, 0, 0), 0.5, 0.14, M.SHAPE, 14),
        ellipsoid((0, 0, 0), (0.25, 0.6, 0.25), M.SHAPE, 4),
    ][seed % 5]
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    return assemble([Part(shape.corners @ turn.T, shape.materials)])
