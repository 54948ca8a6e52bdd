"""The scenes around a case: nearer and farther, more and less hidden, other hours, other weather."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import get_args

from pydantic import Field, ValidationError, model_validator

from imitation.common.formats.validation import sentence
from imitation.common.settings import Settings, UserError
from sim_actors.changes.factor import at_distance
from sim_actors.changes.light import lit
from sim_actors.changes.occlusion import covered
from sim_actors.scene.records import Scene, Weather

NEAREST = 4.0
"""m: a cell that would bring the object nearer than this is left out."""


class Axes(Settings):
    """The steps of a grid around a case."""

    distance: list[float] = Field(
        [0.7, 1.0, 1.5], min_length=1, description="distance from the camera, of the case's own"
    )
    occlusion: list[float] = Field(
        [0.0, 0.3, 0.6], min_length=1, description="share of it that a wall hides; nothing else does"
    )
    hour: list[float] = Field([12.0, 17.5, 22.0], min_length=1, description="hour of the day, in 0 to 24")
    weather: list[str] = Field(["clear", "rain", "fog"], min_length=1, description="weather")

    @model_validator(mode="after")
    def _known(self) -> Axes:
        if not all(0 < value <= 20 for value in self.distance):
            raise ValueError(f"distance: {self.distance}: each is a factor above 0, at most 20")
        if not all(0 <= value <= 0.9 for value in self.occlusion):
            raise ValueError(f"occlusion: {self.occlusion}: each is a share in 0 to 0.9")
        if not all(0 <= value < 24 for value in self.hour):
            raise ValueError(f"hour: {self.hour}: each is in 0 to 24")
        if wrong := [value for value in self.weather if value not in get_args(Weather)]:
            raise ValueError(f"weather: {wrong[0]!r} is none of {', '.join(get_args(Weather))}")
        return self


def axes_of(steps: Mapping[str, Sequence[str]]) -> Axes:
    """The axes with these steps, as they are written ("0.7"); the others have their usual ones. Raises
    UserError naming what is wrong."""
    try:
        return Axes.model_validate({axis: [_number(step) for step in each] for axis, each in steps.items()})
    except ValidationError as error:
        raise UserError(f"the steps of the grid: {sentence(error, Axes)}") from None


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text.strip()


@dataclass(frozen=True)
class Cell:
    """One place of the grid; None: as in the case itself."""

    distance: float | None = None
    occlusion: float | None = None
    hour: float | None = None
    weather: str | None = None

    @property
    def name(self) -> str:
        """For the scene's id: "d1.5-o0.3", "h22-rain", "as-it-is"."""
        parts = [
            f"d{self.distance:g}" if self.distance is not None else "",
            f"o{self.occlusion:g}" if self.occlusion is not None else "",
            f"h{self.hour:g}" if self.hour is not None else "",
            self.weather or "",
        ]
        return "-".join(filter(None, parts)) or "as-it-is"


def cells(axes: Axes, full: bool = False) -> Iterator[Cell]:
    """The case as it is; then two planes through it, distance by occlusion and hour by weather; or, if
    `full`, every combination of the four."""
    yield Cell()
    if full:
        for d, o, h, w in product(axes.distance, axes.occlusion, axes.hour, axes.weather):
            yield Cell(d, o, h, w)
        return
    for d, o in product(axes.distance, axes.occlusion):
        yield Cell(distance=d, occlusion=o)
    for h, w in product(axes.hour, axes.weather):
        yield Cell(hour=h, weather=w)


def in_cell(scene: Scene, cell: Cell) -> Scene | None:
    """The case's scene, whose focus is the object, at a place of the grid; None where there is no room: the
    object would be too near, or something else stands there."""
    changed: Scene | None = scene
    if cell.distance is not None:
        cuboid = scene.actors[scene.focus[0]].cuboid
        distance = math.hypot(cuboid.x, cuboid.z) * cell.distance
        if distance < NEAREST:
            return None
        if cell.distance != 1:
            changed = at_distance(scene, scene.focus[0], distance)
    if changed is not None and cell.occlusion is not None:
        changed = covered(changed, changed.focus[0], cell.occlusion)
    if changed is None or (cell.hour is None and cell.weather is None):
        return changed
    return lit(changed, _weather(cell.weather), cell.hour)


def _weather(word: str | None) -> Weather | None:
    known: Sequence[Weather] = get_args(Weather)
    return next((weather for weather in known if weather == word), None)
