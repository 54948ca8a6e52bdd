"""Random changes to a training image and its boxes: mirror, magnify and crop, colour.

Everything is drawn from the generator passed in; the image is resampled once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from imitation.training.samples import Targets
from imitation.training.settings import AugmentSettings

BORDER = 114  # grey around an image that was made smaller
SMALLEST_PX = 3.0  # an object with a shorter side (in the network's input) cannot be learnt: ignored
ROWS = 32  # of a picture that are computed with at a time
GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601 luma


@dataclass(frozen=True)
class Window:
    """The part (x, y, width, height; px of the source, may reach beyond it) that becomes the input
    of `out_width` x `out_height` px, mirrored if `flip`."""

    x: float
    y: float
    width: float
    height: float
    out_width: int
    out_height: int
    flip: bool = False

    def boxes(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes (M, 4) of the source in pixels of the input, not clipped."""
        moved = np.asarray(boxes, dtype=np.float32).reshape(-1, 4).copy()
        moved[:, 0::2] = (moved[:, 0::2] - self.x) * (self.out_width / self.width)
        moved[:, 1::2] = (moved[:, 1::2] - self.y) * (self.out_height / self.height)
        if self.flip:
            moved[:, 0::2] = self.out_width - moved[:, 2::-2]
        return moved

    def image(self, image: np.ndarray) -> np.ndarray:
        """RGB uint8 (H, W, 3) resampled (bilinear, antialiased) to (out_height, out_width, 3)."""
        height, width = image.shape[:2]
        size = (self.out_width, self.out_height)
        left, top = max(self.x, 0.0), max(self.y, 0.0)
        right, bottom = min(self.x + self.width, width), min(self.y + self.height, height)
        # where the part that the source has falls in the input, in whole pixels
        to_x, to_y = self.out_width / self.width, self.out_height / self.height
        x1, y1 = round((left - self.x) * to_x), round((top - self.y) * to_y)
        x2, y2 = round((right - self.x) * to_x), round((bottom - self.y) * to_y)
        part = Image.fromarray(image).resize(
            (max(x2 - x1, 1), max(y2 - y1, 1)), Image.Resampling.BILINEAR, box=(left, top, right, bottom)
        )
        if (x1, y1) != (0, 0) or part.size != size:
            canvas = Image.new("RGB", size, (BORDER,) * 3)
            canvas.paste(part, (x1, y1))
            part = canvas
        result = np.asarray(part)
        return result[:, ::-1] if self.flip else result


def draw_window(
    width: int,
    height: int,
    out_width: int,
    out_height: int,
    settings: AugmentSettings,
    rng: np.random.Generator,
) -> Window:
    """A window for an image of width x height px. A magnification of 1 shows the whole image, a larger one
    a crop of it, a smaller one the image with a border."""
    # always the same number of draws, so that one setting does not shift the others' values
    flip, zoom, stretch, at_x, at_y = rng.random(5)
    scale = math.exp(np.interp(zoom, [0, 1], np.log([settings.scale_min, settings.scale_max])))
    aspect = math.exp((2 * stretch - 1) * math.log1p(settings.aspect))
    crop_width, crop_height = width / scale * math.sqrt(aspect), height / scale / math.sqrt(aspect)
    return Window(
        x=float((width - crop_width) * at_x),
        y=float((height - crop_height) * at_y),
        width=crop_width,
        height=crop_height,
        out_width=out_width,
        out_height=out_height,
        flip=bool(flip < settings.flip),
    )


@dataclass(frozen=True)
class Colour:
    """A change of colour: saturation and contrast factors, and gains (3,) float32 of the channels. Contrast
    turns about the mean grey of the picture."""

    saturation: float
    contrast: float
    gains: np.ndarray

    def image(self, image: np.ndarray) -> np.ndarray:
        """RGB uint8 (H, W, 3) with its colours changed, a new one."""
        height, width = image.shape[:2]
        # A few rows and one channel at a time: all that is computed with stays in the processor's cache.
        grey = np.empty((height, width), dtype=np.float32)
        for y in range(0, height, ROWS):
            grey[y : y + ROWS] = image[y : y + ROWS].astype(np.float32) @ GREY
        middle = np.float32(grey.mean())
        grey *= np.float32(1 - self.saturation)
        saturation, contrast = np.float32(self.saturation), np.float32(self.contrast)
        result = np.empty((height, width, 3), dtype=np.uint8)
        for y in range(0, height, ROWS):
            rows = slice(y, y + ROWS)
            for channel, gain in enumerate(self.gains):
                pixels = image[rows, :, channel].astype(np.float32)
                pixels *= saturation
                pixels += grey[rows]
                pixels -= middle
                pixels *= contrast
                pixels += middle
                pixels *= gain
                pixels += np.float32(0.5)
                result[rows, :, channel] = pixels.clip(0, 255, out=pixels)
        return result


def draw_colour(settings: AugmentSettings, rng: np.random.Generator) -> Colour:
    """Brightness, contrast, saturation and tint within their ranges."""
    draws = 2 * rng.random(6) - 1
    brightness, contrast, saturation = (
        1 + draw * span
        for draw, span in zip(draws, (settings.brightness, settings.contrast, settings.saturation))
    )
    gains = (1 + draws[3:] * settings.tint).astype(np.float32) * np.float32(brightness)
    return Colour(saturation, contrast, gains)


def clip_targets(targets: Targets, boxes: np.ndarray, width: int, height: int, min_visible: float) -> Targets:
    """Targets with their boxes (M, 4) replaced by those clipped to width x height px.

    An object is dropped if nothing of it is left, and ignored if less than `min_visible` of its area
    is left or a side is shorter than 3 px: what is left is neither an object nor background.
    """
    _, labels, ignore, occlusion = targets
    clipped = np.clip(boxes, 0, np.array([width, height, width, height], dtype=np.float32))
    sides = clipped[:, 2:] - clipped[:, :2]
    before = np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(axis=1), 1e-6)
    lost = (sides.prod(axis=1) < min_visible * before) | (sides.min(axis=1, initial=np.inf) < SMALLEST_PX)
    keep = (sides > 0).all(axis=1)
    return clipped[keep], labels[keep], (ignore | lost)[keep], occlusion[keep]


@dataclass(frozen=True)
class Changes:
    """What becomes of an image: the window of it that is shown, and how its colours change (None: not)."""

    window: Window
    colour: Colour | None

    def image(self, image: np.ndarray) -> np.ndarray:
        """RGB uint8 (H, W, 3) -> (out_height, out_width, 3)."""
        pixels = self.window.image(image)
        return pixels if self.colour is None else self.colour.image(pixels)

    def targets(self, targets: Targets, min_visible: float) -> Targets:
        """Those of the image, in pixels of the input; see `clip_targets`."""
        window = self.window
        boxes = window.boxes(targets[0])
        return clip_targets(targets, boxes, window.out_width, window.out_height, min_visible)


def draw_changes(
    image: np.ndarray, width: int, height: int, settings: AugmentSettings, rng: np.random.Generator
) -> Changes:
    """The random changes that make an image (H, W, 3) an input of width x height px."""
    source_height, source_width = image.shape[:2]
    if not settings.enabled:
        return Changes(Window(0.0, 0.0, source_width, source_height, width, height), None)
    window = draw_window(source_width, source_height, width, height, settings, rng)
    return Changes(window, draw_colour(settings, rng))


def augment(
    image: np.ndarray,
    targets: Targets,
    width: int,
    height: int,
    settings: AugmentSettings,
    rng: np.random.Generator,
) -> tuple[np.ndarray, Targets]:
    """A training sample of the network's input size: RGB uint8 (height, width, 3) and its targets."""
    changes = draw_changes(image, width, height, settings, rng)
    return changes.image(image), changes.targets(targets, settings.min_visible)
