"""Actors along a road: in its lanes, parked at its kerbs, on its pavements, crossing it."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from imitation.data.records import Box, Camera, Cuboid
from sim_actors.randomization.scenarios import FreeSettings, Mix, Scenario
from sim_actors.scene.appearance import draw_colour
from sim_actors.scene.footprint import Footprint, overlaps_any
from sim_actors.scene.ground import ground_y
from sim_actors.scene.projection import projected_box
from sim_actors.scene.records import Actor, Road
from sim_actors.scene.roads import beside, place, road_yaw, to_road, wrap
from sim_actors.scene.sizes import SizePrior

Role = Literal["plain", "occluded", "truncated"]
Spot = tuple[float, float, float]
"""Along and across the road, m, and yaw in camera axes, rad."""

_TRIES = 40


class Traffic:
    """Adds actors one by one where there is room."""

    def __init__(
        self,
        rng: np.random.Generator,
        road: Road,
        camera: Camera,
        size: tuple[int, int],
        mix: Mix,
        settings: FreeSettings,
        scenario: Scenario,
    ) -> None:
        self.rng, self.road, self.camera, self.size, self.mix = rng, road, camera, size, mix
        self.settings = settings
        self.parked = settings.parked.get(scenario, 0.0) if mix.parked is None else mix.parked
        self.actors: list[Actor] = []
        self._boxes: list[Box] = []
        self._rows: list[tuple[float, float, float, float]] = []  # along, across, length, yaw of parked ones
        self._people: list[Spot] = []
        self._taken = [Footprint(0.0, -0.5, 5.0, 2.0, math.pi / 2)]  # the car that carries the camera

    def add(self, category: str, prior: SizePrior, size_spread: float, lights: bool) -> None:
        """One actor; none if no free place is found in `_TRIES`."""
        role = self._role()
        scale = 1 + self.rng.uniform(-1, 1, size=3) * (size_spread + prior.spread / 2)
        length, width, height = map(float, scale * (prior.length, prior.width, prior.height))
        colour, seed = draw_colour(self.rng, prior.kind, category), int(self.rng.integers(2**31))
        for _ in range(_TRIES):
            parks = False
            if role == "plain":
                parks = prior.kind == "vehicle" and self.rng.random() < self._parks(length)
                along, across, yaw = self._spot(prior, (length, width), parks)
                x, z = place(self.road, along, across)
            else:
                x, z, yaw = self._at_the_edge(prior) if role == "truncated" else self._behind_another(prior)
                along, across = to_road(self.road, x, z)
                if not self._drivable(prior, along, across):
                    continue
            cuboid = Cuboid(x, ground_y(self.camera, z), z, length, width, height, wrap(yaw))
            footprint = Footprint.of(cuboid, 0.3)
            if z < 1.5 or overlaps_any(footprint, self._taken) or not self._fits(cuboid, role):
                continue
            on = lights and prior.kind == "vehicle" and not parks
            self.actors.append(Actor(category, cuboid, colour, seed=seed, lights=on))
            self._taken.append(footprint)
            self._boxes.append(projected_box(cuboid, self.camera).clipped(*self.size))
            if parks:
                self._rows.append((along, across, length, yaw))
            if prior.kind == "person":
                self._people.append((along, across, yaw))
            return

    def _drivable(self, prior: SizePrior, along: float, across: float) -> bool:
        """Whether that kind may be there: vehicles on the road or close by, on a motorway only on it."""
        if self.road.median <= 0 and prior.kind not in ("vehicle", "rail"):
            return True
        room = 0.0 if self.road.median > 0 else self.road.sidewalk + 6.0
        return beside(self.road, along, across) < room

    def _parks(self, length: float) -> float:
        """How likely a vehicle of that length (m) parks."""
        return self.parked * (self.settings.parked_large if length > 7.0 else 1.0)

    def _role(self) -> Role:
        draw = self.rng.random()
        if draw < self.mix.truncated:
            return "truncated"
        if draw < self.mix.truncated + self.mix.occluded and self.actors:
            return "occluded"
        return "plain"

    def _fits(self, cuboid: Cuboid, role: Role) -> bool:
        """Whether the actor looks as its role wants, and leaves the plain ones before it in sight."""
        whole = projected_box(cuboid, self.camera)
        box = whole.clipped(*self.size)
        if box.area <= 0 or box.height < self.mix.min_height * 0.7:
            return False
        cut = 1 - box.area / whole.area
        hidden = 0.0
        for actor, other in zip(self.actors, self._boxes):
            common = box.common(other)
            if actor.cuboid.z < cuboid.z:
                hidden = max(hidden, common / box.area)
            elif common / other.area > max(self.mix.plain_hidden, 0.6 if role == "truncated" else 0.0):
                return False
        if role == "truncated":
            return 0.2 <= cut <= 0.75 and hidden <= self.mix.plain_hidden
        if role == "occluded":
            return 0.3 <= hidden <= 0.8 and cut <= 0.3
        return cut <= self.mix.plain_cut and hidden <= self.mix.plain_hidden

    def _along(self, prior: SizePrior) -> float:
        """How far ahead, m: a gamma distribution within what is large enough to see."""
        s, on_foot = self.settings, prior.kind in ("person", "rider")
        mean = {"person": s.depth_person, "rider": s.depth_rider}.get(prior.kind, s.depth_vehicle)
        far = min(self.camera.fy * prior.height / self.mix.min_height, s.farthest)
        near = min(5.0 if on_foot else 4.0 + prior.length / 2, 0.8 * far)
        for _ in range(8):
            along = float(self.rng.gamma(s.depth_shape, mean / s.depth_shape))
            if near <= along <= far:
                return along
        return float(self.rng.uniform(near, far))

    def _spot(self, prior: SizePrior, size: tuple[float, float], parks: bool) -> Spot:
        along = self._along(prior)
        if prior.kind == "person":
            return self._on_foot(along)
        if prior.kind == "rider":
            return self._riding(along)
        if prior.kind == "rail":
            return along, float(self.rng.uniform(-1, 1)), self._yaw(along, self._side() > 0, 0.01)
        if prior.kind == "other":
            reach = float(self.rng.uniform(0.2, max(self.road.sidewalk, 1.0)))
            return along, self._side() * (self._edge() + reach), float(self.rng.uniform(-math.pi, math.pi))
        if parks:
            return self._parking(along, size)
        return self._driving(along)

    def _side(self) -> int:
        return 1 if self.rng.random() < 0.5 else -1

    def _edge(self) -> float:
        return self.road.half + self.road.shoulder

    def _yaw(self, along: float, away: bool, wobble: float) -> float:
        return road_yaw(self.road, along) + (0.0 if away else math.pi) + float(self.rng.normal(0, wobble))

    def _on_foot(self, along: float) -> Spot:
        rng, road = self.rng, self.road
        across_road = road_yaw(road, along) + math.pi / 2 + float(rng.choice((0.0, math.pi)))
        if self._people and rng.random() < self.settings.together:
            near, aside, yaw = self._people[int(rng.integers(len(self._people)))]
            return (
                near + float(rng.normal(0, 1.2)),
                aside + float(rng.normal(0, 1.0)),
                yaw + float(rng.normal(0, 0.2)),
            )
        if rng.random() < self.settings.walking_across:
            if road.crossing > 0:
                along = road.crossing + float(rng.uniform(-1.3, 1.3))
            return along, float(rng.uniform(-1, 1)) * road.half, across_road
        across = self._side() * (self._edge() + float(rng.uniform(0.5, max(road.sidewalk, 1.2))))
        if rng.random() < 0.7:
            return along, across, self._yaw(along, rng.random() < 0.5, 0.2)
        return along, across, float(rng.uniform(-math.pi, math.pi))

    def _riding(self, along: float) -> Spot:
        rng, road = self.rng, self.road
        side = self._side()
        if rng.random() < self.settings.riding_across:
            turn = side * math.pi / 2
            return along, float(rng.uniform(-1, 1)) * (road.half + 2.0), self._yaw(along, True, 0.2) + turn
        across = road.half - float(rng.uniform(0.4, 1.1))
        if rng.random() < self.settings.cycle_path and road.sidewalk > 1.0:
            across = self._edge() + float(rng.uniform(0.5, road.sidewalk))
        return along, side * across, self._yaw(along, side > 0, 0.06)

    def _parking(self, along: float, size: tuple[float, float]) -> Spot:
        rng, road, settings = self.rng, self.road, self.settings
        length, width = size
        if rng.random() < settings.yard:
            across = self._side() * (
                self._edge() + road.sidewalk + float(rng.uniform(0.5, 12.0)) + length / 2
            )
            turn = float(rng.choice((0.0, 0.5, -0.5, 0.5, -0.5, 1.0))) * math.pi
            return along, across, road_yaw(road, along) + turn + float(rng.normal(0, 0.1))
        if self._rows and rng.random() < settings.row:
            at, across, other, yaw = self._rows[int(rng.integers(len(self._rows)))]
            step = (other + length) / 2 + float(rng.uniform(0.7, 2.2))
            along = at + (step if rng.random() < 0.6 else -step)
            yaw += road.curvature * (along - at)
            return self._clear(along), across + float(rng.normal(0, 0.06)), yaw + float(rng.normal(0, 0.02))
        side = self._side()
        if road.shoulder > width:
            across = road.half + road.shoulder / 2 + float(rng.normal(0, 0.08))
        else:
            across = road.half + float(rng.uniform(-0.75, 0.5)) * width
        yaw = self._yaw(along, (side > 0) != (rng.random() < 0.15), 0.03)
        return self._clear(along), side * across, yaw

    def _clear(self, along: float) -> float:
        """Where nobody may park, at junctions and crossings, the spot behind the camera: never taken."""
        road = self.road
        if road.junction > 0 and beside(road, along, road.half + 1.0) < -0.5:
            return -1.0
        return -1.0 if road.crossing > 0 and abs(along - road.crossing) < 5.0 else along

    def _driving(self, along: float) -> Spot:
        rng, road, settings = self.rng, self.road, self.settings
        drift = float(rng.normal(0, 0.2))
        if road.junction > 0 and rng.random() < settings.cross:
            right = rng.random() < 0.5  # traffic keeps right: who goes right is on our side of that road
            along = road.junction - (1 if right else -1) * road.cross_width / 4 + drift
            across = float(rng.normal(0, 9.0))
            turn = math.pi / 2 if right else -math.pi / 2
            return along, across, road_yaw(road, along) + turn + float(rng.normal(0, 0.04))
        if road.junction > 0 and rng.random() < 0.1:  # turning
            along = road.junction + float(rng.uniform(-0.5, 0.5)) * road.cross_width
            return along, float(rng.uniform(-1, 1)) * road.half, float(rng.uniform(-math.pi, math.pi))
        coming = rng.random() < settings.oncoming
        if road.median > 0:
            lane = int(rng.integers(road.lanes))
            across = (lane + 0.5 - road.lanes / 2) * road.lane_width + drift
            if coming:
                across = -2 * self._edge() - road.median - across
            return along, across, self._yaw(along, not coming, 0.015)
        half = road.lanes // 2
        lanes = range(half) if coming and half else range(half, road.lanes)
        lane = lanes[int(rng.integers(len(lanes)))]
        across = (lane + 0.5 - road.lanes / 2) * road.lane_width + drift
        return along, across, self._yaw(along, not coming, 0.03)

    def _at_the_edge(self, prior: SizePrior) -> tuple[float, float, float]:
        """x, z (m) and yaw (rad) across the picture's left or right edge."""
        z = float(self.rng.uniform(3.0, 5.0 + prior.length))
        column = (
            float(self.rng.choice((0, self.size[0]))) + float(self.rng.uniform(-0.05, 0.05)) * self.size[0]
        )
        yaw = road_yaw(self.road) + (math.pi if self.rng.random() < 0.5 else 0.0)
        return (column - self.camera.cx) / self.camera.fx * z, z, yaw + float(self.rng.normal(0, 0.1))

    def _behind_another(self, prior: SizePrior) -> tuple[float, float, float]:
        """x, z (m) and yaw (rad) half hidden by one that stands already."""
        front = self.actors[int(self.rng.integers(len(self.actors)))].cuboid
        z = front.z + (front.length + prior.length) / 2 + float(self.rng.uniform(0.3, 5.0))
        reach = (front.width + prior.width) / 2 + 0.5
        x = front.x * z / front.z + float(self.rng.uniform(-1, 1)) * reach
        if prior.kind == "person":
            return x, z, float(self.rng.uniform(-math.pi, math.pi))
        return x, z, self._yaw(to_road(self.road, x, z)[0], self.rng.random() < 0.5, 0.05)
