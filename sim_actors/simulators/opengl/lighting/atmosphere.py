"""The light of sun and sky through a clear atmosphere, by single and (isotropic) multiple scattering.

Rayleigh, aerosol and ozone profiles as in Hillaire, "A Scalable and Production Ready Sky and
Atmosphere Rendering Technique", EGSR 2020, whose estimate of multiple scattering is used too; the
amount of aerosol follows from Linke's turbidity. Radiances are relative to a sun whose irradiance
outside the atmosphere is 1 in each of R, G and B: 615, 535 and 445 nm, where the sRGB primaries have their
weight (the usual 680 nm for red turns dusk purple: ozone absorbs most near 600 nm).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

EARTH, TOP = 6_360e3, 60e3
"""Radius of the Earth and thickness of the atmosphere, m."""

RAYLEIGH = np.array([8.67e-6, 15.1e-6, 31.6e-6])
OZONE = np.array([2.5e-6, 1.5e-6, 0.09e-6])
AEROSOL_COLOUR = np.array([0.865, 1.037, 1.317])  # falls with the wavelength to the power of 1.3
AEROSOL_ALBEDO, AEROSOL_FORWARD = 0.92, 0.76
SCALE_RAYLEIGH, SCALE_AEROSOL = 8_000.0, 1_200.0
GROUND_ALBEDO = 0.18

_ELEVATIONS, _AZIMUTHS, _STEPS = 28, 13, 16


def aerosol(turbidity: float) -> np.ndarray:
    """Extinction of aerosol at sea level, (3,) 1/m: turbidity is the optical thickness of air with
    aerosol over that of pure air, at 550 nm (2 very clear, 3 clear, 6 hazy)."""
    return (turbidity - 1.0) * RAYLEIGH[1] * SCALE_RAYLEIGH / SCALE_AEROSOL * AEROSOL_COLOUR


def transmittance(elevation: float, turbidity: float, height: float = 0.0) -> np.ndarray:
    """The share (3,) of the sun's light that arrives at `height` m from `elevation` rad; 0 below the
    horizon."""
    return _transmitted(np.array([height]), np.array([np.sin(elevation)]), turbidity)[0]


def phase_rayleigh(cosine: np.ndarray) -> np.ndarray:
    """1/sr, integrates to 1 over the sphere."""
    return 3.0 / (16.0 * np.pi) * (1.0 + cosine**2)


def phase_aerosol(cosine: np.ndarray) -> np.ndarray:
    """Henyey and Greenstein's, 1/sr, integrates to 1 over the sphere."""
    g = AEROSOL_FORWARD
    return (1 - g * g) / (4 * np.pi * (1 + g * g - 2 * g * cosine) ** 1.5)


@lru_cache(maxsize=64)
def _dome(size: int) -> tuple[np.ndarray, ...]:
    """For the texels of a stereographic map: direction, and where it falls in the table."""
    axis = ((np.arange(size) + 0.5) / size * 2 - 1) * DOME_REACH
    x, z = np.meshgrid(axis, axis)
    square = np.minimum(x * x + z * z, 1.0)
    up = (1 - square) / (1 + square)
    flat = np.sqrt(1 - up * up) / np.maximum(np.hypot(x, z), 1e-9)
    direction = np.stack([x * flat, up, z * flat], axis=-1)
    row = np.sqrt(np.arcsin(np.clip(up, 0, 1)) / (np.pi / 2)) * (_ELEVATIONS - 1)
    column = np.abs(np.arctan2(x, z)) / np.pi * (_AZIMUTHS - 1)
    return direction, row, column


DOME_REACH = 1.04
"""Half the width of a sky map, where the horizon is the unit circle."""


def dome_directions(size: int) -> np.ndarray:
    """(size, size, 3): unit vectors (right of the sun, up, towards the sun's bearing) of the texels of
    a sky map: a stereographic image of the upper hemisphere. Beyond the horizon it repeats it."""
    return _dome(size)[0]


def sky_map(elevation: float, turbidity: float, size: int) -> np.ndarray:
    """Radiance of a cloudless sky, (size, size, 3), laid out as `dome_directions`; without the sun's
    own disc."""
    rayleigh, mie, multiple = _scattered(elevation, turbidity)
    direction, row, column = _dome(size)
    cosine = direction @ [0.0, np.sin(elevation), np.cos(elevation)]
    table = np.concatenate([rayleigh, mie, multiple], axis=-1)
    i, j = np.minimum(row.astype(int), _ELEVATIONS - 2), np.minimum(column.astype(int), _AZIMUTHS - 2)
    u, v = (row - i)[..., None], (column - j)[..., None]
    low = table[i, j] * (1 - v) + table[i, j + 1] * v
    high = table[i + 1, j] * (1 - v) + table[i + 1, j + 1] * v
    mixed = low * (1 - u) + high * u
    once = mixed[..., :3] * phase_rayleigh(cosine)[..., None]
    once += mixed[..., 3:6] * phase_aerosol(cosine)[..., None]
    return once + mixed[..., 6:]


def irradiance(radiance: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """(3, 4): per channel, irradiance over pi of a surface with unit normal n is row[:3] @ n + row[3],
    in the axes of `dome_directions`, under a sky map and over a ground of radiance `ground` (3,).

    The first two bands of spherical harmonics (Ramamoorthi and Hanrahan, 2001): exact where the sky
    is even, and a fit elsewhere.
    """
    size = len(radiance)
    direction = dome_directions(size)
    axis = ((np.arange(size) + 0.5) / size * 2 - 1) * DOME_REACH
    square = axis[None, :] ** 2 + axis[:, None] ** 2
    weight = np.where(square < 1, 4 / (1 + square) ** 2, 0.0)
    weight *= 2 * np.pi / weight.sum()
    mean = np.einsum("ij,ijc->c", weight, radiance) + 2 * np.pi * ground
    first = np.einsum("ij,ijk,ijc->ck", weight, direction, radiance)
    first[:, 1] -= np.pi * ground
    return np.column_stack([first / (2 * np.pi), mean / (4 * np.pi)])


def _densities(height: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    height = np.maximum(height, 0.0)
    ozone = np.maximum(0.0, 1 - np.abs(height - 25e3) / 15e3)
    return np.exp(-height / SCALE_RAYLEIGH), np.exp(-height / SCALE_AEROSOL), ozone


def _extinction(height: np.ndarray, turbidity: float) -> np.ndarray:
    air, dust, ozone = _densities(height)
    return air[..., None] * RAYLEIGH + dust[..., None] * aerosol(turbidity) + ozone[..., None] * OZONE


def _steps(radius: np.ndarray, mu: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances along rays and the lengths that they stand for, (..., count) m, to the end of the
    atmosphere or the ground; dense near the start."""
    b = radius * mu
    far = -b + np.sqrt(b * b + (EARTH + TOP) ** 2 - radius**2)
    below = b * b + EARTH**2 - radius**2
    hit = (mu < 0) & (below > 0)
    far = np.where(hit, -b - np.sqrt(np.maximum(below, 0)), far)
    edges = (np.arange(count + 1) / count) ** 2
    return far[..., None] * 0.5 * (edges[1:] + edges[:-1]), far[..., None] * np.diff(edges)


def _transmitted(height: np.ndarray, mu: np.ndarray, turbidity: float) -> np.ndarray:
    """(..., 3) towards the sun at the sine `mu` of the local elevation, 0 behind the Earth."""
    radius = EARTH + np.maximum(height, 0.0)
    along, length = _steps(radius, mu, 10)
    heights = np.sqrt(radius[..., None] ** 2 + along**2 + 2 * (radius * mu)[..., None] * along) - EARTH
    depth = (_extinction(heights, turbidity) * length[..., None]).sum(axis=-2)
    # The sun's disc sinks gradually: half a degree, widened a little by refraction.
    horizon = -np.sqrt(np.maximum(1 - (EARTH / radius) ** 2, 0.0))
    share = np.clip((mu - horizon) / 0.012 + 0.5, 0.0, 1.0)
    return np.exp(-depth) * share[..., None]


def _along(height: float, rays: np.ndarray, sun: np.ndarray, turbidity: float) -> tuple[np.ndarray, ...]:
    """Along rays (..., 3; y up) from a height: heights, the sun's local sine, lengths (m) and
    transmittance to the start, each (..., steps[, 3])."""
    radius = np.full(rays.shape[:-1], EARTH + height)
    along, length = _steps(radius, rays[..., 1], _STEPS)
    points = along[..., None] * rays[..., None, :] + np.array([0.0, EARTH + height, 0.0])
    r = np.linalg.norm(points, axis=-1)
    depth = _extinction(r - EARTH, turbidity) * length[..., None]
    # The light of a step passes half of it.
    through = np.exp(-(np.cumsum(depth, axis=-2) - 0.5 * depth))
    return r - EARTH, points @ sun / r, length, through


@lru_cache(maxsize=128)
def _scattered(elevation: float, turbidity: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """By elevation (square root spacing) and azimuth from the sun: Rayleigh's and aerosol's single
    scattering without their phase functions, and multiple scattering; (28, 13, 3) each."""
    sun = np.array([0.0, np.sin(elevation), np.cos(elevation)])
    rise = (np.linspace(0, 1, _ELEVATIONS) ** 2 * np.pi / 2)[:, None]
    turn = np.linspace(0, np.pi, _AZIMUTHS)[None, :]
    rays = np.stack(
        [np.cos(rise) * np.sin(turn), np.sin(rise) + 0 * turn, np.cos(rise) * np.cos(turn)], axis=-1
    )
    heights, mu, length, through = _along(2.0, rays, sun, turbidity)
    light = through * length[..., None]
    lit = light * _transmitted(heights, mu, turbidity)
    air, dust, _ = (d[..., None] for d in _densities(heights))
    scatter = aerosol(turbidity) * AEROSOL_ALBEDO
    known = np.array([0.0, 1e3, 3e3, 8e3, 20e3, 40e3])
    source = np.stack([_multiple(h, sun, turbidity) for h in known])
    spread = np.stack([np.interp(heights, known, source[:, c]) for c in range(3)], axis=-1)
    return (
        (lit * air * RAYLEIGH).sum(axis=-2),
        (lit * dust * scatter).sum(axis=-2),
        (light * (air * RAYLEIGH + dust * scatter) * spread).sum(axis=-2),
    )


def _multiple(height: float, sun: np.ndarray, turbidity: float) -> np.ndarray:
    """Mean radiance (3,) at a height from all orders of scattering after the first (Hillaire 2020)."""
    sines = np.array([-0.9, -0.45, -0.08, 0.08, 0.45, 0.9])[:, None]
    weight = np.array([0.365, 0.41, 0.225, 0.225, 0.41, 0.365])[:, None, None] / 2 / 6  # shares of the sphere
    turn = np.arange(6)[None, :] * np.pi / 3
    flat = np.sqrt(1 - sines**2)
    rays = np.stack([flat * np.sin(turn), sines + 0 * turn, flat * np.cos(turn)], axis=-1)
    heights, mu, length, through = _along(height, rays, sun, turbidity)
    air, dust, _ = (d[..., None] for d in _densities(heights))
    scatter = (air * RAYLEIGH + dust * aerosol(turbidity) * AEROSOL_ALBEDO) * through * length[..., None]
    once = (scatter * _transmitted(heights, mu, turbidity)).sum(axis=-2) / (4 * np.pi)
    ground = (rays[..., 1] < -np.sqrt(1 - (EARTH / (EARTH + height)) ** 2))[..., None] * through[..., -1, :]
    once = once + ground * _transmitted(np.zeros(1), sun[1:2], turbidity) * max(sun[1], 0.0) * (
        GROUND_ALBEDO / np.pi
    )
    again = scatter.sum(axis=-2)
    once, again = (weight * once).sum(axis=(0, 1)), (weight * again).sum(axis=(0, 1))
    return once / (1 - np.minimum(again, 0.9))
