"""The "standin" family: the embedded world's stand-in for reality.

Other proportions, other materials and texture fields, another sky, sun and film than the
simulator's, so that the gap between the two is of the kinds that separate a simulator from
photographs. It holds the same kinds of things under the same categories.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from sim_actors.opengl import surroundings as street
from sim_actors.opengl import trees
from sim_actors.opengl.buildings import building
from sim_actors.opengl.family import Family, Film, Ground, Light, people, vehicles
from sim_actors.opengl.family_simulator import BUS, SEATED, TRUCK, VAN
from sim_actors.opengl.materials import BASE, M, Material, Texture
from sim_actors.opengl.people import Bicycle, Person, bicycle, cyclist
from sim_actors.opengl.vehicles import Vehicle, trailer, tram

_STANDIN_CAR = Vehicle(
    length=4.3,
    width=1.78,
    height=1.5,
    nose=0.74,
    hood=0.98,
    cowl=1.45,
    screen=0.5,
    back=0.85,
    tail=0.25,
    deck=1.04,
    belt=0.9,
    sill=0.24,
    tumble=0.8,
    taper=0.9,
    panes=(0.45,),
    wheel=0.35,
    axles=(0.75, 3.4),
)
_STANDIN_VAN = replace(
    VAN,
    length=4.9,
    height=2.0,
    cowl=1.15,
    screen=0.5,
    hood=1.1,
    nose=0.9,
    tumble=0.92,
    back=0.04,
    belt=1.1,
    panes=(0.3,),
    wheel=0.32,
    axles=(0.75, 3.9),
)
_STANDIN_TRUCK = replace(
    TRUCK,
    length=7.2,
    height=3.0,
    nose=1.15,
    hood=1.5,
    cowl=1.1,
    screen=0.35,
    belt=1.5,
    box_body=(4.7, 0.95),
    panes=(0.55,),
    axles=(0.9, 5.0),
    wheel=0.5,
    tumble=0.84,
)
_STANDIN_WALK = Person(
    hips=(0.3, -0.26), knees=(0.06, 0.3), arms=(-0.25, 0.3), girth=1.15, lean=0.09, sides=10
)

STANDIN = Family(
    name="standin",
    bodies={
        "car": vehicles(
            {
                "saloon": replace(_STANDIN_CAR, length=4.6, tail=0.55, back=0.55, axles=(0.8, 3.6)),
                "fastback": _STANDIN_CAR,
                "city_car": replace(
                    _STANDIN_CAR,
                    length=3.5,
                    width=1.62,
                    height=1.54,
                    cowl=0.72,
                    screen=0.7,
                    back=0.28,
                    tail=0.06,
                    hood=0.98,
                    deck=1.0,
                    axles=(0.6, 2.9),
                    panes=(0.55,),
                    wheel=0.3,
                ),
                "wagon": replace(_STANDIN_CAR, length=4.55, back=0.2, tail=0.05, panes=(0.34, 0.64, 0.93)),
                "offroader": replace(
                    _STANDIN_CAR,
                    length=4.2,
                    height=1.82,
                    nose=0.98,
                    hood=1.1,
                    belt=1.15,
                    screen=0.28,
                    back=0.06,
                    tail=0.02,
                    cowl=1.3,
                    deck=1.1,
                    sill=0.36,
                    wheel=0.39,
                    tumble=0.9,
                    taper=0.95,
                    spare=True,
                ),
            }
        ),
        "van": vehicles(
            {
                "panel_van": replace(_STANDIN_VAN, panes=()),
                "shuttle": replace(_STANDIN_VAN, panes=(0.22, 0.6, 0.95), glazed_rear=True),
            }
        ),
        "truck": vehicles(
            {
                "bonneted_truck": _STANDIN_TRUCK,
                "dropside": replace(_STANDIN_TRUCK, height=2.7, open_bed=True),
            }
        ),
        "bus": vehicles(
            {"town_bus": replace(BUS, length=10.2, height=2.85, belt=1.05, taper=0.85, tumble=0.82)}
        ),
        "tram": {"old_tram": partial(tram, length=13.0, width=2.3, height=3.3, doors=3, round_=0.55)},
        "pedestrian": people(
            {
                "strolling": _STANDIN_WALK,
                "hurrying": replace(
                    _STANDIN_WALK,
                    hips=(-0.44, 0.6),
                    knees=(0.7, 0.16),
                    arms=(0.6, -0.55),
                    elbow=0.9,
                    lean=0.14,
                ),
                "waiting": Person(hips=(0.06, -0.04), girth=1.2, arms=(0.3, 0.25), elbow=1.1, sides=10),
                "hooded": replace(_STANDIN_WALK, hips=(-0.2, 0.24), hood=True, coat=0.2),
                "long_coat": Person(coat=0.55, girth=1.12, arms=(0.05, -0.1), sides=10, hips=(0.1, -0.1)),
            }
        ),
        "person_sitting": people(
            {"crouched": replace(SEATED, lean=0.3, girth=1.15, hips=(1.5, 1.3), knees=(1.6, 1.2), sides=10)}
        ),
        "cyclist": {
            "roadster": partial(
                cyclist,
                Bicycle(wheel=0.36, base=1.1, bar=1.12, rack=True, step_through=True),
                Person(lean=0.2, girth=1.15, sides=10),
            ),
            "courier": partial(
                cyclist,
                Bicycle(wheel=0.33, base=1.0, bar=1.0),
                Person(lean=0.65, hood=True, bag=True, sides=10),
            ),
        },
        "bicycle": {
            "roadster_bike": partial(bicycle, Bicycle(wheel=0.36, base=1.1, rack=True, step_through=True))
        },
        "misc": {"trailer": trailer},
    },
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
