"""Flying distractors: geometric shapes of any colour that float in view and carry no label.

Tremblay et al., "Training Deep Networks with Synthetic Data: Bridging the Reality Gap by Domain
Randomization", CVPR Workshops 2018: a detector that has seen them does not take what is merely odd for
an object.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from imitation.data.records import Box, Cuboid
from sim_actors.scene.footprint import Footprint, overlaps_any
from sim_actors.scene.ground import ground_y
from sim_actors.scene.projection import projected_box
from sim_actors.scene.records import Prop, Scene

_TRIES = 6


def draw_distractors(scene: Scene, most: int, cover: float, rng: np.random.Generator) -> Scene:
    """The scene with up to `most` shapes more, some 0.2 to 1.4 m large, between 3 and 45 m ahead.

    None is in an actor, and all of them together cover at most the share `cover` of any labelled actor's
    box. With `most` 0 nothing is drawn and the scene is the same.
    """
    if most <= 0:
        return scene
    boxes = [
        projected_box(actor.cuboid, scene.camera).clipped(scene.width, scene.height)
        for actor in scene.actors
        if actor.labelled
    ]
    covered = np.zeros(len(boxes))
    marks = [Footprint.of(actor.cuboid, 0.3) for actor in scene.actors]
    shapes: list[Prop] = []
    for _ in range(int(rng.integers(0, most + 1))):
        for _ in range(_TRIES):
            shape = _shape(scene, rng)
            outline = _outline(shape, scene)
            more = np.array([outline.common(box) / max(box.area, 1e-9) for box in boxes])
            if overlaps_any(Footprint.of(shape), marks) or np.any(covered + more > cover):
                continue
            covered = covered + more
            shapes.append(shape)
            break
    return replace(scene, props=(*scene.props, *shapes))


def _shape(scene: Scene, rng: np.random.Generator) -> Prop:
    """A shape at a random pixel and depth; its colours are saturated as often as not."""
    camera = scene.camera
    z = float(3.0 * 15.0 ** rng.random())
    x = (float(rng.uniform(0, scene.width)) - camera.cx) / camera.fx * z
    size = float(0.2 * 7.0 ** rng.random()) * min(1.0, 0.35 + z / 20.0)
    sky = (float(rng.uniform(0.02, 0.98)) * scene.height - camera.cy) / camera.fy * z
    lift = max(ground_y(camera, z) - sky - size / 2, 0.0)
    stretch = rng.uniform(0.6, 1.0, 3)
    length, width, height = (float(size * s) for s in stretch)
    grey = float(rng.random()) * float(rng.random() < 0.5)
    r, g, b = (float(c * (1 - grey) + 0.5 * grey) for c in rng.uniform(0.01, 0.95, 3))
    yaw, seed = float(rng.uniform(-math.pi, math.pi)), int(rng.integers(2**31))
    return Prop("distractor", x, z, length, width, height, yaw, (r, g, b), seed, lift)


def _outline(shape: Prop, scene: Scene) -> Box:
    """The box of the shape's cuboid, px, within the picture."""
    y = ground_y(scene.camera, shape.z) - shape.lift
    cuboid = Cuboid(shape.x, y, shape.z, shape.length, shape.width, shape.height, shape.yaw)
    return projected_box(cuboid, scene.camera).clipped(scene.width, scene.height)
