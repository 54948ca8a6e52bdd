"""What hides a thing, taken away or put there."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from imitation.data.records import Box, Cuboid
from sim_actors.changes.factor import Factor, Subject, without
from sim_actors.scene.footprint import Footprint, overlaps_any
from sim_actors.scene.ground import ground_y
from sim_actors.scene.projection import projected_box
from sim_actors.scene.records import Prop, Scene

HIDDEN = 0.05
"""From this share of its pixels on, a thing counts as hidden."""
_NEAREST = 3.0  # m, of a thing that is put before another
_GREY = (0.32, 0.31, 0.29)


def occluder(scene: Scene, subject: Subject, rng: np.random.Generator) -> Scene | None:
    """Without whatever stands before the subject. Not where nothing hides it."""
    hidden = subject.label.occlusion
    if hidden is not None and hidden < HIDDEN:
        return None
    actors, props = before(scene, subject.actor)
    return without(scene, subject.actor, actors, props) if actors or props else None


def before(scene: Scene, index: int) -> tuple[list[int], list[int]]:
    """The actors and the props (indices) that stand nearer than an actor and whose boxes meet its box in the
    picture."""
    own = scene.actors[index].cuboid
    box, away = projected_box(own, scene.camera), math.hypot(own.x, own.z)
    actors = [
        i for i, actor in enumerate(scene.actors) if i != index and _covers(actor.cuboid, scene, box, away)
    ]
    props = [i for i, prop in enumerate(scene.props) if _covers(_solid(prop, scene), scene, box, away)]
    return actors, props


def _covers(thing: Cuboid, scene: Scene, box: Box, away: float) -> bool:
    if Footprint.of(thing).distance() >= away or max(corner[2] for corner in thing.corners()) <= 0:
        return False
    return projected_box(thing, scene.camera).common(box) > 0


def _solid(prop: Prop, scene: Scene) -> Cuboid:
    y = ground_y(scene.camera, prop.z) - prop.lift
    return Cuboid(prop.x, y, prop.z, prop.length, prop.width, prop.height, prop.yaw)


def covered(scene: Scene, index: int, share: float) -> Scene | None:
    """The scene with a wall before an actor that hides about this share of it in [0, 1], from its foot on the
    side nearer to the middle of the picture; what else stood before it is taken away. None where there is
    no room for it."""
    bare = without(scene, index, *before(scene, index))
    if share == 0:
        return bare
    own = bare.focus[0]
    for wall in _walls(bare, own, share):
        taken = [Footprint.of(actor.cuboid) for actor in bare.actors]
        if not overlaps_any(Footprint.of(wall), taken):
            at = Footprint.of(wall)
            props = tuple(prop for prop in bare.props if not overlaps_any(at, [Footprint.of(prop)]))
            return replace(bare, props=(*props, wall))
    return None


def _walls(scene: Scene, index: int, share: float) -> Iterator[Prop]:
    """Walls across the line of sight at several distances, as wide in the picture as the share asks for."""
    cuboid, camera = scene.actors[index].cuboid, scene.camera
    box = projected_box(cuboid, camera)
    left = (box.x1 + box.x2) / 2 < scene.width / 2  # the wall comes from the middle of the picture
    edge = box.x2 - share * box.width if left else box.x1
    for near in (0.85, 0.75, 0.65, 0.5):
        z = cuboid.z * near
        if z < _NEAREST:
            return
        width = share * box.width / camera.fx * z
        middle = (edge + share * box.width / 2 - camera.cx) / camera.fx * z
        high = ground_y(camera, z) - (box.y1 - camera.cy) / camera.fy * z
        yield Prop("wall", middle, z, width, 0.25, max(high * 1.05, 0.2), 0.0, _GREY, 7)


OCCLUDER = Factor(occluder, "without what hides it", shows=True)
