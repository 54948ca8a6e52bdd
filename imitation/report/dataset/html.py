"""A dataset's inspection as a page: one file with everything in it, without a script, that loads nothing."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from imitation.common.settings import UserError
from imitation.data.categories import CategoryMap
from imitation.data.drawing import draw_objects
from imitation.data.images import encode_jpeg, load_frame_image
from imitation.data.records import Box, Frame, Object
from imitation.datasets.base import DatasetReader
from imitation.datasets.inspection.shapes import Shapes
from imitation.datasets.inspection.statistics import Inspection
from imitation.report.dataset.plots import build_plots
from imitation.report.page import environment

PROBLEMS_SHOWN = 100
PAIRS_SHOWN = 12
WIDE, HIGH = 240, 150  # px, of a picture
CONTEXT = 2.2  # widths and heights of the object that a picture shows
DRAWN = 320  # px, of its width in the page: for fine screens
QUALITY = 75


@dataclass(frozen=True)
class Tile:
    """A picture for the page (macro `tile`): a data URI, or why there is none."""

    uri: str | None
    width: int
    height: int
    alt: str
    caption: str


def render_dataset(inspection: Inspection, mapping: CategoryMap | None, dataset: DatasetReader) -> str:
    """The page. `dataset` gives the pictures that are drawn: of the oddest objects of each category, and of
    frames that look alike across splits. Whatever comes from data is escaped."""
    shapes = inspection.shapes or Shapes()
    odd = list(shapes.oddest())
    pairs = inspection.lookalikes[:PAIRS_SHOWN]
    wanted = {(split, name) for _, ones in odd for split, name, _ in ones}
    wanted |= {(one.split, one.frame_id) for one in pairs}
    learnt = {name: split for split in ("train", "mine") for name in inspection.members.get(split, ())}
    wanted |= {(learnt[one.like], one.like) for one in pairs if one.like in learnt}
    frames = _frames(dataset, wanted)
    return environment().get_template("dataset/page.html.j2").render(
        inspection=inspection,
        title=dataset.title,
        roles={n: None if mapping is None else inspection.role(n, mapping) for n in inspection.categories},
        targets={} if mapping is None else mapping.mapping,
        plots=build_plots(inspection, shapes),
        crowded=shapes.crowded(),
        shapes=shapes,
        empty=sum(shapes.empty.values()),
        odd=[(category, [_tile(one, frames) for one in ones]) for category, ones in odd],
        pairs=[
            (
                _whole(frames.get(one.frame_id), f"{one.split} {one.frame_id}"),
                _whole(frames.get(one.like), f"{learnt.get(one.like, 'train')} {one.like}"),
            )
            for one in pairs
        ],
        problems_shown=PROBLEMS_SHOWN,
    )  # fmt: skip


def _frames(dataset: DatasetReader, wanted: set[tuple[str, str]]) -> dict[str, Frame]:
    by_split: dict[str, set[str]] = {}
    for split, name in wanted:
        by_split.setdefault(split, set()).add(name)
    found: dict[str, Frame] = {}
    for split, names in by_split.items():
        found |= {f.frame_id: f for f in dataset.frames(split, lambda problem: None, names)}
    return found


def _tile(one: tuple[str, str, Object], frames: Mapping[str, Frame]) -> Tile:
    """An object in its surroundings."""
    split, name, obj = one
    box = obj.box
    caption = f"{box.width:.0f} x {box.height:.0f} px, {split} {name}"
    frame = frames.get(name)
    if frame is None:
        return _none(caption)
    high = max(CONTEXT * box.height, CONTEXT * box.width * HIGH / WIDE, 32)
    wide = max(high * WIDE / HIGH, CONTEXT * box.width)
    x, y = (box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2
    return _cropped(frame, Box(x - wide / 2, y - high / 2, x + wide / 2, y + high / 2), [obj], caption)


def _whole(frame: Frame | None, caption: str) -> Tile:
    if frame is None:
        return _none(caption)
    return _cropped(frame, Box(0, 0, frame.width, frame.height), [], caption)


def _cropped(frame: Frame, region: Box, objects: Sequence[Object], caption: str) -> Tile:
    try:
        image = Image.fromarray(load_frame_image(frame))
    except UserError as error:
        return Tile(None, WIDE, HIGH, caption, f"{caption}: {error}")
    inner = region.clipped(frame.width, frame.height)
    left, top = int(inner.x1), int(inner.y1)
    right, bottom = max(int(inner.x2), left + 1), max(int(inner.y2), top + 1)
    factor = DRAWN / (right - left)
    size = (DRAWN, max(1, round((bottom - top) * factor)))
    part = image.crop((left, top, right, bottom)).resize(size, Image.Resampling.BICUBIC)
    moved = [
        replace(
            obj,
            box=Box(*((v - o) * factor for v, o in zip(obj.box, (left, top, left, top)))),
        )
        for obj in objects
    ]
    drawn = draw_objects(part, moved, names=False)
    data = base64.b64encode(encode_jpeg(np.asarray(drawn), QUALITY)).decode()
    return Tile(f"data:image/jpeg;base64,{data}", *size, caption, caption)


def _none(caption: str) -> Tile:
    return Tile(None, WIDE, HIGH, caption, f"{caption}: it cannot be read again")
