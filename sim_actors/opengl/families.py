"""The asset families, as data: bodies, materials, textures, light and film.

"simulator" is what the loop stages its requests with. "standin" is the embedded world's stand-in
for reality: other proportions, other materials and texture fields, another sky, sun and film, so
that the gap between the two is of the kinds that separate a simulator from photographs. Both hold
the same kinds of things under the same categories.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from sim_actors.opengl.materials import BASE, M, Material, Texture
from sim_actors.opengl.people import Bicycle, Person, bicycle, cyclist, pedestrian
from sim_actors.opengl.shapes import Mesh
from sim_actors.opengl.surroundings import (
    broadleaf,
    building,
    conifer,
    debris,
    hedge,
    pole,
    poplar,
    sign,
    wall,
)
from sim_actors.opengl.vehicles import Vehicle, trailer, tram, vehicle

Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class Light:
    """Sun and sky. Colours are linear RGB, relative to a white card in full sun of about 1.

    `sky_exponent` shapes the gradient from horizon to zenith; `clouds` in [0, 1] covers a clear
    sky; `cloud_scale` is their size; `fill` scales the light of the sky against the sun's; `bounce`
    is the light that the ground throws back; `softness` blurs the shadows' edges, m.
    """

    zenith: Rgb = (0.16, 0.34, 0.72)
    horizon: Rgb = (0.62, 0.74, 0.88)
    sun: Rgb = (1.0, 0.93, 0.82)
    low_sun: Rgb = (1.0, 0.48, 0.2)
    lamp: Rgb = (1.0, 0.72, 0.42)
    sky_exponent: float = 0.55
    clouds: float = 0.35
    cloud_scale: float = 0.55
    fill: float = 1.0
    sun_power: float = 2.3
    bounce: float = 0.22
    softness: float = 0.06


@dataclass(frozen=True)
class Ground:
    """Colours of the road and what lies beside it, and the contrast of its wear."""

    asphalt: Rgb = (0.085, 0.085, 0.088)
    concrete: Rgb = (0.26, 0.25, 0.235)
    gravel: Rgb = (0.22, 0.19, 0.15)
    pavement: Rgb = (0.25, 0.235, 0.225)
    verge: Rgb = (0.075, 0.115, 0.035)
    soil: Rgb = (0.17, 0.13, 0.085)
    paint: Rgb = (0.62, 0.62, 0.60)
    wear: float = 0.35
    slab: float = 0.6


@dataclass(frozen=True)
class Film:
    """The camera's response: (a x^2 + b x) / (c x^2 + d x + e), then gamma and saturation."""

    curve: tuple[float, float, float, float, float] = (2.51, 0.03, 2.43, 0.59, 0.14)
    saturation: float = 1.0
    gain: float = 0.62


@dataclass(frozen=True)
class Family:
    """One world's assets. `bodies`: category -> model name -> mesh maker; `props`: kind -> makers;
    `noise` names the texture field: "smooth" (summed gradients) or "cellular"."""

    name: str
    bodies: Mapping[str, Mapping[str, Callable[[], Mesh]]]
    props: Mapping[str, tuple[Callable[[], Mesh], ...]]
    materials: Mapping[M, Material] = field(default_factory=lambda: BASE)
    light: Light = Light()
    ground: Ground = Ground()
    film: Film = Film()
    noise: str = "smooth"
    noise_seed: int = 1
    window: tuple[float, float, float, float] = (2.7, 3.1, 0.42, 0.5)
    skins: tuple[Rgb, ...] = ((0.56, 0.34, 0.24), (0.4, 0.22, 0.14), (0.16, 0.08, 0.05))
    cloths: tuple[Rgb, ...] = (
        (0.03, 0.04, 0.09), (0.02, 0.02, 0.025), (0.18, 0.15, 0.11), (0.08, 0.08, 0.09), (0.1, 0.12, 0.2),
    )  # fmt: skip


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
        _CAR, length=4.5, width=1.86, height=1.7, nose=0.84, hood=1.1, belt=1.1, deck=1.08, sill=0.28, back=0.3,
        tail=0.1, wheel=0.37, tumble=0.76, panes=(0.4, 0.72, 0.96),
    ),
}  # fmt: skip
_VAN = Vehicle(
    length=5.2, width=1.96, height=2.2, nose=0.85, hood=1.15, cowl=0.75, screen=0.75, back=0.08, tail=0.04,
    deck=1.15, belt=1.2, sill=0.24, tumble=0.86, taper=0.86, panes=(0.28,), glazed_rear=False, wheel=0.34,
    axles=(0.9, 4.15),
)  # fmt: skip
_SIMULATOR_VANS = {
    "delivery_van": replace(_VAN, panes=()),
    "minibus": replace(_VAN, panes=(0.25, 0.5, 0.75, 0.97), glazed_rear=True),
    "people_carrier": replace(
        _VAN, length=4.7, width=1.85, height=1.78, cowl=0.85, screen=0.9, hood=1.05, belt=1.02, deck=1.0,
        back=0.22, glazed_rear=True, panes=(0.36, 0.7, 0.97), axles=(0.85, 3.7), tumble=0.8,
    ),
}  # fmt: skip
_TRUCK = Vehicle(
    length=7.6, width=2.45, height=3.2, nose=1.0, hood=1.42, cowl=0.16, screen=0.3, back=0.05, tail=0.02,
    deck=1.35, belt=1.45, sill=0.42, tumble=0.9, taper=0.93, panes=(), glazed_rear=False, wheel=0.47,
    axles=(1.1, 5.4), box_body=(5.6, 1.05),
)  # fmt: skip
_SIMULATOR_TRUCKS = {
    "box_truck": replace(_TRUCK, panes=(0.7,)),
    "tipper": replace(_TRUCK, length=7.0, height=2.75, box_body=(4.9, 1.15), open_bed=True, panes=(0.7,)),
    "lorry": replace(_TRUCK, length=10.5, height=3.6, box_body=(8.3, 1.1), axles=(1.2, 6.9, 8.2), panes=(0.7,)),
}
_BUS = Vehicle(
    length=11.5, width=2.52, height=3.0, nose=0.95, hood=1.15, cowl=0.08, screen=0.35, back=0.1, tail=0.04,
    deck=1.2, belt=1.15, sill=0.32, tumble=0.92, taper=0.95, panes=(0.1, 0.24, 0.38, 0.52, 0.66, 0.8, 0.97),
    wheel=0.48, axles=(2.6, 8.6), skirt=True,
)  # fmt: skip

_WALK = Person(hips=(0.42, -0.36), knees=(0.12, 0.42), arms=(-0.4, 0.42), lean=0.05)
_SIMULATOR_PEOPLE = {
    "walking": _WALK,
    "striding": replace(_WALK, hips=(-0.5, 0.52), knees=(0.55, 0.1), arms=(0.55, -0.45)),
    "standing": Person(hips=(0.03, -0.03)),
    "standing_coat": Person(coat=0.38, girth=1.08, arms=(0.15, 0.0)),
    "walking_bag": replace(_WALK, hips=(-0.28, 0.36), knees=(0.3, 0.1), arms=(0.3, -0.3), bag=True),
}
_SEATED = Person(hips=(1.45, 1.4), knees=(1.42, 1.5), arms=(0.5, 0.45), elbow=0.9, lean=0.04, seat=True)
_RIDER = Person(lean=0.6)


def _vehicles(table: Mapping[str, Vehicle]) -> dict[str, Callable[[], Mesh]]:
    return {name: partial(vehicle, v) for name, v in table.items()}


def _people(table: Mapping[str, Person]) -> dict[str, Callable[[], Mesh]]:
    return {name: partial(pedestrian, p) for name, p in table.items()}


SIMULATOR = Family(
    name="simulator",
    bodies={
        "car": _vehicles(_SIMULATOR_CARS),
        "van": _vehicles(_SIMULATOR_VANS),
        "truck": _vehicles(_SIMULATOR_TRUCKS),
        "bus": _vehicles({"city_bus": _BUS, "coach": replace(_BUS, height=3.4, belt=1.6, deck=1.6)}),
        "tram": {"tram": tram, "short_tram": partial(tram, length=11.0, doors=3)},
        "pedestrian": _people(_SIMULATOR_PEOPLE),
        "person_sitting": _people({"sitting": _SEATED, "sitting_back": replace(_SEATED, lean=-0.18)}),
        "cyclist": {
            "city_bike": partial(cyclist, Bicycle(), replace(_RIDER, lean=0.35)),
            "road_bike": partial(cyclist, Bicycle(bar=0.98, saddle=0.98), replace(_RIDER, lean=0.8)),
        },
        "bicycle": {"bicycle": partial(bicycle, Bicycle())},
        "misc": {"trailer": trailer},
    },
    props={
        "building": (partial(building, "gable", 0.3), partial(building, "flat", 0.04), partial(building, "hip", 0.25)),
        "tree": tuple(partial(broadleaf, s, 4 + s % 3, 1.6 + 0.3 * (s % 3), 0.22) for s in range(4)),
        "pole": (partial(pole, 0.0), partial(pole, 1.3)),
        "sign": (partial(sign, 16, 0.0), partial(sign, 3, 1.5708), partial(sign, 4, 0.7854)),
        "hedge": (partial(hedge, 1, 0.08), partial(hedge, 2, 0.13)),
        "wall": (partial(wall, 0.0),),
        "debris": tuple(partial(debris, s) for s in range(3)),
    },
)

_STANDIN_CAR = Vehicle(
    length=4.3, width=1.78, height=1.5, nose=0.74, hood=0.98, cowl=1.45, screen=0.5, back=0.85, tail=0.25,
    deck=1.04, belt=0.9, sill=0.24, tumble=0.8, taper=0.9, panes=(0.45,), wheel=0.35, axles=(0.75, 3.4),
)  # fmt: skip
_STANDIN_VAN = replace(
    _VAN, length=4.9, height=2.0, cowl=1.15, screen=0.5, hood=1.1, nose=0.9, tumble=0.92, back=0.04, belt=1.1,
    panes=(0.3,), wheel=0.32, axles=(0.75, 3.9),
)  # fmt: skip
_STANDIN_TRUCK = replace(
    _TRUCK, length=7.2, height=3.0, nose=1.15, hood=1.5, cowl=1.1, screen=0.35, belt=1.5, box_body=(4.7, 0.95),
    panes=(0.55,), axles=(0.9, 5.0), wheel=0.5, tumble=0.84,
)  # fmt: skip
_STANDIN_WALK = Person(hips=(0.3, -0.26), knees=(0.06, 0.3), arms=(-0.25, 0.3), girth=1.15, lean=0.09, sides=10)

STANDIN = Family(
    name="standin",
    bodies={
        "car": _vehicles(
            {
                "saloon": replace(_STANDIN_CAR, length=4.6, tail=0.55, back=0.55, axles=(0.8, 3.6)),
                "fastback": _STANDIN_CAR,
                "city_car": replace(
                    _STANDIN_CAR, length=3.5, width=1.62, height=1.54, cowl=0.72, screen=0.7, back=0.28, tail=0.06,
                    hood=0.98, deck=1.0, axles=(0.6, 2.9), panes=(0.55,), wheel=0.3,
                ),
                "wagon": replace(_STANDIN_CAR, length=4.55, back=0.2, tail=0.05, panes=(0.34, 0.64, 0.93)),
                "offroader": replace(
                    _STANDIN_CAR, length=4.2, height=1.82, nose=0.98, hood=1.1, belt=1.15, screen=0.28, back=0.06,
                    tail=0.02, cowl=1.3, deck=1.1, sill=0.36, wheel=0.39, tumble=0.9, taper=0.95, spare=True,
                ),
            }
        ),
        "van": _vehicles(
            {
                "panel_van": replace(_STANDIN_VAN, panes=()),
                "shuttle": replace(_STANDIN_VAN, panes=(0.22, 0.6, 0.95), glazed_rear=True),
            }
        ),
        "truck": _vehicles(
            {
                "bonneted_truck": _STANDIN_TRUCK,
                "dropside": replace(_STANDIN_TRUCK, height=2.7, open_bed=True),
            }
        ),
        "bus": _vehicles({"town_bus": replace(_BUS, length=10.2, height=2.85, belt=1.05, taper=0.85, tumble=0.82)}),
        "tram": {"old_tram": partial(tram, length=13.0, width=2.3, height=3.3, doors=3, round_=0.55)},
        "pedestrian": _people(
            {
                "strolling": _STANDIN_WALK,
                "hurrying": replace(
                    _STANDIN_WALK, hips=(-0.44, 0.6), knees=(0.7, 0.16), arms=(0.6, -0.55), elbow=0.9, lean=0.14
                ),
                "waiting": Person(hips=(0.06, -0.04), girth=1.2, arms=(0.3, 0.25), elbow=1.1, sides=10),
                "hooded": replace(_STANDIN_WALK, hips=(-0.2, 0.24), hood=True, coat=0.2),
                "long_coat": Person(coat=0.55, girth=1.12, arms=(0.05, -0.1), sides=10, hips=(0.1, -0.1)),
            }
        ),
        "person_sitting": _people(
            {"crouched": replace(_SEATED, lean=0.3, girth=1.15, hips=(1.5, 1.3), knees=(1.6, 1.2), sides=10)}
        ),
        "cyclist": {
            "roadster": partial(
                cyclist, Bicycle(wheel=0.36, base=1.1, bar=1.12, rack=True, step_through=True),
                Person(lean=0.2, girth=1.15, sides=10),
            ),
            "courier": partial(
                cyclist, Bicycle(wheel=0.33, base=1.0, bar=1.0), Person(lean=0.65, hood=True, bag=True, sides=10)
            ),
        },
        "bicycle": {"roadster_bike": partial(bicycle, Bicycle(wheel=0.36, base=1.1, rack=True, step_through=True))},
        "misc": {"trailer": trailer},
    },
    props={
        "building": (partial(building, "hip", 0.38), partial(building, "gable", 0.42), partial(building, "flat", 0.07)),
        "tree": (*(partial(conifer, s, 4 + s, 1.5 - 0.15 * s) for s in range(3)), partial(poplar, 1), partial(poplar, 2)),
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
        M.FACADE: Material((0.36, 0.22, 0.16), Texture.FACADE, 1, 0.6),
        M.ROOF: Material((0.10, 0.10, 0.115), Texture.TILES, 2, 0.25),
        M.CLOTH_UPPER: Material((0.25, 0.25, 0.25), Texture.CLOTH, 1, 0.85),
    },
    light=Light(
        zenith=(0.26, 0.38, 0.58), horizon=(0.80, 0.80, 0.78), sun=(1.0, 0.96, 0.9), low_sun=(1.0, 0.6, 0.36),
        lamp=(0.9, 0.82, 0.7), sky_exponent=0.85, clouds=0.6, cloud_scale=0.3, fill=1.35, sun_power=1.8,
        bounce=0.3, softness=0.12,
    ),
    ground=Ground(
        asphalt=(0.13, 0.125, 0.12), concrete=(0.31, 0.30, 0.28), pavement=(0.20, 0.19, 0.18),
        verge=(0.12, 0.12, 0.05), soil=(0.12, 0.095, 0.07), paint=(0.5, 0.5, 0.47), wear=0.6, slab=0.35,
    ),
    film=Film(curve=(1.0, 0.0, 1.0, 0.35, 0.02), saturation=0.82, gain=0.75),
    noise="cellular",
    noise_seed=2,
    window=(2.1, 2.8, 0.55, 0.62),
)  # fmt: skip

FAMILIES: dict[str, Family] = {family.name: family for family in (SIMULATOR, STANDIN)}
