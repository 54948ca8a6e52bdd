"""The pictures of the gallery: a failure in its surroundings, and the same place in synthetic frames."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

from imitation.common.settings import DataError
from imitation.data.images import encode_jpeg, load_frame_image
from imitation.data.records import Box, Frame, Object
from imitation.evaluation.failures import Failure
from imitation.report.run.gallery import GalleryItem

Rgb = tuple[int, int, int]

TRUTH: Rgb = (92, 230, 120)
DETECTION: Rgb = (255, 84, 60)
OTHERS: Rgb = (245, 245, 245)
HALO: Rgb = (16, 16, 16)
TILE = 480  # px, the width of a picture
ASPECT = 1.6
CONTEXT = 2.6  # widths and heights of the failing object that a crop shows
LEAST = 0.2  # share of the image's width that a crop shows at least

_SAID = {
    "missed": "Missed: {category}",
    "background": "{predicted} detected where there is none",
    "localization": "{category} badly placed",
    "classification": "{category} taken for {predicted}",
    "both": "{category} badly placed and taken for {predicted}",
    "duplicate": "{category} found twice",
}


@dataclass(frozen=True)
class Picture:
    """An image as a data URI (JPEG), or the reason why there is none; `alt` says what it shows."""

    uri: str | None
    width: int
    height: int
    alt: str
    caption: str


@dataclass(frozen=True)
class Entry:
    """One row of the gallery: what went wrong, facts about it, the real crop and the synthetic ones."""

    headline: str
    facts: tuple[str, ...]
    failure_id: str
    real: Picture
    synthetic: tuple[Picture, ...]
    verdict: str | None


def build_entry(item: GalleryItem, stand_in: bool = False) -> Entry:
    """The pictures and words of a gallery item. An image that cannot be read is told, not drawn."""
    failure, parent = item.failure, item.parent
    headline = describe(failure)
    region = crop_region(failure_box(failure), parent.width, parent.height)
    return Entry(
        headline=headline,
        facts=facts(failure),
        failure_id=failure.failure_id,
        real=_real(item, region, headline, "stand-in frame" if stand_in else "real frame"),
        synthetic=tuple(_synthetic(item, frame, region) for frame in item.synthetic),
        verdict=item.verdict,
    )


def describe(failure: Failure) -> str:
    """What went wrong, in words: "Missed: Car"."""
    return _SAID[failure.kind].format(category=failure.category, predicted=failure.predicted)


def facts(failure: Failure) -> tuple[str, ...]:
    """What is known of a failure, a few words each; the unknown is left out."""
    occlusion = None if failure.occlusion is None else f"occlusion {failure.occlusion:.2f}"
    if occlusion is None and failure.occlusion_level is not None:
        occlusion = f"occlusion level {failure.occlusion_level}"
    compared = failure.detection_box is not None and failure.kind != "background"
    return tuple(
        fact
        for fact in (
            None if failure.score is None else f"score {failure.score:.2f}",
            f"IoU {failure.iou:.2f}" if compared else None,
            f"{failure.height_px:.0f} px high",
            None if failure.distance_m is None else f"{failure.distance_m:.0f} m away",
            occlusion,
            None if failure.truncation is None else f"truncation {failure.truncation:.2f}",
            *(failure.conditions or {}).values(),
        )
        if fact is not None
    )


def failure_box(failure: Failure) -> Box:
    """The smallest box (px) that holds the failing object and the detection."""
    boxes = [box for box in (failure.object_box, failure.detection_box) if box is not None]
    return Box(
        min(b.x1 for b in boxes), min(b.y1 for b in boxes), max(b.x2 for b in boxes), max(b.y2 for b in boxes)
    )


def crop_region(focus: Box, width: int, height: int) -> Box:
    """The part of a `width` x `height` image around `focus` to show, px: whole pixels, inside the image.

    It shows the object with its surroundings at `ASPECT`, as far as the image has them.
    """
    high = max(CONTEXT * focus.height, max(CONTEXT * focus.width, LEAST * width) / ASPECT)
    high = min(high, height)
    wide = min(max(high * ASPECT, 1.1 * focus.width), width)
    size = (max(1, round(wide)), max(1, round(high)))
    x, y = (
        min(max(0, round((low + far) / 2 - part / 2)), whole - part)
        for low, far, part, whole in zip(focus[:2], focus[2:], size, (width, height))
    )
    return Box(x, y, x + size[0], y + size[1])


def outlined(
    frame: Frame,
    region: Box,
    alt: str,
    caption: str,
    *,
    subject: int | None,
    truth: Box | None,
    detection: Box | None = None,
) -> Picture:
    """A region of a frame with what is labelled in it: the truth about one object (`subject`, its index) and
    a detection stand out."""
    tile = _Tile.cut(frame, region)
    if isinstance(tile, str):
        return Picture(None, *_size(region), alt, tile)
    for index, obj in enumerate(frame.objects):
        if index != subject and not obj.ignore:
            tile.outline(obj.box, OTHERS, 1)
    if truth is not None:
        tile.outline(truth, TRUTH, 3)
    if detection is not None:
        tile.outline(detection, DETECTION, 3, dashed=True)
    return tile.picture(alt, caption)


def _real(item: GalleryItem, region: Box, headline: str, caption: str) -> Picture:
    failure, parent = item.failure, item.parent
    return outlined(
        parent,
        region,
        f"{caption} {parent.frame_id}: {headline}",
        caption,
        subject=failure.object_index,
        truth=failure.object_box,
        detection=failure.detection_box,
    )


def _synthetic(item: GalleryItem, frame: Frame, region: Box) -> Picture:
    """The same place in a frame that was rendered for the failure."""
    same = counterpart(item.parent, item.failure, frame)
    focus = None if same is None else frame.objects[same].box
    window = _same_place(region, item.parent, frame, focus)
    origin = frame.origin
    cycle = "" if origin is None else f", cycle {origin.cycle}"
    by = "" if origin is None or origin.simulator_label is None else f", {origin.simulator_label}"
    caption = f"synthetic{cycle}{by}"
    alt = f"{caption}: frame {frame.frame_id}, rendered for this failure"
    return outlined(frame, window, alt, caption, subject=same, truth=focus)


def counterpart(parent: Frame, failure: Failure, frame: Frame) -> int | None:
    """Which object of a synthetic frame is the re-staged failing one: of its category the nearest in
    place and size; None if none is near, or if the failure has no object."""
    if failure.object_index is None:
        return None
    true = parent.objects[failure.object_index]
    place = _scaled(true.box, parent, frame)
    costs = {
        index: _difference(place, obj)
        for index, obj in enumerate(frame.objects)
        if obj.category.casefold() == true.category.casefold() and not obj.ignore
    }
    best = min(costs, key=lambda index: costs[index], default=None)
    return best if best is not None and costs[best] < 1.5 else None


def _difference(place: Box, obj: Object) -> float:
    """Distance of the centres in diagonals of the box, and the log of the ratio of heights."""
    box = obj.box
    diagonal = max(1.0, math.hypot(place.width, place.height))
    apart = math.hypot(place.x1 + place.x2 - box.x1 - box.x2, place.y1 + place.y2 - box.y1 - box.y2) / 2
    return apart / diagonal + abs(math.log(max(box.height, 1.0) / max(place.height, 1.0)))


def _scaled(box: Box, parent: Frame, frame: Frame) -> Box:
    """A box of the parent's image in the image of a frame of another size."""
    sx, sy = frame.width / parent.width, frame.height / parent.height
    return Box(box.x1 * sx, box.y1 * sy, box.x2 * sx, box.y2 * sy)


def _same_place(region: Box, parent: Frame, frame: Frame, focus: Box | None) -> Box:
    """The parent's region in a synthetic frame, moved no further than the focus object asks for."""
    place = _scaled(region, parent, frame)
    if focus is not None:
        focus = focus.clipped(frame.width, frame.height)
        dx = min(0.0, focus.x1 - place.x1) or max(0.0, focus.x2 - place.x2)
        dy = min(0.0, focus.y1 - place.y1) or max(0.0, focus.y2 - place.y2)
        place = Box(place.x1 + dx, place.y1 + dy, place.x2 + dx, place.y2 + dy)
    wide, high = max(1, round(place.width)), max(1, round(place.height))
    x = min(max(0, round(place.x1)), frame.width - wide)
    y = min(max(0, round(place.y1)), frame.height - high)
    return Box(x, y, x + wide, y + high)


def _size(region: Box) -> tuple[int, int]:
    """Of a region's picture: `TILE` px wide."""
    return TILE, max(1, round(TILE * region.height / region.width))


class _Tile:
    """A crop scaled to its size on the page, on which boxes are then drawn with crisp lines."""

    def __init__(self, image: Image.Image, region: Box) -> None:
        self.region = region
        size = _size(region)
        shrinks = size[0] < region.width
        crop = image.crop(tuple(int(v) for v in region))  # type: ignore[arg-type]
        self.image = crop.resize(size, Image.Resampling.LANCZOS if shrinks else Image.Resampling.BICUBIC)
        self.pen = ImageDraw.Draw(self.image)

    @classmethod
    def cut(cls, frame: Frame, region: Box) -> _Tile | str:
        """The tile, or why the frame has none."""
        try:
            return cls(Image.fromarray(load_frame_image(frame)), region)
        except DataError as error:
            return f"no picture: {error}"

    def outline(self, box: Box, colour: Rgb, width: int, dashed: bool = False) -> None:
        scale = self.image.width / self.region.width
        x1, x2 = ((v - self.region.x1) * scale for v in (box.x1, box.x2))
        y1, y2 = ((v - self.region.y1) * scale for v in (box.y1, box.y2))
        corners = [(x1, y1), (x2, y1), (x2, y2), (x1, y2), (x1, y1)]
        for ink, line in ((HALO, width + 2), (colour, width)):
            for start, end in pairwise(corners):
                for piece in _dashes(start, end) if dashed and ink == colour else [(start, end)]:
                    self.pen.line(piece, fill=ink, width=line)

    def picture(self, alt: str, caption: str) -> Picture:
        data = base64.b64encode(encode_jpeg(np.asarray(self.image), quality=84)).decode("ascii")
        return Picture(f"data:image/jpeg;base64,{data}", *self.image.size, alt, caption)


Point = tuple[float, float]


def _dashes(start: Point, end: Point) -> list[tuple[Point, Point]]:
    """A line as dashes of 9 px, 5 px apart."""
    length = math.hypot(end[0] - start[0], end[1] - start[1])
    if length == 0 or length > 100 * TILE:  # a box far larger than what is shown
        return [(start, end)]

    def at(t: float) -> Point:
        share = min(t / length, 1.0)
        return (start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1]))

    return [(at(14.0 * k), at(14.0 * k + 9.0)) for k in range(math.ceil(length / 14.0))]
