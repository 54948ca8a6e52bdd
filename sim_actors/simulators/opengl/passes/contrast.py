"""Whether a thing can be seen in a picture: how far its pixels stand out from those around it.

Counting pixels is not enough: by night a person of thousands of pixels may be as black as what is behind.
The measure is RMS contrast (Peli, JOSA A 1990) in CIE lightness, which is made so that equal steps look
equal: 100 is white, and of two fields side by side a step of 1 is just seen.
"""

from __future__ import annotations

import math

import numpy as np

from imitation.data.records import Box

_NEAR_PX, _FAR_PX = 4, 24  # how far around a thing is looked: a quarter of its size within these
_MOST_PX = 20_000  # pixels of a cut-out; of larger ones every second, third, ... row and column is looked at


def contrast(pixels: np.ndarray, mask: np.ndarray, box: Box) -> float:
    """How far a thing stands out, in units of CIE L* (0 to 100): the root mean square over its pixels of the
    difference from what is around.

    `pixels` (height, width, 3) uint8 sRGB as displayed; `mask` (height, width) bool, the thing's own pixels;
    `box` (px) around them. Each of its pixels, averaged with its neighbours of the thing (that evens out
    noise), is held against the mean of all pixels near it that are not of the thing. Infinite where nothing
    is near: it fills the picture.
    """
    reach = int(min(max(max(box.width, box.height) / 4, _NEAR_PX), _FAR_PX))
    top, left = max(math.floor(box.y1) - reach, 0), max(math.floor(box.x1) - reach, 0)
    window = (
        slice(top, max(math.ceil(box.y2) + reach, top + 1)),
        slice(left, max(math.ceil(box.x2) + reach, left + 1)),
    )
    inside = mask[window]
    step = math.ceil(math.sqrt(inside.size / _MOST_PX)) if inside.size > _MOST_PX else 1
    inside = inside[::step, ::step]
    lightness = _lightness(pixels[window][::step, ::step])
    own, _ = _mean(lightness, inside, 1)
    around, known = _mean(lightness, ~inside, max(1, reach // step))
    judged = inside & known
    if not judged.any():
        return math.inf
    return float(np.sqrt(np.mean((own - around)[judged] ** 2)))


def _linear() -> np.ndarray:
    level = np.arange(256) / 255
    return np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)


_LUMINANCE = _linear()[:, None] * np.array([0.2126, 0.7152, 0.0722])  # of each level of red, green and blue


def _lightness(pixels: np.ndarray) -> np.ndarray:
    """CIE L* of sRGB pixels, (height, width)."""
    y = sum(_LUMINANCE[pixels[..., k], k] for k in range(3))
    return np.where(y > 0.008856, 116 * np.cbrt(y) - 16, 903.3 * y)


def _mean(values: np.ndarray, chosen: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """The mean of the chosen values within `reach` px of each pixel, and where there are any."""
    count = _sum(chosen.astype(np.float64), reach)
    known = count > 0.5
    return _sum(np.where(chosen, values, 0.0), reach) / np.where(known, count, 1.0), known


def _sum(values: np.ndarray, reach: int) -> np.ndarray:
    """The sum over the square of side 2 * reach + 1 around each pixel."""
    side = 2 * reach + 1
    total = np.pad(values, ((reach + 1, reach), (reach + 1, reach))).cumsum(0).cumsum(1)
    return total[side:, side:] - total[:-side, side:] - total[side:, :-side] + total[:-side, :-side]
