"""What a factor is: a change of one thing in a scene, about one of its actors."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import numpy as np

from imitation.data.records import Cuboid, Frame, Object
from sim_actors.scene.footprint import Footprint, overlaps_any
from sim_actors.scene.ground import ground_y
from sim_actors.scene.records import Actor, Scene
from sim_actors.simulators.contract import SAME_PLACE_M


@dataclass(frozen=True, eq=False)
class Subject:
    """The actor that a change is about, as it shows where nothing is changed.

    `actor` is its index in the scene's actors; `label` what the frame of the unchanged scene says of it (its
    box, px; occlusion and truncation in [0, 1]); `image` that frame's pixels, uint8 (height, width, 3).
    """

    actor: int
    label: Object
    image: np.ndarray


Change = Callable[[Scene, Subject, np.random.Generator], Scene | None]
"""The scene with one thing changed; None where that does not apply to the subject. Every draw is from the
generator. `Scene.focus` of the result names the subject alone: its index may be another where actors go."""


@dataclass(frozen=True)
class Factor:
    """A change and how it is told. `said` goes on "would be found ...". `shows`: it is meant to change how
    much of the subject is to be seen; of any other factor a scene where that changes too is not counted."""

    change: Change
    said: str
    shows: bool = False

    def __call__(self, scene: Scene, subject: Subject, rng: np.random.Generator) -> Scene | None:
        """The changed scene, or None where the factor does not apply."""
        return self.change(scene, subject, rng)


def subject_label(frame: Frame, scene: Scene) -> int | None:
    """Which of a frame's objects is the actor in the scene's focus (the first): the nearest of its category
    within half a metre; None where there is none, as where it cannot be seen."""
    actor = scene.actors[scene.focus[0]]
    found = [
        (math.dist(_place(obj.cuboid), _place(actor.cuboid)), i)
        for i, obj in enumerate(frame.objects)
        if obj.cuboid is not None and obj.category == actor.category
    ]
    near = min(found, default=(math.inf, -1))
    return near[1] if near[0] <= SAME_PLACE_M else None


def _place(cuboid: Cuboid) -> tuple[float, float, float]:
    return cuboid.x, cuboid.y, cuboid.z


def with_actor(scene: Scene, index: int, actor: Actor) -> Scene:
    """The scene with this actor in the place of that one."""
    actors = (*scene.actors[:index], actor, *scene.actors[index + 1 :])
    return replace(scene, actors=actors, focus=(index,))


def without(scene: Scene, subject: int, actors: Collection[int] = (), props: Collection[int] = ()) -> Scene:
    """The scene without these actors and props (indices), which the subject is not among."""
    kept = [i for i in range(len(scene.actors)) if i not in actors]
    return replace(
        scene,
        actors=tuple(scene.actors[i] for i in kept),
        props=tuple(prop for i, prop in enumerate(scene.props) if i not in props),
        focus=(kept.index(subject),),
    )


def at_distance(scene: Scene, index: int, distance: float) -> Scene | None:
    """The scene with an actor moved along its line of sight, on the ground, to a distance (m, seen from
    above): it is seen from the same side. None where something else stands there."""
    actor = scene.actors[index]
    old = actor.cuboid
    factor = distance / math.hypot(old.x, old.z)
    z = old.z * factor
    over = old.y - ground_y(scene.camera, old.z)
    moved = replace(old, x=old.x * factor, z=z, y=ground_y(scene.camera, z) + over)
    others = [Footprint.of(other.cuboid) for i, other in enumerate(scene.actors) if i != index]
    others += [Footprint.of(prop) for prop in scene.props if prop.lift == 0]
    if overlaps_any(Footprint.of(moved), others):
        return None
    return with_actor(scene, index, replace(actor, cuboid=moved))
