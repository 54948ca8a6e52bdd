"""Labels from masks: what is seen of a body, and what would be seen of it alone.

The same definitions as the embedded simulator's (opengl/passes/ground_truth.py): of visible pixels, of those
that others hide, of what lies outside of the picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from imitation.data.records import Box, Cuboid, Object
from sim_actors.scene.projection import projected_box
from sim_actors.scene.records import Scene
from sim_actors.simulators.carla.geometry import Pose
from sim_actors.simulators.carla.lens import Lens, camera_of
from sim_actors.simulators.carla.settings import CarlaSettings
from sim_actors.simulators.command.labels import label_of
from sim_actors.simulators.command.messages import Thing

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
    """A body with nothing else: its pixels in the picture, (height, width) bool, and, where it may reach out
    of it, those of a wider picture by the lens `lens`."""

    inside: np.ndarray
    wide: np.ndarray | None = None
    lens: Lens | None = None


def whole(cuboid: Cuboid, scene: Scene) -> Box:
    """Where all of a body is seen, with some room, px; not clipped to the picture."""
    box = projected_box(cuboid, camera_of(scene))
    dx, dy = _ROOM * box.width + 2, _ROOM * box.height + 2
    return Box(box.x1 - dx, box.y1 - dy, box.x2 + dx, box.y2 + dy)


def extent(mask: np.ndarray) -> Box:
    """The tight box around a mask that is not empty, px."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    return Box(float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))


def labels(
    scene: Scene,
    staged: Sequence[Staged],
    seen: Mapping[int, np.ndarray],
    alone: Mapping[int, Alone],
    settings: CarlaSettings,
) -> tuple[Object, ...]:
    """A label for every labelled actor that is seen, in their order."""
    return tuple(
        _label(one, scene, seen[one.actor], alone[one.actor], settings)
        for one in staged
        if one.actor in seen and scene.actors[one.actor].labelled
    )


def _label(
    one: Staged, scene: Scene, mask: np.ndarray, alone: Alone, settings: CarlaSettings
) -> Object:
    visible, pixels = extent(mask), int(mask.sum())
    count = max(int(alone.inside.sum()), pixels)
    box = _union(visible, extent(alone.inside) if alone.inside.any() else visible)
    truncation = 0.0
    if alone.wide is not None and alone.lens is not None and alone.wide.any():
        around, beyond = _around(alone.wide, alone.lens, scene)
        truncation = beyond / (beyond + count)
        if beyond:
            box = _union(box, around)
    thing = Thing(
        actor=one.actor,
        amodal_box=(box.x1, box.y1, box.x2, box.y2),
        pixels=count,
        truncation=truncation,
        cuboid=one.cuboid,
    )
    return label_of(thing, scene, (pixels, visible), settings, f"CARLA, scene {scene.scene_id!r}")


def _around(mask: np.ndarray, lens: Lens, scene: Scene) -> tuple[Box, float]:
    """The box of a wide picture's mask in the scene's px, and its area outside of the scene's picture, px."""
    camera = camera_of(scene)
    cell = camera.fx / lens.focal
    left, top = camera.cx - cell * lens.width / 2, camera.cy - cell * lens.height / 2
    box = extent(mask)
    around = Box(
        left + cell * box.x1, top + cell * box.y1, left + cell * box.x2, top + cell * box.y2
    )
    across, down = (
        np.diff(np.clip(start + np.arange(count + 1) * cell, 0.0, side))
        for start, count, side in ((left, lens.width, scene.width), (top, lens.height, scene.height))
    )
    inside = float(np.outer(down, across)[mask].sum())
    return around, max(float(mask.sum()) * cell * cell - inside, 0.0)


def _union(a: Box, b: Box) -> Box:
    return Box(min(a.x1, b.x1), min(a.y1, b.y1), max(a.x2, b.x2), max(a.y2, b.y2))
