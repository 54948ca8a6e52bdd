"""Where a thing is and where it faces."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TypeVar

import numpy as np

from imitation.data.records import Cuboid
from sim_actors.changes.factor import Factor, Subject, at_distance, with_actor
from sim_actors.scene.records import Prop, Scene
from sim_actors.scene.roads import wrap

T = TypeVar("T", Cuboid, Prop)
STEP = 10.0  # m
LEAST = 5.0  # m: nearer than this it fills the picture, or leaves it
MIDDLE = 0.05
"""A thing whose middle lies within this share of the picture's width from the picture's middle is in neither
half."""


def nearer(scene: Scene, subject: Subject, rng: np.random.Generator) -> Scene | None:
    """The subject 10 m nearer along its line of sight. Not where that is nearer than 5 m, or taken."""
    cuboid = scene.actors[subject.actor].cuboid
    distance = math.hypot(cuboid.x, cuboid.z) - STEP
    return None if distance < LEAST else at_distance(scene, subject.actor, distance)


def turned(scene: Scene, subject: Subject, rng: np.random.Generator) -> Scene | None:
    """The subject facing the other way."""
    actor = scene.actors[subject.actor]
    cuboid = replace(actor.cuboid, yaw=wrap(actor.cuboid.yaw + math.pi))
    return with_actor(scene, subject.actor, replace(actor, cuboid=cuboid))


def mirrored(scene: Scene, subject: Subject, rng: np.random.Generator) -> Scene | None:
    """The whole scene mirrored, so that the subject is in the other half of the picture and nothing else has
    changed for it. Not where it is in neither half."""
    box = subject.label.box
    if scene.backdrop is not None or abs((box.x1 + box.x2) / 2 / scene.width - 0.5) <= MIDDLE:
        return None
    light = scene.environment
    return replace(
        scene,
        camera=replace(scene.camera, cx=scene.width - scene.camera.cx),
        actors=tuple(replace(actor, cuboid=_mirror(actor.cuboid)) for actor in scene.actors),
        props=tuple(_mirror(prop) for prop in scene.props),
        road=replace(
            scene.road,
            heading=-scene.road.heading,
            offset=-scene.road.offset,
            curvature=-scene.road.curvature,
        ),
        environment=replace(light, sun_azimuth=-light.sun_azimuth),
        focus=(subject.actor,),
    )


def _mirror(thing: T) -> T:
    return replace(thing, x=-thing.x, yaw=wrap(math.pi - thing.yaw))


NEARER = Factor(nearer, "10 m nearer")
TURNED = Factor(turned, "facing the other way")
MIRRORED = Factor(mirrored, "in the other half of the picture")
