"""What KITTI calls `Misc` is mostly trailers: covered, flat, and caravans."""

from __future__ import annotations

from typing import Literal

import numpy as np

from sim_actors.simulators.opengl.assets.bodies.vehicles.wheels import wheel
from sim_actors.simulators.opengl.assets.materials import M
from sim_actors.simulators.opengl.assets.shapes import Mesh, Part, assemble, box, loft, tube


def _hull(outline: list[tuple[float, float]], width: float, material: M) -> Part:
    """A side view (x, y), extruded across with rounded flanks."""
    flat, middle = np.array(outline), np.mean(outline, axis=0)
    rings = [
        np.column_stack([middle + (flat - middle) * shrink, np.full(len(flat), z * width / 2)])
        for z, shrink in ((-1.0, 0.94), (-0.93, 1.0), (0.93, 1.0), (1.0, 0.94))
    ]
    return loft(np.array(rings), int(material), caps=int(material))


def trailer(kind: Literal["covered", "flat", "caravan"] = "covered") -> Mesh:
    """A small trailer with its drawbar in front."""
    if kind == "caravan":
        long, width, axle = 4.1, 2.1, -2.3
        x0, x1 = -0.4, -long
        outline = [
            (x0 - 0.1, 0.45),
            (x0, 0.9),
            (x0 - 0.25, 1.75),
            (x0 - 0.7, 2.35),
            (x0 - 1.2, 2.48),
            (x1 + 0.5, 2.5),
        ]
        outline += [(x1 + 0.15, 2.38), (x1, 1.6), (x1 + 0.05, 0.45)]
        parts = [_hull(outline, width, M.CARGO)]
        parts += [box((-2.4, 1.6, s * (width / 2 - 0.006)), (1.5, 0.62, 0.02), M.GLASS) for s in (-1, 1)]
        parts.append(box((x1 + 0.02, 1.7, 0), (0.06, 0.5, 1.2), M.GLASS))
        parts.append(box((-1.3, 1.25, -(width / 2 - 0.006)), (0.62, 1.6, 0.02), M.METAL))
    else:
        long, width, axle = 2.2, 1.45, -1.3
        x0, x1, floor = -0.26, -long, 0.5
        tall = 0.4 if kind == "flat" else 0.85
        outline = [(x0, floor), (x0, floor + tall), (x1, floor + tall), (x1, floor)]
        parts = [box(((x0 + x1) / 2, floor + tall / 2, 0), (x0 - x1, tall, width - 0.02), M.METAL)]
        if kind == "covered":
            hood = [(x0, 1.3), (x0 - 0.06, 1.5), (x1 + 0.06, 1.5), (x1, 1.3)]
            parts.append(_hull(hood, width - 0.02, M.CARGO))
        else:
            parts.append(
                box(((x0 + x1) / 2, floor + tall + 0.06, 0), (x0 - x1 - 0.2, 0.16, width - 0.24), M.WOOD)
            )
    parts.append(tube([(0.0, 0.48, 0), (x0 - 0.4, 0.46, 0)], [0.05, 0.09], M.METAL))
    parts.append(tube([(-0.15, 0.48, 0), (-0.15, 0.0, 0)], [0.03, 0.05], M.TRIM))
    for s in (-1, 1):
        parts.append(wheel(axle, 0.3, width / 2 - 0.01, s, 0.17, "disc"))
        parts.append(box((axle, 0.66, s * (width / 2 - 0.1)), (0.72, 0.04, 0.22), M.TRIM))
        parts.append(box((x1 - 0.01, 0.6, s * 0.4 * width), (0.05, 0.11, 0.22), M.TAILLAMP))
    parts.append(box((x1 - 0.01, 0.6, 0), (0.03, 0.11, 0.5), M.PLATE))
    return assemble(parts)
