"""From a program's answer to a labelled frame, with what the picture of ids says of each actor."""

from __future__ import annotations

import base64
import binascii
import io
import math
from pathlib import Path

import numpy as np
from PIL import Image

from imitation.common.settings import UserError
from imitation.data.images import MAX_PIXELS, encode_jpeg, encode_png
from imitation.data.records import OCCLUSIONS, Box, Frame, Object
from sim_actors.scene.projection import NEAR, projected_box, visible_extents
from sim_actors.scene.records import Actor, Scene
from sim_actors.simulators.command.messages import Rendered, Thing
from sim_actors.simulators.command.settings import CommandSettings
from sim_actors.simulators.contract import EDGE_PX
from sim_actors.simulators.truth import rendered_frame

MAX_BYTES = 1 << 28  # of a picture's file
_AS_THEY_ARE = (b"\x89PNG", b"\xff\xd8")
_PLAIN = ("PPM", "BMP", "TIFF")
_INDEXED = ("L", "P", "I", "I;16", "I;16B", "I;16L")


def frame_of(answer: Rendered, scene: Scene, settings: CommandSettings, who: str) -> Frame:
    """The frame that an answer describes. Raises UserError that names what of it cannot be."""
    image = _bytes("image", answer.image, answer.image_base64, settings, who)
    if image is None:
        raise UserError(f"{who}: its answer has no picture: image (a path) or image_base64 is required")
    ids = _bytes("ids", answer.ids, answer.ids_base64, settings, who)
    if not image.startswith(_AS_THEY_ARE):
        image = _developed(image, scene, who)
    return rendered_frame(scene, _objects(answer.objects, scene, ids, settings, who), image)


def _bytes(
    what: str, path: str | None, text: str | None, settings: CommandSettings, who: str
) -> bytes | None:
    """A picture's file, wherever it is; None where the answer has none."""
    if path is not None and text is not None:
        raise UserError(f"{who}: its answer has both {what} and {what}_base64; one of them is meant")
    if text is not None:
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise UserError(f"{who}: {what}_base64 is no base64: {error}") from None
    if path is None:
        return None
    file = Path(settings.cwd or ".") / path
    try:
        if not file.is_file():
            raise UserError(f"{who}: {what}: there is no file {str(file)!r}")
        if (size := file.stat().st_size) > MAX_BYTES:
            raise UserError(f"{who}: {what}: {str(file)!r} has {size:,} bytes; {MAX_BYTES:,} are the most")
        return file.read_bytes()
    except (OSError, ValueError) as error:
        raise UserError(f"{who}: {what}: {path!r} cannot be read: {error}") from None


def _opened(data: bytes, formats: tuple[str, ...], what: str, who: str) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(data), formats=formats)
        if image.width * image.height > MAX_PIXELS:
            raise UserError(f"{who}: {what} says it is {image.width}x{image.height} px, more than any scene")
        image.load()
    except UserError:
        raise
    except Exception as error:  # Pillow raises what its decoders raise
        begins = data[:16]
        known = ", ".join(dict.fromkeys((*formats, "PNG", "JPEG") if what == "image" else formats))
        raise UserError(
            f"{who}: {what} cannot be decoded ({error}); {known} are read, and its {len(data):,} bytes begin "
            f"with {begins!r}"
        ) from None
    return image


def _developed(data: bytes, scene: Scene, who: str) -> bytes:
    """A raw picture as the scene's sensor writes it: JPEG of its quality, or PNG where that is 0."""
    pixels = np.array(_opened(data, _PLAIN, "image", who).convert("RGB"))
    quality = scene.sensor.jpeg_quality
    return encode_jpeg(pixels, quality) if quality else encode_png(pixels)


def _identities(data: bytes, scene: Scene, who: str) -> np.ndarray:
    """(height, width) int64: the index of the actor that a pixel shows + 1, or 0."""
    image = _opened(data, ("PNG", *_PLAIN), "ids", who)
    if image.mode not in _INDEXED:
        raise UserError(
            f"{who}: ids is a picture of mode {image.mode}; it has one channel of 8 or 16 bits: 0, or the "
            "actor's index + 1"
        )
    if image.size != (scene.width, scene.height):
        raise UserError(
            f"{who}: ids is {image.width}x{image.height} px, the scene {scene.width}x{scene.height}"
        )
    ids = np.asarray(image).astype(np.int64)
    if (most := int(ids.max())) > len(scene.actors):
        raise UserError(
            f"{who}: ids holds {most}, but the scene has {len(scene.actors)} actors: an id is the actor's "
            "index + 1"
        )
    return ids


def _objects(
    things: tuple[Thing, ...], scene: Scene, data: bytes | None, settings: CommandSettings, who: str
) -> tuple[Object, ...]:
    """A label for every labelled actor that is seen, in their order."""
    told: dict[int, Thing] = {}
    for thing in things:
        if thing.actor >= len(scene.actors):
            raise UserError(
                f"{who}: objects name actor {thing.actor} (from 0), the scene has {len(scene.actors)}"
            )
        if thing.actor in told:
            raise UserError(f"{who}: objects name actor {thing.actor} twice")
        told[thing.actor] = thing
    seen: dict[int, tuple[int, Box]] | None = None
    if data is not None:
        seen = {value - 1: found for value, found in visible_extents(_identities(data, scene, who)).items()}
        told = {index: told.get(index, Thing(actor=index)) for index in seen}
    return tuple(
        _label(told[index], scene, None if seen is None else seen[index], settings, who)
        for index in sorted(told)
        if scene.actors[index].labelled
    )


def _label(
    thing: Thing, scene: Scene, seen: tuple[int, Box] | None, settings: CommandSettings, who: str
) -> Object:
    actor = scene.actors[thing.actor]
    who = f"{who}: actor {thing.actor} ({actor.category})"
    given = None if thing.visible_box is None else Box(*thing.visible_box)
    visible = given if seen is None else seen[1]
    amodal = None if thing.amodal_box is None else Box(*thing.amodal_box)
    if visible is not None and given is not None and _apart(visible, given) > EDGE_PX:
        raise UserError(f"{who}: its visible_box is {tuple(given)}, its pixels in ids span {tuple(visible)}")
    if visible is not None and amodal is not None:
        inside = Box(*(f(a, b) for f, a, b in zip((min, min, max, max), amodal, visible)))
        if _apart(inside, amodal) > EDGE_PX:
            raise UserError(
                f"{who}: its visible box {tuple(visible)} reaches out of its amodal_box {tuple(amodal)}, "
                "which is around the whole of it, what is hidden or outside the image included"
            )
    occlusion, truncation = thing.occlusion, thing.truncation
    if occlusion is None and thing.pixels is not None and seen is not None:
        occlusion = max(1 - seen[0] / thing.pixels, 0.0)
    if truncation is None and amodal is not None:
        truncation = 1 - amodal.clipped(scene.width, scene.height).area / amodal.area
    count = seen[0] if seen is not None else None if visible is None else visible.area
    cuboid = thing.cuboid
    return Object(
        category=actor.category,
        box=_box(thing, actor, scene, visible, amodal, who),
        visible_box=visible,
        amodal_box=amodal,
        truncation=truncation,
        occlusion=occlusion,
        ignore=thing.ignore
        or (count is not None and count < settings.ignore_below_px)
        or (occlusion is not None and occlusion > settings.ignore_occlusion_above),
        cuboid=cuboid,
        alpha=None
        if cuboid is None
        else math.remainder(cuboid.yaw - math.atan2(cuboid.x, cuboid.z), 2 * math.pi),
        occlusion_level=None if occlusion is None else sum(occlusion >= limit for limit in OCCLUSIONS),
    )


def _box(thing: Thing, actor: Actor, scene: Scene, visible: Box | None, amodal: Box | None, who: str) -> Box:
    """The training label, as the scene's convention has it."""
    if scene.convention == "cuboid_clipped":
        cuboid = thing.cuboid or actor.cuboid
        if cuboid.corners()[:, 2].min() > NEAR:
            return projected_box(cuboid, scene.camera).clipped(scene.width, scene.height)
    box = visible if scene.convention == "visible" else amodal
    if box is None:
        wanted = "visible_box" if scene.convention == "visible" else "amodal_box"
        raise UserError(
            f"{who}: it has no {wanted}, which labels of the convention {scene.convention!r} need"
        )
    return box.clipped(scene.width, scene.height)


def _apart(a: Box, b: Box) -> float:
    return max(abs(one - two) for one, two in zip(a, b))
