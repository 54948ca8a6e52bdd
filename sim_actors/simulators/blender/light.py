"""The light of a scene for a path tracer: sky, sun and lamps of the same strength as the embedded renderer's.

There a surface of albedo a that faces a sun of colour s has the radiance a * s; a lamp's light falls with
the distance squared. For Blender a sun's strength is its irradiance, and a lamp's its power over the sphere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from sim_actors.scene.ground import camera_height, ground_rotation
from sim_actors.scene.records import Scene
from sim_actors.scene.roads import place, to_road
from sim_actors.simulators.blender.triangles import to_blender
from sim_actors.simulators.opengl.assets.family import Family
from sim_actors.simulators.opengl.lighting.atmosphere import DOME_REACH
from sim_actors.simulators.opengl.lighting.light import Illumination, lamps

SUN_ANGLE = math.radians(0.53)
SKY_ROWS = 128
_PERIOD, _RISE, _LAMPS = 28.0, 7.0, 8  # street lamps: m between them, m high, those that are lit
_PER_RADIANCE = 4 * math.pi**2  # W: of a lamp whose light, at 1 m, on a white surface, has radiance 1
_BEAM = 0.6  # the embedded renderer's beams fade less near by than they should


def sun(lit: Illumination) -> dict[str, Any] | None:
    """The sun or moon; None where none shines."""
    if not lit.shines:
        return None
    strength = float(lit.day.sun.max())
    return {
        "toward": to_blender(-lit.to_sun).tolist(),
        "strength": math.pi * strength,
        "colour": (lit.day.sun / strength).tolist(),
        "angle": SUN_ANGLE,
    }


def ground_albedo(scene: Scene, family: Family) -> np.ndarray:
    """Of the ground where no picture shows it, (3,)."""
    if scene.environment.snow > 0.3:
        return np.array([0.66, 0.68, 0.72])
    return family.light.bounce * np.array([1.08, 1.0, 0.88])


def sky(lit: Illumination, scene: Scene) -> np.ndarray:
    """The sky's radiance without the sun's disc, (128, 256, 3) float32: equirectangular in the camera's axes,
    straight up in the first row, ahead at a quarter from the left. Below the horizon: the ground's light."""
    height, width = SKY_ROWS, 2 * SKY_ROWS
    rise = (0.5 - (np.arange(height) + 0.5) / height) * math.pi
    around = (0.5 - (np.arange(width) + 0.5) / width) * 2 * math.pi
    flat = np.cos(rise)[:, None]
    direction = np.stack(
        [
            flat * np.cos(around),
            np.broadcast_to(-np.sin(rise)[:, None], (height, width)),
            flat * np.sin(around),
        ],
        axis=-1,
    )
    up = -direction @ ground_rotation(scene.camera)[:, 1]
    reach = 1.0 + np.abs(up)
    size = len(lit.day.radiance)
    column = ((direction @ lit.right) / reach / DOME_REACH * 0.5 + 0.5) * size - 0.5
    row = ((direction @ lit.ahead) / reach / DOME_REACH * 0.5 + 0.5) * size - 0.5
    above = _bilinear(lit.day.radiance, row, column)
    # A dark rim of far woods and roofs all around, as lighting.glsl's `surroundings` has it.
    rim = 0.82 * 0.45 * lit.day.ground + 0.18 * lit.day.fog
    low = 0.8 * lit.day.ground + (rim - 0.8 * lit.day.ground) * _ramp(-0.12, 0.0, up)
    return (low + (above - low) * _ramp(0.05, 0.16, up)).astype(np.float32)


def _ramp(start: float, end: float, values: np.ndarray) -> np.ndarray:
    t = np.clip((values - start) / (end - start), 0.0, 1.0)[..., None]
    return np.asarray(t * t * (3.0 - 2.0 * t))


def _bilinear(values: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    last = len(values) - 1
    row, column = np.clip(row, 0, last), np.clip(column, 0, last)
    i, j = np.minimum(row.astype(int), last - 1), np.minimum(column.astype(int), last - 1)
    u, v = (row - i)[..., None], (column - j)[..., None]
    low = values[i, j] * (1 - v) + values[i, j + 1] * v
    high = values[i + 1, j] * (1 - v) + values[i + 1, j + 1] * v
    return low * (1 - u) + high * u


def lights(scene: Scene, family: Family, lit: Illumination) -> list[dict[str, Any]]:
    """Lamps that are on by night: along the street, of vehicles, and the camera's own."""
    if lit.night <= 0:
        return []
    return [*_street(scene, family, lit), *_beams(scene, family, lit)]


def _street(scene: Scene, family: Family, lit: Illumination) -> Iterator[dict[str, Any]]:
    turn = ground_rotation(scene.camera)
    colour = np.array(family.light.lamp) * 95.0 * lit.night
    here, _ = to_road(scene.road, 0.0, 0.0)
    first = math.floor(here / _PERIOD)
    for index in range(first, first + _LAMPS):
        side = 1.0 if index % 2 == 0 else -1.0
        x, z = place(scene.road, index * _PERIOD, side * (scene.road.half + 0.5))
        at = turn @ np.array([x, camera_height(scene.camera) - _RISE, z])
        yield _spot(at, turn[:, 1], colour, 2 * math.acos(0.1), 0.6, 0.15)


def _beams(scene: Scene, family: Family, lit: Illumination) -> Iterator[dict[str, Any]]:
    turn, white = ground_rotation(scene.camera), np.array([1.0, 0.95, 0.86])
    strength = family.light.headlight * lit.night * _BEAM
    for x in (-0.6, 0.6):
        own = np.array([x, 0.9, 0.2])
        yield _spot(own, turn @ [0.0, 0.03, 1.0], white * 425.0 * strength, 2 * math.acos(0.82), 0.9, 0.08)
    for one in [one for one in lamps(scene.actors) if not one.red][:4]:
        for side in (-1, 1):
            at = one.at + side * one.half * one.across + 0.05 * one.toward
            toward = one.toward + 0.04 * turn[:, 1]
            yield _spot(at, toward, white * 95.0 * strength, 2 * math.acos(0.72), 0.8, 0.06)


def _spot(
    at: np.ndarray, toward: np.ndarray, colour: np.ndarray, angle: float, blend: float, radius: float
) -> dict[str, Any]:
    strength = float(colour.max())
    return {
        "at": to_blender(at).tolist(),
        "toward": to_blender(toward).tolist(),
        "power": _PER_RADIANCE * strength,
        "colour": (colour / strength).tolist(),
        "angle": angle,
        "blend": blend,
        "radius": radius,
    }
