"""From an environment and a family's light to the numbers that the shaders read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from imitation.data.records import Camera
from sim_actors.scene.ground import camera_height, ground_rotation
from sim_actors.scene.records import Actor, Environment, Scene
from sim_actors.scene.sizes import size_prior
from sim_actors.simulators.opengl.assets.family import Family, Light
from sim_actors.simulators.opengl.lighting.atmosphere import (
    dome_directions,
    irradiance,
    sky_map,
    transmittance,
)

NOON_ELEVATION = math.radians(58)
CASCADES = ((9.0, 13.0, 90.0), (40.0, 46.0, 130.0))
"""The shadow maps' balls on the ground: how far ahead, radius, and how far towards the sun things
still throw shadows into them; m."""

SKY_SIZE = 96
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
BEAMS = 4
"""Vehicles, nearest first, whose head lamps light up what is before them."""

# Weather: the daylight that is left of a clear day's, and how even its sky is (0: CIE's standard
# overcast sky, three times brighter in the zenith than at the horizon; 1: the same everywhere); and what
# an exposure metered on a picture that is mostly fog or snow takes back, lest it all be white.
_VEILED: dict[str, tuple[float, float, float]] = {
    "overcast": (0.24, 0.0, 1.0),
    "fog": (0.26, 1.0, 0.42),
    "rain": (0.13, 0.3, 0.85),
    "snow": (0.26, 0.7, 0.6),
}
_ADAPTATION = 0.18
"""How much of a change of light (as its power) the automatic exposure leaves in the picture."""

_DARKEST = 3e-4
"""Light, relative to a clear noon's, below which the exposure opens no further."""

_NIGHT_SKY, _CITY = np.array([0.012, 0.015, 0.028]), np.array([0.066, 0.05, 0.037])
_MOON, _MOON_ALTITUDE = np.array([0.07, 0.085, 0.11]), math.radians(40)


@dataclass(frozen=True, eq=False)
class Daylight:
    """Linear RGB after automatic exposure. `radiance`: the sky (atmosphere.py's layout, with the sun's
    or moon's bearing ahead); `ambient` (3, 4): its light on a surface (`atmosphere.irradiance`);
    `altitude` rad of sun or moon, whose light on a card that faces it is `sun`; `fog`: what distance
    fades to, and `glare`: what comes on top towards the sun; `night` in [0, 1] turns lamps on."""

    altitude: float
    sun: np.ndarray
    radiance: np.ndarray
    ambient: np.ndarray
    fog: np.ndarray
    glare: np.ndarray
    ground: np.ndarray
    night: float

    @property
    def zenith(self) -> np.ndarray:
        middle = len(self.radiance) // 2
        return self.radiance[middle, middle]

    @property
    def horizon(self) -> np.ndarray:
        return self.fog


@dataclass(frozen=True, eq=False)
class Illumination:
    """The light of a scene. `to_sun`, `right` and `ahead` are unit vectors in camera axes: to the sun
    or moon, and the level axes that its bearing gives the sky map."""

    to_sun: np.ndarray
    right: np.ndarray
    ahead: np.ndarray
    day: Daylight
    clouds: float

    @property
    def night(self) -> float:
        return self.day.night

    @property
    def shines(self) -> bool:
        """Whether the sun or moon throws shadows."""
        return bool(self.day.sun.any())


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


def _muted(color: np.ndarray, saturation: float) -> np.ndarray:
    grey = (color @ LUMINANCE)[..., None]
    return grey + (color - grey) * saturation


def exposed(light: float) -> float:
    """The picture's level for a daylight relative to a clear noon's (1 -> 1): automatic exposure."""
    steady = max(light, _DARKEST) ** _ADAPTATION
    return steady * min(light / _DARKEST, 1.0)


@lru_cache(maxsize=64)
def daylight(elevation: float, weather: str, turbidity: float, snow: bool, light: Light) -> Daylight:
    """Sun, sky and fog for a sun at `elevation` rad (half degrees are told apart)."""
    elevation = math.radians(round(2 * math.degrees(elevation)) / 2)
    turbidity = min(max(round(2 * (turbidity + light.turbidity)) / 2, 1.5), 10.0)
    sky = _muted(sky_map(elevation, turbidity, SKY_SIZE) * light.sky_tint, light.saturation**0.5)
    sun = _muted(transmittance(elevation, turbidity) / math.pi * light.sun_tint, light.saturation)
    sine = max(math.sin(elevation), 0.0)
    total = sun * sine + irradiance(sky, np.zeros(3)) @ [0, 1, 0, 1]
    share, even, metered = _VEILED.get(weather, (1.0, 0.0, 1.0))
    if weather in _VEILED:  # no sun, and a grey sky that keeps a little of the day's colour
        up = dome_directions(SKY_SIZE)[..., 1:2]
        sky = (even + (1 - even) * (1 + 2 * up) * 3 / 7) * _muted(total, 0.3) * [0.97, 1.0, 1.04] * share
        sun = np.zeros(3)
    bright = float(total @ LUMINANCE) * share
    noon = _noon()
    gain = metered * light.level * exposed(bright / noon) / bright if bright > 1e-12 else 0.0
    dark = 1.0 - _ramp(-8.0, 2.0, math.degrees(elevation))
    rise = np.maximum(dome_directions(SKY_SIZE)[..., 1:2], 0.0)
    lit_clouds = 2.0 if weather in _VEILED else 1.0
    sky = sky * gain + dark * (_NIGHT_SKY + lit_clouds * _CITY * np.exp(-3.5 * rise))
    sun = sun * gain
    altitude = max(elevation, math.radians(1.0))
    if elevation < math.radians(-1.0):
        altitude = _MOON_ALTITUDE
        sun = _MOON * dark if weather not in _VEILED else np.zeros(3)
    albedo = np.array([0.66, 0.68, 0.72]) if snow else light.bounce * np.array([1.08, 1.0, 0.88])
    falling = sun * math.sin(altitude) + irradiance(sky, np.zeros(3)) @ [0, 1, 0, 1]
    ground = albedo * falling
    low = _low_sky(sky)
    fog = np.median(low, axis=0)
    return Daylight(
        altitude=altitude,
        sun=sun,
        radiance=sky,
        ambient=irradiance(sky, ground) * light.fill,
        fog=fog,
        glare=np.clip(low.max(axis=0) - fog, 0.0, 1.5 * fog.max()) if sun.any() else np.zeros(3),
        ground=ground,
        night=1.0 - _ramp(-6.0, 4.0, math.degrees(elevation)),
    )


@lru_cache(maxsize=1)
def _noon() -> float:
    """Luminance of all the light on level ground at a clear noon, over pi."""
    total = transmittance(NOON_ELEVATION, 3.0) / math.pi * math.sin(NOON_ELEVATION)
    total = total + irradiance(sky_map(NOON_ELEVATION, 3.0, SKY_SIZE), np.zeros(3)) @ [0, 1, 0, 1]
    return float(total @ LUMINANCE)


def _low_sky(sky: np.ndarray) -> np.ndarray:
    """(n, 3): the sky between about 2 and 8 degrees of elevation."""
    up = dome_directions(len(sky))[..., 1]
    return sky[(up > 0.035) & (up < 0.14)]


def illuminate(environment: Environment, camera: Camera, family: Family) -> Illumination:
    """Sun, sky, fog and night of an environment, in one family's light."""
    day = daylight(
        round(2 * math.degrees(sun_elevation(environment.hour))) * math.pi / 360,
        environment.weather,
        round(2 * environment.turbidity) / 2,
        environment.snow > 0.3,
        family.light,
    )
    turn = ground_rotation(camera)
    sine, cosine = math.sin(environment.sun_azimuth), math.cos(environment.sun_azimuth)
    ahead = turn @ np.array([sine, 0.0, cosine])
    up = -turn[:, 1]
    return Illumination(
        to_sun=math.cos(day.altitude) * ahead + math.sin(day.altitude) * up,
        right=turn @ np.array([cosine, 0.0, -sine]),
        ahead=ahead,
        day=day,
        clouds=environment.clouds if environment.weather == "clear" else 1.0,
    )


def shadow_matrix(to_sun: np.ndarray, camera: Camera, cascade: int) -> np.ndarray:
    """(4, 4): camera coordinates -> clip space of the sun's orthographic view of a cascade's ball."""
    ahead, radius, reach = CASCADES[cascade]
    forward = -to_sun / np.linalg.norm(to_sun)
    side = np.cross(forward, [0.0, 0.0, 1.0] if abs(forward[2]) < 0.9 else [1.0, 0.0, 0.0])
    side /= np.linalg.norm(side)
    basis = np.stack([side, np.cross(side, forward), forward])
    centre = ground_rotation(camera) @ np.array([0.0, camera_height(camera), ahead])
    matrix = np.eye(4)
    matrix[:3, :3] = basis / np.array([[radius], [radius], [(radius + reach) / 2]])
    matrix[:3, 3] = -matrix[:3, :3] @ centre
    matrix[2, 3] += (reach - radius) / (reach + radius)
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


@dataclass(frozen=True)
class Lamp:
    """A pair of lamps of a vehicle: the middle between them and the direction they shine in, camera
    axes, m; `half`: half the distance between them, `across` the direction from one to the other."""

    at: np.ndarray
    toward: np.ndarray
    across: np.ndarray
    half: float
    red: bool


def lamps(actors: tuple[Actor, ...]) -> list[Lamp]:
    """Head and tail lamps of the vehicles whose lights are on, nearest vehicle first."""
    lit = []
    for actor in actors:
        prior = size_prior(actor.category)
        if actor.lights and prior is not None and prior.kind in ("vehicle", "rail"):
            lit.append(actor.cuboid)
    lit.sort(key=lambda c: c.x**2 + c.z**2)
    found = []
    for c in lit:
        toward = np.array([math.cos(c.yaw), 0.0, -math.sin(c.yaw)])
        across = np.array([math.sin(c.yaw), 0.0, math.cos(c.yaw)])
        for sign, rise in ((1.0, 0.42), (-1.0, 0.55)):
            middle = np.array([c.x, c.y - min(rise * c.height, 0.9), c.z])
            at = middle + sign * (0.5 * c.length + 0.02) * toward
            found.append(Lamp(at, sign * toward, across, 0.38 * c.width, sign < 0))
    return found


def frame_block(scene: Scene, family: Family, view: np.ndarray, shadow_texels: int) -> bytes:
    """The `Frame` block of common.glsl, std140."""
    e, road, ground, light = scene.environment, scene.road, family.ground, family.light
    lit = illuminate(e, scene.camera, family)
    day = lit.day
    rng = np.random.default_rng([17, scene.seed & 0xFFFFFFFF])
    offset = rng.uniform(0, 1, 2)
    to_map = np.diag([0.5, 0.5, 0.5, 1.0])
    to_map[:3, 3] = 0.5
    shadow, wide = (to_map @ shadow_matrix(lit.to_sun, scene.camera, k) for k in range(2))
    turn = ground_rotation(scene.camera)
    down = turn[:, 1]
    surface = {"asphalt": ground.asphalt, "concrete": ground.concrete, "gravel": ground.gravel}[road.surface]
    lamp = np.array(light.lamp) * 95.0 * lit.night
    day_wet = e.wetness if e.weather != "snow" else 0.3 * e.wetness
    # Irradiance in camera axes: its rows are functions of the sky map's own axes.
    axes = np.stack([lit.right, -down, lit.ahead])
    ambient = np.column_stack([day.ambient[:, :3] @ axes, day.ambient[:, 3]])
    texel = [2 * radius / shadow_texels for _, radius, _ in CASCADES]
    beams: list[list[float]] = []
    for one in [one for one in lamps(scene.actors) if not one.red][:BEAMS]:
        beams += [[*one.at, 190.0 * light.headlight * lit.night], [*one.toward, one.half]]
    beams += [[0.0] * 4] * (2 * BEAMS - len(beams))
    rows = [
        *view.T,
        *shadow.T,
        [*down, camera_height(scene.camera)],
        [*lit.to_sun, light.softness],
        [*day.sun, shadow_texels],
        [*day.zenith, 1.0],
        [*day.horizon, lit.clouds],
        [*day.fog, e.haze],
        [*day.ground, light.fill],
        [*lamp, 850.0 * light.headlight * lit.night],
        [day_wet, e.snow, light.cloud_scale, 1.0],
        [math.cos(road.heading), math.sin(road.heading), road.offset, road.lanes * road.lane_width / 2],
        [road.lane_width, road.lanes, road.sidewalk, float(road.markings)],
        [*surface, ground.wear * (1.6 if road.surface == "gravel" else 1.0)],
        [*ground.pavement, ground.slab],
        [*ground.verge, offset[0]],
        [*ground.soil, offset[1]],
        [*ground.paint, 0.45 * lit.night],
        family.window,
        *wide.T,
        [*lit.right, 1.6 * texel[0]],
        [*lit.ahead, 1.6 * texel[1]],
        *ambient,
        [*day.glare, 0.0],
        *beams,
        [road.curvature, road.junction, road.crossing, road.shoulder],
        [road.cross_width / 2, road.median, 1.0 if road.kind == "city" else 0.0, 0.0],
    ]
    return np.array(rows, dtype=np.float32).tobytes()
