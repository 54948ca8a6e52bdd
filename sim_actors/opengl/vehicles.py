"""Bodies on wheels: one generator, lofted through cross-sections, fed by tables of proportions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sim_actors.opengl.materials import M
from sim_actors.opengl.shapes import Mesh, Part, assemble, box, loft, plate, tube


@dataclass(frozen=True)
class Vehicle:
    """Proportions of a body, m; lengths along the body are measured from the front.

    `nose`, `hood`, `belt`, `deck`: heights of the front edge, the bonnet at the windscreen, the
    window sills, and the tail. `cowl`: where the windscreen begins; `screen`, `back`: lengths of the
    slopes of windscreen and rear window. `tumble`: roof width / body width; `taper`: how much the
    ends narrow; `panes`: share of the roof's length at which pillars stand (empty: a panel van);
    `glazed_rear`: the rear slope is glass. `box_body`: a cargo body stands behind the cab.
    """

    length: float = 4.5
    width: float = 1.8
    height: float = 1.48
    nose: float = 0.68
    hood: float = 0.95
    cowl: float = 1.25
    screen: float = 0.75
    back: float = 0.6
    tail: float = 0.5
    deck: float = 1.0
    belt: float = 0.95
    sill: float = 0.2
    tumble: float = 0.7
    taper: float = 0.82
    panes: Sequence[float] = (0.5, 0.95)
    glazed_rear: bool = True
    wheel: float = 0.32
    axles: Sequence[float] = (0.85, 3.45)
    box_body: tuple[float, float] | None = None
    open_bed: bool = False
    spare: bool = False
    skirt: bool = False


def _section(x: float, sill: float, belt: float, roof: float, half: float, top: float) -> np.ndarray:
    """The closed ring (18, 3) of one cross-section: belt at `half` width, roof at `top` width."""
    low = sill + 0.45 * (belt - sill)
    rise = roof - belt
    right = [
        (sill, 0.88 * half),
        (sill + 0.22 * (belt - sill), 0.975 * half),
        (low, half),
        (belt - 0.1 * (belt - sill), 0.985 * half),
        (belt, 0.95 * half),
        (roof - 0.17 * rise, top + 0.02),
        (roof - 0.05 * rise, 0.88 * top),
        (roof - 0.01 * rise, 0.5 * top),
    ]
    ring = [(sill, 0.0), *right, (roof, 0.0), *((y, -z) for y, z in reversed(right))]
    return np.array([(x, y, z) for y, z in ring])


def _materials(kind: str) -> list[int]:
    """The material of each of a section's 18 strips between two stations of a kind."""
    glass, paint = int(M.GLASS), int(M.PAINT)
    side = glass if kind in ("window", "screen") else paint
    top = glass if kind == "screen" else paint
    half = [int(M.TRIM), int(M.TRIM), paint, paint, paint, side, paint, top, top]
    return half + half[::-1]


def body(v: Vehicle) -> Part:
    """The painted shell with its windows."""
    half, roof_half = v.width / 2 - 0.012, v.width / 2 * v.tumble
    end = v.length - (v.box_body[0] if v.box_body else 0.0)
    roof_from, roof_to = v.cowl + v.screen, end - v.tail - v.back
    nose_in, front = min(0.1, 0.15 * v.cowl), half * v.taper
    stations: list[tuple[float, float, float, float, float, float, str]] = [
        (0.0, v.sill + 0.16, 0.8 * v.nose, 0.82 * v.nose, front - 0.1 * half, front - 0.16 * half, "body"),
        (nose_in, v.sill + 0.03, 0.95 * v.nose, v.nose, front, 0.9 * front, "body"),
        (max(0.3 * v.cowl, nose_in + 0.05), v.sill, *_bonnet(v, 0.35), half * 0.98, half * 0.88, "body"),
        (0.85 * v.cowl, v.sill, *_bonnet(v, 0.9), half, half * 0.9, "body"),
        (v.cowl, v.sill, min(v.belt, v.hood), v.hood + 0.015, half, half * 0.88, "screen"),
        (roof_from, v.sill, v.belt, v.height - 0.035, half, roof_half, "window"),
    ]
    span = roof_to - roof_from
    for share in v.panes:
        at, post = roof_from + share * span, 0.09
        if at + post < roof_to - 0.02:
            stations.append((at, v.sill, v.belt, v.height, half, roof_half, "pillar"))
            stations.append((at + post, v.sill, v.belt, v.height, half, roof_half, "window"))
    if not v.panes:
        door = roof_from + min(0.3 * span, 0.9)
        stations.append((door, v.sill, v.belt, v.height, half, roof_half, "pillar"))
    stations += [
        (roof_to, v.sill, v.belt, v.height - 0.03, half, roof_half, "screen" if v.glazed_rear else "pillar"),
        (roof_to + v.back, v.sill, min(v.belt, v.deck), v.deck + 0.03, half, half * 0.86, "body"),
        (
            end - nose_in / 2,
            v.sill + 0.04,
            0.97 * v.deck - 0.04,
            0.99 * v.deck,
            half * 0.94,
            half * 0.8,
            "body",
        ),
        (end, v.sill + 0.16, 0.9 * v.deck - 0.04, 0.93 * v.deck, half * 0.88, half * 0.72, "end"),
    ]
    rings = np.stack([_section(-s[0], *s[1:6]) for s in stations])
    materials = np.array([_materials(s[6]) for s in stations[:-1]])
    return loft(rings, materials, caps=(int(M.PAINT), int(M.PAINT)))


def _bonnet(v: Vehicle, share: float) -> tuple[float, float]:
    top = v.nose + (v.hood - v.nose) * share
    return top - 0.05, top


def wheel(x: float, radius: float, outside: float, side: int) -> list[Part]:
    """Tyre, rim and the dark arch above it, on the side z > 0 (side = 1) or z < 0 (-1)."""
    angle = np.arange(16) / 16 * 2 * math.pi
    depth = np.array([-0.2, -0.02, 0.0, -0.005])
    reach = np.array([0.97, 1.0, 0.94, 0.62]) * radius
    rings = np.stack(
        [
            x + np.cos(angle)[None, :] * reach[:, None],
            radius + np.sin(angle)[None, :] * reach[:, None],
            np.broadcast_to(((outside + depth) * side)[:, None], (4, 16)),
        ],
        axis=2,
    )
    rim = rings[-1:] * [1, 1, 1] + [[[0, 0, 0]], [[0, 0, -0.03 * side]]]
    rim[1] = (rim[1] - rim[1].mean(axis=0)) * [0.55, 0.55, 1] + rim[1].mean(axis=0)
    arc = np.linspace(-0.12, math.pi + 0.12, 12)
    outline = 1.16 * radius * np.column_stack([np.cos(arc), np.sin(arc)]) + [x, radius]
    arch = plate(outline, 0.012, M.TYRE)
    return [
        loft(rings, int(M.TYRE), caps=int(M.TYRE)),
        loft(rim, int(M.METAL), caps=int(M.METAL)),
        arch.moved(z=(outside - 0.014) * side),
    ]


def _lamps(v: Vehicle) -> list[Part]:
    """Lamps, grille, bumpers and number plates."""
    half = v.width / 2
    rear = v.length
    tall = 0.28 if v.deck > 1.25 * v.hood else 0.14
    high = 0.62 * v.deck if tall > 0.2 else 0.8 * v.deck
    if v.box_body:
        tall, high = 0.12, v.box_body[1] - 0.1
    wide = half * (v.taper - 0.2)
    parts = [
        box((-0.045, 0.62 * v.nose, 0), (0.09, 0.2 * v.nose, 1.1 * wide), M.TRIM),
        box((-0.04, v.sill + 0.16, 0), (0.1, 0.09, 1.3 * wide), M.TRIM),
        box((-0.035, v.sill + 0.2, 0), (0.1, 0.11, 0.5), M.PLATE),
    ]
    if not v.box_body:
        parts.append(box((-rear + 0.03, 0.62 * v.deck - 0.02, 0), (0.08, 0.11, 0.5), M.PLATE))
        parts.append(box((-rear + 0.03, v.sill + 0.19, 0), (0.08, 0.08, 1.4 * wide), M.TRIM))
    for side in (-1, 1):
        parts += [
            box((-0.1, 0.78 * v.nose, side * half * (v.taper - 0.2)), (0.15, 0.15, 0.32), M.HEADLAMP),
            box((-rear + 0.07, high, side * half * 0.78), (0.13, tall, 0.22), M.TAILLAMP),
        ]
    return parts


def _load(v: Vehicle) -> list[Part]:
    """What a truck carries behind its cab."""
    assert v.box_body
    long, floor = v.box_body
    middle, half = -(v.length - long / 2), v.width / 2
    parts = [
        box((middle + 0.35, floor - 0.14, 0), (long + 0.5, 0.18, 0.9), M.TRIM),
        box((-v.length + 0.12, 0.6 * floor, 0), (0.1, 0.12, 0.9 * v.width), M.TRIM),
        *(box((-v.length + 0.12, 0.8 * floor, z), (0.08, 0.5 * floor, 0.08), M.TRIM) for z in (-0.4, 0.4)),
    ]
    if v.open_bed:
        wall = 0.9
        parts.append(box((middle + 0.03, floor + 0.05, 0), (long - 0.06, 0.1, v.width - 0.02), M.METAL))
        parts += [
            box((middle, floor + wall / 2, s * (half - 0.03)), (long - 0.06, wall, 0.06), M.CARGO)
            for s in (-1, 1)
        ]
        parts += [
            box((middle + s * (long / 2 - 0.06), floor + wall / 2, 0), (0.06, wall, v.width - 0.02), M.CARGO)
            for s in (-1, 1)
        ]
    else:
        tall = v.height - floor
        parts.append(box((middle, floor + tall / 2, 0), (long - 0.1, tall, v.width), M.CARGO))
        parts.append(box((-v.length + 0.045, floor + tall / 2, 0), (0.05, tall - 0.2, 0.06), M.TRIM))
    return parts


def vehicle(v: Vehicle) -> Mesh:
    """The whole vehicle in the unit cuboid."""
    cab = replace(v, height=min(v.height, v.box_body[1] + 1.55)) if v.box_body else v
    parts = [body(cab), *_lamps(v)]
    if v.box_body:
        parts += _load(v)
    for x in v.axles:
        for side in (-1, 1):
            parts += wheel(-x, v.wheel, v.width / 2, side)
    if v.skirt:
        parts += [
            box((-v.length / 2, v.sill, side * (v.width / 2 - 0.05)), (v.length * 0.9, 0.3, 0.06), M.TRIM)
            for side in (-1, 1)
        ]
    if v.spare:
        parts.append(plate(_circle(v.deck * 0.62, 0.3), 0.16, M.TYRE))
        parts[-1] = _turned(parts[-1]).moved(x=-v.length - 0.05)
    return assemble(parts)


def _circle(y: float, radius: float) -> np.ndarray:
    angle = np.arange(14) / 14 * 2 * math.pi
    return np.column_stack([radius * np.cos(angle), y + radius * np.sin(angle)])


def _turned(part: Part) -> Part:
    """A quarter turn about y: what faced sideways faces forward."""
    return Part(part.corners[:, :, [2, 1, 0]] * np.array([1.0, 1.0, -1.0]), part.materials)


def trailer() -> Mesh:
    """A small covered trailer: KITTI's `Misc` is mostly trailers."""
    parts = [
        box((-1.15, 0.75, 0), (2.1, 0.8, 1.4), M.CARGO),
        box((-1.15, 1.2, 0), (2.0, 0.12, 1.3), M.PAINT),
        tube([(0.9, 0.42, 0), (-0.2, 0.42, 0)], [0.04, 0.04], M.METAL),
        *(box((-2.2, 0.5, s * 0.55), (0.05, 0.12, 0.2), M.TAILLAMP) for s in (-1, 1)),
    ]
    for side in (-1, 1):
        parts += wheel(-1.2, 0.3, 0.82, side)
    return assemble(parts)


def tram(
    length: float = 16.0, width: float = 2.5, height: float = 3.4, doors: int = 4, round_: float = 0.75
) -> Mesh:
    """A rail car: windows all along, a windscreen at each end, doors, a pantograph."""
    half, roof = width / 2 - 0.01, height - 0.25
    stations = [(0.0, 0.3, 1.3, 1.35, half * round_, half * round_ * 0.9, "screen")]
    stations += [(0.7, 0.2, 1.2, roof - 0.12, half * 0.97, half * 0.8, "pillar")]
    pitch = (length - 2.0) / (3 * doors)
    for k in range(3 * doors):
        at = 1.0 + k * pitch
        stations.append((at, 0.2, 1.15, roof, half, half * 0.85, "window"))
        stations.append((at + pitch - 0.16, 0.2, 1.15, roof, half, half * 0.85, "pillar"))
    stations += [
        (length - 0.7, 0.2, 1.2, roof - 0.12, half * 0.97, half * 0.8, "screen"),
        (length, 0.3, 1.3, 1.35, half * round_, half * round_ * 0.9, "end"),
    ]
    rings = np.stack([_section(-s[0], *s[1:6]) for s in stations])
    parts = [loft(rings, np.array([_materials(s[6]) for s in stations[:-1]]), caps=int(M.PAINT))]
    for k in range(doors):
        at = -(1.0 + (3 * k + 1.42) * pitch)
        parts += [box((at, 1.35, s * (half - 0.01)), (1.2, 1.9, 0.04), M.TRIM) for s in (-1, 1)]
        parts += [box((at, 1.6, s * half), (1.0, 1.1, 0.04), M.GLASS) for s in (-1, 1)]
    for x in (0.18 * length, 0.82 * length):
        parts.append(box((-x, 0.24, 0), (2.2, 0.48, width * 0.8), M.TYRE))
    for end in (-0.05, -length + 0.05):
        lamp = M.HEADLAMP if end > -1 else M.TAILLAMP
        parts += [box((end, 0.95, s * half * 0.5), (0.12, 0.16, 0.26), lamp) for s in (-1, 1)]
    parts.append(tube([(-length / 2, roof, 0), (-length / 2 - 0.7, height - 0.04, 0)], [0.03, 0.03], M.METAL))
    parts.append(box((-length / 2 - 0.7, height - 0.02, 0), (0.1, 0.04, 1.4), M.METAL))
    parts.append(box((-length / 2 + 1.6, roof + 0.08, 0), (2.4, 0.2, 1.4), M.METAL))
    return assemble(parts)
