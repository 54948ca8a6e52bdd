"""Free scenes: traffic drawn from a seed, along a road, with no frame behind it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from imitation.records import Box, Camera, Cuboid
from imitation.settings import UserError
from sim_actors.appearance import dark, draw_colour
from sim_actors.estimate import projected_box
from sim_actors.footprint import Footprint, overlaps_any
from sim_actors.ground import ground_y
from sim_actors.randomize import RandomizeSettings, draw_camera, draw_environment, draw_sensor
from sim_actors.scene import Actor, Convention, Environment, Road, Scene
from sim_actors.sizes import SizePrior, size_prior
from sim_actors.surroundings import draw_surroundings, place, road_yaw, wrap

Role = Literal["plain", "occluded", "truncated"]

_TRIES = 40
_FARTHEST = 75.0  # m


@dataclass(frozen=True)
class Mix:
    """What free scenes are made of.

    `weights`: how likely each category is (None: all alike). `actors`: least and most actors.
    `occluded`, `truncated`: chance that an actor is put behind another, or across the picture's
    edge. Plain actors are hidden by at most `plain_hidden` and outside by at most `plain_cut`
    (fractions of their boxes). `parked`: share of the vehicles that park. No actor is placed so far
    away that it looks smaller than `min_height` px.
    """

    weights: Mapping[str, float] | None = None
    actors: tuple[int, int] = (3, 12)
    occluded: float = 0.2
    truncated: float = 0.15
    plain_hidden: float = 0.85
    plain_cut: float = 0.6
    parked: float = 0.35
    min_height: float = 11.0


def free_scene(
    settings: RandomizeSettings,
    *,
    scene_id: str,
    seed: int,
    camera: Camera,
    width: int,
    height: int,
    categories: Sequence[str],
    convention: Convention,
    family: str = "simulator",
    mix: Mix | None = None,
    light: Environment | None = None,
    density: float = 1.0,
) -> Scene:
    """A scene drawn from the simulator's whole range: every category, light and weather.

    Vehicles drive in lanes or park along them, riders keep to the edge, people walk on the sidewalks
    and cross. The camera is `camera`, moved within the settings' ranges; `light` fixes what is
    otherwise drawn; `density` in [0, 1] is how built-up the roadside is. `settings.strength` does
    not matter: a free scene has no neighbourhood.

    Raises UserError if none of the categories has a size prior.
    """
    mix = mix or Mix()
    rng = np.random.default_rng(seed)
    full = settings.model_copy(update={"strength": 1.0})
    staged = [(c, prior) for c in categories if (prior := size_prior(c)) is not None]
    if not staged:
        raise UserError(
            f"free scenes: no size is known for any of the categories {list(categories)}; "
            "add one to sim_actors.sizes.SIZES"
        )
    camera = draw_camera(camera, full, rng)
    road = _draw_road(rng)
    light = light or draw_environment(full, rng)
    traffic = _Traffic(rng, road, camera, (width, height), mix)
    weights = np.array([1.0 if mix.weights is None else mix.weights.get(c, 0.0) for c, _ in staged])
    if weights.sum() <= 0:
        raise UserError(f"free scenes: every category of {list(categories)} has weight 0 in {mix.weights}")
    for _ in range(int(rng.integers(mix.actors[0], mix.actors[1] + 1))):
        category, prior = staged[int(rng.choice(len(staged), p=weights / weights.sum()))]
        traffic.add(category, prior, full.size, dark(light.hour))
    actors = tuple(traffic.actors)
    return Scene(
        scene_id=scene_id,
        width=width,
        height=height,
        camera=camera,
        actors=actors,
        props=draw_surroundings(rng, road, actors, camera, width, density=density),
        road=road,
        environment=light,
        sensor=draw_sensor(full, rng),
        family=family,
        convention=convention,
        seed=int(rng.integers(2**31)),
    )


def _draw_road(rng: np.random.Generator) -> Road:
    """A road with the camera in one of its right-hand lanes."""
    lanes = int(rng.choice((2, 2, 2, 3, 4)))
    lane_width = float(rng.uniform(3.0, 3.7))
    own = int(rng.integers(math.ceil(lanes / 2), lanes))
    offset = -(own + 0.5 - lanes / 2) * lane_width + float(rng.uniform(-0.4, 0.4))
    surface = str(rng.choice(("asphalt", "asphalt", "asphalt", "concrete", "gravel")))
    return Road(
        heading=float(rng.uniform(-0.1, 0.1)),
        offset=offset,
        lanes=lanes,
        lane_width=lane_width,
        sidewalk=float(rng.uniform(1.8, 3.5)),
        markings=surface != "gravel" and rng.random() < 0.85,
        surface=surface,
    )


class _Traffic:
    """Adds actors one by one where there is room."""

    def __init__(
        self, rng: np.random.Generator, road: Road, camera: Camera, size: tuple[int, int], mix: Mix
    ) -> None:
        self.rng, self.road, self.camera, self.size, self.mix = rng, road, camera, size, mix
        self.half = road.lanes * road.lane_width / 2
        self.actors: list[Actor] = []
        self._boxes: list[Box] = []
        self._taken = [Footprint(0.0, -0.5, 5.0, 2.0, math.pi / 2)]  # the car that carries the camera

    def add(self, category: str, prior: SizePrior, size_spread: float, lights: bool) -> None:
        """One actor; none if no free place is found in `_TRIES`."""
        role = self._role()
        scale = 1 + self.rng.uniform(-1, 1, size=3) * (size_spread + prior.spread / 2)
        length, width, height = map(float, scale * (prior.length, prior.width, prior.height))
        colour, seed = draw_colour(self.rng, prior.kind), int(self.rng.integers(2**31))
        for _ in range(_TRIES):
            x, z, yaw = self._propose(prior, role)
            y = ground_y(self.camera, z)
            cuboid = Cuboid(x, y, z, length, width, height, wrap(yaw))
            footprint = Footprint.of(cuboid, 0.3)
            if z < 1.5 or overlaps_any(footprint, self._taken) or not self._fits(cuboid, role):
                continue
            self.actors.append(
                Actor(category, cuboid, colour, seed=seed, lights=lights and prior.kind == "vehicle")
            )
            self._taken.append(footprint)
            self._boxes.append(projected_box(cuboid, self.camera).clipped(*self.size))
            return

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
            common = _intersection(box, other)
            if actor.cuboid.z < cuboid.z:
                hidden = max(hidden, common / box.area)
            elif common / other.area > max(self.mix.plain_hidden, 0.6 if role == "truncated" else 0.0):
                return False
        if role == "truncated":
            return 0.2 <= cut <= 0.75 and hidden <= self.mix.plain_hidden
        if role == "occluded":
            return 0.3 <= hidden <= 0.8 and cut <= 0.3
        return cut <= self.mix.plain_cut and hidden <= self.mix.plain_hidden

    def _propose(self, prior: SizePrior, role: Role) -> tuple[float, float, float]:
        """x, z (m) and yaw (rad) to try."""
        if role == "truncated":
            return self._at_the_edge(prior)
        if role == "occluded":
            return self._behind_another(prior)
        far = min(self.camera.fy * prior.height / self.mix.min_height, _FARTHEST)
        near = min(4.5 if prior.kind in ("person", "rider") else 6.0 + prior.length / 2, 0.8 * far)
        along = near + (far - near) * float(self.rng.random()) ** 1.4
        lateral, yaw = self._lane(prior)
        x, z = place(self.road.heading, along, lateral)
        return x, z, yaw

    def _lane(self, prior: SizePrior) -> tuple[float, float]:
        """Where across the road (m right of the camera), and the yaw there."""
        rng, road = self.rng, self.road
        away = road_yaw(road)
        side = 1 if rng.random() < 0.5 else -1
        kerb = road.offset + side * self.half
        along_side = away if side > 0 else away + math.pi
        wobble = float(rng.normal(0, 0.03))
        if prior.kind == "person":
            if rng.random() < 0.25:  # crossing
                return road.offset + float(rng.uniform(-1, 1)) * self.half, float(rng.choice((0, math.pi)))
            return kerb + side * float(rng.uniform(0.5, road.sidewalk)), float(rng.uniform(-math.pi, math.pi))
        if prior.kind == "rider":
            return kerb - side * float(rng.uniform(0.4, 1.1)), along_side + 2 * wobble
        if prior.kind == "rail":
            return road.offset + float(rng.uniform(-1, 1)), along_side
        if prior.kind == "other":
            return kerb + side * float(rng.uniform(0.2, road.sidewalk)), float(rng.uniform(-math.pi, math.pi))
        if rng.random() < self.mix.parked:
            return kerb + side * float(rng.uniform(0.3, 0.7)), along_side + wobble
        if rng.random() < 0.06:  # crossing or turning
            return float(rng.uniform(-1, 1)) * (self.half + 4), away + float(rng.uniform(0.6, 2.5))
        lane = int(rng.integers(road.lanes))
        lateral = road.offset + (lane + 0.5 - road.lanes / 2) * road.lane_width + float(rng.normal(0, 0.2))
        return lateral, (away if lateral > road.offset else away + math.pi) + wobble

    def _at_the_edge(self, prior: SizePrior) -> tuple[float, float, float]:
        z = float(self.rng.uniform(3.0, 5.0 + prior.length))
        column = (
            float(self.rng.choice((0, self.size[0]))) + float(self.rng.uniform(-0.05, 0.05)) * self.size[0]
        )
        yaw = road_yaw(self.road) + (math.pi if self.rng.random() < 0.5 else 0.0)
        return (column - self.camera.cx) / self.camera.fx * z, z, yaw + float(self.rng.normal(0, 0.1))

    def _behind_another(self, prior: SizePrior) -> tuple[float, float, float]:
        front = self.actors[int(self.rng.integers(len(self.actors)))].cuboid
        z = front.z + (front.length + prior.length) / 2 + float(self.rng.uniform(0.3, 5.0))
        reach = (front.width + prior.width) / 2 + 0.5
        x = front.x * z / front.z + float(self.rng.uniform(-1, 1)) * reach
        return x, z, self._lane(prior)[1]


def _intersection(a: Box, b: Box) -> float:
    width, height = min(a.x2, b.x2) - max(a.x1, b.x1), min(a.y2, b.y2) - max(a.y1, b.y1)
    return max(width, 0.0) * max(height, 0.0)
