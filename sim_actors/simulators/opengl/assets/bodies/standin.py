"""The stand-in's bodies: an older, squarer fleet and other people than the simulator's.

Made by the same generators, from other tables: slab sides, upright faces, bright bumpers, thin
roofs, pressed-steel wheels, bonneted trucks; people with longer coats and other gaits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from sim_actors.simulators.opengl.assets.bodies.people import Person, pedestrian
from sim_actors.simulators.opengl.assets.bodies.two_wheelers import (
    Bicycle,
    Motorcycle,
    bicycle,
    cyclist,
    motorcycle,
)
from sim_actors.simulators.opengl.assets.bodies.vehicles import vans
from sim_actors.simulators.opengl.assets.bodies.vehicles.assembly import Vehicle, stretched, vehicle
from sim_actors.simulators.opengl.assets.bodies.vehicles.coachwork import Face, Patch
from sim_actors.simulators.opengl.assets.bodies.vehicles.rail import tram
from sim_actors.simulators.opengl.assets.bodies.vehicles.trailers import trailer
from sim_actors.simulators.opengl.assets.bodies.vehicles.trucks import CITY_BUS, box_truck, bus, tipper
from sim_actors.simulators.opengl.assets.materials import M
from sim_actors.simulators.opengl.assets.shapes import Mesh

_SLAB = (0.95, 0.975, 1.0, 1.0, 0.985, 0.98)


def _nose(rows: tuple[float, float, float, float, float], depth: float = 0.2) -> Face:
    """An upright front: a bright bumper, a wide grille between square lamps."""
    patches: tuple[Patch, ...] = (
        (3, 4, 0.0, 1.0, M.TRIM),
        (4, 5, 0.0, 1.0, M.METAL),
        (6, 7, 0.0, 0.62, M.TRIM),
        (6, 7, 0.66, 0.93, M.HEADLAMP),
    )
    return Face(rows, (0.06, 0.0, 0.0, 0.05, 0.05, 0.05, 0.06, 0.07, 0.08), depth, 4.5, patches)


def _tail(rows: tuple[float, float, float, float, float], depth: float = 0.12) -> Face:
    patches: tuple[Patch, ...] = (
        (3, 4, 0.0, 1.0, M.TRIM),
        (4, 5, 0.0, 1.0, M.METAL),
        (6, 7, 0.74, 0.97, M.TAILLAMP),
    )
    return Face(rows, (0.06, 0.0, 0.0, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05), depth, 5.0, patches)


_OLD: dict[str, object] = {
    "section": _SLAB,
    "roof": 0.77,
    "crown": 0.035,
    "nose_width": 0.97,
    "tail_width": 0.96,
    "bow": 0.04,
    "rim": "disc",
    "wheel": 0.3,
    "tyre": 0.17,
    "bonnet": 0.95,
}
SALOON = Vehicle(
    length=4.5,
    width=1.74,
    height=1.43,
    roofline=(
        (0.2, 0.83, 0),
        (1.42, 0.94, 0.05),
        (1.98, 1.38, 0.16),
        (2.5, 1.43, 0.3),
        (3.2, 1.39, 0.16),
        (3.62, 1.0, 0.06),
        (4.34, 0.97, 0.03),
        (4.38, 0.95, 0),
    ),
    belt=((0.2, 0.81), (1.4, 0.9), (3.6, 0.93), (4.38, 0.93)),
    nose=_nose((0.24, 0.4, 0.54, 0.62, 0.77)),
    tail=_tail((0.26, 0.42, 0.56, 0.66, 0.86)),
    axles=(0.78, 3.45),
    windows=((1.6, 2.4), (2.46, 3.2)),
    screens=((1.44, 1.96), (3.22, 3.6)),
    seams=(1.5, 2.42, 3.3),
    handles=(2.28, 3.14),
    mirror=1.66,
    plates=(0.34, 0.74),
    **_OLD,  # type: ignore[arg-type]
)
FASTBACK = replace(
    SALOON,
    length=4.2,
    roofline=(
        (0.2, 0.8, 0),
        (1.46, 0.93, 0.05),
        (2.04, 1.32, 0.2),
        (2.5, 1.36, 0.3),
        (2.9, 1.34, 0.3),
        (3.94, 0.98, 0.08),
        (4.08, 0.93, 0),
    ),
    height=1.36,
    belt=((0.2, 0.78), (1.4, 0.88), (3.2, 0.92), (4.08, 0.91)),
    tail=_tail((0.26, 0.42, 0.56, 0.64, 0.82)),
    axles=(0.76, 3.22),
    windows=((1.64, 2.62), (2.68, 3.2)),
    screens=((1.48, 2.02), (3.0, 3.9)),
    seams=(1.54, 2.65),
    handles=(2.48,),
    mirror=1.7,
)
WAGON = replace(
    SALOON,
    height=1.47,
    roofline=(
        (0.2, 0.83, 0),
        (1.42, 0.94, 0.05),
        (1.98, 1.4, 0.16),
        (2.5, 1.46, 0.3),
        (4.08, 1.43, 0.12),
        (4.32, 1.0, 0.05),
        (4.38, 0.95, 0),
    ),
    windows=((1.6, 2.4), (2.46, 3.2), (3.26, 4.0)),
    screens=((1.44, 1.96), (4.1, 4.31)),
)
OFFROADER = replace(
    SALOON,
    length=4.08,
    width=1.8,
    height=1.85,
    roofline=(
        (0.16, 1.06, 0),
        (1.3, 1.13, 0.04),
        (1.56, 1.76, 0.1),
        (2.0, 1.84, 0.2),
        (3.84, 1.82, 0.06),
        (3.98, 1.7, 0),
    ),
    belt=((0.16, 1.04), (1.28, 1.09), (3.98, 1.12)),
    nose=_nose((0.4, 0.54, 0.68, 0.78, 0.96), 0.16),
    tail=replace(
        _tail((0.42, 0.56, 0.7, 0.8, 1.0), 0.1),
        patches=(*_tail((0.4, 0.5, 0.6, 0.7, 0.8)).patches, (9, 10, 0.0, 0.85, M.GLASS)),
    ),
    sill=0.36,
    axles=(0.72, 3.2),
    windows=((1.5, 2.3), (2.38, 3.0), (3.1, 3.8)),
    screens=((1.32, 1.56),),
    seams=(1.42, 2.34),
    handles=(2.2,),
    mirror=1.55,
    plates=(0.5, 0.9),
    **(_OLD | {"wheel": 0.38, "roof": 0.86, "tyre": 0.22}),  # type: ignore[arg-type]
)
VAN = stretched(replace(vans.DELIVERY_VAN, **(_OLD | {"roof": 0.9, "wheel": 0.32})), 0.94, 0.9)  # type: ignore[arg-type]
VAN = replace(VAN, nose=replace(_nose((0.26, 0.42, 0.58, 0.68, 0.84), 0.2), depth=VAN.nose.depth, power=4.5))
CAB = Vehicle(
    length=3.0,
    width=2.2,
    height=2.35,
    roofline=(
        (0.2, 1.42, 0),
        (1.5, 1.52, 0.05),
        (1.86, 2.22, 0.14),
        (2.1, 2.32, 0.2),
        (2.9, 2.34, 0.1),
        (2.96, 2.3, 0),
    ),
    belt=((0.2, 1.38), (1.5, 1.46), (2.96, 1.46)),
    nose=_nose((0.5, 0.66, 0.84, 0.94, 1.26)),
    tail=Face((0.7, 0.84, 1.0, 1.15, 1.3), (0.0,) * 9, 0.04, 8.0),
    axles=(0.95,),
    arch=0.1,
    sill=0.55,
    windows=((1.72, 2.7),),
    screens=((1.54, 1.86),),
    seams=(1.62, 2.8),
    handles=(2.64,),
    mirror=1.75,
    plates=(0.6, 0.0),
    **(_OLD | {"wheel": 0.48, "roof": 0.84, "rim": "lorry", "tyre": 0.28}),  # type: ignore[arg-type]
)

CARS = {
    "saloon": SALOON,
    "fastback": FASTBACK,
    "city_car": stretched(replace(WAGON, windows=WAGON.windows[:2], wheel=0.27), 0.78, 1.0, 0.92),
    "wagon": WAGON,
    "offroader": OFFROADER,
}
VANS = {
    "panel_van": VAN,
    "shuttle": replace(VAN, windows=(*VAN.windows, (2.0, 3.2), (3.26, 4.4)), patches=VAN.patches[1:2]),
}
TRUCKS: dict[str, Callable[[], Mesh]] = {
    "bonneted_truck": partial(box_truck, 7.3, 3.0, 2.4, CAB, (5.4,), 0.98),
    "dropside": partial(tipper, 7.1, 2.75, 2.4, CAB),
}
BUSES: dict[str, Callable[[], Mesh]] = {
    "town_bus": partial(bus, replace(stretched(CITY_BUS, 0.87, 0.95), section=_SLAB, roof=0.86, crown=0.22)),
}
TRAMS: dict[str, Callable[[], Mesh]] = {
    "old_tram": partial(tram, (13.0,), width=2.3, height=3.3, doors=3, depth=0.45, power=3.6)
}

_STROLL = Person(
    hips=(0.27, -0.26), knees=(0.06, 0.14), arms=(-0.62, 0.6), elbows=(0.15, 0.25), girth=1.16, lean=0.07,
    stance=0.18, spread=0.16, sides=10,
)  # fmt: skip
_STILL = replace(_STROLL, hips=(0.08, -0.07), knees=(0.03, 0.03), stance=0.22, spread=0.08, lean=0.0)
PEOPLE = {
    "strolling": _STROLL,
    "hurrying": replace(
        _STROLL,
        hips=(-0.4, 0.44),
        knees=(0.3, 0.1),
        arms=(0.7, -0.7),
        elbows=(0.2, 0.5),
        lean=0.12,
        case=True,
    ),
    "waiting": replace(_STILL, arms=(0.15, -0.05), elbows=(0.3, 0.3)),
    "hooded": replace(_STROLL, arms=(0.6, -0.6), hips=(-0.27, 0.27), hair="hood", coat=0.2, bag=True),
    "long_coat": replace(_STILL, arms=(0.05, -0.05), coat=0.6, hair="cap"),
    "long_skirt": replace(_STROLL, girth=1.0, shoulders=0.86, pelvis=1.12, skirt=0.62, hair="bun"),
    "small_boy": replace(_STROLL, scale=0.7, head=1.24, shorts=True, girth=1.0),
}
_SEATED = replace(
    _STROLL,
    stance=0.2,
    hips=(1.5, 1.36),
    knees=(1.6, 1.3),
    arms=(0.6, 0.5),
    elbows=(0.8, 0.9),
    lean=0.28,
    seat="bench",
)
SITTING = {"crouched": _SEATED, "upright": replace(_SEATED, lean=0.0, seat="chair", hair="cap")}
_ROADSTER = Bicycle(wheel=0.36, base=1.12, bar=1.14, grip=0.24, rack=True, basket=True, step_through=True)
CYCLISTS: dict[str, Callable[[], Mesh]] = {
    "roadster": partial(cyclist, _ROADSTER, Person(lean=0.16, girth=1.15, hair="cap", sides=10)),
    "courier": partial(
        cyclist,
        Bicycle(wheel=0.33, base=1.0, bar=1.0, grip=0.2, guards=False, crank=1.8, rack=True, steer=0.25),
        Person(lean=0.62, hair="hood", bag=True, sides=10),
    ),
}
BICYCLES: dict[str, Callable[[], Mesh]] = {"roadster_bike": partial(bicycle, _ROADSTER)}
MOTORCYCLES: dict[str, Callable[[], Mesh]] = {
    "moped": partial(
        motorcycle,
        Motorcycle(base=1.2, wheel=0.28, seat=0.78, bar=1.02, grip=0.3, bags=True),
        Person(lean=0.1, hair="helmet", sides=10),
    )
}
MISC: dict[str, Callable[[], Mesh]] = {"trailer": trailer, "caravan": partial(trailer, "caravan")}


def bodies() -> dict[str, dict[str, Callable[[], Mesh]]]:
    """Category -> model -> mesh maker."""
    return {
        "car": {name: partial(vehicle, v) for name, v in CARS.items()},
        "van": {name: partial(vehicle, v) for name, v in VANS.items()},
        "truck": TRUCKS,
        "bus": BUSES,
        "tram": TRAMS,
        "pedestrian": {name: partial(pedestrian, p) for name, p in PEOPLE.items()},
        "person_sitting": {name: partial(pedestrian, p) for name, p in SITTING.items()},
        "cyclist": CYCLISTS,
        "bicycle": BICYCLES,
        "motorcycle": MOTORCYCLES,
        "misc": MISC,
    }
