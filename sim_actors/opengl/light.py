"""From an environment and a family's light to the numbers that the shaders read."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from imitation.records import Camera
from sim_actors.ground import camera_height, ground_rotation
from sim_actors.opengl.family import Family
from sim_actors.scene import Environment, Scene

NOON_ELEVATION = math.radians(58)
SHADOW_CENTRE, SHADOW_RADIUS = 24.0, 36.0
"""The shadow map covers a ball of that radius, that far ahead on the ground, m."""

# Weather: share of the sun that is left, of clouds, brightness and greyness of the sky.
_WEATHER: dict[str, tuple[float, float, float, float]] = {
    "clear": (1.0, 0.0, 1.0, 0.0),
    "overcast": (0.14, 1.0, 1.25, 0.8),
    "fog": (0.08, 1.0, 1.15, 0.95),
    "rain": (0.05, 1.0, 0.9, 0.85),
    "snow": (0.12, 1.0, 1.15, 0.9),
}


@dataclass(frozen=True)
class Illumination:
    """Linear RGB, relative to the camera's own automatic exposure; `to_sun` is a unit vector in
    camera axes; `night` in [0, 1] turns lamps on."""

    to_sun: np.ndarray
    sun: np.ndarray
    zenith: np.ndarray
    horizon: np.ndarray
    fog: np.ndarray
    bounce: np.ndarray
    clouds: float
    night: float


def sun_elevation(hour: float) -> float:
    """Elevation of the sun, rad: rises at 6, sets at 18, below the horizon at night."""
    return NOON_ELEVATION * math.sin(math.pi * (hour - 6.0) / 12.0)


def time_of_day(hour: float) -> str:
    """ "day", "dusk" (sun within about 7 degrees of the horizon; dawn too) or "night"."""
    elevation = math.degrees(sun_elevation(hour))
    return "day" if elevation > 7.0 else "night" if elevation < -7.0 else "dusk"


def _ramp(low: float, high: float, value: float) -> float:
    t = min(max((value - low) / (high - low), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


def illuminate(environment: Environment, camera: Camera, family: Family) -> Illumination:
    """Sun, sky, fog and night of an environment, in one family's light."""
    light = family.light
    elevation = sun_elevation(environment.hour)
    degrees = math.degrees(elevation)
    sun_left, overcast, sky_level, grey = _WEATHER[environment.weather]
    day = _ramp(-8.0, 10.0, degrees)
    high = _ramp(0.0, 26.0, degrees)
    zenith, horizon = np.array(light.zenith), np.array(light.horizon)
    glow = np.array(light.low_sun) * (1.0 - high) * (1.0 - grey) * 0.55
    luminance = float(horizon @ [0.25, 0.6, 0.15])
    zenith = (zenith * (1 - grey) + luminance * 0.82 * grey) * sky_level
    horizon = (horizon * (1 - grey) + luminance * 0.95 * grey) * sky_level
    horizon = horizon * (1 - 0.45 * (1 - high)) + glow * _ramp(-9.0, 0.0, degrees)
    # The camera opens up as the light goes; what is left of the change is what a picture shows.
    level = 0.02 + 0.98 * day**0.8
    city = np.array([0.022, 0.019, 0.020]) * (1 - day)
    zenith, horizon = zenith * level + city, horizon * level + city * 1.6
    if degrees > -2.0:
        color = np.array(light.low_sun) * (1 - high) + np.array(light.sun) * high
        sun = color * light.sun_power * sun_left * _ramp(-2.0, 12.0, degrees)
        altitude = max(elevation, math.radians(2.5))
    else:  # the moon
        sun = np.array([0.012, 0.014, 0.018]) * sun_left
        altitude = math.radians(40)
    azimuth = environment.sun_azimuth
    up = np.array(
        [math.cos(altitude) * math.sin(azimuth), -math.sin(altitude), math.cos(altitude) * math.cos(azimuth)]
    )
    ambient = (0.45 * zenith + 0.55 * horizon) * light.fill
    albedo = np.array([0.9, 0.92, 0.95]) if environment.snow > 0.3 else np.array([1.0, 0.95, 0.88])
    bounce = (ambient + sun * math.sin(altitude)) * light.bounce * albedo * (1 + environment.snow)
    return Illumination(
        to_sun=ground_rotation(camera) @ up,
        sun=sun,
        zenith=zenith,
        horizon=horizon,
        fog=horizon * 0.92,
        bounce=bounce,
        clouds=max(light.clouds, overcast),
        night=1.0 - _ramp(-6.0, 4.0, degrees),
    )


def shadow_matrix(to_sun: np.ndarray, camera: Camera) -> np.ndarray:
    """(4, 4): camera coordinates -> clip space of the sun's orthographic view."""
    forward = -to_sun / np.linalg.norm(to_sun)
    side = np.cross(forward, [0.0, 0.0, 1.0] if abs(forward[2]) < 0.9 else [1.0, 0.0, 0.0])
    side /= np.linalg.norm(side)
    basis = np.stack([side, np.cross(side, forward), forward])
    centre = ground_rotation(camera) @ np.array([0.0, camera_height(camera), SHADOW_CENTRE])
    matrix = np.eye(4)
    matrix[:3, :3] = basis / SHADOW_RADIUS
    matrix[2, :3] /= 2.0  # what stands up to two radii towards the sun still throws its shadow
    matrix[:3, 3] = -matrix[:3, :3] @ centre
    return matrix


def projection(
    camera: Camera, width: float, height: float, left: float = 0.0, top: float = 0.0
) -> np.ndarray:
    """(4, 4): camera coordinates -> clip space of the window [left, left + width] x [top, top +
    height] px of the image plane. Image rows run with the framebuffer's, so row 0 is read first."""
    matrix = np.zeros((4, 4))
    matrix[0, 0], matrix[0, 2] = 2 * camera.fx / width, 2 * (camera.cx - left) / width - 1
    matrix[1, 1], matrix[1, 2] = 2 * camera.fy / height, 2 * (camera.cy - top) / height - 1
    matrix[2, 2] = (FAR + NEAR) / (FAR - NEAR)
    matrix[2, 3] = -2 * FAR * NEAR / (FAR - NEAR)
    matrix[3, 2] = 1.0
    return matrix


NEAR, FAR = 0.2, 800.0
"""Depths (m) between which things are drawn."""


def frame_block(scene: Scene, family: Family, view: np.ndarray, shadow_texels: int) -> bytes:
    """The `Frame` block of common.glsl, std140."""
    e, road, ground, light = scene.environment, scene.road, family.ground, family.light
    lit = illuminate(e, scene.camera, family)
    rng = np.random.default_rng([17, scene.seed & 0xFFFFFFFF])
    offset = rng.uniform(0, 1, 2)
    to_map = np.diag([0.5, 0.5, 0.5, 1.0])
    to_map[:3, 3] = 0.5
    shadow = to_map @ shadow_matrix(lit.to_sun, scene.camera)
    down = ground_rotation(scene.camera)[:, 1]
    surface = {"asphalt": ground.asphalt, "concrete": ground.concrete, "gravel": ground.gravel}[road.surface]
    lamp = np.array(light.lamp) * 40.0 * lit.night
    day_wet = e.wetness if e.weather != "snow" else 0.3 * e.wetness
    rows = [
        *view.T,
        *shadow.T,
        [*down, camera_height(scene.camera)],
        [*lit.to_sun, light.softness / (2 * SHADOW_RADIUS)],
        [*lit.sun, shadow_texels],
        [*lit.zenith, light.sky_exponent],
        [*lit.horizon, lit.clouds],
        [*lit.fog, e.haze],
        [*lit.bounce, light.fill],
        [*lamp, 260.0 * lit.night],
        [day_wet, e.snow, light.cloud_scale, 1.0],
        [math.cos(road.heading), math.sin(road.heading), road.offset, road.lanes * road.lane_width / 2],
        [road.lane_width, road.lanes, road.sidewalk, float(road.markings)],
        [*surface, ground.wear * (1.6 if road.surface == "gravel" else 1.0)],
        [*ground.pavement, ground.slab],
        [*ground.verge, offset[0]],
        [*ground.soil, offset[1]],
        [*ground.paint, 0.45 * lit.night],
        family.window,
        [road.curvature, road.junction, road.crossing, road.shoulder],
        [road.cross_width / 2, road.median, 1.0 if road.kind == "city" else 0.0, 0.0],
    ]
    return np.array(rows, dtype=np.float32).tobytes()
