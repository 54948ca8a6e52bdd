"""Hour and weather."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sim_actors.changes.factor import Factor, Subject
from sim_actors.scene.appearance import HAZE, dark, environment
from sim_actors.scene.records import Scene, Weather
from sim_actors.scene.sizes import size_prior

NOON_HOUR, AROUND_NOON = 12.0, (10.0, 14.0)


def lit(scene: Scene, weather: Weather | None = None, hour: float | None = None) -> Scene:
    """The scene under this weather and at this hour in [0, 24) (None: as it is), vehicles with their lights
    on where it is dark."""
    if weather is None and hour is None:
        return scene
    old = scene.environment
    at = old.hour if hour is None else hour
    if weather is None or weather == old.weather:
        light = replace(old, hour=at)
    else:
        light = environment(weather, at, old.sun_azimuth)
    actors = tuple(
        replace(actor, lights=dark(at)) if _has_lights(actor.category) else actor for actor in scene.actors
    )
    return replace(scene, environment=light, actors=actors)


def _has_lights(category: str) -> bool:
    prior = size_prior(category)
    return prior is not None and prior.kind == "vehicle"


def noon(scene: Scene, subject: Subject, rng: np.random.Generator) -> Scene | None:
    """Noon in place of another hour. Not from 10 to 14 o'clock."""
    low, high = AROUND_NOON
    return None if low <= scene.environment.hour <= high else lit(scene, hour=NOON_HOUR)


def clear(scene: Scene, subject: Subject, rng: np.random.Generator) -> Scene | None:
    """Clear weather in place of any other, or of haze. Not where it is clear."""
    light = scene.environment
    if light.weather == "clear":
        if light.haze <= 2 * HAZE["clear"]:
            return None
        return replace(scene, environment=replace(light, haze=HAZE["clear"]))
    return lit(scene, weather="clear")


NOON = Factor(noon, "at noon")
CLEAR = Factor(clear, "in clear weather")
