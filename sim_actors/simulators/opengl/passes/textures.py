"""Tileable noise fields that the shaders lay over the world; each family has its own kind."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

SIZE = 256


def _spectral(rng: np.random.Generator, slope: float) -> np.ndarray:
    """A periodic Gaussian field with spectrum 1 / f ** slope, ranked to be uniform in [0, 1]."""
    frequency = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.fftfreq(SIZE)[None, :])
    frequency[0, 0] = np.inf
    spectrum = np.fft.fft2(rng.standard_normal((SIZE, SIZE))) / frequency**slope
    spectrum[0, 0] = 0.0
    return _uniform(np.fft.ifft2(spectrum).real)


def _cellular(rng: np.random.Generator, count: int) -> np.ndarray:
    """Distance to the nearest of `count` scattered points (Worley noise), periodic, in [0, 1]."""
    points = rng.uniform(0, SIZE, (count, 2))
    axis = np.arange(SIZE, dtype=np.float64)
    nearest = np.full((SIZE, SIZE), np.inf)
    for x, y in points:
        dx, dy = np.abs(axis - x), np.abs(axis - y)
        dx, dy = np.minimum(dx, SIZE - dx), np.minimum(dy, SIZE - dy)
        np.minimum(nearest, dy[:, None] ** 2 + dx[None, :] ** 2, out=nearest)
    return _uniform(np.sqrt(nearest))


def _uniform(field: np.ndarray) -> np.ndarray:
    """The field with its values replaced by something smooth and close to their rank, in [0, 1]."""
    scaled = (field - field.mean()) / field.std()
    return 1.0 / (1.0 + np.exp(-1.7 * scaled))


@lru_cache(maxsize=8)
def noise_field(kind: str, seed: int) -> np.ndarray:
    """(256, 256, 4) uint8: coarse, middle and fine fields, and an even finer one. `kind` is "smooth"
    (Gaussian spectra) or "cellular" (Worley cells mixed with spectra)."""
    rng = np.random.default_rng([23, seed])
    fields = [_spectral(rng, slope) for slope in (1.9, 1.5, 0.9, 0.4)]
    if kind == "cellular":
        fields = [0.65 * _cellular(rng, count) + 0.35 * f for count, f in zip((24, 90, 500, 1500), fields)]
    return np.round(np.stack(fields, axis=2) * 255).astype(np.uint8)
