"""Trams: cars of one coach each, bellows between them, bogies below and a pantograph above."""

from __future__ import annotations

from sim_actors.simulators.opengl.assets.bodies.vehicles.coachwork import Coach, Face, Patch, skin
from sim_actors.simulators.opengl.assets.bodies.vehicles.wheels import wheel
from sim_actors.simulators.opengl.assets.materials import M
from sim_actors.simulators.opengl.assets.shapes import Mesh, Part, assemble, box, tube

_FLAT = Face(rows=(0.3, 0.46, 0.62, 0.8, 0.95), rake=(0.0,) * 9, depth=0.03, power=9.0)
_GAP = 0.45  # m, of bellows between cars


def _cab(depth: float, power: float, lamp: M) -> Face:
    return Face(
        rows=(0.36, 0.5, 0.64, 0.8, 0.95),
        rake=(0.1, 0.03, 0.0, 0.0, 0.02, 0.05, 0.06, 0.18, 0.26),
        depth=depth,
        power=power,
        patches=(
            (3, 4, 0.0, 1.0, M.TRIM),
            (5, 6, 0.5, 0.95, M.GLASS),
            (5, 6, 0.6, 0.85, lamp),
            (8, 10, 0.0, 1.0, M.GLASS),
            (10, 11, 0.0, 0.6, M.TRIM),
        ),
    )


def _car(
    length: float, width: float, roof: float, nose: Face, tail: Face, doors: int
) -> tuple[Coach, list[tuple[float, float]]]:
    """One car's coach, its front at x = 0, and where its doors are (from, to)."""
    first, last = nose.depth, length - tail.depth
    front, rear = first + 0.35 * (nose.depth > 0.1), last - 0.35 * (tail.depth > 0.1)
    pitch = (rear - front) / (3 * doors)
    at = [(front + (3 * k + 1) * pitch + 0.05, front + (3 * k + 2) * pitch - 0.05) for k in range(doors)]
    panes = [(front + k * pitch, front + (k + 1) * pitch - 0.06) for k in range(3 * doors)]
    patches: list[Patch] = [(9, 10, a, b, M.GLASS) for a, b in panes]
    patches += [(9, 10, b, b + 0.06, M.TRIM) for _, b in panes[:-1]]
    patches += [(9, 10, a, b, M.GLASS) for a, b in ((first, front - 0.1), (rear + 0.04, last)) if b > a]
    top = [(x, roof - 0.1 * (face.depth > 0.1), 0.0) for x, face in ((first, nose), (last, tail))]
    coach = Coach(
        length=length,
        width=width,
        roofline=(top[0], (first + 0.4, roof, 0.3), (last - 0.4, roof, 0.3), top[1]),
        belt=((first, 1.15), (last, 1.15)),
        nose=nose,
        tail=tail,
        sill=0.26,
        floor=0.3,
        roof=0.9,
        nose_width=0.985 if nose.depth > 0.1 else 1.0,
        tail_width=0.985 if tail.depth > 0.1 else 1.0,
        patches=patches,
        section=(0.98, 0.99, 1.0, 1.0, 1.0, 0.985),
        crown=0.2,
        pitch=1.6,
        taper=0.2,
    )
    return coach, at


def tram(
    cars: tuple[float, ...] = (15.0,), width: float = 2.4, height: float = 3.5, doors: int = 3,
    depth: float = 0.55, power: float = 4.0,
) -> Mesh:  # fmt: skip
    """A tram of one or several cars of these lengths, m; `depth` and `power` shape its cabs. It
    runs either way."""
    roof, start = height - 0.3, 0.0
    parts: list[Part] = []
    for k, long in enumerate(cars):
        nose = _cab(depth, power, M.HEADLAMP) if k == 0 else _FLAT
        tail = _cab(depth, power, M.TAILLAMP) if k == len(cars) - 1 else _FLAT
        coach, entrances = _car(long, width, roof, nose, tail, doors)
        parts.append(skin(coach).moved(x=-start))
        for a, b in entrances:
            x, high = -(start + (a + b) / 2), roof - 0.62
            for s in (-1, 1):
                z = s * (width / 2 - 0.004)
                parts.append(box((x, 0.34 + high / 2, z), (b - a, high, 0.03), M.TRIM))
                parts += [
                    box((x + d * (b - a), 0.4 + high / 2, z), (0.42 * (b - a), 0.82 * high, 0.034), M.GLASS)
                    for d in (-0.23, 0.23)
                ]
        if k < len(cars) - 1:
            middle = -(start + long + _GAP / 2)
            parts.append(
                box((middle, 0.3 + (roof - 0.4) / 2, 0), (_GAP + 0.1, roof - 0.45, 0.86 * width), M.TRIM)
            )
        for x in (start + 0.22 * long, start + 0.78 * long) if long > 5 else (start + 0.5 * long,):
            for s in (-1, 1):
                parts += [wheel(-x + d, 0.3, 0.4 * width, s, 0.12, "cover") for d in (-0.8, 0.8)]
                parts.append(box((-x, 0.34, s * 0.46 * width), (2.6, 0.3, 0.06), M.TRIM))
            parts.append(box((-x, 0.3, 0), (2.4, 0.3, 0.7 * width), M.TYRE))
        parts.append(box((-(start + 0.5 * long), roof + 0.12, 0), (0.72 * long, 0.3, 0.74 * width), M.METAL))
        start += long + _GAP
    whole = sum(cars) + _GAP * (len(cars) - 1)
    x = -0.32 * whole
    knee = (x - 0.75, height - 0.03, 0.0)
    parts += [tube([(x, roof + 0.24, 0), knee, (x + 0.15, height - 0.02, 0)], [0.03] * 3, M.METAL, 4)]
    parts.append(box((x + 0.15, height - 0.015, 0), (0.08, 0.03, 1.5), M.METAL))
    return assemble(parts)
