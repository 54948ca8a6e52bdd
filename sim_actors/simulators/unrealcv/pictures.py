"""A scene photographed in a level: its picture, and its labels from masks, as the embedded simulator's
are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from imitation.data.images import encode_jpeg, encode_png
from imitation.data.records import Frame
from sim_actors.scene.projection import visible_extents
from sim_actors.scene.records import Scene
from sim_actors.simulators.truth import Seen, Silhouette, label_of, rendered_frame, seen_of
from sim_actors.simulators.unrealcv.geometry import (
    Film,
    Pose,
    camera_pose,
    extent,
    main_film,
    rounded,
    wide_film,
)
from sim_actors.simulators.unrealcv.level import Level
from sim_actors.simulators.unrealcv.manifest import Manifest, Model
from sim_actors.simulators.unrealcv.settings import UnrealSettings

MOST_PX = 4096
"""Sides of the picture in which what lies beyond the image's border is seen."""
_BEFORE_M, _BEFORE_SHARE = 0.5, 0.01  # how much nearer than an actor something is that stands before it


def photographed(
    level: Level, scene: Scene, models: Sequence[Model], manifest: Manifest, settings: UnrealSettings
) -> Frame:
    """The labelled frame of a scene. The camera that it gives back has its principal point on the nearest
    half pixel, where the picture has it."""
    scene = scene.replace(camera=rounded(scene.camera))
    film, pose = main_film(scene), camera_pose(scene.camera, manifest.place)
    staged = level.stage(scene, models)
    level.light(scene.environment, scene.sensor.exposure)
    level.use(film)
    level.look(pose)
    for _ in range(settings.warm_frames):
        level.lit()
    picture = np.ascontiguousarray(_cut(level.lit(), film, scene))
    ids = _cut(level.mask(), film, scene)
    if settings.depth:
        ids = _behind_nothing(ids, _cut(level.depth(), film, scene), scene)
    level.undisturbed()
    seen = _seen(level, scene, staged, ids, film, pose)
    quality = scene.sensor.jpeg_quality
    least, most = settings.ignore_below_px, settings.ignore_occlusion_above
    image = encode_jpeg(picture, quality) if quality else encode_png(picture)
    return rendered_frame(scene, tuple(label_of(each, scene, least, most) for each in seen), image)


def _cut(picture: np.ndarray, film: Film, scene: Scene) -> np.ndarray:
    """The scene's image out of what the main film shows."""
    left, top = round(-film.left), round(-film.top)
    return picture[top : top + scene.height, left : left + scene.width]


def _behind_nothing(ids: np.ndarray, depth: np.ndarray, scene: Scene) -> np.ndarray:
    """The ids without pixels where something nearer than the actor is drawn: the mask does not have it
    all."""
    nearest = np.full(len(scene.actors) + 1, -np.inf)
    for index, actor in enumerate(scene.actors):
        z = max(float(actor.cuboid.corners()[:, 2].min()), 0.0)
        nearest[index + 1] = z * (1 - _BEFORE_SHARE) - _BEFORE_M
    return np.where(depth < nearest[ids], 0, ids)


def _seen(
    level: Level,
    scene: Scene,
    staged: Sequence[tuple[str, Pose]],
    ids: np.ndarray,
    film: Film,
    pose: Pose,
) -> list[Seen]:
    """What is seen of each labelled actor that shows, in their order."""
    labelled = np.array([False, *(actor.labelled for actor in scene.actors)])
    visible = {value - 1: found for value, found in visible_extents(np.where(labelled[ids], ids, 0)).items()}
    if not visible:
        return []
    if level.moves:
        level.look(level.lifted(pose))

    def alone(index: int) -> np.ndarray:
        return level.alone(index, *staged[index])

    size = scene.width, scene.height
    masks = {index: Silhouette(_cut(alone(index), film, scene), 0.0, 0.0, size) for index in visible}
    extents = {index: extent(scene.actors[index].cuboid, scene.camera) for index in visible}
    cut = {index: box for index, box in extents.items() if box is not None and box != box.clipped(*size)}
    whole: dict[int, Silhouette] = {}
    if cut:
        wide = wide_film(list(cut.values()), scene.camera, MOST_PX)
        level.use(wide)
        whole = {index: Silhouette(alone(index), wide.left, wide.top, wide.span) for index in cut}
    return [seen_of(index, visible[index], masks[index], size, whole.get(index)) for index in sorted(visible)]
