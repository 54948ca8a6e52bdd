"""The "simulator" family: what the loop stages its requests with."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from sim_actors.opengl import surroundings as street
from sim_actors.opengl import trees
from sim_actors.opengl.buildings import building
from sim_actors.opengl.family import Family, people, vehicles
from sim_actors.opengl.materials import M
from sim_actors.opengl.people import Bicycle, Person, bicycle, cyclist
from sim_actors.opengl.vehicles import Vehicle, trailer, tram

_CAR = Vehicle()
_SIMULATOR_CARS = {
    "sedan": _CAR,
    "hatchback": replace(
        _CAR, length=3.95, width=1.72, cowl=1.0, screen=0.8, back=0.42, tail=0.1, deck=0.94, axles=(0.75, 3.2)
    ),
    "estate": replace(
        _CAR, length=4.65, back=0.35, tail=0.08, deck=0.96, axles=(0.9, 3.6), panes=(0.36, 0.68, 0.96)
    ),
    "suv": replace(
        _CAR,
        length=4.5,
        width=1.86,
        height=1.7,
        nose=0.84,
        hood=1.1,
        belt=1.1,
        deck=1.08,
        sill=0.28,
        back=0.3,
        tail=0.1,
        wheel=0.37,
        tumble=0.76,
        panes=(0.4, 0.72, 0.96),
    ),
}
VAN = Vehicle(
    length=5.2,
    width=1.96,
    height=2.2,
    nose=0.85,
    hood=1.15,
    cowl=0.75,
    screen=0.75,
    back=0.08,
    tail=0.04,
    deck=1.15,
    belt=1.2,
    sill=0.24,
    tumble=0.86,
    taper=0.86,
    panes=(0.28,),
    glazed_rear=False,
    wheel=0.34,
    axles=(0.9, 4.15),
)
_SIMULATOR_VANS = {
    "delivery_van": replace(VAN, panes=()),
    "minibus": replace(VAN, panes=(0.25, 0.5, 0.75, 0.97), glazed_rear=True),
    "people_carrier": replace(
        VAN,
        length=4.7,
        width=1.85,
        height=1.78,
        cowl=0.85,
        screen=0.9,
        hood=1.05,
        belt=1.02,
        deck=1.0,
        back=0.22,
        glazed_rear=True,
        panes=(0.36, 0.7, 0.97),
        axles=(0.85, 3.7),
        tumble=0.8,
    ),
}
TRUCK = Vehicle(
    length=7.6,
    width=2.45,
    height=3.2,
    nose=1.0,
    hood=1.42,
    cowl=0.16,
    screen=0.3,
    back=0.05,
    tail=0.02,
    deck=1.35,
    belt=1.45,
    sill=0.42,
    tumble=0.9,
    taper=0.93,
    panes=(),
    glazed_rear=False,
    wheel=0.47,
    axles=(1.1, 5.4),
    box_body=(5.6, 1.05),
)
_SIMULATOR_TRUCKS = {
    "box_truck": replace(TRUCK, panes=(0.7,)),
    "tipper": replace(TRUCK, length=7.0, height=2.75, box_body=(4.9, 1.15), open_bed=True, panes=(0.7,)),
    "lorry": replace(
        TRUCK, length=10.5, height=3.6, box_body=(8.3, 1.1), axles=(1.2, 6.9, 8.2), panes=(0.7,)
    ),
}
BUS = Vehicle(
    length=11.5,
    width=2.52,
    height=3.0,
    nose=0.95,
    hood=1.15,
    cowl=0.08,
    screen=0.35,
    back=0.1,
    tail=0.04,
    deck=1.2,
    belt=1.15,
    sill=0.32,
    tumble=0.92,
    taper=0.95,
    panes=(0.1, 0.24, 0.38, 0.52, 0.66, 0.8, 0.97),
    wheel=0.48,
    axles=(2.6, 8.6),
    skirt=True,
)

_WALK = Person(hips=(0.42, -0.36), knees=(0.12, 0.42), arms=(-0.4, 0.42), lean=0.05)
_SIMULATOR_PEOPLE = {
    "walking": _WALK,
    "striding": replace(_WALK, hips=(-0.5, 0.52), knees=(0.55, 0.1), arms=(0.55, -0.45)),
    "standing": Person(hips=(0.03, -0.03)),
    "standing_coat": Person(coat=0.38, girth=1.08, arms=(0.15, 0.0)),
    "walking_bag": replace(_WALK, hips=(-0.28, 0.36), knees=(0.3, 0.1), arms=(0.3, -0.3), bag=True),
}
SEATED = Person(hips=(1.45, 1.4), knees=(1.42, 1.5), arms=(0.5, 0.45), elbow=0.9, lean=0.04, seat=True)
_RIDER = Person(lean=0.6)


SIMULATOR = Family(
    name="simulator",
    bodies={
        "car": vehicles(_SIMULATOR_CARS),
        "van": vehicles(_SIMULATOR_VANS),
        "truck": vehicles(_SIMULATOR_TRUCKS),
        "bus": vehicles({"city_bus": BUS, "coach": replace(BUS, height=3.4, belt=1.6, deck=1.6)}),
        "tram": {"tram": tram, "short_tram": partial(tram, length=11.0, doors=3)},
        "pedestrian": people(_SIMULATOR_PEOPLE),
        "person_sitting": people({"sitting": SEATED, "sitting_back": replace(SEATED, lean=-0.18)}),
        "cyclist": {
            "city_bike": partial(cyclist, Bicycle(), replace(_RIDER, lean=0.35)),
            "road_bike": partial(cyclist, Bicycle(bar=0.98, saddle=0.98), replace(_RIDER, lean=0.8)),
        },
        "bicycle": {"bicycle": partial(bicycle, Bicycle())},
        "misc": {"trailer": trailer},
    },
    props={
        "building": (
            partial(building, "gable", 0.3, dormers=2, chimneys=2),
            partial(building, "flat", 0.05, chimneys=0),
            partial(building, "hip", 0.27, porch=True),
            partial(building, "mansard", 0.3, dormers=3, chimneys=2),
            partial(building, "front_gable", 0.34, bay=True),
            partial(building, "flat", 0.06, balconies=True, chimneys=0),
            partial(building, "gable", 0.32, wing=True, porch=True),
        ),
        "tree": tuple(partial(trees.broadleaf, s, 5 + s % 3, 1.5 + 0.35 * (s % 3)) for s in range(5)),
        "tree_far": tuple(partial(trees.broadleaf, s, 4, 1.5 + 0.35 * (s % 3), 90, 1.05) for s in range(3)),
        "conifer": tuple(partial(trees.conifer, s, 17 + s, 1.7 - 0.2 * s) for s in range(3)),
        "conifer_far": (partial(trees.conifer, 0, 8, 1.6, 6),),
        "poplar": (partial(trees.poplar, 1), partial(trees.poplar, 2)),
        "poplar_far": (partial(trees.poplar, 1, 90, 1.0),),
        "bush": tuple(partial(trees.bush, s) for s in range(3)),
        "bush_far": (partial(trees.bush, 1, 40, 0.6),),
        "grove": tuple(partial(trees.grove, s) for s in range(3)),
        "hedge": (partial(trees.hedge, 1, 0.05), partial(trees.hedge, 2, 0.08)),
        "hedge_far": (partial(trees.hedge, 1, 0.1, 0),),
        "pole": (partial(street.pole, False), partial(street.pole, True)),
        "lamp": (partial(street.lamp, "straight"), partial(street.lamp, "curved")),
        "sign": (
            partial(street.sign, 16, 0.0),
            partial(street.sign, 3, 1.5708),
            partial(street.sign, 4, 0.7854),
            partial(street.sign, 4, 0.0, 2),
            partial(street.sign, 3, -1.5708),
            partial(street.sign, 8, 0.3927),
            partial(street.sign, 16, 0.0, 2),
        ),
        "panel": (partial(street.panel, 3), partial(street.panel, 2)),
        "traffic_light": (partial(street.traffic_light, 0), partial(street.traffic_light, 1)),
        "rail": (partial(street.rail, 1),),
        "fence": (
            partial(street.fence, "pickets"),
            partial(street.fence, "boards"),
            partial(street.fence, "bars"),
        ),
        "wall": (
            partial(street.wall, 0.0),
            partial(street.wall, 0.1, M.BRICK),
            partial(street.wall, 0.08, M.STONE, True),
        ),
        "bollard": (partial(street.bollard, 0), partial(street.bollard, 1)),
        "bin": tuple(partial(street.bin_, s) for s in range(3)),
        "bike_rack": (partial(street.bike_rack, 4), partial(street.bike_rack, 3)),
        "debris": tuple(partial(street.debris, s) for s in range(3)),
        "distractor": tuple(partial(street.distractor, s) for s in range(10)),
    },
)
