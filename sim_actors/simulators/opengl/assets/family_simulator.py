"""The "simulator" family: what the loop stages its requests with."""

from __future__ import annotations

from functools import partial

from sim_actors.simulators.opengl.assets.bodies.crowd import (
    BICYCLES,
    CYCLISTS,
    MOTORCYCLES,
    PEDESTRIANS,
    SITTING,
)
from sim_actors.simulators.opengl.assets.bodies.vehicles.cars import CARS
from sim_actors.simulators.opengl.assets.bodies.vehicles.rail import tram
from sim_actors.simulators.opengl.assets.bodies.vehicles.trailers import trailer
from sim_actors.simulators.opengl.assets.bodies.vehicles.trucks import BUSES, TRUCKS
from sim_actors.simulators.opengl.assets.bodies.vehicles.vans import VANS
from sim_actors.simulators.opengl.assets.family import Family, people, vehicles
from sim_actors.simulators.opengl.assets.materials import M
from sim_actors.simulators.opengl.assets.props import street, trees
from sim_actors.simulators.opengl.assets.props.buildings import building

SIMULATOR = Family(
    name="simulator",
    bodies={
        "car": vehicles(CARS),
        "van": vehicles(VANS),
        "truck": TRUCKS,
        "bus": BUSES,
        "tram": {
            "tram": tram,
            "short_tram": partial(tram, (10.2,), doors=2),
            "long_tram": partial(tram, (9.2, 4.0, 9.2), doors=2),
        },
        "pedestrian": people(PEDESTRIANS),
        "person_sitting": people(SITTING),
        "cyclist": CYCLISTS,
        "bicycle": BICYCLES,
        "motorcycle": MOTORCYCLES,
        "misc": {
            "trailer": trailer,
            "caravan": partial(trailer, "caravan"),
            "flat_trailer": partial(trailer, "flat"),
        },
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
