"""From a request to the scenes that a simulator renders for it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from pydantic import Field

from imitation.common.names import scene_id
from imitation.common.settings import Settings
from imitation.data.records import Box, Camera, Convention, Frame
from imitation.requests import Request
from sim_actors.randomization.free_scene import FreeSettings, free_scene
from sim_actors.randomization.perturb import RandomizeSettings, perturb
from sim_actors.randomization.prop_layout import SPACING
from sim_actors.scene.category_words import spelled
from sim_actors.scene.footprint import Footprint, overlaps_any
from sim_actors.scene.props import PropKind
from sim_actors.scene.records import Prop, Scene
from sim_actors.staging.cuboid_estimation import depth_on_ground
from sim_actors.staging.photo_insertion import stage_in_photo
from sim_actors.staging.restage import RestageSettings, restage, staged_objects

_BACKDROP = 83  # of a generator of its own: the share of photos moves no other draw
_CLUTTER_FAR = 60.0  # m, boxes on or above the horizon are staged this far out
_CLUTTER_PALETTE = (
    (0.25, 0.2, 0.14),
    (0.08, 0.08, 0.08),
    (0.4, 0.38, 0.35),
    (0.1, 0.16, 0.07),
    (0.3, 0.06, 0.04),
)


class StagingSettings(Settings):
    """How requests become scenes."""

    restage: RestageSettings = Field(RestageSettings(), description="how a frame's labels become a scene")
    randomize: RandomizeSettings = Field(RandomizeSettings(), description="how far variations lie from it")
    free: FreeSettings = Field(FreeSettings(), description="what scenes without a frame behind them hold")


@dataclass(frozen=True)
class Target:
    """What synthetic frames have to match: which box its real dataset's labels mean, its
    categories (its own names) and the camera and image size (px) of free scenes. `catalog` are the
    categories that the simulator can stage, in lower case (None: all); `assets` are those of the
    dataset's categories that it knows by another name (see `asset_names`)."""

    convention: Convention
    categories: tuple[str, ...]
    camera: Camera
    width: int
    height: int
    catalog: frozenset[str] | None = None
    family: str = "simulator"
    assets: Mapping[str, str] = field(default_factory=dict)

    def stageable(self) -> tuple[str, ...]:
        """The categories that the simulator can stage, by its names, in the dataset's order."""
        names = dict.fromkeys(self.assets.get(c, c) for c in self.categories)
        return tuple(name for name in names if _known(name, self.catalog))


def asset_names(
    categories: Iterable[str], mapping: Mapping[str, str], catalog: Collection[str] | None
) -> dict[str, str]:
    """The simulator's name for each of a dataset's categories that it can stage: the category's own
    where the `catalog` (lower case; None: everything) has it, else its class's by `mapping`, such as
    "car" for TYPE_VEHICLE. Categories that it cannot stage are left out."""
    found = {}
    for category in categories:
        for name in (category, mapping.get(category)):
            if name is not None and _known(name, catalog):
                found[category] = name
                break
    return found


def _known(name: str, catalog: Collection[str] | None) -> bool:
    """Whether the simulator can stage a category, however its dataset writes spaces and hyphens."""
    return catalog is None or name.lower() in catalog or spelled(name) in catalog


def stageable_names(
    categories: Iterable[str], mapping: Mapping[str, str], catalog: Collection[str] | None
) -> frozenset[str] | None:
    """The categories, lower case, that the simulator can stage by any name: its catalog, and those of a
    dataset (`categories`, and what `mapping` speaks of) that it knows by their class; None where it does
    not say."""
    if catalog is None:
        return None
    known = asset_names({*categories, *mapping}, mapping, catalog)
    return frozenset(catalog) | {name.lower() for name in known}


def _renamed(frame: Frame, assets: Mapping[str, str]) -> Frame:
    """The frame with its objects called as the simulator calls them."""
    objects = (replace(obj, category=assets.get(obj.category, obj.category)) for obj in frame.objects)
    return replace(frame, objects=tuple(objects))


def stage(
    request: Request,
    variation: int,
    parent: Frame | None,
    *,
    target: Target,
    settings: StagingSettings,
) -> Scene:
    """The scene of one variation (counted from 0) of a request.

    With a parent: its layout, perturbed, with unlabelled clutter where false detections fell; or, for the
    share of variations that `restage.backdrops` says and where the request has likenesses, the parent's own
    photo with new actors in it (staged anew where it has no room for any). Without: a free scene.
    Everything follows from the request's seed and the variation, so one scene can be staged again alone.
    Raises ValueError if `parent` is not the frame that the request names, DataError for a label that cannot
    be staged or a photo that cannot be read.
    """
    if (parent.frame_id if parent else None) != request.parent:
        raise ValueError(f"request {request.request_id} is about frame {request.parent}, not {parent}")
    name = scene_id(request.request_id, variation)
    rng = np.random.default_rng([request.seed, variation])
    seed = int(rng.integers(2**31))
    if parent is None:
        return free_scene(
            settings.randomize,
            scene_id=name,
            seed=seed,
            camera=target.camera,
            width=target.width,
            height=target.height,
            categories=target.stageable(),
            convention=target.convention,
            family=target.family,
            free=settings.free,
            density=settings.restage.density,
        )
    renamed = _renamed(parent, target.assets)
    categories = {c.lower() for c in target.stageable()}
    if categories and on_backdrop(request, variation, settings):
        in_photo = stage_in_photo(
            renamed,
            parent,
            scene_id=name,
            seed=seed,
            convention=target.convention,
            settings=settings.restage,
            focus=request.focus,
            categories=target.stageable(),
            likenesses=[
                replace(like, category=target.assets.get(like.category, like.category))
                for like in request.likenesses
            ],
            family=target.family,
        )
        if in_photo is not None:
            return in_photo
    scene = restage(
        renamed,
        scene_id=name,
        seed=seed,
        convention=target.convention,
        settings=settings.restage,
        family=target.family,
        catalog=categories,
    )
    scene, clutter = _with_clutter(scene, request.clutter, rng)
    focus = [k for k, i in enumerate(staged_objects(renamed, categories)) if i in request.focus]
    density = settings.restage.density
    strength = settings.randomize.strength * request.strength
    randomize = settings.randomize.model_copy(update={"strength": strength})
    return perturb(scene, randomize, rng, focus, pinned=clutter, density=density)


def on_backdrop(request: Request, variation: int, settings: StagingSettings) -> bool:
    """Whether a variation is to be set into its parent's photo, for which `stage` needs the image."""
    if request.likenesses:
        return True
    if request.parent is None or settings.restage.backdrops == 0:
        return False
    drawn = np.random.default_rng([request.seed, variation, _BACKDROP]).random()
    return bool(drawn < settings.restage.backdrops)


def _with_clutter(scene: Scene, boxes: Sequence[Box], rng: np.random.Generator) -> tuple[Scene, int]:
    """The scene with unlabelled things that look about as large as the boxes, where they stood; and how
    many, the first of its props."""
    actors = [Footprint.of(actor.cuboid, SPACING) for actor in scene.actors]
    clutter: list[Prop] = []
    for box in boxes:
        prop = _clutter(box, scene, rng)
        taken = [Footprint.of(other) for other in clutter]
        if prop is not None and not overlaps_any(Footprint.of(prop), [*actors, *taken]):
            clutter.append(prop)
    rectangles = [Footprint.of(prop) for prop in clutter]
    kept = [prop for prop in scene.props if not overlaps_any(Footprint.of(prop), rectangles)]
    return replace(scene, props=(*clutter, *kept)), len(clutter)


def _clutter(box: Box, scene: Scene, rng: np.random.Generator) -> Prop | None:
    """A thing on the ground below a false detection; None for a box without area or at the lens."""
    colour = _CLUTTER_PALETTE[int(rng.integers(len(_CLUTTER_PALETTE)))]
    yaw, seed = float(rng.uniform(-0.4, 0.4)), int(rng.integers(2**31))
    if box.area <= 0:
        return None
    camera = scene.camera
    z = depth_on_ground(box.y2, camera, _CLUTTER_FAR)
    if z < 2.0:
        return None
    width, height = box.width / camera.fx * z, box.height / camera.fy * z
    kind: PropKind = (
        "debris" if height < 2.2 * width and height < 2.5 else ("tree" if width > 0.8 else "pole")
    )
    x = ((box.x1 + box.x2) / 2 - camera.cx) / camera.fx * z
    length = min(max(width, 0.15), 6.0)
    depth = min(length, 1.5)
    return Prop(kind, x, z + depth / 2, length, depth, min(max(height, 0.15), 8.0), yaw, colour, seed)
