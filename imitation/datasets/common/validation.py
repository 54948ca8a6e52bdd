"""Checks that every frame has to pass, whatever it was read from."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from imitation.common.settings import DataError
from imitation.common.texts import shown
from imitation.data.records import Box, Cuboid, Frame, Object
from imitation.datasets.common.left_out import (
    BOXES,
    CATEGORIES,
    CUBOIDS,
    DOUBLES,
    NO_AREA,
    OUTSIDE,
    RANGES,
    refuse,
)

Problems = Callable[[DataError], None]


def box_fault(box: Box) -> str | None:
    """What is wrong with a box by itself, or None."""
    if not all(math.isfinite(v) for v in box):
        return f"has a number that is not finite: {_numbers(box)}"
    if box.x2 < box.x1 or box.y2 < box.y1:
        return f"is inverted: {_numbers(box)} (x1 <= x2 and y1 <= y2 are needed)"
    return None


class Fault(NamedTuple):
    """What is wrong with an object, in a few words, and the kind of thing that is left out with it."""

    what: str
    reason: str

    def of(self, where: str, name: str = "") -> DataError:
        return DataError(where, f"{name}: {self.what}" if name else self.what, self.reason)


def object_fault(obj: Object, width: int, height: int) -> Fault | None:
    """What is wrong with an object of an image of that size (px), or None."""
    if not obj.category:
        return Fault("the category is empty", CATEGORIES)
    if fault := box_fault(obj.box):
        return Fault(f"the box {fault}", BOXES)
    if obj.box.x2 < 0 or obj.box.y2 < 0 or obj.box.x1 > width or obj.box.y1 > height:
        return Fault(f"the box {_numbers(obj.box)} lies outside the {width}x{height} image", OUTSIDE)
    for name, other in (("visible_box", obj.visible_box), ("amodal_box", obj.amodal_box)):
        if other is not None and (fault := box_fault(other)):
            return Fault(f"the {name} {fault}", BOXES)
    if what := _out_of_range(obj):
        return Fault(what, RANGES)
    if obj.cuboid is not None and (fault := _cuboid_fault(obj.cuboid)):
        return Fault(fault, CUBOIDS)
    return None


def _out_of_range(obj: Object) -> str | None:
    for name, share in (("truncation", obj.truncation), ("occlusion", obj.occlusion)):
        if share is not None and not 0.0 <= share <= 1.0:  # false for NaN as well
            return f"{name} is {share:g}, not in [0, 1]"
    for name, level, levels in (
        ("occlusion_level", obj.occlusion_level, (0, 1, 2, 3)),
        ("difficulty", obj.difficulty, (1, 2)),
    ):
        if level is not None and level not in levels:
            return f"{name} is {level}, not one of {', '.join(map(str, levels))}"
    if obj.alpha is not None and not math.isfinite(obj.alpha):
        return f"alpha is {obj.alpha}"
    return None


def _cuboid_fault(cuboid: Cuboid) -> str | None:
    for name in Cuboid.__slots__:
        if not math.isfinite(getattr(cuboid, name)):
            return f"the cuboid's {name} is {getattr(cuboid, name)}"
    for name in ("length", "width", "height"):
        if getattr(cuboid, name) <= 0:
            return f"the cuboid's {name} is {getattr(cuboid, name):g} m, not above 0"
    return None


def check_frame(frame: Frame, where: str) -> None:
    """Raises `DataError` for the first thing wrong with a frame; `where` names its file, line or row."""
    _check_but_objects(frame, where)
    _sound_objects(frame, where, refuse)


def _check_but_objects(frame: Frame, where: str) -> None:
    if not frame.frame_id:
        raise DataError(where, "the frame_id is empty")
    if frame.width <= 0 or frame.height <= 0:
        raise DataError(where, f"the image size is {frame.width}x{frame.height} px, not above 0")
    if frame.camera is not None:
        camera = frame.camera
        stated = [v for v in (camera.height, camera.pitch) if v is not None]
        if not all(math.isfinite(v) for v in (camera.fx, camera.fy, camera.cx, camera.cy, *stated)):
            raise DataError(where, f"the camera has a number that is not finite: {camera}")
        if camera.fx <= 0 or camera.fy <= 0:
            raise DataError(where, f"the focal lengths are {camera.fx:g} and {camera.fy:g} px, not above 0")


def _sound_objects(frame: Frame, where: str, bad: Problems) -> Frame:
    """The frame without objects that something is wrong with, each of which `bad` has heard of."""
    kept = []
    for index, obj in enumerate(frame.objects):
        if fault := object_fault(obj, frame.width, frame.height):
            name, category = (shown(text)[1:-1] for text in (frame.frame_id, obj.category))
            bad(fault.of(where, f"frame {name}, object {index} ({category})"))
        else:
            kept.append(obj)
    return frame if len(kept) == len(frame.objects) else replace(frame, objects=tuple(kept))


def without_nothings(frame: Frame, left_out: Counter[str]) -> Frame:
    """The frame without labels of nothing: boxes without area, and all but the first of equal objects, which
    no detection can find a second time. They are counted in `left_out`."""
    kept: list[Object] = []
    seen: dict[tuple[str, Box], list[Object]] = {}
    for obj in frame.objects:
        alike = seen.setdefault((obj.category, obj.box), [])
        if not obj.box.area:
            left_out[NO_AREA] += 1
        elif obj in alike:
            left_out[DOUBLES] += 1
        else:
            alike.append(obj)
            kept.append(obj)
    return frame if len(kept) == len(frame.objects) else replace(frame, objects=tuple(kept))


class FrameChecker:
    """`check_frame` for all frames of one dataset, which also refuses a frame_id seen before. `bad` hears of
    each bad row of a frame's labels, and raises it or goes on without (`DatasetReader.bad_row`)."""

    def __init__(self, bad: Problems = refuse) -> None:
        self.bad = bad
        self._seen: dict[str, str] = {}

    def __call__(self, frame: Frame, where: str) -> None:
        """Raises `DataError`; a frame that was refused does not count as seen."""
        check_frame(frame, where)
        self._see(frame, where)

    def passed(self, frame: Frame, where: str) -> Frame:
        """The frame, without the objects that `bad` lets go. Raises as a call does."""
        _check_but_objects(frame, where)
        frame = _sound_objects(frame, where, self.bad)
        self._see(frame, where)
        return frame

    def _see(self, frame: Frame, where: str) -> None:
        if frame.frame_id in self._seen:
            what = f"the frame_id {shown(frame.frame_id)} was already used"
            raise DataError(where, f"{what} in {self._seen[frame.frame_id]}")
        self._seen[frame.frame_id] = where


def handled(
    frames: Iterable[Callable[[], Frame]],
    problems: Problems | None,
) -> Iterator[Frame]:
    """Calls each maker of a frame; a `DataError` goes to `problems`, and the frame is left out, or is
    raised where `problems` is None."""
    for make in frames:
        try:
            frame = make()
        except DataError as error:
            if problems is None:
                raise
            problems(error)
            continue
        yield frame


def _numbers(box: Box) -> str:
    return "(" + ", ".join(f"{v:g}" for v in box) + ")"
