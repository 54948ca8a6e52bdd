"""What stands around the actors: the road that fits them, and the buildings, trees and poles
along it, drawn from a seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from imitation.records import Camera, Cuboid
from sim_actors.footprint import Footprint, bearings, hides, overlaps, overlaps_any
from sim_actors.scene import Actor, Prop, Road

STYLES = ("urban", "residential", "rural", "commercial")
SPACING = 0.3
"""Least gap between a prop and an actor, m."""

_CLEARANCE = {"pole": 7.0, "sign": 7.0, "tree": 6.0}
"""Least distance from the camera, m, for what would fill the picture up close; 4 for the rest."""

_FACADES = ((0.55, 0.45, 0.35), (0.62, 0.58, 0.5), (0.45, 0.2, 0.14), (0.7, 0.66, 0.55), (0.35, 0.35, 0.37))
_LEAVES = ((0.07, 0.16, 0.04), (0.1, 0.2, 0.05), (0.05, 0.12, 0.05), (0.16, 0.2, 0.06))
_STONE = ((0.35, 0.34, 0.32), (0.45, 0.4, 0.33), (0.3, 0.16, 0.1))
_SIGNS = ((0.6, 0.05, 0.04), (0.05, 0.15, 0.5), (0.6, 0.6, 0.6), (0.7, 0.5, 0.04))
_BINS = ((0.05, 0.12, 0.05), (0.08, 0.08, 0.09), (0.35, 0.25, 0.05), (0.25, 0.15, 0.08), (0.05, 0.1, 0.25))


def place(road_heading: float, along: float, right: float) -> tuple[float, float]:
    """Road coordinates (m along the heading from the camera, m to its right) -> camera (x, z)."""
    c, s = math.cos(road_heading), math.sin(road_heading)
    return c * right + s * along, c * along - s * right


def to_road(road_heading: float, x: float, z: float) -> tuple[float, float]:
    """The inverse of `place`: camera (x, z) -> (along, right)."""
    c, s = math.cos(road_heading), math.sin(road_heading)
    return s * x + c * z, c * x - s * z


def road_yaw(road: Road) -> float:
    """The yaw (rad) of something whose length lies along the road, driving away from the camera."""
    return wrap(road.heading - math.pi / 2)


def wrap(angle: float) -> float:
    """An angle in [-pi, pi), rad."""
    return (angle + math.pi) % (2 * math.pi) - math.pi


def fit_road(vehicles: Sequence[Cuboid], others: Sequence[Cuboid] = (), *, max_heading: float = 0.5) -> Road:
    """A straight road under the camera and the vehicles that drive or park along it.

    Heading: the mode of the vehicles' axes (0 and pi are one direction), with a pull towards the
    view direction, within `max_heading` rad: the camera's own car drives on the road, and cross
    traffic must not turn it. Width and offset: the strip that holds the camera's own lane and the
    vehicles aligned with the road, at most 9 m to either side. Sidewalks reach below whatever stands
    a little beside the road, `others` (people, riders) too.
    """
    axes = [wrap(cuboid.yaw + math.pi / 2) for cuboid in vehicles]
    grid = np.linspace(-max_heading, max_heading, 101)
    score = 1.5 * np.exp(-0.5 * (grid / 0.12) ** 2)
    for axis in axes:
        off = (grid - axis + math.pi / 2) % math.pi - math.pi / 2
        score += np.exp(-0.5 * (off / 0.08) ** 2)
    heading = float(grid[int(np.argmax(score))]) if axes else 0.0
    left, right = -1.8, 1.8
    for cuboid, axis in zip(vehicles, axes):
        tilt = abs((heading - axis + math.pi / 2) % math.pi - math.pi / 2)
        lateral = to_road(heading, cuboid.x, cuboid.z)[1]
        if tilt < 0.3 and abs(lateral) < 9.0 - cuboid.width / 2:
            left = min(left, lateral - cuboid.width / 2 - 0.4)
            right = max(right, lateral + cuboid.width / 2 + 0.4)
    if right - left < 6.0:  # nothing beside us: the usual two lanes, ours on the right
        left = right - 6.4
    lanes = max(2, round((right - left) / 3.3))
    beyond = [2.5]
    for cuboid in (*vehicles, *others):
        lateral = to_road(heading, cuboid.x, cuboid.z)[1]
        beyond.append(max(lateral - right, left - lateral) + 1.0)
    sidewalk = max(width for width in beyond if width <= 6.0)
    return Road(heading, (left + right) / 2, lanes, (right - left) / lanes, sidewalk)


def draw_surroundings(
    rng: np.random.Generator,
    road: Road,
    actors: Sequence[Actor],
    camera: Camera,
    image_width: int,
    *,
    density: float = 1.0,
    standing: Sequence[Prop] = (),
) -> tuple[Prop, ...]:
    """Props along both sides of the road, in one of `STYLES` a side, as far as 120 m.

    None of them overlaps an actor or another prop, stands on the road, or stands between the camera
    and a labelled actor. `density` in [0, 1] is the share of places that are filled; `standing` are
    props that are there already, not returned.
    """
    layout = _Layout(rng, road, actors, camera, image_width, density, standing)
    for side in (-1, 1):
        style = STYLES[int(rng.choice(len(STYLES), p=(0.25, 0.35, 0.3, 0.1)))]
        _ROWS[style](layout, side)
    _backdrop(layout)
    return tuple(layout.props)


def blocked(prop: Prop, actors: Sequence[Actor]) -> bool:
    """Whether a prop overlaps an actor or hides a labelled one from the camera."""
    footprint = Footprint.of(prop)
    return any(
        overlaps(Footprint.of(actor.cuboid, SPACING), footprint)
        or (actor.labelled and hides(footprint, Footprint.of(actor.cuboid)))
        for actor in actors
    )


class _Layout:
    """Places props one by one and refuses the ones that are in the way."""

    def __init__(
        self,
        rng: np.random.Generator,
        road: Road,
        actors: Sequence[Actor],
        camera: Camera,
        image_width: int,
        density: float,
        standing: Sequence[Prop],
    ) -> None:
        self.rng, self.road, self.actors, self.density = rng, road, actors, density
        half = road.lanes * road.lane_width / 2
        self.edges = {-1: road.offset - half, 1: road.offset + half}
        self.sidewalk = road.sidewalk
        self.props: list[Prop] = []
        self._taken = [Footprint.of(prop) for prop in standing]
        # Seen from the camera, plus a margin for what throws shadows into the picture.
        self._view = (
            math.atan2(-camera.cx, camera.fx) - 0.15,
            math.atan2(image_width - camera.cx, camera.fx) + 0.15,
        )

    def colour(self, palette: Sequence[tuple[float, float, float]]) -> tuple[float, float, float]:
        base = palette[int(self.rng.integers(len(palette)))]
        gain = float(self.rng.uniform(0.75, 1.25))
        r, g, b = (min(max(channel * gain, 0.0), 1.0) for channel in base)
        return r, g, b

    def put(
        self,
        kind: str,
        side: int,
        along: float,
        setback: float,
        size: tuple[float, float, float],
        colour: tuple[float, float, float],
    ) -> None:
        """One prop whose near side is `setback` m beyond the edge of the road, if it may stand there.

        `size` is (along the road, across, high), m.
        """
        seed, fill = int(self.rng.integers(2**31)), float(self.rng.random())
        if fill > self.density:
            return
        length, width, height = size
        lateral = self.edges[side] + side * (setback + width / 2)
        x, z = place(self.road.heading, along, lateral)
        prop = Prop(kind, x, z, length, width, height, road_yaw(self.road), colour, seed)
        if kind == "sign":  # its plate spans its length, and is read from the road
            prop = replace(prop, length=width, width=length, yaw=self.road.heading)
        footprint = Footprint.of(prop)
        if footprint.distance() < _CLEARANCE.get(kind, 4.0) or not self._seen(footprint):
            return
        if overlaps_any(footprint, self._taken) or blocked(prop, self.actors):
            return
        self.props.append(prop)
        self._taken.append(footprint)

    def _seen(self, footprint: Footprint) -> bool:
        if max(z for _, z in footprint.corners()) <= 0:
            return False
        low, high = bearings(footprint)
        return high > self._view[0] and low < self._view[1]

    def row(
        self,
        kind: str,
        side: int,
        setback: tuple[float, float],
        size: tuple[tuple[float, float], tuple[float, float], tuple[float, float]],
        gap: tuple[float, float],
        palette: Sequence[tuple[float, float, float]],
        far: float = 110.0,
    ) -> None:
        """A row of things along one side; ranges in m."""
        draw = self.rng.uniform
        along = float(draw(-6.0, 6.0))
        while along < far:
            length, width, height = (float(draw(*bounds)) for bounds in size)
            along += length / 2
            self.put(kind, side, along, float(draw(*setback)), (length, width, height), self.colour(palette))
            along += length / 2 + float(draw(*gap))


def _street_furniture(layout: _Layout, side: int) -> None:
    layout.row("pole", side, (0.3, 0.5), ((0.16, 0.2), (0.16, 0.2), (5.0, 8.0)), (18, 32), ((0.3, 0.3, 0.3),))
    layout.row("sign", side, (0.3, 0.6), ((0.06, 0.1), (0.5, 0.8), (2.2, 2.9)), (30, 80), _SIGNS)


def _urban(layout: _Layout, side: int) -> None:
    walk = layout.sidewalk
    layout.row("building", side, (walk + 0.2, walk + 1.0), ((9, 22), (8, 13), (8, 17)), (0, 2), _FACADES)
    layout.row("tree", side, (0.2, 0.6), ((2.0, 3.2), (2.0, 3.2), (4.0, 6.5)), (9, 24), _LEAVES)
    layout.row("debris", side, (walk - 1, walk - 0.9), ((0.5, 1.1), (0.5, 0.8), (0.6, 1.2)), (12, 40), _BINS)
    _street_furniture(layout, side)


def _residential(layout: _Layout, side: int) -> None:
    walk = layout.sidewalk
    fence, palette = ("hedge", _LEAVES) if layout.rng.random() < 0.6 else ("wall", _STONE)
    layout.row(fence, side, (walk + 0.1, walk + 0.3), ((5, 16), (0.35, 0.9), (0.9, 1.9)), (0.5, 6), palette)
    layout.row("building", side, (walk + 5, walk + 9), ((8, 13), (8, 11), (5, 9)), (4, 10), _FACADES)
    layout.row("tree", side, (walk + 1.3, walk + 3), ((2.5, 4.5), (2.5, 4.5), (4, 8)), (6, 18), _LEAVES)
    layout.row("debris", side, (walk - 1, walk - 0.9), ((0.5, 0.8), (0.5, 0.8), (0.8, 1.2)), (15, 50), _BINS)
    _street_furniture(layout, side)


def _rural(layout: _Layout, side: int) -> None:
    walk = layout.sidewalk
    layout.row("tree", side, (walk + 1, walk + 6), ((3, 7), (3, 7), (5, 12)), (1, 9), _LEAVES)
    layout.row("tree", side, (walk + 12, walk + 22), ((4, 8), (4, 8), (6, 13)), (0, 6), _LEAVES)
    layout.row("hedge", side, (walk, walk + 1), ((4, 20), (0.8, 1.6), (0.8, 1.8)), (3, 25), _LEAVES)
    layout.row("pole", side, (0.8, 1.6), ((0.16, 0.22), (0.16, 0.22), (6, 9)), (25, 45), ((0.2, 0.14, 0.09),))


def _commercial(layout: _Layout, side: int) -> None:
    walk = layout.sidewalk
    layout.row("wall", side, (walk + 0.3, walk + 0.6), ((6, 20), (0.25, 0.4), (0.6, 2.2)), (6, 25), _STONE)
    layout.row("building", side, (walk + 7, walk + 16), ((18, 40), (14, 25), (5, 10)), (5, 20), _FACADES)
    layout.row("tree", side, (walk + 1, walk + 2.5), ((2.2, 3.5), (2.2, 3.5), (4, 7)), (10, 30), _LEAVES)
    _street_furniture(layout, side)


def _backdrop(layout: _Layout) -> None:
    """Trees and houses far out, which close the horizon."""
    draw = layout.rng.uniform
    for _ in range(26):
        side = 1 if layout.rng.random() < 0.5 else -1
        along, setback = float(draw(70, 150)), float(draw(8, 75))
        if layout.rng.random() < 0.7:
            size = (float(draw(6, 14)), float(draw(6, 14)), float(draw(6, 13)))
            layout.put("tree", side, along, setback, size, layout.colour(_LEAVES))
        else:
            size = (float(draw(12, 30)), float(draw(10, 16)), float(draw(5, 12)))
            layout.put("building", side, along, setback, size, layout.colour(_FACADES))


_ROWS: dict[str, Callable[[_Layout, int], None]] = {
    "urban": _urban,
    "residential": _residential,
    "rural": _rural,
    "commercial": _commercial,
}
