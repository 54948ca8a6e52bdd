"""Whether a rendered frame shows what it was asked for; a frame that does not is worth no training."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from pydantic import Field

from imitation.common.settings import Settings
from imitation.data.records import Box, Frame, Object
from sim_actors.scene.records import Actor, Scene
from sim_actors.simulators.contract import SAME_PLACE_M

_SURELY_SEEN_PX, _SURELY_SEEN = 100.0, 0.5  # area of its visible box, hidden share: it is not for these


class AcceptanceSettings(Settings):
    """Which synthetic frames are taken. A rejected one is listed with its reason."""

    enabled: bool = Field(True, description="false: every frame that was rendered is taken")
    min_visible_px: float = Field(
        25.0,
        ge=0,
        description="area of the visible box, px, from which an object in focus is there; a frame of which "
        "nothing in focus is there is rejected",
    )
    max_covered: float = Field(
        0.7,
        ge=0,
        le=1,
        description="share of its box that ignored regions cover, up to which an object in focus is there",
    )
    max_ignored: float = Field(
        0.8, ge=0, le=1, description="share of the image that ignored regions cover, at most"
    )
    candidates: int = Field(
        1,
        ge=1,
        le=20,
        description="frames rendered for each that is asked for, of which the one is kept that the detector "
        "of the cycle before finds hardest; 1: no choice",
    )
    tries: int = Field(
        2, ge=0, le=20, description="other draws of a rejected scene, at most; the first accepted is taken"
    )


def rejection(frame: Frame, settings: AcceptanceSettings) -> str | None:
    """Why a synthetic frame is not to be trained on, in words; None if it is.

    What the frame was asked for is in its lineage: the scene's `focus`. A scene without labelled actors is
    asked for to show nothing, and one without a focus anything; where a simulator gives no cuboids back,
    nothing tells which label is in focus, and the frame passes.
    """
    if not settings.enabled or frame.origin is None:
        return None
    scene = Scene.from_json(frame.origin.scene)
    judged = [obj for obj in frame.objects if not obj.ignore]
    ignored = [obj.box for obj in frame.objects if obj.ignore]
    focus = [scene.actors[i] for i in scene.focus if scene.actors[i].labelled]
    names = ", ".join(sorted({actor.category for actor in focus}))
    about = [obj for obj in frame.objects if any(_same(obj, actor) for actor in focus)]
    there = any(not obj.ignore and _is_there(obj, ignored, settings) for obj in about)
    if not there and any(_is_dim(obj, settings) for obj in about):
        return f"what was asked for ({names}) does not stand out from what is around it"
    if not judged and any(actor.labelled for actor in scene.actors):
        return "nothing that was staged is labelled: hidden, out of the picture, too small or too dark"
    if focus and not there and any(obj.cuboid is not None for obj in frame.objects):
        return f"nothing is left to see of what was asked for ({names})"
    share = _covered(Box(0.0, 0.0, frame.width, frame.height), ignored)
    if share > settings.max_ignored:
        return f"ignored regions cover {share:.0%} of the image, more than {settings.max_ignored:.0%}"
    return None


def in_focus(frame: Frame) -> tuple[int, ...]:
    """Which of a synthetic frame's objects are what it was asked for, indices; none where the scene has no
    focus, or where nothing tells which they are (a simulator that gives no cuboids back)."""
    if frame.origin is None:
        return ()
    scene = Scene.from_json(frame.origin.scene)
    focus = [scene.actors[i] for i in scene.focus if scene.actors[i].labelled]
    return tuple(i for i, obj in enumerate(frame.objects) if any(_same(obj, actor) for actor in focus))


def _same(obj: Object, actor: Actor) -> bool:
    ours, theirs = actor.cuboid, obj.cuboid
    if theirs is None or obj.category != actor.category:
        return False
    return math.dist((ours.x, ours.y, ours.z), (theirs.x, theirs.y, theirs.z)) <= SAME_PLACE_M


def _is_there(obj: Object, ignored: Sequence[Box], settings: AcceptanceSettings) -> bool:
    seen = obj.visible_box or obj.box
    return seen.area >= settings.min_visible_px and _covered(obj.box, ignored) <= settings.max_covered


def _is_dim(obj: Object, settings: AcceptanceSettings) -> bool:
    """Whether an ignored object is neither too small nor too hidden: what is left is that it does not stand
    out (`renderer.ignore_below_contrast`)."""
    seen = obj.visible_box or obj.box
    large = seen.area >= max(_SURELY_SEEN_PX, settings.min_visible_px)
    return obj.ignore and large and (obj.occlusion or 0.0) < _SURELY_SEEN


def _covered(box: Box, others: Sequence[Box]) -> float:
    """The share of a box's pixels that others cover together, in [0, 1]."""
    left, top = math.floor(box.x1), math.floor(box.y1)
    mask = np.zeros((max(math.ceil(box.y2) - top, 1), max(math.ceil(box.x2) - left, 1)), dtype=bool)
    for other in others:
        x1, y1 = max(round(other.x1) - left, 0), max(round(other.y1) - top, 0)
        mask[y1 : max(round(other.y2) - top, y1), x1 : max(round(other.x2) - left, x1)] = True
    return float(mask.mean())
