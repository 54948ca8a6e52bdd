"""Puts props beside a road one by one, and refuses those that would be in the way."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from imitation.data.records import Camera
from sim_actors.scene.footprint import Footprint, bearings, hides, overlaps, overlaps_any
from sim_actors.scene.props import COLOURS, FACING_TRAFFIC, Colour, PropKind
from sim_actors.scene.records import Actor, Prop, Road
from sim_actors.scene.roads import beside, place, road_yaw, to_road, wrap

SPACING = 0.3
"""Least gap between a prop and an actor, m."""

_CLEARANCE = {"pole": 7.0, "lamp": 7.0, "sign": 7.0, "tree": 7.0, "conifer": 6.0, "bush": 5.0, "panel": 15.0}
"""Least distance from the camera, m, for what would fill the picture up close; 4 for the rest."""

_ALIKE = frozenset({"bollard", "fence", "wall", "lamp", "rail", "pole", "hedge"})
"""Kinds that were all set up at once: a row of them has one make and colour."""

_KEEPS_OFF_WALKS = ("building", "wall", "hedge", "fence", "tree", "conifer", "poplar", "grove", "bush")

Range = tuple[float, float]


def blocked(prop: Prop, actors: Sequence[Actor]) -> bool:
    """Whether a prop overlaps an actor or hides a labelled one from the camera."""
    return Occupied(actors).refuses(Footprint.of(prop))


class Occupied:
    """What the actors take up on the ground, and the sight of the labelled ones from the camera."""

    def __init__(self, actors: Sequence[Actor]) -> None:
        self._marks = [Footprint.of(actor.cuboid, SPACING) for actor in actors]
        labelled = [Footprint.of(actor.cuboid) for actor in actors if actor.labelled]
        self._seen = [(mark, *bearings(mark), math.hypot(mark.x, mark.z)) for mark in labelled]

    def refuses(self, footprint: Footprint) -> bool:
        """Whether it overlaps an actor or hides a labelled one."""
        if any(overlaps(mark, footprint) for mark in self._marks):
            return True
        nearest = footprint.distance()
        if not any(nearest < far for *_, far in self._seen):
            return False
        low, high = bearings(footprint)
        return any(
            nearest < far and low < right and left < high and hides(footprint, mark)
            for mark, left, right, far in self._seen
        )


class Layout:
    """The props so far. `density` in [0, 1] is the share of places that are filled; `standing` are
    props that are there already."""

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
        self.rng, self.road, self.density = rng, road, density
        half = road.half + road.shoulder
        self.edges = {-1: half if road.median <= 0 else 3 * half + road.median, 1: half}
        self.sidewalk = road.sidewalk
        self.props: list[Prop] = []
        self._actors = Occupied(actors)
        self._taken = [Footprint.of(prop) for prop in standing]
        # Seen from the camera, plus a margin for what throws shadows into the picture.
        self._view = (
            math.atan2(-camera.cx, camera.fx) - 0.15,
            math.atan2(image_width - camera.cx, camera.fx) + 0.15,
        )

    def draw(self, bounds: Range) -> float:
        return float(self.rng.uniform(*bounds))

    def chance(self, share: float) -> bool:
        return float(self.rng.random()) < share

    def colour(self, palette: Sequence[Colour]) -> Colour:
        base = palette[int(self.rng.integers(len(palette)))]
        gain = float(self.rng.uniform(0.75, 1.25))
        r, g, b = (min(max(channel * gain, 0.0), 1.0) for channel in base)
        return r, g, b

    def make(self, kind: PropKind, palette: Sequence[Colour] | None = None) -> tuple[Colour, int]:
        """A colour, and the seed that decides which body and texture a prop has."""
        return self.colour(palette or COLOURS[kind]), int(self.rng.integers(2**31))

    def put(
        self,
        kind: PropKind,
        side: int,
        along: float,
        setback: float,
        size: tuple[float, float, float],
        make: tuple[Colour, int] | None = None,
    ) -> None:
        """One prop whose near side is `setback` m beyond the edge of the road, if it may stand there.

        `size` is (along the road, across, high), m. Its front (+z of the mesh) looks at the road.
        """
        across = side * (self.edges[side] + setback + size[1] / 2)
        # A long side is a chord of the bend: its middle, or its ends, come nearer.
        across += side * abs(self.road.curvature) * size[0] ** 2 / 8
        self.stand(kind, along, across, size, turned=side < 0, make=make)

    def stand(
        self,
        kind: PropKind,
        along: float,
        across: float,
        size: tuple[float, float, float],
        *,
        turned: bool = False,
        crossing: bool = False,
        make: tuple[Colour, int] | None = None,
    ) -> None:
        """One prop in the middle of a spot, if it may stand there; `turned` the other way around, or
        `crossing`: along the road that crosses. `make`: its colour and seed, else drawn."""
        colour, seed = make or self.make(kind)
        fill = float(self.rng.random())
        if fill > self.density:
            return
        length, width, height = size
        yaw = road_yaw(self.road, along) + (math.pi if turned else 0.0) + (math.pi / 2 if crossing else 0.0)
        if kind in FACING_TRAFFIC:
            length, width, yaw = width, length, yaw - math.pi / 2
        x, z = place(self.road, along, across)
        footprint = Footprint(x, z, length, width, wrap(yaw))
        if footprint.distance() < _CLEARANCE.get(kind, 4.0) or not self._seen(footprint):
            return
        if self._on_the_road(kind, footprint) or overlaps_any(footprint, self._taken):
            return
        if self._actors.refuses(footprint):
            return
        self.props.append(Prop(kind, x, z, length, width, height, footprint.yaw, colour, seed))
        self._taken.append(footprint)

    def _on_the_road(self, kind: str, footprint: Footprint) -> bool:
        road = self.road
        spots = [to_road(road, x, z) for x, z in footprint.corners()]
        if min(beside(road, *spot) for spot in spots) < 0:
            return True
        alongs, sides = [along for along, _ in spots], [across for _, across in spots]
        if min(sides) < -road.half and max(sides) > road.half:
            return True
        if road.junction <= 0:
            return False
        gap = road.cross_width / 2 + (road.sidewalk + 0.2 if kind in _KEEPS_OFF_WALKS else 0.2)
        return min(alongs) < road.junction + gap and max(alongs) > road.junction - gap

    def _seen(self, footprint: Footprint) -> bool:
        if max(z for _, z in footprint.corners()) <= 0:
            return False
        low, high = bearings(footprint)
        return high > self._view[0] and low < self._view[1]

    def row(
        self,
        kind: PropKind | Sequence[PropKind],
        side: int,
        setback: Range,
        size: tuple[Range, Range, Range],
        gap: Range,
        far: float = 110.0,
        palette: Sequence[Colour] | None = None,
    ) -> None:
        """A row of things along one side, of one kind or mixed; ranges in m."""
        kinds = (kind,) if isinstance(kind, str) else tuple(kind)
        along = self.draw((-6.0, 6.0))
        make = None
        stretch = max(1.0 - self.road.curvature * side * (self.edges[side] + sum(setback) / 2), 0.3)
        while along < far:
            length, width, height = (self.draw(bounds) for bounds in size)
            along += length / 2 / stretch
            chosen = kinds[int(self.rng.integers(len(kinds)))]
            if make is None or chosen not in _ALIKE:
                make = self.make(chosen, palette)
            self.put(chosen, side, along, self.draw(setback), (length, width, height), make)
            along += (length / 2 + self.draw(gap)) / stretch
