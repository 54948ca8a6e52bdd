"""Houses and blocks 10 x 10 x 10 m, their fronts towards +z. Windows, doors and shops are the surface
shader's; what stands out from a wall or roof is made here."""

from __future__ import annotations

import numpy as np

from sim_actors.simulators.opengl.assets.materials import M
from sim_actors.simulators.opengl.assets.shapes import Mesh, Part, assemble, box, loft

_WALL = 4.55  # half of a wall's length; eaves, balconies and bays reach beyond


def _slopes(rings: list[np.ndarray], strips: list[M], cap: M) -> Part:
    levels = np.stack(rings)
    return loft(levels, np.array([strips] * (len(rings) - 1)), caps=int(cap))


def _ring(x: float, y: float, z: float) -> np.ndarray:
    return np.array([[-x, y, -z], [x, y, -z], [x, y, z], [-x, y, z]])


def _roof(kind: str, top: float) -> list[Part]:
    """A roof over walls `top` m tall, up to 10 m."""
    rise = 10.0 - top
    tiled = [M.ROOF] * 4
    if kind == "flat":
        return [
            box((0, top + rise / 2, 0), (9.5, rise, 9.5), M.STONE),
            box((1.5, top + 0.6 * rise, -1.5), (2.4, 0.8 * rise, 2.0), M.STONE),
        ]
    if kind == "gable":
        sides = [M.ROOF, M.FACADE, M.ROOF, M.FACADE]
        return [_slopes([_ring(4.8, top, 5.0), _ring(4.8, 10.0, 0.05)], sides, M.ROOF)]
    if kind == "front_gable":
        sides = [M.FACADE, M.ROOF, M.FACADE, M.ROOF]
        return [_slopes([_ring(5.0, top, 4.7), _ring(0.05, 10.0, 4.7)], sides, M.ROOF)]
    if kind == "hip":
        return [_slopes([_ring(4.9, top, 4.9), _ring(2.6, 10.0, 0.05)], tiled, M.ROOF)]
    if kind == "mansard":
        knee = top + 0.72 * rise
        return [
            _slopes([_ring(4.75, top, 4.75), _ring(3.9, knee, 3.9), _ring(1.5, 10.0, 0.3)], tiled, M.ROOF)
        ]
    raise ValueError(f"no roof {kind!r}")


def _dormer(x: float, foot: float, z: float, tall: float) -> list[Part]:
    """A window that stands in the roof, its pane at `z`."""
    return [
        box((x, foot + tall / 2, z - 0.9), (1.0, tall, 1.8), M.ROOF),
        box((x, foot + 0.48 * tall, z), (0.72, 0.66 * tall, 0.06), M.GLASS),
        box((x, foot + tall, z - 0.85), (1.25, 0.08, 2.0), M.TRIM),
    ]


def _balconies(columns: tuple[float, ...], floors: tuple[float, ...], front: float) -> list[Part]:
    parts = []
    for x in columns:
        for y in floors:
            parts.append(box((x, y, front + 0.4), (1.9, 0.14, 0.85), M.STONE))
            parts.append(box((x, y + 0.42, front + 0.8), (1.9, 0.06, 0.05), M.METAL))
            parts.append(box((x, y + 0.2, front + 0.8), (1.8, 0.36, 0.02), M.GLASS if x > 0 else M.METAL))
    return parts


def building(
    roof: str,
    rise: float = 0.25,
    *,
    dormers: int = 0,
    chimneys: int = 1,
    balconies: bool = False,
    bay: bool = False,
    porch: bool = False,
    wing: bool = False,
) -> Mesh:
    """A house or block with a "flat", "gable", "front_gable", "hip" or "mansard" roof that takes `rise`
    of the height. `bay`: a part of the front that stands out; `wing`: a lower part beside it."""
    top = 10.0 * (1 - rise)
    front = _WALL if not balconies else 4.1
    deep = front + _WALL
    parts = [box((0, top / 2, front - deep / 2), (2 * _WALL, top, deep), M.FACADE), *_roof(roof, top)]
    if roof != "flat":
        parts.append(box((0, top - 0.06, 4.85), (9.7, 0.13, 0.14), M.TRIM))  # the gutter
        parts.append(box((4.5, top / 2, front + 0.06), (0.06, top, 0.08), M.TRIM))  # and its pipe
    else:
        parts.append(box((0, top - 0.1, 0), (9.8, 0.2, 9.8), M.STONE))
    slope = {"gable": 0.55, "hip": 0.5, "mansard": 0.3}.get(roof)
    if slope is not None:
        for k in range(dormers):
            x = (k - (dormers - 1) / 2) * 7.0 / max(dormers, 2)
            z = 4.75 - (1.6 if roof != "mansard" else 0.15)
            parts += _dormer(x, top + 0.12 * rise * 10, z, 0.42 * rise * 10)
    for k in range(chimneys):
        height = 10.0 - (0.05 if roof == "flat" else 0.25) * 10 * rise
        parts.append(box((2.3 - 4.4 * k, height, 0.5), (0.6, 0.7 + 2.2 * rise, 0.75), M.BRICK))
    if balconies:
        parts += _balconies((-2.6, 2.6), (0.36 * top, 0.68 * top), front)
    if bay:
        parts.append(box((-2.4, 0.4 * top, front + 0.2), (2.6, 0.8 * top, 0.8), M.FACADE))
    if porch:
        parts.append(box((1.4, 2.6, front + 0.3), (2.2, 0.18, 0.9), M.TRIM))
        parts.append(box((1.4, 0.12, front + 0.3), (2.0, 0.24, 0.9), M.STONE))
    if wing:
        parts = [
            Part(np.where(p.corners[..., :1] < 99, p.corners * [0.68, 1, 1], 0), p.materials) for p in parts
        ]
        parts = [p.moved(x=-1.6) for p in parts]
        parts.append(box((3.4, 0.3 * top, 0.4), (3.2, 0.6 * top, 7.6), M.FACADE))
        parts.append(box((3.4, 0.62 * top, 0.4), (3.3, 0.05 * top, 7.9), M.ROOF))
    return assemble(parts)
