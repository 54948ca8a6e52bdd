"""What a simulator gives back, held against the scene that it was asked for.

Everything here is trained on, and a wrong label teaches in silence: a category that the detector does not
know is background to it. So whoever renders, the pool's actors and `imitate render` alike, lets each answer
through `checked_frame`, and has one scene of each simulator rendered twice (`truth_changed`,
`pixels_changed`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from imitation.common.settings import DataError, UserError
from imitation.data.images import load_frame_image
from imitation.data.records import Box, Camera, Frame, Object
from imitation.datasets.common.validation import check_frame
from sim_actors.scene.projection import NEAR, projected_box
from sim_actors.scene.records import Actor, Scene

EDGE_PX = 2.0
"""How far a box may reach beyond the image, px: rounding, and no more."""
SAME_PLACE_M = 0.5
"""How far a label's cuboid may stand from its actor's, m: what settles on a road may sink a little."""
_NEAR_PX, _NEAR_SHARE = 16.0, 0.5  # how far a box may lie from where its cuboid is seen: px, or of its size
_CAMERA_PX = 0.5
_SAME_PX, _SAME_M, _SAME_ANGLE = 0.5, 0.02, 0.01  # what two renders of a scene may differ by, as rounding


class ContractError(UserError):
    """A simulator that gives back what it was not asked for. The message names both."""


def checked_reasons(value: Any, simulator: str) -> tuple[str, ...]:
    """What `supports` gave back: sentences, none where the scene can be staged. Raises ContractError."""
    if isinstance(value, list | tuple) and all(isinstance(reason, str) for reason in value):
        return tuple(value)
    raise ContractError(
        f"simulator {simulator!r}: supports() gave {_kind(value)} and not a list of sentences (empty: the "
        "scene can be staged)"
    )


def checked_frame(value: Any, scene: Scene, simulator: str) -> Frame:
    """What `render` gave back for `scene`, if all of it can be true.

    Raises ContractError that names the simulator, the scene, what is wrong and what to do: another type,
    frame, size or camera; an image that does not decode; objects that are not the scene's labelled actors in
    their order; boxes that reach beyond the image or lie elsewhere than their actor.
    """
    who = f"simulator {simulator!r}, scene {scene.scene_id!r}"
    if not isinstance(value, Frame):
        raise ContractError(
            f"{who}: render() gave {_kind(value)} and not a Frame (imitation.data.records.Frame with the "
            "scene's id and size, the objects, and the picture as JPEG or PNG bytes)"
        )
    frame = value
    if frame.frame_id != scene.scene_id:
        raise ContractError(f"{who}: it returned frame {frame.frame_id!r} for scene {scene.scene_id!r}")
    if not isinstance(frame.image, bytes | None):
        raise ContractError(
            f"{who}: the image is {_kind(frame.image)} and not the bytes of a JPEG or PNG file "
            "(imitation.data.images.encode_png makes them of an array)"
        )
    if not frame.image:
        raise ContractError(f"{who}: it returned the frame without an image")
    if (frame.width, frame.height) != (scene.width, scene.height):
        raise ContractError(
            f"{who}: it returned {frame.width}x{frame.height} px for scene {scene.scene_id!r}, which is "
            f"{scene.width}x{scene.height}"
        )
    _check_types(frame, who)
    try:
        check_frame(frame, who)
        load_frame_image(frame)
    except DataError as error:
        raise ContractError(str(error)) from error
    except (TypeError, AttributeError) as error:  # a number that is none, deep in a label
        raise ContractError(f"{who}: a label holds a value of the wrong type: {error}") from error
    _check_camera(frame.camera, scene, who)
    _check_objects(_own_objects(frame, scene, who), scene, who)
    return frame


def _check_types(frame: Frame, who: str) -> None:
    for index, obj in enumerate(frame.objects):
        if not isinstance(obj, Object):
            raise ContractError(
                f"{who}: object {index} is {_kind(obj)} and not an Object (imitation.data.records)"
            )
        if not isinstance(obj.category, str):
            raise ContractError(
                f"{who}: the category of object {index} is {_kind(obj.category)} and not a str"
            )
        for name in ("box", "visible_box", "amodal_box"):
            box = getattr(obj, name)
            if not (isinstance(box, Box) or (box is None and name != "box")):
                raise ContractError(
                    f"{who}: the {name} of object {index} is {_kind(box)} and not a Box "
                    "(imitation.data.records.Box(x1, y1, x2, y2))"
                )
    if not isinstance(frame.camera, Camera | None):
        raise ContractError(
            f"{who}: the camera is {_kind(frame.camera)} and not a Camera (imitation.data.records)"
        )


def _check_camera(camera: Camera | None, scene: Scene, who: str) -> None:
    photo = None if scene.backdrop is None else scene.backdrop.photo
    wanted = (photo.camera if photo is not None else None) or scene.camera
    if camera is None:  # it does not say, and nothing is computed from it
        return
    for name in ("fx", "fy", "cx", "cy"):
        ours, theirs = getattr(wanted, name), getattr(camera, name)
        if abs(ours - theirs) > _CAMERA_PX:
            raise ContractError(
                f"{who}: the frame's camera has {name} = {theirs:g} px, the scene's {ours:g}; render with "
                "the scene's camera and give it back (camera=scene.camera)"
            )


def _own_objects(frame: Frame, scene: Scene, who: str) -> Sequence[Object]:
    """The labels of the scene's actors. In a photo those of the photo come before them."""
    if scene.backdrop is None or scene.backdrop.photo is None:
        return frame.objects
    photo = scene.backdrop.photo.objects
    before = frame.objects[: len(photo)]
    if [obj.category for obj in before] != [obj.category for obj in photo]:
        raise ContractError(
            f"{who}: the photo's {len(photo)} labels have to come back first, in their order; found "
            f"{len(frame.objects)} objects that begin with {_names(obj.category for obj in before)}"
        )
    return frame.objects[len(photo) :]


def _check_objects(objects: Sequence[Object], scene: Scene, who: str) -> None:
    actors = [actor for actor in scene.actors if actor.labelled]
    known = dict.fromkeys(actor.category for actor in actors)
    following = 0  # the first actor that may come next
    for index, obj in enumerate(objects):
        what = f"{who}: object {index} ({obj.category})"
        if obj.category not in known:
            if obj.ignore:  # a region to pass over, of whatever kind
                continue
            raise ContractError(f"{what}: {_unknown(obj.category, list(known))}")
        for name, box in (("box", obj.box), ("visible_box", obj.visible_box)):
            if box is not None and (beyond := _beyond(box, scene)) > EDGE_PX:
                raise ContractError(
                    f"{what}: its {name} {_text(box)} reaches {beyond:g} px beyond the "
                    f"{scene.width}x{scene.height} image; boxes are (x1, y1, x2, y2) in px of this image, "
                    "clipped to it (amodal_box alone may reach beyond)"
                )
        candidates = [k for k, actor in enumerate(actors) if actor.category == obj.category]
        fitting = [k for k in candidates if _misplaced(obj, actors[k], scene) is None]
        place = next((k for k in fitting if k >= following), None)
        if place is not None:
            following = place + 1
        elif not obj.ignore:
            raise ContractError(f"{what}: {_no_actor(obj, actors, candidates, fitting, objects, scene)}")


def _unknown(category: str, known: Sequence[str]) -> str:
    if not known:
        return "the scene has no labelled actor; label what the scene labels, and nothing else"
    near = [name for name in known if name.lower() == category.lower()]
    hint = (
        f"{near[0]!r} is meant? Letters count" if near else "labels name what the scene's actors are called"
    )
    return (
        f"the scene has no labelled actor of category {category!r}, which a detector of its categories would "
        f"learn as background; its labelled actors are {', '.join(known)} ({hint}: category=actor.category)"
    )


def _no_actor(
    obj: Object,
    actors: Sequence[Actor],
    candidates: Sequence[int],
    fitting: Sequence[int],
    objects: Sequence[Object],
    scene: Scene,
) -> str:
    """Why no actor is left for an object."""
    if not fitting and len(candidates) == 1:
        return str(_misplaced(obj, actors[candidates[0]], scene))
    if not fitting:
        return (
            f"none of the scene's {len(candidates)} labelled actors of this category is where it is: for the "
            f"first, {_misplaced(obj, actors[candidates[0]], scene)}"
        )
    labelled = sum(not other.ignore for other in objects)
    if labelled > len(actors):
        return f"the frame has {labelled} labelled objects, the scene {len(actors)} labelled actors"
    return (
        "objects have to come in the order of the scene's actors, each at most once; the labelled actors are "
        f"{_names(actor.category for actor in actors)}, the objects {_names(o.category for o in objects)}"
    )


def _misplaced(obj: Object, actor: Actor, scene: Scene) -> str | None:
    """Why a label cannot be this actor's; None if it can."""
    cuboid = actor.cuboid
    if obj.cuboid is not None:
        here, there = ((c.x, c.y, c.z) for c in (obj.cuboid, cuboid))
        if math.dist(here, there) > SAME_PLACE_M:
            return (
                f"its cuboid stands at {_point(here)} m, its actor at {_point(there)} (x right, y down, z "
                "forward, of the bottom's centre, in the camera's coordinates)"
            )
    if cuboid.corners()[:, 2].min() <= NEAR:  # runs past the camera: it may be seen anywhere
        return None
    seen = projected_box(cuboid, scene.camera)
    dx, dy = (max(_NEAR_PX, _NEAR_SHARE * side) for side in (seen.width, seen.height))
    box = obj.box
    if (
        box.x1 <= seen.x2 + dx
        and box.x2 >= seen.x1 - dx
        and box.y1 <= seen.y2 + dy
        and box.y2 >= seen.y1 - dy
    ):
        return None
    return (
        f"its box {_text(box)} lies elsewhere than its actor, whose cuboid is seen at {_text(seen)} by the "
        "scene's camera (boxes are x1, y1, x2, y2 in px, not fractions of the image)"
    )


def _beyond(box: Box, scene: Scene) -> float:
    return max(-box.x1, -box.y1, box.x2 - scene.width, box.y2 - scene.height)


def truth_changed(first: Frame, again: Frame) -> str | None:
    """What differs between the labels of two renders of one scene, in words; None if nothing does."""
    ours, theirs = first.objects, again.objects
    if len(ours) != len(theirs):
        return f"{len(ours)} objects, then {len(theirs)}"
    for index, (a, b) in enumerate(zip(ours, theirs)):
        what = f"object {index}"
        if (a.category, a.ignore) != (b.category, b.ignore):
            states = (f"{o.category}{' (ignored)' if o.ignore else ''}" for o in (a, b))
            return f"{what} was {', then '.join(states)}"
        for name in ("box", "visible_box", "amodal_box"):
            one, two = getattr(a, name), getattr(b, name)
            if (one is None) != (two is None) or (
                one and max(abs(p - q) for p, q in zip(one, two)) > _SAME_PX
            ):
                return f"the {name} of {what} ({a.category}) was {_text(one)}, then {_text(two)}"
        for name in ("occlusion", "truncation"):
            one, two = getattr(a, name), getattr(b, name)
            if (one is None) != (two is None) or (one is not None and abs(one - two) > _SAME_ANGLE):
                return f"the {name} of {what} ({a.category}) was {one}, then {two}"
        if (a.cuboid is None) != (b.cuboid is None):
            return f"{what} ({a.category}) had a cuboid once and once none"
        if a.cuboid is not None and b.cuboid is not None:
            for name in a.cuboid.__slots__:
                one, two = getattr(a.cuboid, name), getattr(b.cuboid, name)
                if abs(one - two) > _SAME_M:
                    return f"the {name} of {what}'s cuboid ({a.category}) was {one:g}, then {two:g}"
    return None


def pixels_changed(first: Frame, again: Frame) -> str | None:
    """How much of the picture differs between two renders of one scene; None if the bytes are equal."""
    if first.image == again.image:
        return None
    a, b = (load_frame_image(frame).astype(np.int16) for frame in (first, again))
    apart = np.abs(a - b).max(axis=-1)
    if not apart.any():
        return "the bytes of its picture change, though not its pixels"
    return f"{(apart > 0).mean():.1%} of its pixels change, by up to {int(apart.max())} of 255"


def _kind(value: Any) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__!r}"


def _names(names: Any) -> str:
    return ", ".join(names) or "none"


def _point(values: Sequence[float]) -> str:
    return "(" + ", ".join(f"{v:.2f}" for v in values) + ")"


def _text(box: Box | None) -> str:
    return "none" if box is None else "(" + ", ".join(f"{v:g}" for v in (round(v, 1) for v in box)) + ")"
