"""What a surface of a body looks like, without the noise and patterns that shaders lay over it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim_actors.simulators.opengl.assets.family import Family, Rgb
from sim_actors.simulators.opengl.assets.materials import M, Texture
from sim_actors.simulators.opengl.assets.user_bodies import OWN_COLOUR
from sim_actors.simulators.opengl.passes.draw_list import Body

_WHITE_LAMP, _RED_LAMP = np.array([6.0, 5.64, 4.8]), np.array([4.0, 0.12, 0.06])


@dataclass(frozen=True)
class Surface:
    """`name` says what it is made of; `color` is its albedo, linear RGB in [0, 1]; `roughness` in [0, 1]
    as in most renderers (its square is the width of the lobe); `reflectance` at normal incidence;
    `emission`, linear RGB, is what it shines with, in the units of the scene's light; `texture`: the
    procedural texture that the embedded renderer lays over it."""

    name: str
    color: Rgb
    roughness: float
    reflectance: float = 0.03
    emission: Rgb = (0.0, 0.0, 0.0)
    texture: Texture = Texture.PLAIN


def surface_of(number: int, body: Body, family: Family) -> Surface:
    """The surface that a body's material number stands for (materials.py, user_bodies.py)."""
    own = number >= OWN_COLOUR
    known = M.TRIM if own else M(number)
    material = family.materials[known]
    color = np.array(material.color)
    name = known.name.lower()
    if own:
        packed = number - OWN_COLOUR
        levels = np.array([packed >> 11, packed >> 5 & 63, packed & 31]) / [31.0, 63.0, 31.0]
        color, name = levels**2.2, f"colour_{packed:04x}"
    elif material.tint:
        share = min(material.weight, 0.999)
        color = color * (1 - share) + np.array(body.colors[material.tint - 1]) * share
    shine = material.emission * body.lights * (_RED_LAMP if known is M.TAILLAMP else _WHITE_LAMP)
    return Surface(
        name, _rgb(color), 1.0 - material.gloss, material.reflectance, _rgb(shine), material.texture
    )


def _rgb(values: np.ndarray) -> Rgb:
    red, green, blue = (float(v) for v in values)
    return red, green, blue
