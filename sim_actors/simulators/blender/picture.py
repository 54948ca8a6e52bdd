"""From traced light to the light on the sensor: what shines by itself, the sky and the air are added."""

from __future__ import annotations

import numpy as np

from sim_actors.scene.records import Scene
from sim_actors.simulators.opengl.lighting.light import Illumination
from sim_actors.simulators.opengl.passes.albedo import GROUND, SKY, Bare

_MOST = 6e4  # of a half float
METERED = 0.84
"""What the exposure takes back by day. The embedded renderer's, to which the film is fitted, lets surfaces
see 0.55 of the sky and no light of each other; with all of both, 12 free scenes were brighter by a median of
1.2."""


def radiance(lit: np.ndarray, seen: Bare, scene: Scene, light: Illumination) -> np.ndarray:
    """(height, width, 4) float32 linear, from `lit` (height, width, 4), premultiplied by its coverage."""
    scale = seen.number.shape[0] // scene.height
    solid = seen.number != SKY
    clear = np.where(solid, np.exp(-scene.environment.haze * seen.distance), 0.0)
    count = _summed(solid.astype(np.float32), scale)
    # Where there is nothing in a pixel, its neighbours say how clear the air is.
    left, _ = _filled(_summed(clear, scale)[..., None], count)
    emitted = _summed(seen.emitted * (solid * clear)[..., None], scale) / scale**2
    open_sky = scale**2 - count
    sky, _ = _filled(_summed(seen.emitted * ~solid[..., None], scale), open_sky)
    covered = np.clip(lit[..., 3:], 0.0, 1.0)
    air = _air(scene, light)
    whole = (1 - (1 - METERED) * (1 - light.night)) * (
        lit[..., :3] * left + air * (1 - left) * covered + sky * (1 - covered) + emitted
    )
    return np.dstack([np.clip(whole, 0.0, _MOST), np.ones(whole.shape[:2])]).astype(np.float32)


def on_bodies(lit: np.ndarray, seen: Bare, scene: Scene, light: Illumination) -> np.ndarray:
    """(height, width, 3) float32 linear: what bodies alone show, from `lit` (height, width, 4) without
    anything else in it; 0 where there are none."""
    scale = seen.number.shape[0] // scene.height
    body = seen.number > GROUND
    count = _summed(body.astype(np.float32), scale)
    clear, _ = _filled(
        _summed(np.exp(-scene.environment.haze * seen.distance) * body, scale)[..., None], count
    )
    emitted, _ = _filled(_summed(seen.emitted * body[..., None], scale), count)
    shown = lit[..., :3] / np.maximum(lit[..., 3:], 1e-3)
    whole = (shown + emitted) * clear + _air(scene, light) * (1 - clear)
    return np.clip(np.where(lit[..., 3:] > 0, whole, 0.0), 0.0, _MOST).astype(np.float32)


def _air(scene: Scene, light: Illumination) -> np.ndarray:
    """(height, width, 3): what air of great depth shines with, as common.glsl's air_light."""
    camera = scene.camera
    x = (np.arange(scene.width) + 0.5 - camera.cx) / camera.fx
    y = (np.arange(scene.height) + 0.5 - camera.cy) / camera.fy
    direction = np.stack([*np.meshgrid(x, y), np.ones((scene.height, scene.width))], axis=-1)
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    toward = np.maximum(direction @ light.to_sun, 0.0)[..., None]
    return light.day.fog + light.day.glare * toward**4


def _summed(samples: np.ndarray, scale: int) -> np.ndarray:
    """Sums over the samples of each pixel."""
    height, width = samples.shape[0] // scale, samples.shape[1] // scale
    return samples.reshape(height, scale, width, scale, *samples.shape[2:]).sum(axis=(1, 3))


def _filled(sums: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means (height, width, c) of `sums` over `count`; where there is nothing, of the pixels within three of
    it, and 0 where there is nothing either."""
    sums, count = sums.astype(np.float64), count.astype(np.float64)
    near_sums, near = sums, count
    for axis in (0, 1):
        near_sums = sum(_moved(near_sums, k, axis) for k in range(-3, 4))  # type: ignore[assignment]
        near = sum(_moved(near, k, axis) for k in range(-3, 4))  # type: ignore[assignment]
    own = count > 0
    means = (
        np.where(own[..., None], sums, near_sums) / np.maximum(np.where(own, count, near), 1e-9)[..., None]
    )
    return means, own | (near > 0)


def _moved(values: np.ndarray, by: int, axis: int) -> np.ndarray:
    """Moved along an axis, zeros coming in."""
    result = np.zeros_like(values)
    if by == 0:
        return values
    source, target = [slice(None)] * values.ndim, [slice(None)] * values.ndim
    source[axis], target[axis] = (
        (slice(None, -by), slice(by, None)) if by > 0 else (slice(-by, None), slice(None, by))
    )
    result[tuple(target)] = values[tuple(source)]
    return result
