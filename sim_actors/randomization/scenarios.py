"""What kinds of places free scenes show, and the road that each of them has.

Structured domain randomization (Prakash et al., "Structured Domain Randomization: Bridging the Reality
Gap by Context-Aware Synthetic Data", ICRA 2019): first a scenario is drawn, then its road, then what
moves, parks and stands along that road.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from pydantic import Field, model_validator

from imitation.common.settings import Settings
from sim_actors.scene.records import MAX_CURVATURE, Road
from sim_actors.scene.sizes import Kind

Scenario = Literal["city", "residential", "rural", "motorway", "junction"]
SCENARIOS: tuple[Scenario, ...] = get_args(Scenario)

Range = tuple[float, float]

_ON_FOOT: tuple[Kind, ...] = ("person", "rider", "rail", "other")
"""Kinds of actors that have no place on a motorway."""


class FreeSettings(Settings):
    """What scenes without a frame behind them hold. The defaults follow the labels of KITTI's train list
    (`python -m benchmarks.scene_statistics` puts the two side by side)."""

    scenarios: dict[Scenario, float] = Field(
        {"city": 0.24, "residential": 0.36, "rural": 0.12, "motorway": 0.08, "junction": 0.2},
        description="how likely each place is; made to sum to 1",
    )
    categories: dict[str, float] = Field(
        {
            "car": 6.4,
            "van": 0.3,
            "truck": 0.09,
            "pedestrian": 0.5,
            "cyclist": 0.15,
            "tram": 0.04,
            "person_sitting": 0.02,
            "misc": 0.07,
        },
        description="how common each category is, by its name in lower case (before `clumping`, which "
        "takes from the commonest)",
    )
    other: float = Field(0.3, ge=0, description="how common any category is that `categories` does not name")
    clumping: float = Field(
        0.65,
        gt=0,
        description="how alike the scenes' mixtures are: each category's weight is multiplied by a draw from "
        "a gamma distribution of this shape and mean 1 (small: a scene full of people, the next without)",
    )
    actors: float = Field(5.35, ge=1, description="actors in a scene, on average")
    actors_shape: float = Field(
        1.9, gt=0, description="how alike the numbers of actors are: shape of their gamma-Poisson mixture"
    )
    actors_most: int = Field(20, ge=1, description="most actors in a scene")
    depth_vehicle: float = Field(29.0, gt=5, description="depth of vehicles, on average, m")
    depth_person: float = Field(16.5, gt=3, description="depth of people, on average, m")
    depth_rider: float = Field(21.5, gt=3, description="depth of riders, on average, m")
    depth_shape: float = Field(2.8, gt=0.5, description="shape of the depths' gamma distribution")
    farthest: float = Field(85.0, gt=20, description="largest depth of an actor, m")
    min_height: float = Field(
        11.0, ge=2, description="no actor stands so far away that it looks smaller than this, px"
    )
    occluded: float = Field(0.12, ge=0, le=1, description="chance that an actor is put behind another")
    truncated: float = Field(
        0.06, ge=0, le=1, description="chance that an actor is put across the picture's edge"
    )
    parked: dict[Scenario, float] = Field(
        {"city": 0.4, "residential": 0.75, "rural": 0.1, "motorway": 0.0, "junction": 0.4},
        description="share of the vehicles that park, in each place",
    )
    parked_large: float = Field(
        0.3, ge=0, le=1, description="share of `parked` that holds for vehicles over 7 m"
    )
    yard: float = Field(
        0.3, ge=0, le=1, description="share of the parked vehicles that stand in drives and forecourts"
    )
    row: float = Field(
        0.6, ge=0, le=1, description="chance that a vehicle parks before or behind one that parks already"
    )
    oncoming: float = Field(0.5, ge=0, le=1, description="share of the driving vehicles that come towards us")
    cross: float = Field(
        0.4, ge=0, le=1, description="share of a junction's vehicles that are on the crossing road"
    )
    walking_across: float = Field(0.25, ge=0, le=1, description="share of the people who cross the road")
    riding_across: float = Field(0.15, ge=0, le=1, description="share of the riders who cross the road")
    cycle_path: float = Field(
        0.4, ge=0, le=1, description="share of the riders beside the lanes rather than at their edge"
    )
    together: float = Field(0.4, ge=0, le=1, description="chance that somebody walks beside another person")
    curved: float = Field(0.5, ge=0, le=1, description="chance that the road bends")
    curvature: dict[Scenario, float] = Field(
        {"city": 0.004, "residential": 0.008, "rural": 0.009, "motorway": 0.0025, "junction": 0.0},
        description="curvature of a road that bends, at most, 1/m",
    )
    heading: float = Field(
        0.1, ge=0, le=0.5, description="angle between the camera's view and the road, at most, rad"
    )
    lanes: dict[Scenario, tuple[int, ...]] = Field(
        {
            "city": (2, 2, 3, 4),
            "residential": (2,),
            "rural": (2,),
            "motorway": (2, 3, 3),
            "junction": (2, 2, 4),
        },
        description="numbers of lanes to draw from (of a motorway: in one direction)",
    )
    lane_width: Range = Field((2.9, 3.7), description="width of a lane, least and most, m")
    sidewalk: Range = Field((1.6, 3.6), description="width of the pavements of built-up places, m")
    parking_strip: float = Field(
        0.5, ge=0, le=1, description="chance that a street has strips beside its lanes to park on"
    )
    median: Range = Field((2.0, 5.0), description="width of the strip in the middle of a motorway, m")
    hard_shoulder: Range = Field((1.5, 2.9), description="width of a motorway's hard shoulders, m")
    cross_width: Range = Field((6.0, 10.0), description="width of the road that crosses at a junction, m")
    junction: Range = Field((14.0, 42.0), description="distance of the junction, m")
    zebra: float = Field(0.3, ge=0, le=1, description="chance of a zebra crossing, in built-up places")
    markings: float = Field(0.85, ge=0, le=1, description="chance that lanes are marked")
    surfaces: dict[Literal["asphalt", "concrete", "gravel"], float] = Field(
        {"asphalt": 0.84, "concrete": 0.12, "gravel": 0.04},
        description="how likely each surface is (gravel: not in cities and on motorways)",
    )

    @model_validator(mode="after")
    def _sensible(self) -> FreeSettings:
        for name in ("scenarios", "surfaces"):
            weights = getattr(self, name)
            if min(weights.values(), default=0) < 0 or sum(weights.values()) <= 0:
                raise ValueError(f"{name}: {weights} needs weights of 0 or more, and one above 0")
        for name in ("lane_width", "sidewalk", "median", "hard_shoulder", "cross_width", "junction"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"{name}: needs two numbers above 0, the smaller first, found {low}, {high}")
        for scenario, share in self.parked.items():
            if not 0 <= share <= 1:
                raise ValueError(f"parked: {scenario} has {share}; a share lies between 0 and 1")
        for scenario, most in self.curvature.items():
            if not 0 <= most <= MAX_CURVATURE:
                raise ValueError(f"curvature: {scenario} has {most} 1/m; it may be 0 to {MAX_CURVATURE}")
        for scenario, lanes in self.lanes.items():
            if min(lanes, default=0) < 1:
                raise ValueError(f"lanes: {scenario} has {lanes}; needs numbers of 1 or more")
        return self

    def mix(self, rng: np.random.Generator, categories: tuple[str, ...]) -> Mix:
        """What one scene is made of."""
        plain = {c: self.categories.get(c.strip().lower(), self.other) for c in categories}
        weights = {c: w * float(rng.gamma(self.clumping)) / self.clumping for c, w in plain.items()}
        count = int(rng.poisson(rng.gamma(self.actors_shape, self.actors / self.actors_shape)))
        count = min(max(count, 1), self.actors_most)
        return Mix(
            weights=weights,
            actors=(count, count),
            occluded=self.occluded,
            truncated=self.truncated,
            min_height=self.min_height,
        )


@dataclass(frozen=True)
class Mix:
    """What a scene is made of, where it is not `FreeSettings` that say so.

    `weights`: how likely each category is (None: all alike). `actors`: least and most actors.
    `occluded`, `truncated`: chance that an actor is put behind another, or across the picture's
    edge. Plain actors are hidden by at most `plain_hidden` and outside by at most `plain_cut`
    (fractions of their boxes). `parked`: share of the vehicles that park (None: as in the settings for
    the place). No actor is placed so far away that it looks smaller than `min_height` px.
    """

    weights: Mapping[str, float] | None = None
    actors: tuple[int, int] = (3, 12)
    occluded: float = 0.2
    truncated: float = 0.15
    plain_hidden: float = 0.85
    plain_cut: float = 0.6
    parked: float | None = None
    min_height: float = 11.0


def suits(scenario: Scenario, kind: Kind) -> bool:
    """Whether a kind of actor may be met in a place: motorways are for motor vehicles."""
    return scenario != "motorway" or kind not in _ON_FOOT


def draw_scenario(
    rng: np.random.Generator, settings: FreeSettings, weights: Mapping[Kind, float]
) -> Scenario:
    """A place, likelier the more of what the scene shall hold (`weights`) may be met there."""
    share = [
        settings.scenarios.get(scenario, 0.0) * sum(w for kind, w in weights.items() if suits(scenario, kind))
        for scenario in SCENARIOS
    ]
    if sum(share) <= 0:  # nobody may be met in the places asked for: they are shown all the same
        share = [settings.scenarios.get(scenario, 0.0) for scenario in SCENARIOS]
    return SCENARIOS[int(rng.choice(len(SCENARIOS), p=np.array(share) / sum(share)))]


def draw_road(rng: np.random.Generator, settings: FreeSettings, scenario: Scenario) -> Road:
    """The road of a place, with the camera in one of its right-hand lanes."""

    def draw(bounds: Range) -> float:
        return float(rng.uniform(*bounds))

    built = scenario in ("city", "residential", "junction")
    choices = settings.lanes.get(scenario, (2,))
    lanes = int(choices[int(rng.integers(len(choices)))])
    width = draw(settings.lane_width)
    motorway = scenario == "motorway"
    own = int(rng.integers(0 if motorway else math.ceil(lanes / 2) if lanes > 1 else 0, lanes))
    offset = -(own + 0.5 - lanes / 2) * width + float(rng.uniform(-0.4, 0.4))
    surfaces = list(settings.surfaces)
    surface = surfaces[int(rng.choice(len(surfaces), p=_shares(settings.surfaces)))]
    if surface == "gravel" and scenario not in ("rural", "residential"):
        surface = "asphalt"
    bends = rng.random() < settings.curved
    bend = float(rng.uniform(-1, 1)) * settings.curvature.get(scenario, 0.0)
    walk, strip = draw(settings.sidewalk), rng.random() < settings.parking_strip
    median, hard = draw(settings.median), draw(settings.hard_shoulder)
    junction, crosswise = draw(settings.junction), draw(settings.cross_width)
    zebra, zebra_at = rng.random() < settings.zebra, float(rng.uniform(9.0, 45.0))
    marked = rng.random() < settings.markings * (0.6 if scenario == "residential" else 1.0)
    crosses = scenario == "junction"
    if crosses:
        zebra_at = junction - crosswise / 2 - 2.4  # between the stop line and the other road
    return Road(
        heading=float(rng.uniform(-1, 1)) * settings.heading,
        offset=offset,
        lanes=lanes,
        lane_width=width,
        sidewalk=walk if built else (0.0 if motorway or rng.random() < 0.8 else 1.5),
        markings=motorway or (surface != "gravel" and marked),
        surface=surface,
        curvature=bend if bends and not crosses else 0.0,
        junction=junction if crosses else 0.0,
        cross_width=crosswise,
        crossing=zebra_at if zebra and built and surface != "gravel" and zebra_at > 5.0 else 0.0,
        shoulder=hard if motorway else (2.2 if built and strip else 0.0),
        median=median if motorway else 0.0,
        kind=scenario if scenario != "junction" else ("city" if rng.random() < 0.55 else "residential"),
    )


def _shares(weights: Mapping[Literal["asphalt", "concrete", "gravel"], float]) -> np.ndarray:
    values = np.array(list(weights.values()))
    return values / values.sum()
