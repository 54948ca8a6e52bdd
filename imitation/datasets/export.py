"""Frames in another layout, by its dataset's `Writer`, saying what the layout cannot hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from imitation.common import storage
from imitation.common.formats import old_names
from imitation.common.settings import DataError, UserError
from imitation.data.records import Frame
from imitation.datasets.export_sources import Source, classes_of
from imitation.datasets.numbering import Classes
from imitation.datasets.registry import DATASETS, dataset_of
from imitation.datasets.writing import ExportReport, FrameWriter

Which = Literal["all", "real", "synthetic"]


@dataclass
class Survey:
    """What there is to export: `frames` by split, and objects by category, where those that are ignored
    count nothing (a category of theirs alone stands there with 0); of all frames, also of those that are not
    asked for, since no number of a class may depend on that. `shared` are the frame ids of `mine` that
    `train` has too: such a frame is one, and is written among those of train. `left_out` are the places
    beside the sources whose frames are not exported, `problems` are the frames that were skipped."""

    sources: Sequence[Source]
    which: Which
    left_out: Sequence[str] = ()
    classes: Classes = field(default_factory=Classes)
    notes: Sequence[str] = ()
    skip: bool = False
    frames: Counter[str] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)
    shared: set[str] = field(default_factory=set)
    problems: list[DataError] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.frames.total()

    def has(self, source: Source, frame: Frame) -> bool:
        """Whether a source's frame is to be written with it."""
        twice = source.split == "mine" and frame.frame_id in self.shared
        return source.has(frame, self.which) and not twice


def survey_frames(
    sources: Sequence[Source],
    which: Which = "all",
    left_out: Sequence[str] = (),
    classes: Classes | None = None,
    notes: Sequence[str] = (),
    skip: bool = False,
) -> Survey:
    """Reads the labels of the sources through. A split `stop`, as `val` was called once, is `val` where
    there is no `val` besides. `classes`: None asks the sources. `notes` are lines for the report; with `skip`
    a dataset's bad frames are left out and listed. Raises UserError and DataError as the reading does."""
    names = {source.split for source in sources}
    if "val" not in names:
        sources = [replace(s, split=old_names.split(s.split)) for s in sources]
    survey = Survey(sources, which, left_out, classes or classes_of(sources), notes, skip)
    columns = ("frame_id", "objects") if which == "all" else ("frame_id", "objects", "origin")
    if any(source.split == "mine" and source.reader is None for source in sources):
        survey.shared = _ids(survey, "train") & _ids(survey, "mine")
    for source in sources:
        survey.frames[source.split] += 0
        for frame in source.read(columns, survey.problems.append if skip else None):
            survey.frames[source.split] += survey.has(source, frame)
            for obj in frame.objects:
                survey.categories[obj.category] += not obj.ignore
    return survey


def _ids(survey: Survey, split: str) -> set[str]:
    """The frame ids of a split's frames that are asked for."""
    return {
        frame.frame_id
        for source in survey.sources
        if source.split == split
        for frame in source.read(("frame_id", "origin"))
        if source.has(frame, survey.which)
    }


def layouts() -> list[str]:
    """The names of our datasets that can be written."""
    return [name for name, dataset in DATASETS.loaded().items() if dataset.Writer is not None]


def writer_of(layout: str) -> type[FrameWriter]:
    """What writes a layout: a dataset's name, or the import path of one's own. Raises UserError where there
    is no such dataset, or it cannot be written."""
    try:
        writer = dataset_of(layout).Writer
    except UserError as error:
        raise UserError(str(error).replace("data.kind", "--to", 1)) from None
    if writer is None:
        raise UserError(f"--to: {layout!r} data cannot be written; layouts are {', '.join(layouts())}")
    return writer


def export(
    survey: Survey, layout: str, out: str, progress: Callable[[int], None] = lambda done: None
) -> ExportReport:
    """Writes the surveyed frames in a layout (see `writer_of`) into the folder `out`, their images copied
    byte for byte.

    Memory holds a few frames. `progress` gets the number of frames done. Each file appears whole or not
    at all, what makes the folder complete (instances_*.json, data.yaml, ImageSets) last; after an error or
    Ctrl-C `out` is empty again.

    Raises UserError if `out` is not empty or there is nothing to write, DataError for a bad frame.
    """
    writer = writer_of(layout)
    out = storage.absolute(out)
    refuse_used(out)
    for source in survey.sources:
        if source.reader is not None:
            if f"{out}/".startswith(f"{source.uri.rstrip('/')}/"):
                raise UserError(f"{out}: lies in the dataset's folder; give one outside {source.uri}")
            continue
        alike = storage.is_local(out) == storage.is_local(source.uri)
        if alike and not storage.relative(out, source.uri).startswith(".."):
            raise UserError(f"{out}: lies among the frames to export; give a folder outside {source.uri}")
    if not survey.total:
        raise UserError(
            f"there are no frames to export (asked for: {survey.which}; {len(survey.problems)} were skipped)"
            if survey.problems
            else f"there are no frames to export (asked for: {survey.which})"
        )
    storage.check_writable(out)
    report = ExportReport(
        layout,
        out,
        marked=writer.marks_synthetic,
        shared=len(survey.shared),
        left_out=survey.left_out,
        notes=survey.notes,
        problems=survey.problems,
    )
    try:
        splits = [split for split, frames in survey.frames.items() if frames]
        report.frames = dict.fromkeys(splits, 0)
        writer(survey, report, progress).write(splits)
    except BaseException:  # Ctrl-C too must leave no half of an export
        _empty(out)
        raise
    return report


def refuse_used(out: str) -> None:
    """Raises UserError for a file, and for a folder with anything in it."""
    if not storage.exists(out):
        return
    if not storage.is_folder(out):
        raise UserError(f"{out}: is a file; give a folder that does not exist yet")
    if storage.list_files(out, hidden="\0") or storage.list_folders(out):
        raise UserError(f"{out}: the folder is not empty; give another, or empty it first")


def _empty(out: str) -> None:
    """Takes away what was written: half an export looks like a whole one."""
    if storage.exists(out):
        for place in (*storage.list_files(out, hidden="\0"), *storage.list_folders(out)):
            storage.delete(place)
