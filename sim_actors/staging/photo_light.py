"""What a photo's pixels say of its road: how bright it is in the sun and in the shade, how noisy the
picture is, and which spots look like road at all.

The road that is surely there is the one under the camera: the strip that it drives on, less what is
labelled. Its colours are the reference; a spot that looks much different (lawn, wall, hedge) is no
place to set an actor, even where the flat ground would have one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from imitation.data.records import Box, Camera
from sim_actors.scene.backdrop import Look
from sim_actors.scene.ground import ground_y
from sim_actors.scene.records import Road
from sim_actors.scene.roads import place, to_road

LUMINANCE = np.array([0.2126, 0.7152, 0.0722])

_OWN_LANE = 1.4  # m to either side of the camera that surely are road
_STRETCH = (4.0, 30.0)  # m ahead
_FLOOR = 0.003  # linear light added before ratios are taken: below it there is only noise
_TWO_LIGHTS = 1.8  # contrast from which a road lies in sun and shade
_BLOCK = 16  # px, side of the patches whose noise is measured


@dataclass(frozen=True)
class Light:
    """A light that the road lies in: linear RGB and luminance."""

    color: np.ndarray

    @property
    def level(self) -> float:
        return float(self.color @ LUMINANCE)


class Photo:
    """A photo over its ground plane. `boxes` are what stands on it (px)."""

    def __init__(self, pixels: np.ndarray, camera: Camera, road: Road, boxes: Sequence[Box]) -> None:
        self.camera, self.road = camera, road
        self.height, self.width = pixels.shape[:2]
        self._pixels = pixels
        soft = Image.fromarray(pixels).filter(ImageFilter.BoxBlur(2))
        self._linear = linear(np.asarray(soft))
        self._free = np.ones((self.height, self.width), dtype=bool)
        for box in boxes:
            x1, y1, x2, y2 = (round(v) for v in box)
            self._free[max(y1 - 3, 0) : max(y2 + 3, 0), max(x1 - 3, 0) : max(x2 + 3, 0)] = False
        self.lights = self._lights()

    def look(self) -> Look:
        """The photo's light and grain."""
        r, g, b = (float(v) for v in self.lights[0].color)
        return Look((r, g, b), self.lights[0].level / self.lights[-1].level, noise_of(self._pixels))

    def at(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ground points (N, 2), m right and ahead in camera axes -> their colours (N, 3), linear RGB, and
        whether each is in the picture with nothing labelled over it."""
        z = points[:, 1]
        ahead = z > 0.5
        depth = np.where(ahead, z, 1.0)
        y = np.array([ground_y(self.camera, v) for v in depth])
        at = self.camera.project(np.column_stack([points[:, 0], y, depth]))
        inside = ahead & (at >= 0).all(axis=1) & (at[:, 0] < self.width) & (at[:, 1] < self.height)
        column, row = np.where(inside[:, None], at, 0).astype(int).T
        return self._linear[row, column], inside & self._free[row, column]

    def like_road(self, points: np.ndarray) -> tuple[float, float]:
        """Of ground points (N, 2): the share that is seen, and the share of those that looks like road."""
        colours, seen = self.at(points)
        if not seen.any():
            return 0.0, 0.0
        colours = colours[seen] + _FLOOR
        level = colours @ LUMINANCE
        tint = np.log(colours[:, [0, 2]] / colours[:, 1:2])
        good = np.zeros(len(colours), dtype=bool)
        for light in self.lights:
            own = light.color + _FLOOR
            off = np.abs(tint - np.log(own[[0, 2]] / own[1]))
            bright = level / float(own @ LUMINANCE)
            good |= (off < 0.22).all(axis=1) & (bright > 0.5) & (bright < 1.9)
        return float(seen.mean()), float(good.mean())

    def shade(self, points: np.ndarray) -> bool:
        """Whether ground points (N, 2) lie in a photographed shadow, as far as they are seen."""
        if len(self.lights) == 1:
            return False
        colours, seen = self.at(points)
        if not seen.any():
            return False
        level = float(np.median(colours[seen] @ LUMINANCE))
        return level < math.sqrt(self.lights[0].level * self.lights[1].level)

    def _lights(self) -> tuple[Light, ...]:
        """The light of the road before the camera: one, or the sun's and the shade's."""
        own = to_road(self.road, 0.0, 0.0)[1]
        along, across = np.meshgrid(np.arange(*_STRETCH, 0.4), own + np.linspace(-_OWN_LANE, _OWN_LANE, 9))
        spots = [place(self.road, a, c) for a, c in zip(along.ravel(), across.ravel())]
        colours, seen = self.at(np.array(spots))
        colours = colours[seen]
        if len(colours) < 20:  # a traffic jam, or a camera that sees no ground
            lower = self._linear[self.height * 2 // 3 :].reshape(-1, 3)
            return (_light_of(lower),)
        level = np.log(colours @ LUMINANCE + _FLOOR)
        bright = level > _otsu(level)
        if 0.12 < bright.mean() < 0.88:
            sun, shade = (_light_of(colours[part]) for part in (bright, ~bright))
            if sun.level > _TWO_LIGHTS * shade.level:
                return sun, shade
        return (_light_of(colours),)


def _light_of(colours: np.ndarray) -> Light:
    return Light(np.clip(np.median(colours, axis=0).astype(np.float64), 1e-4, 1.0))


def linear(pixels: np.ndarray) -> np.ndarray:
    """sRGB uint8 -> linear light in [0, 1], float32."""
    return _LINEAR[pixels]


def noise_of(pixels: np.ndarray) -> float:
    """Standard deviation of the noise, share of full scale: Immerkaer, "Fast Noise Variance Estimation",
    CVIU 1996, in the flattest fifth of the patches that are neither black nor blown out."""
    grey = pixels.astype(np.float32) @ LUMINANCE.astype(np.float32)
    if min(grey.shape) < 3 * _BLOCK:
        return Look().noise
    across = grey[:, :-2] - 2 * grey[:, 1:-1] + grey[:, 2:]
    residual = np.abs(across[:-2] - 2 * across[1:-1] + across[2:])
    values, levels = _blocks(residual), _blocks(grey[1:-1, 1:-1])
    good = values[(levels > 20) & (levels < 235)]
    if not len(good):
        return Look().noise
    sigma = math.sqrt(math.pi / 2) / 6 * float(np.quantile(good, 0.2))
    # What averaging to grey has taken away, were the channels' noise independent.
    return min(sigma / float(np.linalg.norm(LUMINANCE)) / 255, 0.05)


def _blocks(image: np.ndarray) -> np.ndarray:
    rows, columns = (side // _BLOCK for side in image.shape)
    cut = image[: rows * _BLOCK, : columns * _BLOCK].reshape(rows, _BLOCK, columns, _BLOCK)
    means: np.ndarray = cut.mean(axis=(1, 3)).ravel()
    return means


def _otsu(values: np.ndarray) -> float:
    """The threshold that parts values best in two: Otsu, IEEE Trans. SMC 1979."""
    ordered = np.sort(values)
    count = np.arange(1, len(ordered))
    low = np.cumsum(ordered)[:-1] / count
    high = (ordered.sum() - np.cumsum(ordered)[:-1]) / (len(ordered) - count)
    between = count * (len(ordered) - count) * (high - low) ** 2
    best = int(np.argmax(between))
    return float((ordered[best] + ordered[best + 1]) / 2)


_STEPS = np.arange(256) / 255
_LINEAR = np.where(_STEPS <= 0.04045, _STEPS / 12.92, ((_STEPS + 0.055) / 1.055) ** 2.4).astype(np.float32)
