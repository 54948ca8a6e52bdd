"""Light on rendered bodies that fits a photo: exposure, white balance, and how deep its shadows are.

The road is the grey card. Its albedo is taken to be that of worn asphalt; how bright the photo shows it
in the sun and in the shade, and how bright this renderer's light makes it, give the camera's gain and
the share of the light that comes from the sky.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from sim_actors.scene.records import Environment, Scene
from sim_actors.simulators.opengl.assets.family import Family, Film
from sim_actors.simulators.opengl.lighting.light import LUMINANCE, daylight, sun_elevation

ROAD_ALBEDO = 0.17
"""Of worn asphalt (0.05 fresh, 0.12 to 0.2 after years: Levinson and Akbari, "Effects of composition and
exposure on the solar reflectance of portland cement concrete", 2002, has both)."""

_TINT = 0.6  # share of the road's tint that is taken for the light's, not the road's own
_MOST_TINT = 1.35
_GAIN = (1 / 16, 16.0)
_FILL = (0.2, 2.0)
_SOFTNESS = 0.02  # m: shadows stand beside real ones, whose edges are sharp (the sun is half a degree wide)
_UNKNOWN = 0.22  # what full shade leaves of lit road where the photo shows none


@dataclass(frozen=True)
class Match:
    """`family` has the sky's light of the photo; `gains` are exposure and white balance, (3,); `left` is
    what full shade leaves of the developed light of the road."""

    family: Family
    gains: np.ndarray
    left: float


def match(scene: Scene, family: Family) -> Match:
    """How to light and expose the actors of a scene with a backdrop."""
    assert scene.backdrop is not None
    look, film = scene.backdrop.look, family.film
    road = np.maximum(look.ground, 1e-3)
    bright = float(road @ LUMINANCE)
    lit = undeveloped(bright, film)
    sun, sky = _on_the_road(scene.environment, family)
    shade = look.contrast if look.contrast > 1 else 1 / _UNKNOWN
    left = 1.0
    if sun > 0:
        left = max(1 / shade, 0.05)
        share = min(undeveloped(bright * left, film) / lit, 0.9)
        fill = share * sun / (sky * (1 - share))  # sky * fill / (sky * fill + sun) = share
        fill = min(max(round(fill, 1), _FILL[0]), _FILL[1])
        sky *= fill
        light = replace(family.light, fill=family.light.fill * fill, softness=_SOFTNESS)
        family = replace(family, light=light)
    gain = lit / film.gain / (ROAD_ALBEDO * (sun + sky))
    gain = min(max(gain, _GAIN[0]), _GAIN[1]) * 2.0**scene.sensor.exposure
    tint = np.clip((road / bright) ** _TINT, 1 / _MOST_TINT, _MOST_TINT)
    return Match(
        family, gain * tint / _own_tint(scene.environment, family) * scene.sensor.white_balance, left
    )


def undeveloped(level: float, film: Film) -> float:
    """The exposed light that the film shows as linear `level`: its curve's inverse."""
    a, b, c, d, e = film.curve
    level = min(level, 0.98 * min(a / c, 1.0))
    # (a x^2 + b x) / (c x^2 + d x + e) = level
    square, middle = a - level * c, b - level * d
    return (-middle + math.sqrt(middle**2 + 4 * square * level * e)) / (2 * square)


def _on_the_road(environment: Environment, family: Family) -> tuple[float, float]:
    """Luminance of the light of sun and sky on level ground."""
    sun, sky = _light(environment, family)
    return float(sun @ LUMINANCE), max(float(sky @ LUMINANCE), 1e-4)


def _own_tint(environment: Environment, family: Family) -> np.ndarray:
    """The tint (3,), luminance 1, that the renderer's light gives a grey road."""
    total = np.maximum(np.sum(_light(environment, family), axis=0), 1e-4)
    tint: np.ndarray = (total / (total @ LUMINANCE)) ** _TINT
    return tint


def _light(e: Environment, family: Family) -> tuple[np.ndarray, np.ndarray]:
    elevation = round(2 * math.degrees(sun_elevation(e.hour))) * math.pi / 360
    day = daylight(elevation, e.weather, round(2 * e.turbidity) / 2, e.snow > 0.3, family.light)
    return day.sun * math.sin(day.altitude), day.ambient @ [0, 1, 0, 1]
