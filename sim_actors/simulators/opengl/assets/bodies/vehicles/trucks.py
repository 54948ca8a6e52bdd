"""The simulator's trucks and buses: cabs and saloons from coachwork, what they carry from boxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from sim_actors.simulators.opengl.assets.bodies.vehicles.assembly import Vehicle, vehicle_parts
from sim_actors.simulators.opengl.assets.bodies.vehicles.coachwork import Face, quads
from sim_actors.simulators.opengl.assets.bodies.vehicles.vans import DELIVERY_VAN
from sim_actors.simulators.opengl.assets.bodies.vehicles.wheels import wheel
from sim_actors.simulators.opengl.assets.materials import M
from sim_actors.simulators.opengl.assets.shapes import Mesh, Part, assemble, box, loft, tube

_BACK = Face(rows=(0.6, 0.8, 0.95, 1.1, 1.35), rake=(0.0,) * 9, depth=0.04, power=8.0)
CAB = Vehicle(
    length=2.15,
    width=2.36,
    height=2.95,
    roofline=((0.2, 2.74, 0), (0.6, 2.92, 0.3), (1.95, 2.95, 0.2), (2.11, 2.88, 0)),
    belt=((0.2, 1.58), (2.11, 1.56)),
    nose=Face(
        rows=(0.36, 0.52, 0.72, 0.92, 1.3),
        rake=(0.05, 0.01, 0.0, 0.0, 0.02, 0.04, 0.05, 0.16, 0.22),
        depth=0.2,
        power=5.0,
        patches=(
            (3, 4, 0.0, 1.0, M.TRIM),
            (4, 5, 0.6, 0.95, M.HEADLAMP),
            (5, 7, 0.0, 0.66, M.TRIM),
            (9, 10, 0.0, 1.0, M.GLASS),
        ),
    ),
    tail=_BACK,
    wheel=0.48,
    axles=(1.32,),
    arch=0.09,
    sill=0.42,
    nose_width=0.97,
    tail_width=1.0,
    taper=0.5,
    roof=0.93,
    crown=0.12,
    section=(0.98, 0.985, 0.99, 1.0, 1.0, 0.99),
    windows=((0.42, 1.5),),
    seams=(0.36, 1.6),
    handles=(1.46,),
    patches=((3, 4, 0.3, 2.1, M.TRIM), (9, 10, 0.2, 0.34, M.GLASS)),
    mirror=None,
    plates=(0.44, 0.0),
    rim="lorry",
    tyre=0.3,
)
SLEEPER = replace(
    CAB,
    length=2.3,
    height=3.6,
    roofline=((0.2, 2.86, 0), (0.7, 3.45, 0.4), (2.0, 3.6, 0.3), (2.26, 3.5, 0)),
    belt=((0.2, 1.66), (2.26, 1.64)),
    nose=replace(CAB.nose, rows=(0.36, 0.54, 0.78, 1.0, 1.38)),
    windows=((0.42, 1.45),),
    patches=((3, 4, 0.3, 2.26, M.TRIM), (9, 10, 0.2, 0.34, M.GLASS)),
    axles=(1.4,),
    wheel=0.5,
    crown=0.1,
)
LIGHT_CAB = replace(
    DELIVERY_VAN,
    length=2.15,
    roofline=(*DELIVERY_VAN.roofline[:3], (2.0, 2.12, 0.1), (2.11, 2.1, 0)),
    belt=(*DELIVERY_VAN.belt[:3], (2.11, 1.2)),
    tail=replace(_BACK, rows=(0.3, 0.42, 0.58, 0.8, 1.02)),
    tail_width=1.0,
    axles=(0.92,),
    seams=(1.02, 2.04),
    handles=(1.88,),
    patches=((6, 7, 0.36, 0.6, M.GLASS), (3, 4, 1.3, 2.11, M.TRIM)),
    plates=(0.46, 0.0),
)


def _chassis(
    start: float, end: float, width: float, floor: float, axles: Sequence[float], radius: float
) -> list[Part]:
    """Frame, rear axles with mudguards, underrun bar, lamps and plate from `start` to `end` m."""
    frame = max(radius + 0.12, floor - 0.22)
    parts = [
        box((-(start + end) / 2, (frame + floor) / 2, s * 0.42), (end - start, floor - frame, 0.09), M.TRIM)
        for s in (-1, 1)
    ]
    parts.append(box((-end + 0.1, 0.52, 0), (0.1, 0.14, 0.9 * width), M.TRIM))
    parts.append(box((-end + 0.03, 0.66, 0), (0.03, 0.12, 0.52), M.PLATE))
    for s in (-1, 1):
        parts.append(box((-end + 0.05, floor - 0.12, s * 0.38 * width), (0.05, 0.15, 0.36), M.TAILLAMP))
        parts.append(box((-end + 0.15, (floor + 0.5) / 2, s * 0.3), (0.1, floor - 0.5, 0.1), M.TRIM))
        for x in axles:
            parts.append(wheel(-x, radius, width / 2 - 0.04, s, 0.55, "lorry"))
        top = 2 * radius + 0.06
        a, b = min(axles) - radius - 0.08, max(axles) + radius + 0.08
        parts.append(box((-(a + b) / 2, top, s * (width / 2 - 0.3)), (b - a, 0.03, 0.5), M.TYRE))
    return parts


def _flanks(start: float, end: float, width: float) -> list[Part]:
    """Side guards between the axles, and a fuel tank on the left."""
    parts = [
        box((-(start + end) / 2, y, s * (width / 2 - 0.06)), (end - start, 0.1, 0.03), M.METAL)
        for y in (0.48, 0.76)
        for s in (-1, 1)
    ]
    x, z = start + 0.5, width / 2 - 0.34
    parts.append(tube([(-x + 0.45, 0.68, z), (-x - 0.45, 0.68, z)], [0.25, 0.25], M.METAL, 10))
    return parts


def _mirrors(x: float, y: float, half: float) -> list[Part]:
    return [
        part
        for s in (-1, 1)
        for part in (
            box((-x, y, s * (half + 0.0)), (0.1, 0.42, 0.2), M.TRIM),
            box((-x - 0.055, y, s * half), (0.012, 0.36, 0.16), M.GLASS),
        )
    ]


def _box_body(
    start: float, end: float, floor: float, height: float, width: float, curtain: bool
) -> list[Part]:
    """A closed body: panels in an aluminium frame, doors with locking bars behind."""
    long, tall = end - start, height - floor
    middle, half, rim = -(start + end) / 2, width / 2, 0.09
    parts = [box((middle, floor + tall / 2, 0), (long - 0.02, tall - 0.02, width - 0.02), M.CARGO)]
    for y in (floor + rim / 2, height - rim / 2):
        parts += [box((middle, y, s * (half - 0.03)), (long, rim, 0.06), M.METAL) for s in (-1, 1)]
        parts += [box((-x, y, 0), (0.06, rim, width), M.METAL) for x in (start + 0.03, end - 0.03)]
    for x in (start + 0.04, end - 0.04):
        parts += [
            box((-x, floor + tall / 2, s * (half - 0.03)), (0.08, tall, 0.06), M.METAL) for s in (-1, 1)
        ]
    parts += [
        box((-end + 0.006, floor + tall / 2, z), (0.02, tall - 0.2, 0.035), M.METAL)
        for z in (-0.55, -0.18, 0.18, 0.55)
    ]
    parts.append(box((-end + 0.005, floor + tall / 2, 0), (0.014, tall - 0.18, 0.02), M.TRIM))
    if curtain:
        count = round(long / 1.1)
        xs = start + (np.arange(1, count) / count) * long
        parts += [box((-x, floor + 0.28, s * half), (0.05, 0.4, 0.012), M.TRIM) for x in xs for s in (-1, 1)]
    return parts


def _tipping_body(start: float, end: float, floor: float, height: float, width: float) -> list[Part]:
    """An open bin with ribs, a load of gravel in it and a shield over the cab."""
    long, tall = end - start, height - floor - 0.25
    middle, half = -(start + end) / 2, width / 2
    parts = [box((middle, floor + 0.05, 0), (long, 0.1, width - 0.06), M.METAL)]
    for s in (-1, 1):
        parts.append(box((middle, floor + tall / 2, s * (half - 0.06)), (long, tall, 0.06), M.CARGO))
        parts.append(box((middle, floor + tall, s * (half - 0.05)), (long, 0.1, 0.1), M.CARGO))
        parts += [
            box((-(start + long * k / 6), floor + tall / 2, s * (half - 0.025)), (0.09, tall, 0.05), M.CARGO)
            for k in range(1, 6)
        ]
    parts.append(box((-end + 0.04, floor + tall / 2, 0), (0.08, tall, width - 0.06), M.CARGO))
    parts.append(box((-start - 0.04, floor + tall / 2, 0), (0.08, tall + 0.3, width - 0.06), M.CARGO))
    parts.append(box((-start + 0.3, height - 0.04, 0), (0.75, 0.08, width - 0.3), M.CARGO))
    x, z = np.meshgrid(
        np.linspace(-start - 0.1, -end + 0.1, 9), np.linspace(-half + 0.1, half - 0.1, 7), indexing="ij"
    )
    heap = 0.55 * tall + 0.5 * tall * np.cos((x - middle) / long * 3.0) * np.cos(z / half * 1.4)
    load = np.stack([x, floor + heap + 0.05 * np.sin(7 * x + 5 * z), z], axis=2)
    return [*parts, quads(load, np.full((8, 6), int(M.STONE)))]


def box_truck(
    length: float, height: float, width: float = 2.5, cab: Vehicle = CAB, axles: Sequence[float] = (5.6,),
    floor: float = 1.05, curtain: bool = False,
) -> Mesh:  # fmt: skip
    """A truck with a closed body, m; `axles` are those behind the cab's."""
    start, radius = cab.length + 0.12, cab.wheel
    parts = [
        *vehicle_parts(cab),
        *_chassis(cab.length - 0.7, length, width, floor, axles, radius),
        *_box_body(start, length, floor, height, width, curtain),
    ]
    if cab.mirror is None:
        parts += _flanks(start, min(axles) - radius - 0.2, width)
        parts += _mirrors(0.24, 1.95, min(cab.width / 2 + 0.02, width / 2 - 0.1))
    elif cab is LIGHT_CAB:  # under a nose of the body
        low, high, half = cab.height - 0.1, height - 0.02, width / 2 - 0.02
        rings = [
            [
                (-start + x, y, z)
                for y, z in ((low, -half), (high - drop, -half), (high - drop, half), (low, half))
            ]
            for x, drop in ((-0.02, 0.0), (0.55, 0.05), (1.05, 0.5))
        ]
        parts.append(loft(np.array(rings), int(M.CARGO), caps=int(M.CARGO)))
    return assemble(parts)


def tipper(length: float = 7.0, height: float = 3.0, width: float = 2.5, cab: Vehicle = CAB) -> Mesh:
    """A three-axle tipper, m."""
    start, floor, axles = cab.length + 0.15, 1.2, (length - 2.3, length - 1.0)
    parts = [
        *vehicle_parts(cab),
        *(_mirrors(0.24, 1.95, cab.width / 2 - 0.03) if cab.mirror is None else ()),
        *_chassis(1.5, length, width, floor, axles, cab.wheel),
        *_flanks(start, axles[0] - 0.7, width),
        *_tipping_body(start, length, floor, height, width),
    ]
    return assemble(parts)


def tanker(length: float = 8.6, width: float = 2.5) -> Mesh:
    """A tank on three axles, m."""
    start, axles, y = CAB.length + 0.3, (length - 2.6, length - 1.25), 2.1
    reach = [(0.45, 0.6), (0.82, 1.15), (0.88, width / 2), (0.88, width / 2), (0.82, 1.15), (0.45, 0.6)]
    xs = (start, start + 0.12, start + 0.4, length - 0.4, length - 0.12, length)
    parts = [
        *vehicle_parts(CAB),
        *_mirrors(0.24, 1.95, CAB.width / 2 - 0.03),
        *_chassis(1.5, length, width, 1.25, axles, CAB.wheel),
        *_flanks(start, axles[0] - 0.7, width),
        tube([(-x, y, 0) for x in xs], reach, M.CARGO, 16),
        box((-(start + length) / 2, y + 0.9, 0), (length - start - 1.2, 0.06, 0.5), M.METAL),
        *(tube([(-x, y + 0.85, 0), (-x, y + 1.05, 0)], [0.22, 0.22], M.METAL, 8) for x in (3.6, 5.2, 6.8)),
    ]
    return assemble(parts)


def articulated(length: float = 16.0, height: float = 4.0, width: float = 2.55) -> Mesh:
    """A tractor and its semitrailer on three axles, m."""
    start, floor, radius = 2.75, 1.2, 0.5
    axles = (length - 4.6, length - 3.3, length - 2.0)
    parts = [
        *vehicle_parts(SLEEPER),
        *_mirrors(0.26, 2.05, SLEEPER.width / 2 + 0.0),
        box((-3.4, 0.8, 0), (3.4, 0.24, 0.9), M.TRIM),
        *(wheel(-4.7, radius, width / 2 - 0.04, s, 0.55, "lorry") for s in (-1, 1)),
        *(box((-4.7, 1.07, s * 0.95), (1.2, 0.03, 0.55), M.TYRE) for s in (-1, 1)),
        *_chassis(3.2, length, width, floor, axles, radius),
        *_flanks(6.6, axles[0] - 0.9, width),
        *(box((-6.2, 0.62, s * 0.8), (0.14, 1.1, 0.14), M.METAL) for s in (-1, 1)),
        *_box_body(start, length, floor, height, width, curtain=True),
    ]
    return assemble(parts)


TRUCKS: dict[str, Callable[[], Mesh]] = {
    "box_truck": partial(box_truck, 7.6, 3.35),
    "light_truck": partial(box_truck, 6.2, 2.95, 2.2, LIGHT_CAB, (4.75,), 0.85),
    "tipper": tipper,
    "lorry": partial(box_truck, 10.5, 3.7, axles=(7.2, 8.55), curtain=True),
    "tanker": tanker,
    "articulated": articulated,
}


def _panes(start: float, end: float, count: int, post: float = 0.07) -> tuple[tuple[float, float], ...]:
    step = (end - start) / count
    return tuple((start + k * step, start + (k + 1) * step - post) for k in range(count))


CITY_BUS = Vehicle(
    length=11.9,
    width=2.55,
    height=3.05,
    roofline=((0.16, 2.84, 0), (0.5, 3.02, 0.3), (11.4, 3.05, 0.3), (11.76, 2.86, 0)),
    belt=((0.16, 1.08), (11.76, 1.08)),
    nose=Face(
        rows=(0.3, 0.44, 0.58, 0.76, 0.92),
        rake=(0.06, 0.02, 0.0, 0.01, 0.02, 0.03, 0.03, 0.13, 0.18),
        depth=0.16,
        power=6.0,
        patches=(
            (3, 4, 0.0, 1.0, M.TRIM),
            (5, 6, 0.66, 1.0, M.GLASS),
            (5, 6, 0.72, 0.9, M.HEADLAMP),
            (8, 10, 0.0, 1.0, M.GLASS),
            (10, 11, 0.0, 0.75, M.TRIM),
        ),
    ),
    tail=Face(
        rows=(0.34, 0.5, 0.7, 0.84, 1.0),
        rake=(0.06, 0.02, 0.0, 0.0, 0.01, 0.02, 0.02, 0.06, 0.1),
        depth=0.14,
        power=7.0,
        patches=((5, 8, 0.0, 0.6, M.TRIM), (5, 8, 0.84, 1.0, M.TAILLAMP), (9, 10, 0.0, 0.8, M.GLASS)),
    ),
    wheel=0.48,
    axles=(2.75, 8.9),
    arch=0.07,
    sill=0.28,
    roof=0.96,
    crown=0.1,
    nose_width=0.995,
    tail_width=0.995,
    taper=0.15,
    section=(0.985, 0.99, 0.995, 1.0, 1.0, 0.995),
    windows=((0.16, 0.5), *_panes(0.55, 11.5, 8)),
    mirror=None,
    plates=(0.4, 0.6),
    doors=((0.75, 2.0), (5.2, 6.5), (9.7, 10.9)),
    rim="lorry",
    tyre=0.3,
    pitch=1.6,
)
COACH = replace(
    CITY_BUS,
    height=3.5,
    roofline=((0.24, 3.24, 0), (0.8, 3.46, 0.4), (11.3, 3.5, 0.4), (11.76, 3.2, 0)),
    belt=((0.3, 1.25), (1.6, 1.62), (11.76, 1.68)),
    nose=replace(
        CITY_BUS.nose,
        rows=(0.28, 0.42, 0.6, 0.8, 1.02),
        rake=(0.06, 0.02, 0.0, 0.02, 0.03, 0.05, 0.06, 0.22, 0.28),
        depth=0.22,
        power=5.0,
    ),
    tail=replace(
        CITY_BUS.tail,
        rows=(0.34, 0.6, 0.85, 1.1, 1.4),
        patches=((4, 6, 0.0, 0.7, M.TRIM), (5, 7, 0.84, 1.0, M.TAILLAMP), (9, 10, 0.0, 0.9, M.GLASS)),
    ),
    windows=((0.3, 0.62), *_panes(0.7, 11.4, 6, 0.05)),
    patches=((4, 6, 3.6, 8.0, M.TRIM),),
    axles=(2.7, 8.5),
    doors=((0.85, 1.8),),
)


def bus(v: Vehicle) -> Mesh:
    """A bus with its roof unit and the mirrors of its class."""
    half, y = v.width / 2, v.belt[0][1] + 0.95
    parts = vehicle_parts(v)
    parts.append(box((-0.4 * v.length, v.roofline[1][1], 0), (3.4, 0.14, 0.8 * v.width), M.METAL))
    parts += [
        part
        for s in (-1, 1)
        for part in (
            box((-0.09, y + 0.1, s * (half - 0.1)), (0.1, 0.4, 0.2), M.TRIM),
            tube(
                [(-0.1, y + 0.28, s * (half - 0.12)), (-0.35, y + 0.6, s * (half - 0.2))],
                [0.025] * 2,
                M.TRIM,
                4,
            ),
        )
    ]
    return assemble(parts)


BUSES: dict[str, Callable[[], Mesh]] = {
    "city_bus": partial(bus, CITY_BUS),
    "coach": partial(bus, COACH),
}
