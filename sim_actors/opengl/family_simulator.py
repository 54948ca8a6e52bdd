"""The "simulator" family: what the loop stages its requests with."""

from __future__ import annotations

from functools import partial

from sim_actors.opengl.cars import CARS
from sim_actors.opengl.crowd import BICYCLES, CYCLISTS, MOTORCYCLES, PEDESTRIANS, SITTING
from sim_actors.opengl.family import Family, people, vehicles
from sim_actors.opengl.rail import tram
from sim_actors.opengl.surroundings import broadleaf, building, debris, hedge, pole, sign, wall
from sim_actors.opengl.trailers import trailer
from sim_actors.opengl.trucks import BUSES, TRUCKS
from sim_actors.opengl.vans import VANS

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
            partial(building, "gable", 0.3),
            partial(building, "flat", 0.04),
            partial(building, "hip", 0.25),
        ),
        "tree": tuple(partial(broadleaf, s, 4 + s % 3, 1.6 + 0.3 * (s % 3), 0.22) for s in range(4)),
        "pole": (partial(pole, 0.0), partial(pole, 1.3)),
        "sign": (partial(sign, 16, 0.0), partial(sign, 3, 1.5708), partial(sign, 4, 0.7854)),
        "hedge": (partial(hedge, 1, 0.08), partial(hedge, 2, 0.13)),
        "wall": (partial(wall, 0.0),),
        "debris": tuple(partial(debris, s) for s in range(3)),
    },
)
