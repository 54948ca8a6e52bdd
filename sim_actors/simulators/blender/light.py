"""The light of a scene for a path tracer: sky, sun and lamps of the same strength as the embedded renderer's.

There a surface of albedo a that faces a sun of colour s has the radiance a * s; a lamp's light falls with
the distance squared. For Blender a sun's strength is its irradiance, and a lamp's its power over the sphere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from sim_actors.scene.records import Scene
from sim_actors.simulators.geometry.axes import moved
from sim_actors.simulators.geometry.lights import SUN_ANGLE, Lights, panorama_directions
from sim_actors.simulators.opengl.assets.family import Family
from sim_actors.simulators.opengl.lighting.light import BEAMS

SKY_ROWS = 128
_PER_RADIANCE = 4 * math.pi**2  # W: of a lamp whose light, at 1 m, on a white surface, has radiance 1
_BEAM = 0.6  # the embedded renderer's beams fade less near by than they should
_WHITE = np.array([1.0, 0.95, 0.86])


def sun(lights: Lights) -> dict[str, Any] | None:
    """The sun or moon; None where none shines."""
    strength = float(lights.sun.light.max())
    if strength <= 0:
        return None
    return {
        "toward": (-lights.sun.direction).tolist(),
        "strength": math.pi * strength,
        "colour": (lights.sun.light / strength).tolist(),
        "angle": SUN_ANGLE,
    }


def ground_albedo(scene: Scene, family: Family) -> np.ndarray:
    """Of the ground where no picture shows it, (3,)."""
    if scene.environment.snow > 0.3:
        return np.array([0.66, 0.68, 0.72])
    return family.light.bounce * np.array([1.08, 1.0, 0.88])


def sky(lights: Lights) -> np.ndarray:
    """The sky's radiance, (H, 2 H, 3) float32, its first column at x = -1, the middle one at x = 1. Around
    the horizon there is a dark rim of far woods and roofs, as lighting.glsl's `surroundings` has it."""
    up = panorama_directions(len(lights.sky))[..., 2]
    ground = lights.sky[-1, 0]  # straight down
    rim = 0.82 * 0.45 * ground + 0.18 * lights.air
    low = 0.8 * ground + (rim - 0.8 * ground) * _ramp(-0.12, 0.0, up)
    radiance = low + (lights.sky - low) * _ramp(0.05, 0.16, up)
    return np.roll(radiance, -len(lights.sky) // 2, axis=1).astype(np.float32)


def _ramp(start: float, end: float, values: np.ndarray) -> np.ndarray:
    t = np.clip((values - start) / (end - start), 0.0, 1.0)[..., None]
    return np.asarray(t * t * (3.0 - 2.0 * t))


def lamps(family: Family, lights: Lights, to_world: np.ndarray) -> list[dict[str, Any]]:
    """Lamps that are on by night: along the street, of vehicles, and the camera's own."""
    if lights.night <= 0:
        return []
    return [*_street(lights), *_beams(family, lights, to_world)]


def _street(lights: Lights) -> Iterator[dict[str, Any]]:
    for lamp in lights.street_lamps:
        yield _spot(lamp.position, lamp.direction, lamp.light, lamp.outer, 0.6, 0.15)


def _beams(family: Family, lights: Lights, to_world: np.ndarray) -> Iterator[dict[str, Any]]:
    down = np.array([0.0, 0.0, -1.0])
    own = 425.0 * family.light.headlight * lights.night * _BEAM * _WHITE
    for x in (-0.6, 0.6):
        at = moved(np.array([x, 0.9, 0.2]), to_world)
        yield _spot(at, np.array([0.0, 1.0, 0.0]) + 0.03 * down, own, math.acos(0.82), 0.9, 0.08)
    for lamp in lights.head_lamps[: 2 * BEAMS]:
        at = lamp.position + 0.05 * lamp.direction
        yield _spot(at, lamp.direction + 0.04 * down, lamp.light * _BEAM, lamp.outer, 0.8, 0.06)


def _spot(
    at: np.ndarray, toward: np.ndarray, colour: np.ndarray, reach: float, blend: float, radius: float
) -> dict[str, Any]:
    """`colour`: its light at 1 m; `reach`: half its cone, rad; `blend`: share of it that fades."""
    strength = float(colour.max())
    return {
        "at": at.tolist(),
        "toward": toward.tolist(),
        "power": _PER_RADIANCE * strength,
        "colour": (colour / strength).tolist(),
        "angle": 2 * reach,
        "blend": blend,
        "radius": radius,
    }
