"""The "standin" family: the embedded world's stand-in for reality.

Other proportions, other materials and texture fields, another sky, sun and film than the
simulator's, so that the gap between the two is of the kinds that separate a simulator from
photographs. It holds the same kinds of things under the same categories.
"""

from __future__ import annotations

from functools import partial

from sim_actors.opengl.family import Family, Film, Ground, Light
from sim_actors.opengl.materials import BASE, M, Material, Texture
from sim_actors.opengl.standin_bodies import bodies
from sim_actors.opengl.surroundings import building, conifer, debris, hedge, pole, poplar, sign, wall

STANDIN = Family(
    name="standin",
    bodies=bodies(),
    props={
        "building": (
            partial(building, "hip", 0.38),
            partial(building, "gable", 0.42),
            partial(building, "flat", 0.07),
        ),
        "tree": (
            *(partial(conifer, s, 4 + s, 1.5 - 0.15 * s) for s in range(3)),
            partial(poplar, 1),
            partial(poplar, 2),
        ),
        "pole": (partial(pole, 0.7), partial(pole, 2.2)),
        "sign": (partial(sign, 8, 0.3927), partial(sign, 3, -1.5708), partial(sign, 12, 0.0)),
        "hedge": (partial(hedge, 7, 0.2),),
        "wall": (partial(wall, 0.14),),
        "debris": tuple(partial(debris, s) for s in range(5, 8)),
    },
    materials=BASE
    | {
        M.PAINT: Material((0.45, 0.45, 0.45), Texture.PAINT, 1, 1.0, 0.6, 0.04),
        M.GLASS: Material((0.035, 0.045, 0.042), gloss=0.9, reflectance=0.06),
        M.TRIM: Material((0.055, 0.053, 0.05), gloss=0.2),
        M.LEAF: Material((0.045, 0.075, 0.03), Texture.FOLIAGE, 1, 0.2),
        M.FACADE: Material((0.36, 0.22, 0.16), Texture.FACADE, 1, 0.6, scale=0.16),
        M.ROOF: Material((0.10, 0.10, 0.115), Texture.TILES, 2, 0.25),
        M.CLOTH_UPPER: Material((0.25, 0.25, 0.25), Texture.CLOTH, 1, 0.85, scale=0.45),
    },
    light=Light(
        zenith=(0.24, 0.37, 0.60),
        horizon=(0.68, 0.71, 0.74),
        sun=(1.0, 0.96, 0.9),
        low_sun=(1.0, 0.6, 0.36),
        lamp=(0.9, 0.82, 0.7),
        sky_exponent=0.85,
        clouds=0.5,
        cloud_scale=0.3,
        fill=1.1,
        sun_power=2.0,
        bounce=0.3,
        softness=0.12,
    ),
    ground=Ground(
        asphalt=(0.13, 0.125, 0.12),
        concrete=(0.31, 0.30, 0.28),
        pavement=(0.20, 0.19, 0.18),
        verge=(0.12, 0.12, 0.05),
        soil=(0.12, 0.095, 0.07),
        paint=(0.5, 0.5, 0.47),
        wear=0.6,
        slab=0.35,
    ),
    film=Film(curve=(1.0, 0.0, 0.96, 0.5, 0.1), saturation=0.9, gain=0.8),
    noise="cellular",
    noise_seed=2,
    window=(2.1, 2.8, 0.55, 0.62),
)
