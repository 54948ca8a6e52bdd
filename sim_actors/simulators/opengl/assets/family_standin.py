"""The "standin" family: the embedded world's stand-in for reality.

Other proportions, other materials and texture fields, another sky, sun and film than the
simulator's, so that the gap between the two is of the kinds that separate a simulator from
photographs. It holds the same kinds of things under the same categories.
"""

from __future__ import annotations

from functools import partial

from sim_actors.simulators.opengl.assets.bodies.standin import bodies
from sim_actors.simulators.opengl.assets.family import Family, Film, Ground, Light
from sim_actors.simulators.opengl.assets.materials import BASE, M, Material, Texture
from sim_actors.simulators.opengl.assets.props import street, trees
from sim_actors.simulators.opengl.assets.props.buildings import building

STANDIN = Family(
    name="standin",
    bodies=bodies(),
    props={
        "building": (
            partial(building, "hip", 0.38, dormers=1),
            partial(building, "gable", 0.42, chimneys=2, porch=True),
            partial(building, "flat", 0.08, chimneys=1),
            partial(building, "front_gable", 0.45, wing=True),
            partial(building, "mansard", 0.38, dormers=2),
            partial(building, "gable", 0.36, bay=True, dormers=1),
        ),
        "tree": tuple(partial(trees.clumped, 3 + s, 15 + s, 1.3 + 0.4 * s) for s in range(4)),
        "tree_far": tuple(partial(trees.clumped, 3 + s, 8, 1.5) for s in range(2)),
        "conifer": tuple(partial(trees.conifer, 7 + s, 10, 1.3, 7) for s in range(2)),
        "conifer_far": (partial(trees.conifer, 7, 7, 1.3, 5),),
        "poplar": (partial(trees.poplar, 8, 200, 0.75), partial(trees.poplar, 9, 200, 0.7)),
        "poplar_far": (partial(trees.poplar, 8, 70, 1.1),),
        "bush": tuple(partial(trees.bush, 5 + s, 70, 0.5) for s in range(2)),
        "bush_far": (partial(trees.bush, 5, 30, 0.7),),
        "grove": tuple(partial(trees.grove, 5 + s, 6, 110, 1.9) for s in range(2)),
        "hedge": (partial(trees.hedge, 7, 0.12, 120),),
        "hedge_far": (partial(trees.hedge, 7, 0.14, 0),),
        "pole": (partial(street.pole, True), partial(street.pole, False)),
        "lamp": (partial(street.lamp, "lantern"), partial(street.lamp, "curved")),
        "sign": (
            partial(street.sign, 8, 0.3927),
            partial(street.sign, 3, -1.5708, 2),
            partial(street.sign, 12, 0.0),
            partial(street.sign, 4, 0.7854, 2),
        ),
        "panel": (partial(street.panel, 4),),
        "traffic_light": (partial(street.traffic_light, 1),),
        "rail": (street.barrier, partial(street.rail, 2)),
        "fence": (partial(street.fence, "wire"), partial(street.fence, "pickets")),
        "wall": (partial(street.wall, 0.14, M.STONE, True), partial(street.wall, 0.2, M.BRICK, True)),
        "bollard": (partial(street.bollard, 1),),
        "bin": (partial(street.bin_, 2), partial(street.bin_, 1)),
        "bike_rack": (partial(street.bike_rack, 5),),
        "debris": tuple(partial(street.debris, s) for s in range(5, 8)),
        "distractor": tuple(partial(street.distractor, s) for s in range(20, 27)),
    },
    materials=BASE
    | {
        M.PAINT: Material((0.45, 0.45, 0.45), Texture.PAINT, 1, 1.0, 0.6, 0.04),
        M.GLASS: Material((0.035, 0.045, 0.042), gloss=0.9, reflectance=0.06),
        M.TRIM: Material((0.055, 0.053, 0.05), gloss=0.2),
        M.LEAF: Material((0.05, 0.08, 0.03), Texture.FOLIAGE, 1, 0.3, scale=0.35),
        M.SHADE: Material((0.028, 0.04, 0.02), Texture.FOLIAGE, 1, 0.12, scale=0.35),
        M.BRICK: Material((0.22, 0.17, 0.12), Texture.BRICK, 1, 0.3),
        M.FACADE: Material((0.36, 0.22, 0.16), Texture.FACADE, 1, 0.6, scale=0.16),
        M.ROOF: Material((0.10, 0.10, 0.115), Texture.TILES, 2, 0.25),
        M.CLOTH_UPPER: Material((0.25, 0.25, 0.25), Texture.CLOTH, 1, 0.85, scale=0.45),
    },
    light=Light(
        level=3.0,
        turbidity=1.5,
        sun_tint=(1.0, 1.0, 1.0),
        sky_tint=(0.98, 1.0, 1.0),
        saturation=0.55,
        lamp=(0.9, 0.82, 0.7),
        cloud_scale=0.3,
        fill=1.1,
        bounce=0.2,
        softness=0.12,
        headlight=0.7,
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
