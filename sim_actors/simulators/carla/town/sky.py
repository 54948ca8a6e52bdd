"""A scene's light and weather as CARLA's."""

from __future__ import annotations

import math

from sim_actors.scene.records import Environment
from sim_actors.simulators.opengl.lighting.light import sun_elevation

DENSE = 0.05
"""Extinction of dense fog, 1/m: CARLA's densest."""


def weather(environment: Environment, yaw: float, offset: float) -> dict[str, float]:
    """The fields of `carla.WeatherParameters` for a camera that looks along `yaw`, degrees; `offset` degrees
    are added to the sun's azimuth. There is no wind, so that leaves stand still."""
    rain = environment.weather == "rain"
    clouds = {"clear": 100 * environment.clouds, "overcast": 90.0, "fog": 80.0, "rain": 90.0}
    wet = 100 * environment.wetness
    return {
        "cloudiness": clouds.get(environment.weather, 90.0),
        "precipitation": 60.0 if rain else 0.0,
        "precipitation_deposits": wet,
        "wind_intensity": 0.0,
        "sun_azimuth_angle": (yaw + math.degrees(environment.sun_azimuth) + offset) % 360.0,
        "sun_altitude_angle": math.degrees(sun_elevation(environment.hour)),
        "fog_density": min(100.0, 100 * environment.haze / DENSE),
        "fog_distance": 0.0,
        "fog_falloff": 0.1,
        "wetness": wet,
        "scattering_intensity": 1.0,
        "mie_scattering_scale": 0.03,
        "rayleigh_scattering_scale": 0.0331,
        "dust_storm": 0.0,
    }


def snowy(environment: Environment) -> bool:
    """Whether the scene has what CARLA has not."""
    return environment.weather == "snow" or environment.snow > 0
