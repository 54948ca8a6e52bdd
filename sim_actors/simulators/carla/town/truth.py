"""Labels of a scene in CARLA, from masks: what is seen of a body, and what would be seen of it alone.

The definitions are those of `sim_actors.simulators.truth`; here is what CARLA has of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from imitation.data.records import Box, Cuboid, Object
from sim_actors.scene.projection import projected_box, visible_extents
from sim_actors.scene.records import Scene
from sim_actors.simulators.carla.settings import CarlaSettings
from sim_actors.simulators.carla.town.geometry import Pose
from sim_actors.simulators.carla.town.lens import Lens, camera_of
from sim_actors.simulators.truth import Silhouette, label_of, seen_of

ROAD_USERS = ("Pedestrians", "Rider", "Car", "Truck", "Bus", "Train", "Motorcycle", "Bicycle")
"""CARLA's semantic tags of what a detector of driving looks for."""
_ROOM = 0.15
"""Of a body's projected box, on each side: a walker's box is a capsule, which its arms reach out of."""


@dataclass(frozen=True)
class Staged:
    """An actor of the scene in the world: its index, its id there, where its origin is, its own cuboid in the
    scene's axes, and the semantic tags of its blueprint."""

    actor: int
    id: int
    pose: Pose
    cuboid: Cuboid
    tags: frozenset[int]


@dataclass(frozen=True)
class Alone:
    """A body with nothing else: in the scene's picture, and over a wider one where it may reach out of it."""

    inside: Silhouette
    whole: Silhouette | None = None


def extent(cuboid: Cuboid, scene: Scene) -> Box:
    """Where all of a body is seen, with some room, px; not clipped to the picture."""
    box = projected_box(cuboid, camera_of(scene))
    dx, dy = _ROOM * box.width + 2, _ROOM * box.height + 2
    return Box(box.x1 - dx, box.y1 - dy, box.x2 + dx, box.y2 + dy)


def silhouette(mask: np.ndarray, scene: Scene) -> Silhouette:
    """A mask over the scene's own picture."""
    return Silhouette(mask, 0.0, 0.0, (scene.width, scene.height))


def wide_silhouette(mask: np.ndarray, lens: Lens, scene: Scene) -> Silhouette:
    """A mask over a wider picture from the same place."""
    camera = camera_of(scene)
    cell = camera.fx / lens.focal
    width, height = lens.width * cell, lens.height * cell
    return Silhouette(mask, camera.cx - width / 2, camera.cy - height / 2, (width, height))


def labels(
    scene: Scene,
    staged: Sequence[Staged],
    ids: np.ndarray,
    alone: Mapping[int, Alone],
    settings: CarlaSettings,
) -> tuple[Object, ...]:
    """A label for every labelled actor that is seen, in their order. `ids`: (height, width), an actor's index
    + 1, or 0. The labels' cuboids are those of the bodies."""
    visible = visible_extents(ids)
    real = {one.actor: one.cuboid for one in staged}
    scene = scene.replace(
        camera=camera_of(scene),
        actors=tuple(replace(actor, cuboid=real[index]) for index, actor in enumerate(scene.actors)),
    )
    size = (scene.width, scene.height)
    return tuple(
        label_of(
            seen_of(one.actor, visible[one.actor + 1], alone[one.actor].inside, size, alone[one.actor].whole),
            scene,
            settings.ignore_below_px,
            settings.ignore_occlusion_above,
        )
        for one in staged
        if one.actor in alone
    )
