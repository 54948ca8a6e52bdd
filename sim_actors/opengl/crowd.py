"""The simulator's people: poses and clothes of pedestrians, riders and those who sit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from sim_actors.opengl.people import Person
from sim_actors.opengl.shapes import Mesh
from sim_actors.opengl.two_wheelers import Bicycle, Motorcycle, bicycle, cyclist, motorcycle

WOMAN = Person(shoulders=0.87, pelvis=1.06, girth=0.92, hair="long", scale=0.95)
CHILD = Person(scale=0.66, head=1.3, girth=1.04, shoulders=0.92)

_WALK = {
    "hips": (0.42, -0.38),
    "knees": (0.08, 0.3),
    "arms": (-0.5, 0.5),
    "elbows": (0.2, 0.45),
    "lean": 0.05,
}
_STRIDE = {
    "hips": (-0.45, 0.5),
    "knees": (0.4, 0.1),
    "arms": (0.55, -0.55),
    "elbows": (0.5, 0.15),
    "lean": 0.06,
}
_RUN = {"hips": (0.85, -0.4), "knees": (0.75, 0.95), "arms": (-0.75, 0.5), "elbows": (1.3, 1.5), "lean": 0.16}
_SIT = {"hips": (1.5, 1.45), "knees": (1.45, 1.5), "arms": (0.45, 0.4), "elbows": (0.8, 0.9)}


def _posed(person: Person, *poses: dict[str, object], **more: object) -> Person:
    fields: dict[str, object] = {}
    for pose in poses:
        fields |= pose
    return replace(person, **(fields | more))  # type: ignore[arg-type]


PEDESTRIANS = {
    "walking": _posed(Person(), _WALK),
    "striding": _posed(Person(), _STRIDE, coat=0.28, girth=1.05),
    "running": _posed(Person(), _RUN, shorts=True, sleeves=False),
    "standing": Person(hips=(0.1, -0.06), arms=(0.15, -0.05), stance=0.15, spread=0.16),
    "standing_coat": Person(coat=0.4, girth=1.1, arms=(0.25, 0.1), elbows=(0.9, 0.3), hair="cap"),
    "walking_bag": _posed(Person(), _STRIDE, bag=True, hips=(-0.32, 0.36), arms=(0.35, -0.35)),
    "woman_walking": _posed(WOMAN, _STRIDE, case=True),
    "woman_skirt": _posed(WOMAN, _WALK, skirt=0.42, hips=(0.3, -0.28), sleeves=False),
    "woman_standing": _posed(WOMAN, coat=0.3, hips=(0.08, -0.05), arms=(0.2, 0.5), elbows=(0.5, 1.4)),
    "woman_bag": _posed(WOMAN, _WALK, bag=True, hair="bun"),
    "child_walking": _posed(CHILD, _WALK, bag=True),
    "child_standing": _posed(CHILD, hair="cap", arms=(0.2, -0.1), spread=0.2),
    "child_running": _posed(CHILD, _RUN, hair="long", skirt=0.25, hips=(0.6, -0.4), knees=(0.5, 0.7)),
}
SITTING = {
    "sitting": _posed(Person(), _SIT, seat="chair"),
    "sitting_back": _posed(Person(), _SIT, lean=-0.18, seat="bench", hips=(1.4, 1.35), knees=(1.1, 1.2)),
    "sitting_woman": _posed(WOMAN, _SIT, lean=0.1, seat="chair", hair="bun"),
}
CYCLISTS: dict[str, Callable[[], Mesh]] = {
    "city_bike": partial(cyclist, Bicycle(rack=True, bar=1.08), Person(lean=0.32, stance=0.1)),
    "road_bike": partial(
        cyclist,
        Bicycle(bar=0.96, saddle=0.98, drop=True, grip=0.21, guards=False, crank=1.2),
        Person(lean=0.86, hair="helmet", shorts=True, sleeves=False, shoulders=0.95),
    ),
    "step_through": partial(
        cyclist,
        Bicycle(bar=1.12, saddle=0.9, step_through=True, basket=True, rack=True, crank=-0.4),
        replace(WOMAN, lean=0.18),
    ),
    "commuter": partial(
        cyclist, Bicycle(bar=1.04, crank=2.2, grip=0.24), Person(lean=0.5, hair="helmet", bag=True)
    ),
}
MOTORCYCLES: dict[str, Callable[[], Mesh]] = {
    "motorcycle": partial(motorcycle, Motorcycle(), Person(lean=0.4, hair="full_face", girth=1.08)),
    "scooter": partial(
        motorcycle,
        Motorcycle(base=1.26, wheel=0.25, seat=0.76, bar=1.04, grip=0.3, scooter=True, case=True),
        Person(lean=0.06, hair="full_face"),
    ),
    "tourer": partial(
        motorcycle,
        Motorcycle(base=1.5, bar=1.1, grip=0.38, case=True),
        Person(lean=0.15, hair="full_face", girth=1.12),
    ),
}
BICYCLES: dict[str, Callable[[], Mesh]] = {
    "bicycle": partial(bicycle, Bicycle()),
    "step_through": partial(bicycle, Bicycle(step_through=True, bar=1.12, basket=True)),
}
