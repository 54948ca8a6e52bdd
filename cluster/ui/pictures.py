"""Pictures for the page: rendered frames with their labels, failures in their surroundings; as JPEG.

A picture is found by names that the storage itself has, never by a path of the asker's; and one that a folder
only names, as KITTI runs do, is opened where it lies under the storage or a place that was allowed.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from cluster.workspace.run_folder import Workspace
from imitation.common import storage
from imitation.common.errors import UserError
from imitation.common.names import cycle_folder
from imitation.data.drawing import draw_objects
from imitation.data.images import encode_jpeg, load_frame_image
from imitation.data.records import Frame
from imitation.datasets.parquet.files import read_frames
from imitation.evaluation.failures import Failure, read_failures
from imitation.report.run.gallery import GalleryItem, drawn_apart
from imitation.report.run.pictures import build_entry

THUMB_PX = 480
FRAMES, FAILURES = 12, 8


@dataclass(frozen=True)
class Thumb:
    """A rendered frame to show: its cycle and id, and words below it."""

    cycle: int
    frame_id: str
    caption: str


@dataclass(frozen=True)
class FailureThumb:
    """A failure to show: where its evaluation lies, and words."""

    cycle: int
    failure_id: str
    headline: str
    facts: tuple[str, ...]


@dataclass(frozen=True)
class Pictures:
    """Of the runs in a storage; `allowed` are further places whose pictures may be shown."""

    home: str
    allowed: tuple[str, ...] = ()

    def frame(self, workspace: Workspace, cycle: int, frame_id: str) -> bytes | None:
        """A rendered frame with its labels, None where there is none."""
        place = workspace.path(cycle_folder(cycle), "synthetic")
        for frame in _frames(place, {frame_id}):
            return self._drawn(frame)
        return None

    def failure(self, workspace: Workspace, cycle: int, failure_id: str) -> bytes | None:
        """A failure in its surroundings, None where there is none."""
        failure = next((f for f in _failures(workspace, cycle) if f.failure_id == failure_id), None)
        if failure is None:
            return None
        for split in ("train", "mine"):
            for frame in _frames(workspace.split(split), {failure.frame_id}):
                if (refused := self._refused(frame)) is not None:
                    return refused
                picture = build_entry(GalleryItem(failure, frame, ())).real
                data = (picture.uri or "").partition(",")[2]
                return base64.b64decode(data) if data else _words(picture.caption)
        return None

    def _drawn(self, frame: Frame) -> bytes:
        if (refused := self._refused(frame)) is not None:
            return refused
        image = Image.fromarray(load_frame_image(frame))
        drawn = draw_objects(image, frame.objects, names=False, width=max(1, image.width // 400))
        drawn.thumbnail((THUMB_PX, THUMB_PX))
        return encode_jpeg(np.asarray(drawn), quality=86)

    def _refused(self, frame: Frame) -> bytes | None:
        if frame.image is not None or self.may_open(frame.image_uri or ""):
            return None
        return _words("This picture lies outside of the storage: imitate ui --pictures FOLDER allows it")

    def may_open(self, uri: str) -> bool:
        """Whether a picture lies in the storage, or in a place that was allowed; links are followed first."""
        return any(_inside(uri, place) for place in (self.home, *self.allowed))


def newest_frames(workspace: Workspace, cycles: Sequence[int]) -> list[Thumb]:
    """The frames that were rendered last, evenly out of the newest file of the newest cycle that has any."""
    for cycle in reversed(cycles):
        place = workspace.path(cycle_folder(cycle), "synthetic")
        files = storage.list_files(place, ".parquet") if storage.exists(place) else []
        if files:
            names = list(read_frames(files[-1], ("frame_id", "origin")))
            chosen = [names[i] for i in np.unique(np.linspace(0, len(names) - 1, FRAMES).astype(int))]
            return [Thumb(cycle, frame.frame_id, _caption(frame)) for frame in chosen]
    return []


def some_failures(workspace: Workspace, cycle: int, seed: int = 0) -> list[FailureThumb]:
    """A few mined failures of a cycle, drawn by seed, of different frames as far as there are any."""
    from imitation.report.run.pictures import describe, facts

    found = [failure for failure in _failures(workspace, cycle) if failure.kind != "duplicate"]
    chosen = drawn_apart(found, FAILURES, np.random.default_rng(seed), set())
    return [FailureThumb(cycle, f.failure_id, describe(f), facts(f)) for f in chosen]


def _failures(workspace: Workspace, cycle: int) -> Iterator[Failure]:
    uri = workspace.path(cycle_folder(cycle), "evaluation", "failures.parquet")
    return read_failures(uri) if storage.exists(uri) else iter(())


def _frames(place: str, wanted: set[str]) -> Iterator[Frame]:
    if storage.exists(place):
        yield from read_frames(place, keep=wanted)


def _caption(frame: Frame) -> str:
    origin: Any = frame.origin
    if origin is None:
        return frame.frame_id
    by = f", {origin.simulator_label}" if origin.simulator_label else ""
    return f"after {origin.parent}{by}" if origin.parent else f"a free scene{by}"


def _inside(uri: str, place: str) -> bool:
    if storage.is_local(uri) != storage.is_local(place):
        return False
    if storage.is_local(uri):
        whole, home = (os.path.realpath(storage.resolve(each)[1]) for each in (uri, place))
        return os.path.commonpath([whole, home]) == home
    try:
        return not storage.relative(uri, place).startswith("..") and uri.split("/")[2] == place.split("/")[2]
    except (UserError, IndexError):
        return False


def _words(text: str) -> bytes:
    """Words as a picture, where there is none to show."""
    from PIL import ImageDraw, ImageFont

    image = Image.new("RGB", (THUMB_PX, 160), (236, 236, 234))
    font = ImageFont.load_default(18)
    words, lines = text.split(), [""]
    for word in words:
        if len(lines[-1]) + len(word) > 44:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    ImageDraw.Draw(image).multiline_text((20, 24), "\n".join(lines), fill=(90, 96, 102), font=font, spacing=8)
    return encode_jpeg(np.asarray(image), quality=86)
