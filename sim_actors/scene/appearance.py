"""Colours of things and light of the day: the palettes and weather that scenes are drawn from."""

from __future__ import annotations

from typing import get_args

import numpy as np

from sim_actors.scene.records import Environment, Weather
from sim_actors.scene.sizes import Kind

Colour = tuple[float, float, float]

# Linear RGB and how common: car paint after the yearly popularity surveys of the paint makers Axalta,
# BASF and PPG for Europe (grey, white, black and silver are about four fifths of all cars, blue and red
# most of the rest), each main colour in the shades it is sold in.
_PAINT: tuple[tuple[Colour, float], ...] = (
    ((0.78, 0.78, 0.77), 0.19),  # white
    ((0.66, 0.65, 0.6), 0.06),  # pearl
    ((0.012, 0.012, 0.014), 0.17),  # black
    ((0.025, 0.027, 0.035), 0.05),  # black with a blue flake
    ((0.07, 0.073, 0.08), 0.1),  # anthracite
    ((0.18, 0.185, 0.19), 0.11),  # grey
    ((0.45, 0.46, 0.47), 0.11),  # silver
    ((0.015, 0.03, 0.1), 0.06),  # dark blue
    ((0.03, 0.12, 0.34), 0.04),  # blue
    ((0.36, 0.014, 0.014), 0.045),  # red
    ((0.11, 0.008, 0.014), 0.015),  # dark red
    ((0.02, 0.07, 0.035), 0.015),  # green
    ((0.24, 0.19, 0.12), 0.015),  # beige
    ((0.09, 0.05, 0.03), 0.01),  # brown
    ((0.62, 0.2, 0.01), 0.01),  # orange
    ((0.66, 0.44, 0.02), 0.01),  # yellow
)
# Vans and trucks are bought for work, and most of them white.
_WORKING: tuple[tuple[Colour, float], ...] = (
    ((0.78, 0.78, 0.77), 0.58),
    ((0.45, 0.46, 0.47), 0.08),
    ((0.12, 0.125, 0.13), 0.08),
    ((0.02, 0.02, 0.024), 0.05),
    ((0.02, 0.06, 0.22), 0.07),
    ((0.38, 0.02, 0.016), 0.06),
    ((0.66, 0.44, 0.02), 0.04),
    ((0.62, 0.2, 0.01), 0.02),
    ((0.03, 0.13, 0.06), 0.02),
)
# Liveries of buses and trams: cities paint theirs alike, and seldom grey.
_LIVERIES: tuple[tuple[Colour, float], ...] = (
    ((0.72, 0.72, 0.7), 0.3),
    ((0.66, 0.46, 0.03), 0.2),
    ((0.45, 0.02, 0.018), 0.2),
    ((0.03, 0.1, 0.32), 0.15),
    ((0.03, 0.2, 0.08), 0.1),
    ((0.45, 0.46, 0.47), 0.05),
)
_PALETTES = {"van": _WORKING, "truck": _WORKING, "bus": _LIVERIES, "tram": _LIVERIES}
_CLOTHES: tuple[tuple[Colour, float], ...] = (
    ((0.03, 0.03, 0.04), 0.25),
    ((0.04, 0.07, 0.2), 0.2),
    ((0.2, 0.2, 0.2), 0.15),
    ((0.65, 0.63, 0.6), 0.12),
    ((0.4, 0.05, 0.05), 0.1),
    ((0.1, 0.2, 0.1), 0.08),
    ((0.45, 0.35, 0.2), 0.06),
    ((0.6, 0.5, 0.05), 0.04),
)

HAZE: dict[Weather, float] = {"clear": 0.0008, "overcast": 0.0015, "fog": 0.025, "rain": 0.005, "snow": 0.008}
"""Extinction that goes with each weather, 1/m (visibility is about 3.9 / haze: Koschmieder, 1924)."""

WEATHERS: tuple[Weather, ...] = get_args(Weather)

_WEATHER_WORDS: dict[str, Weather] = {
    "clear": "clear",
    "sunny": "clear",
    "partly cloudy": "clear",
    "cloudy": "overcast",
    "overcast": "overcast",
    "fog": "fog",
    "foggy": "fog",
    "rain": "rain",
    "rainy": "rain",
    "snow": "snow",
    "snowy": "snow",
}
_HOUR_WORDS = {
    "day": 13.0,
    "daytime": 13.0,
    "noon": 12.0,
    "morning": 9.0,
    "afternoon": 16.0,
    "evening": 17.3,
    "dawn": 6.3,
    "dusk": 17.8,
    "dawn/dusk": 17.8,
    "night": 22.0,
}


def draw_colour(rng: np.random.Generator, kind: Kind, category: str) -> Colour:
    """A colour for a thing of a kind: paint for vehicles, cloth for people, linear RGB in [0, 1]. A
    `category` (in any case) narrows it: vans and trucks are mostly white, buses in liveries."""
    paint = _LIVERIES if kind == "rail" else _PALETTES.get(category.strip().lower(), _PAINT)
    palette = _CLOTHES if kind in ("person", "rider") else paint
    weights = np.array([weight for _, weight in palette])
    base = palette[int(rng.choice(len(palette), p=weights / weights.sum()))][0]
    return shade(base, float(rng.uniform(0.8, 1.25)))


def shade(colour: Colour, gain: float) -> Colour:
    """A colour made lighter or darker, within [0, 1]."""
    r, g, b = (min(max(channel * gain, 0.0), 1.0) for channel in colour)
    return r, g, b


def dark(hour: float) -> bool:
    """Whether the sun is down or close to it (it rises at 6 and sets at 18): cars have lights on."""
    return hour < 6.6 or hour >= 17.4


def environment(
    weather: Weather,
    hour: float,
    sun_azimuth: float,
    *,
    haze_gain: float = 1.0,
    clouds: float = Environment.clouds,
    turbidity: float = Environment.turbidity,
) -> Environment:
    """Light and weather that go together: the haze, wet ground and snow of a weather at an hour."""
    return Environment(
        hour=hour,
        sun_azimuth=sun_azimuth,
        weather=weather,
        haze=HAZE[weather] * haze_gain,
        wetness=0.8 if weather == "rain" else 0.0,
        snow=0.8 if weather == "snow" else 0.0,
        clouds=clouds,
        turbidity=turbidity,
    )


WEATHER_WORDS = frozenset(_WEATHER_WORDS)
HOUR_WORDS = frozenset(_HOUR_WORDS)
"""The words for conditions that can be staged, in lower case."""


def known_weather(word: str) -> Weather | None:
    """The weather that a dataset's word means ("rainy", "sunny", ...), None if unknown."""
    return _WEATHER_WORDS.get(word.strip().lower())


def known_hour(word: str) -> float | None:
    """The hour of day that a dataset's word means ("night", "Dawn/Dusk", ...), None if unknown."""
    return _HOUR_WORDS.get(word.strip().lower())
