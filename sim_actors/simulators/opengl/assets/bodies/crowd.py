"""The simulator's people: poses and clothes of pedestrians, riders and those who sit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from sim_actors.simulators.opengl.assets.bodies.people import Person
from sim_actors.simulators.opengl.assets.bodies.two_wheelers import (
    Bicycle,
    Motorcycle,
    bicycle,
    cyclist,
    motorcycle,
)
from sim_actors.simulators.opengl.assets.shapes import Mesh

WOMAN = Person(shoulders=0.87, pelvis=1.06, girth=0.92, hair="long", scale=0.95)
CHILD = Person(scale=0.66, head=1.3, girth=1.04, shoulders=0.92)

# Arms swing about as far as the feet stride, and the feet stand apart: the body then reaches into the
# corners of its cuboid, as labelled cuboids of walkers are filled.
_WALK = {"hips": (0.31, -0.3), "knees": (0.05, 0.16), "arms": (-0.58, 0.55), "elbows": (0.12, 0.24)}
_STRIDE = {"hips": (-0.3, 0.33), "knees": (0.2, 0.06), "arms": (0.55, -0.59), "elbows": (0.24, 0.12)}
_RUN = {"hips": (0.8, -0.4), "knees": (0.75, 0.9), "arms": (-0.75, 0.45), "elbows": (1.0, 1.4), "lean": 0.14}
_STAND = {"hips": (0.09, -0.09), "knees": (0.02, 0.02), "stance": 0.21, "spread": 0.1}
_APART = {"stance": 0.17, "spread": 0.19}
_SIT = {"hips": (1.5, 1.45), "knees": (1.45, 1.5), "arms": (0.45, 0.4), "elbows": (0.8, 0.9), "stance": 0.2}


def _posed(person: Person, *poses: Mapping[str, object], **more: object) -> Person:
    fields: dict[str, object] = {}
    for pose in poses:
        fields |= pose
    return replace(person, **(fields | more))  # type: ignore[arg-type]


PEDESTRIANS = {
    "walking": _posed(Person(), _WALK, _APART, lean=0.04),
    "striding": _posed(Person(), _STRIDE, _APART, coat=0.28, girth=1.05),
    "running": _posed(Person(), _RUN, shorts=True, sleeves=False, stance=0.17, spread=0.08),
    "standing": _posed(Person(), _STAND, arms=(0.15, -0.05)),
    "standing_coat": _posed(
        Person(), _STAND, coat=0.4, girth=1.1, arms=(0.25, 0.1), elbows=(0.9, 0.3), hair="cap"
    ),
    "walking_bag": _posed(Person(), _STRIDE, _APART, bag=True),
    "woman_walking": _posed(WOMAN, _STRIDE, _APART, case=True),
    "woman_skirt": _posed(
        WOMAN, _WALK, _APART, skirt=0.42, hips=(0.29, -0.28), arms=(-0.5, 0.5), sleeves=False
    ),
    "woman_standing": _posed(WOMAN, _STAND, coat=0.3, arms=(0.05, -0.05), elbows=(0.2, 0.4)),
    "woman_bag": _posed(WOMAN, _WALK, _APART, bag=True, hair="bun"),
    "child_walking": _posed(CHILD, _WALK, _APART, stance=0.16, spread=0.15),
    "child_standing": _posed(CHILD, _STAND, hair="cap", arms=(0.2, -0.1)),
    "child_running": _posed(CHILD, _STRIDE, _APART, hair="long", skirt=0.25),
}
SITTING = {
    "sitting": _posed(Person(), _SIT, seat="chair"),
    "sitting_back": _posed(Person(), _SIT, lean=-0.18, seat="bench", hips=(1.4, 1.35), knees=(1.1, 1.2)),
    "sitting_woman": _posed(WOMAN, _SIT, lean=0.1, seat="chair", hair="bun"),
}
CYCLISTS: dict[str, Callable[[], Mesh]] = {
    "city_bike": partial(cyclist, Bicycle(rack=True, bar=1.08, grip=0.22, steer=0.2), Person(lean=0.32)),
    "road_bike": partial(
        cyclist,
        Bicycle(bar=0.96, saddle=0.98, drop=True, grip=0.18, guards=False, crank=1.2, steer=0.22),
        Person(lean=0.86, hair="helmet", shorts=True, sleeves=False, shoulders=0.95),
    ),
    "step_through": partial(
        cyclist,
        Bicycle(bar=1.12, saddle=0.9, step_through=True, basket=True, rack=True, crank=-0.4, grip=0.22),
        replace(WOMAN, lean=0.18),
    ),
    "commuter": partial(
        cyclist,
        Bicycle(bar=1.04, crank=2.2, grip=0.22, rack=True, steer=-0.25),
        Person(lean=0.5, hair="helmet", bag=True),
    ),
}
MOTORCYCLES: dict[str, Callable[[], Mesh]] = {
    "motorcycle": partial(motorcycle, Motorcycle(grip=0.3), Person(lean=0.4, hair="full_face", girth=1.08)),
    "scooter": partial(
        motorcycle,
        Motorcycle(base=1.26, wheel=0.25, seat=0.76, bar=1.04, grip=0.3, scooter=True, case=True),
        Person(lean=0.06, hair="full_face"),
    ),
    "tourer": partial(
        motorcycle,
        Motorcycle(base=1.5, bar=1.1, grip=0.32, case=True, bags=True),
        Person(lean=0.15, hair="full_face", girth=1.12),
    ),
}
BICYCLES: dict[str, Callable[[], Mesh]] = {
    "bicycle": partial(bicycle, Bicycle(steer=0.3, grip=0.23)),
    "step_through": partial(bicycle, Bicycle(step_through=True, bar=1.12, basket=True, rack=True, grip=0.23)),
}
