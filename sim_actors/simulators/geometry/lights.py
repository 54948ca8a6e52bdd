"""Sun, sky and lamps of a scene, in the world's axes.

The unit is the embedded renderer's: a white card in light 1 has radiance 1, light being irradiance over
pi, after the automatic exposure of the hour. Watts play no part in it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sim_actors.scene.records import Scene
from sim_actors.scene.roads import place, to_road
from sim_actors.simulators.geometry.axes import moved
from sim_actors.simulators.opengl.assets.family import Family
from sim_actors.simulators.opengl.lighting import light as embedded
from sim_actors.simulators.opengl.lighting.atmosphere import DOME_REACH

SUN_ANGLE = math.radians(0.53)
"""The sun's diameter, rad; the moon's is the same."""

STREET_LAMPS, STREET_LAMPS_LIT = 28.0, 8
"""How far apart street lamps are along the road, m, and how many are told of."""

OWN_APART = 1.2
"""Between the camera's own head lamps, m."""

_DIPPED, _FULL = (math.acos(0.98), math.acos(0.72)), (math.acos(0.985), math.acos(0.82))
_OWN_AXIS = np.array([0.0, 1.0, -0.03]) / math.hypot(1.0, 0.03)


@dataclass(frozen=True, eq=False)
class Sun:
    """The sun, or by night the moon. `direction` (3,): a unit vector towards it; `light` (3,): linear RGB
    on a card that faces it, all 0 where clouds hide it."""

    direction: np.ndarray
    light: np.ndarray


@dataclass(frozen=True, eq=False)
class Lamp:
    """A lamp: `position` (3,) m, unit `direction` (3,), and `light` (3,): what it gives a card at 1 m that
    faces it; its beam fades between `inner` and `outer` rad from the axis."""

    position: np.ndarray
    direction: np.ndarray
    light: np.ndarray
    inner: float
    outer: float


@dataclass(frozen=True, eq=False)
class Lights:
    """`sky` (H, W, 3): its radiance as a panorama, rows from the zenith to the nadir, columns from behind
    over the left, ahead in the middle, to the right, without the sun's disc and without clouds; below the
    horizon lies the ground's mean radiance. The embedded renderer gives surfaces `fill` of it, since streets
    see less than the whole sky: who casts rays among the houses leaves that out. `haze` is the
    extinction of air, 1/m, and `air` (3,) what distance fades to. `night` in [0, 1]. Lamps are lit by night:
    `head_lamps` of vehicles, nearest first, the camera's own (`own_lamps`), and `street_lamps` along the
    road, which stand there whether props show them or not."""

    sun: Sun
    sky: np.ndarray
    fill: float
    haze: float
    air: np.ndarray
    night: float
    head_lamps: tuple[Lamp, ...]
    own_lamps: tuple[Lamp, ...]
    street_lamps: tuple[Lamp, ...]


def lights_of(scene: Scene, family: Family, to_world: np.ndarray, height: int = 256) -> Lights:
    """The lights of a scene; the panorama has `height` rows and twice as many columns."""
    lit = embedded.illuminate(scene.environment, scene.camera, family)
    turn = to_world[:3, :3]
    beam = family.light.headlight * lit.night / 2 * np.array([1.0, 0.95, 0.86])
    night = lit.night > 0
    lamps = [lamp for lamp in embedded.lamps(scene.actors) if not lamp.red] if night else []
    return Lights(
        sun=Sun(turn @ lit.to_sun, lit.day.sun),
        sky=panorama(lit, turn, height),
        fill=family.light.fill,
        haze=scene.environment.haze,
        air=lit.day.fog,
        night=lit.night,
        head_lamps=tuple(
            Lamp(
                moved(lamp.at + side * lamp.half * lamp.across, to_world),
                turn @ lamp.toward,
                190.0 * beam,
                *_DIPPED,
            )
            for lamp in lamps
            for side in (-1.0, 1.0)
        ),
        own_lamps=tuple(
            Lamp(moved(np.array([side * OWN_APART / 2, 0.9, 0.2]), to_world), _OWN_AXIS, 850.0 * beam, *_FULL)
            for side in (-1.0, 1.0)
            if night
        ),
        street_lamps=tuple(_street_lamps(scene, family, lit.night)) if night else (),
    )


def _street_lamps(scene: Scene, family: Family, night: float) -> Iterator[Lamp]:
    """Those from the camera on, on alternate sides, as lighting.glsl has them."""
    light = np.array(family.light.lamp) * 95.0 * night
    here, _ = to_road(scene.road, 0.0, 0.0)
    first = math.floor(here / STREET_LAMPS)
    for index in range(first, first + STREET_LAMPS_LIT):
        side = 1.0 if index % 2 == 0 else -1.0
        x, y = place(scene.road, index * STREET_LAMPS, side * (scene.road.half + 0.5))
        yield Lamp(np.array([x, y, 7.0]), np.array([0.0, 0.0, -1.0]), light, math.acos(0.7), math.acos(0.1))


def panorama_directions(height: int) -> np.ndarray:
    """(height, 2 height, 3): unit vectors in the world's axes of a panorama's texels."""
    elevation = (0.5 - (np.arange(height) + 0.5) / height) * math.pi
    azimuth = ((np.arange(2 * height) + 0.5) / (2 * height) - 0.5) * 2 * math.pi
    flat = np.cos(elevation)[:, None]
    rise = np.broadcast_to(np.sin(elevation)[:, None], (height, 2 * height))
    return np.stack([flat * np.sin(azimuth), flat * np.cos(azimuth), rise], axis=-1)


def panorama(lit: embedded.Illumination, turn: np.ndarray, height: int) -> np.ndarray:
    """(height, 2 height, 3) float32: the radiance of sky and ground around."""
    directions = panorama_directions(height)
    right, ahead = turn @ lit.right, turn @ lit.ahead
    up = directions[..., 2]
    scale = 1.0 / (1.0 + np.abs(up))
    radiance = lit.day.radiance
    size = len(radiance)

    def texel(axis: np.ndarray) -> np.ndarray:
        at = ((directions @ axis) * scale * (0.5 / DOME_REACH) + 0.5) * size - 0.5
        return np.clip(at, 0.0, size - 1.0)

    column, row = texel(right), texel(ahead)
    i = np.minimum(row.astype(int), size - 2)
    j = np.minimum(column.astype(int), size - 2)
    v, u = (row - i)[..., None], (column - j)[..., None]
    low = radiance[i, j] * (1 - u) + radiance[i, j + 1] * u
    high = radiance[i + 1, j] * (1 - u) + radiance[i + 1, j + 1] * u
    sky = low * (1 - v) + high * v
    return np.where(up[..., None] < 0, lit.day.ground, np.maximum(sky, 0.0)).astype(np.float32)
