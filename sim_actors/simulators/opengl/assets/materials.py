"""Materials by number: a mesh names them, a family gives each its looks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np


class M(IntEnum):
    """What a surface is made of."""

    PAINT = 0
    GLASS = 1
    TYRE = 2
    TRIM = 3
    METAL = 4
    HEADLAMP = 5
    TAILLAMP = 6
    SKIN = 7
    HAIR = 8
    CLOTH_UPPER = 9
    CLOTH_LOWER = 10
    LEAF = 11
    BARK = 12
    FACADE = 13
    ROOF = 14
    STONE = 15
    SIGN = 16
    PLATE = 17
    WOOD = 18
    CARGO = 19
    BRICK = 20
    SHADE = 21  # the dark inside of a crown
    SHAPE = 22  # distractors


class Texture(IntEnum):
    """Which procedural texture the surface shader lays over a material."""

    PLAIN = 0
    PAINT = 1
    FOLIAGE = 2
    ROUGH = 3
    FACADE = 4
    TILES = 5
    CLOTH = 6
    SIGN = 7
    BRICK = 8
    CHECKS = 9


@dataclass(frozen=True)
class Material:
    """Linear RGB albedo; `tint` 1-3 mixes the instance's first to third colour in by `weight`;
    `gloss` in [0, 1]; `reflectance` at normal incidence; `emission` when the lights are on; `scale` of
    the noise field over it, tiles per m, in (0, 1)."""

    color: tuple[float, float, float]
    texture: Texture = Texture.PLAIN
    tint: int = 0
    weight: float = 1.0
    gloss: float = 0.1
    reflectance: float = 0.03
    emission: float = 0.0
    scale: float = 0.3


BASE: dict[M, Material] = {
    M.PAINT: Material((0.5, 0.5, 0.5), Texture.PAINT, 1, 1.0, 0.85, 0.05),
    M.GLASS: Material((0.012, 0.015, 0.017), gloss=0.97, reflectance=0.09),
    M.TYRE: Material((0.018, 0.018, 0.02), Texture.ROUGH, gloss=0.2),
    M.TRIM: Material((0.03, 0.03, 0.033), gloss=0.3),
    M.METAL: Material((0.17, 0.175, 0.185), gloss=0.5, reflectance=0.14),
    M.HEADLAMP: Material((0.5, 0.52, 0.54), gloss=0.9, reflectance=0.15, emission=1.0),
    M.TAILLAMP: Material((0.19, 0.006, 0.008), gloss=0.85, reflectance=0.06, emission=0.5),
    M.SKIN: Material((0.5, 0.3, 0.2), tint=3, gloss=0.25),
    M.HAIR: Material((0.04, 0.025, 0.015), Texture.ROUGH, gloss=0.3),
    M.CLOTH_UPPER: Material((0.3, 0.3, 0.3), Texture.CLOTH, 1, scale=0.7),
    M.CLOTH_LOWER: Material((0.1, 0.1, 0.15), Texture.CLOTH, 2, scale=0.7),
    M.LEAF: Material((0.06, 0.12, 0.025), Texture.FOLIAGE, 1, 0.45, scale=0.5),
    M.BARK: Material((0.10, 0.075, 0.055), Texture.ROUGH),
    M.FACADE: Material((0.5, 0.45, 0.38), Texture.FACADE, 1, 0.85, scale=0.09),
    M.ROOF: Material((0.25, 0.09, 0.055), Texture.TILES, 2, 0.5),
    M.STONE: Material((0.33, 0.32, 0.30), Texture.ROUGH, 1, 0.5),
    M.SIGN: Material((0.6, 0.6, 0.6), Texture.SIGN, 1, gloss=0.5),
    M.PLATE: Material((0.62, 0.62, 0.58), gloss=0.5),
    M.WOOD: Material((0.22, 0.14, 0.08), Texture.ROUGH, 1, 0.3),
    M.CARGO: Material((0.55, 0.55, 0.54), Texture.PAINT, 2, 0.6, 0.4, 0.04, scale=0.1),
    M.BRICK: Material((0.3, 0.13, 0.085), Texture.BRICK, 1, 0.5),
    M.SHADE: Material((0.022, 0.045, 0.012), Texture.FOLIAGE, 1, 0.12, scale=0.5),
    M.SHAPE: Material((0.5, 0.5, 0.5), Texture.CHECKS, 1, 1.0, 0.4),
}


def packed(materials: dict[M, Material]) -> np.ndarray:
    """The table as the surface shader reads it: (materials * 2, 4) float32."""
    rows = []
    for key in M:
        m = materials[key]
        rows.append([*m.color, m.texture + m.scale])
        head = m.emission * (-1.0 if key is M.TAILLAMP else 1.0)
        rows.append([m.tint + min(m.weight, 0.999) if m.tint else 0.0, m.gloss, m.reflectance, head])
    return np.array(rows, dtype=np.float32)
