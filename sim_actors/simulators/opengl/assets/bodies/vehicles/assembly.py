"""Cars, vans and buses: a coach from a table of proportions, on wheels, with what sits on its skin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from sim_actors.simulators.opengl.assets.bodies.vehicles.coachwork import (
    Arch,
    Coach,
    Face,
    Lines,
    Patch,
    skin,
)
from sim_actors.simulators.opengl.assets.bodies.vehicles.wheels import Rim, wheel
from sim_actors.simulators.opengl.assets.materials import M
from sim_actors.simulators.opengl.assets.shapes import Mesh, Part, assemble, box, ellipsoid

SEAM = 0.012  # m


@dataclass(frozen=True, kw_only=True)
class Vehicle(Lines):
    """A body's proportions, m: its lines, and what stands on them.

    `axles` and `wheel`
    (radius) place the wheels; `windows` are the side panes (from, to), black posts between those
    that follow closely; `seams` the joints of doors; `handles` where the doors open; `mirror` x of the door
    mirrors (None: none); `plates` the heights of the number plates (front, rear), 0 for none;
    `cladding`: sills and arches of bare plastic; `rails` on the roof; `doors`: folding doors of a bus
    on its right side, (from, to).
    """

    height: float
    wheel: float = 0.315
    axles: Sequence[float] = (0.85, 3.45)
    arch: float = 0.05
    sill: float = 0.2
    roof: float = 0.68
    nose_width: float = 0.975
    tail_width: float = 0.985
    crown: float = 0.055
    windows: Sequence[tuple[float, float]] = ()
    seams: Sequence[float] = ()
    handles: Sequence[float] = ()
    mirror: float | None = 1.3
    plates: tuple[float, float] = (0.4, 0.5)
    cladding: bool = False
    rails: bool = False
    doors: Sequence[tuple[float, float]] = ()
    rim: Rim = "spokes"
    spokes: int = 5
    tyre: float = 0.2


def coach(v: Vehicle) -> Coach:
    """The lines of a vehicle's skin, with panes, posts, seams and lamps painted on."""
    reach = v.wheel + v.arch
    patches: list[Patch] = []
    if v.cladding:
        patches += [(3, 4, v.nose.depth, v.length - v.tail.depth, M.TRIM)]
    elif len(v.axles) > 1:
        patches += [(3, 4, v.axles[0] + reach, v.axles[-1] - reach, M.TRIM)]
    for (_, end), (start, _) in zip(v.windows, v.windows[1:]):
        if start - end < 0.2:
            patches.append((9, 10, end, start, M.TRIM))
    patches += [(9, 10, start, end, M.GLASS) for start, end in v.windows]
    patches += [(11, 14, start, end, M.GLASS) for start, end in v.screens]
    patches += [(4, 9, x, x + SEAM, M.TRIM) for x in v.seams]
    lines = {field.name: getattr(v, field.name) for field in fields(Lines)}
    return Coach(
        **lines | {"patches": [*patches, *v.patches]},
        floor=v.sill + 0.03,
        arches=[Arch(x, v.wheel, reach) for x in v.axles],
        house=max(0.27, v.tyre + 0.07),
    )


def _plates(v: Vehicle) -> list[Part]:
    parts = []
    for face, height, at, way in ((v.nose, v.plates[0], 0.0, 1), (v.tail, v.plates[1], -v.length, -1)):
        if height:
            rows = [*face.rows, v.belt[0 if way > 0 else -1][1]]
            back = float(np.interp(height, rows, face.rake[: len(rows)]))
            parts.append(box((at - way * (back - 0.004), height, 0), (0.025, 0.11, 0.5), M.PLATE))
    return parts


def _fittings(v: Vehicle) -> list[Part]:
    """Mirrors, handles, number plates, roof rails, folding doors."""
    parts, half = _plates(v), v.width / 2
    belt = np.array(v.belt).T
    for side in (-1, 1):
        if v.mirror is not None:
            y = float(np.interp(v.mirror, *belt)) + 0.085
            # Within the width: labelled widths leave mirrors out, and the body must fill its cuboid.
            z = side * (half - 0.085)
            parts.append(ellipsoid((-v.mirror, y, z), (0.09, 0.075, 0.088), M.PAINT, 8))
            parts.append(box((-v.mirror - 0.055, y, z), (0.05, 0.09, 0.13), M.GLASS))
        for x in v.handles:
            y = v.sill + 0.78 * (float(np.interp(x, *belt)) - v.sill)
            parts.append(box((-x, y, side * (half - 0.005)), (0.17, 0.028, 0.02), M.TRIM))
        if v.rails:
            a, b = v.screens[0][1] + 0.15, v.length - 0.75
            z, top = side * half * v.roof * 0.96, [(x, y) for x, y, _ in v.roofline]
            y = min(float(np.interp(x, *np.array(top).T)) for x in (a, b)) - v.crown
            parts.append(box((-(a + b) / 2, y + 0.02, z), (b - a, 0.06, 0.03), M.METAL))
    for a, b in v.doors:
        low, high = v.sill + 0.05, v.roofline[len(v.roofline) // 2][1] - 0.28
        y, z = (low + high) / 2, -(half - 0.012)
        parts.append(box((-(a + b) / 2, y, z), (b - a, high - low, 0.03), M.TRIM))
        for k in (0.26, 0.74):
            centre = (-(a + k * (b - a)), y + 0.05, z - 0.002)
            parts.append(box(centre, (0.4 * (b - a), high - low - 0.25, 0.032), M.GLASS))
    return parts


def stretched(v: Vehicle, long: float = 1.0, tall: float = 1.0, wide: float = 1.0) -> Vehicle:
    """The vehicle with its lengths, heights and width scaled; wheels keep their size."""

    def face(f: Face) -> Face:
        rows = tuple(tall * y for y in f.rows)
        return replace(f, rows=rows, rake=tuple(long * x for x in f.rake), depth=long * f.depth)  # type: ignore[arg-type]

    def spans(pairs: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
        return tuple((long * a, long * b) for a, b in pairs)

    return replace(
        v,
        length=long * v.length,
        width=wide * v.width,
        height=tall * v.height,
        roofline=tuple((long * x, tall * y, r) for x, y, r in v.roofline),
        belt=tuple((long * x, tall * y) for x, y in v.belt),
        nose=face(v.nose),
        tail=face(v.tail),
        axles=tuple(long * x for x in v.axles),
        sill=tall * v.sill,
        windows=spans(v.windows),
        screens=spans(v.screens),
        doors=spans(v.doors),
        seams=tuple(long * x for x in v.seams),
        handles=tuple(long * x for x in v.handles),
        patches=tuple((a, b, long * x, long * y, m) for a, b, x, y, m in v.patches),
        mirror=None if v.mirror is None else long * v.mirror,
        plates=(tall * v.plates[0], tall * v.plates[1]),
    )


def running_gear(v: Vehicle) -> list[Part]:
    """The wheels, a little inside of the body's side."""
    return [
        wheel(-x, v.wheel, v.width / 2 - 0.03, side, v.tyre, v.rim, v.spokes)
        for x in v.axles
        for side in (-1, 1)
    ]


def vehicle_parts(v: Vehicle) -> list[Part]:
    """Skin, fittings and wheels, m."""
    return [skin(coach(v)), *_fittings(v), *running_gear(v)]


def vehicle(v: Vehicle) -> Mesh:
    """The whole vehicle in the unit cuboid."""
    return assemble(vehicle_parts(v))
