"""What the embedded simulator can stage, and why not the rest."""

from __future__ import annotations

import math
from collections.abc import Iterator

from sim_actors.scene.records import Actor, Prop, Scene
from sim_actors.simulators.opengl.assets.families import FAMILIES
from sim_actors.simulators.opengl.assets.family import Family
from sim_actors.simulators.opengl.assets.meshes import bodies_of

MAX_SIDE = 8192
MAX_ACTORS = 65534


def problems(scene: Scene) -> list[str]:
    """Why a scene cannot be staged, a sentence each that names the field; empty if it can. Values that no
    scene may have come first, and alone."""
    if found := scene.problems():
        return found
    family = FAMILIES.get(scene.family)
    if family is None:
        return [f"family: no asset family {scene.family!r}; known are {', '.join(FAMILIES)}"]
    found = [*_whole(scene)]
    for index, actor in enumerate(scene.actors):
        found += [f"actors[{index}]{what}" for what in _actor(actor, family)]
    for index, prop in enumerate(scene.props):
        found += [f"props[{index}]{what}" for what in _prop(prop, family)]
    return [*found, *_backdrop(scene)]


def _backdrop(scene: Scene) -> Iterator[str]:
    backdrop = scene.backdrop
    if backdrop is None:
        return
    photo = backdrop.photo
    if photo is None or photo.image is None:
        yield (
            f"backdrop: the photo of frame {backdrop.frame_id!r} is not with the scene, only its name; "
            "give it back with scene.backdrop.of(frame)"
        )
    elif (photo.width, photo.height) != (scene.width, scene.height):
        yield (
            f"backdrop: the photo is {photo.width}x{photo.height} px, the scene {scene.width}x{scene.height}"
        )


def _whole(scene: Scene) -> Iterator[str]:
    if max(scene.width, scene.height) > MAX_SIDE:
        yield f"width, height: {scene.width}x{scene.height} px; sides of up to {MAX_SIDE} px can be drawn"
    if scene.camera.pitch is not None and not abs(scene.camera.pitch) < math.pi / 3:
        yield f"camera.pitch: must lie within 60 degrees of level, found {scene.camera.pitch} rad"
    things = len(scene.actors) + (0 if scene.backdrop is None else len(scene.backdrop.occluders))
    if things > MAX_ACTORS:
        yield f"actors: {things}; at most {MAX_ACTORS} can be told apart"


def _actor(actor: Actor, family: Family) -> Iterator[str]:
    bodies = bodies_of(family, actor.category)
    if not bodies:
        yield f".category: no body for {actor.category!r}; known are {', '.join(family.bodies)}"
    elif actor.model and actor.model not in bodies:
        yield f".model: no {actor.category} {actor.model!r}; known are {', '.join(bodies)}"


def _prop(prop: Prop, family: Family) -> Iterator[str]:
    if prop.kind not in family.props:
        yield f".kind: no prop {prop.kind!r}; known are {', '.join(family.props)}"
