"""What is seen of a labelled actor, and the label of it: one definition for every simulator that sees masks.

A simulator has an image of ids, and of each actor that shows in it a mask of it alone, as if nothing stood
before it. What lies beyond the image's border is told by a second mask over a wider window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from imitation.data.records import OCCLUSIONS, Box, Camera, Frame, Object
from sim_actors.scene.projection import NEAR, projected_box
from sim_actors.scene.records import Scene
from sim_actors.simulators.opengl.lighting.light import time_of_day


@dataclass(frozen=True)
class Seen:
    """What the pixels say of one labelled actor. `visible_pixels` > 0; boxes in px, `amodal_box` not
    clipped to the image; `occlusion`: share of its pixels in the image that others hide;
    `truncation`: share of its projected area outside the image."""

    actor: int
    visible_pixels: int
    visible_box: Box
    amodal_box: Box
    occlusion: float
    truncation: float


@dataclass(frozen=True)
class Silhouette:
    """Where one thing alone shows: `mask` (rows, columns) bool over a window of the image plane that begins
    at (`left`, `top`) and spans `span` (width, height), px of the image."""

    mask: np.ndarray
    left: float
    top: float
    span: tuple[float, float]

    @property
    def cell(self) -> tuple[float, float]:
        """Width and height of a pixel of the mask, in px of the image."""
        return self.span[0] / self.mask.shape[1], self.span[1] / self.mask.shape[0]

    def box(self) -> Box | None:
        """The tight box around it, px of the image; None where it is empty."""
        columns, rows = np.flatnonzero(self.mask.any(axis=0)), np.flatnonzero(self.mask.any(axis=1))
        if not len(columns):
            return None
        width, height = self.cell
        x1, y1 = self.left + float(columns[0]) * width, self.top + float(rows[0]) * height
        x2, y2 = self.left + (float(columns[-1]) + 1) * width, self.top + (float(rows[-1]) + 1) * height
        return Box(x1, y1, x2, y2)

    def area_outside(self, width: int, height: int) -> float:
        """How much of it lies outside of an image of this size, px of the image."""
        across, down = self.cell
        inside = np.outer(
            _inside(self.top, down, self.mask.shape[0], height),
            _inside(self.left, across, self.mask.shape[1], width),
        )
        return float((1.0 - inside)[self.mask].sum()) * across * down


def _inside(start: float, cell: float, count: int, side: float) -> np.ndarray:
    """The share of each of `count` cells from `start` px that lies in [0, side]: the edge may cut one."""
    edges = np.clip(start + np.arange(count + 1) * cell, 0.0, side)
    return np.diff(edges) / cell


def seen_of(
    actor: int,
    visible: tuple[int, Box],
    alone: Silhouette,
    size: tuple[int, int],
    whole: Silhouette | None = None,
    extent: Box | None = None,
) -> Seen:
    """What is seen of an actor. `visible`: its pixels and their box, as
    `sim_actors.scene.projection.visible_extents` gives them; `alone`: it alone in the image of `size`
    (width, height); `whole`: it alone over a window that holds all of it, for what may reach beyond the
    image; `extent`: the box of its vertices, where it is known better than from the pixels of `whole`."""
    count, box = visible
    shown = max(int(alone.mask.sum()), count)
    amodal, truncation = _union(box, alone.box()), 0.0
    if whole is not None:
        beyond = whole.area_outside(*size)
        truncation = beyond / (beyond + shown)
        amodal = _union(amodal, whole.box() if extent is None else extent)
    return Seen(actor, count, box, amodal, occlusion=1.0 - count / shown, truncation=truncation)


def _union(a: Box, b: Box | None) -> Box:
    if b is None:
        return a
    return Box(min(a.x1, b.x1), min(a.y1, b.y1), max(a.x2, b.x2), max(a.y2, b.y2))


def label_of(
    seen: Seen, scene: Scene, ignore_below_px: int, ignore_occlusion_above: float, ignore: bool = False
) -> Object:
    """The label of an actor. It is ignored with fewer visible pixels, where others hide more, and where
    `ignore` says so."""
    cuboid = scene.actors[seen.actor].cuboid
    return Object(
        category=scene.actors[seen.actor].category,
        box=_trained(seen, scene),
        visible_box=seen.visible_box,
        amodal_box=seen.amodal_box,
        truncation=seen.truncation,
        occlusion=seen.occlusion,
        ignore=ignore or seen.visible_pixels < ignore_below_px or seen.occlusion > ignore_occlusion_above,
        cuboid=cuboid,
        alpha=math.remainder(cuboid.yaw - math.atan2(cuboid.x, cuboid.z), 2 * math.pi),
        occlusion_level=sum(seen.occlusion >= limit for limit in OCCLUSIONS),
    )


def _trained(seen: Seen, scene: Scene) -> Box:
    """The box to train on, as the scene's convention has it."""
    if scene.convention == "visible":
        return seen.visible_box
    cuboid, box = scene.actors[seen.actor].cuboid, seen.amodal_box
    # Across the near plane corners have no image; there the pixels know better.
    if scene.convention == "cuboid_clipped" and cuboid.corners()[:, 2].min() > NEAR:
        box = projected_box(cuboid, scene.camera)
    return box.clipped(scene.width, scene.height)


def rendered_frame(
    scene: Scene, objects: tuple[Object, ...], image: bytes, camera: Camera | None = None
) -> Frame:
    """A frame of a scene, with what every simulator says alike of it. `camera`: the one that took it, where
    that is not the scene's."""
    return Frame(
        frame_id=scene.scene_id,
        width=scene.width,
        height=scene.height,
        objects=objects,
        image=image,
        camera=camera or scene.camera,
        conditions={
            "time_of_day": time_of_day(scene.environment.hour),
            "weather": scene.environment.weather,
        },
    )
