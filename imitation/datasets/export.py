"""Frames in another layout: COCO, KITTI, YOLO or our own Parquet, saying what the layout cannot hold."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Literal, NamedTuple

from imitation.common import storage
from imitation.common.settings import DataError, UserError
from imitation.common.texts import shown
from imitation.common.wording import counted
from imitation.data.images import image_size, read_image_bytes
from imitation.data.records import Frame
from imitation.data.splits import SPLITS
from imitation.datasets.coco.writer import CocoWriter
from imitation.datasets.common.tally import Tally, listed
from imitation.datasets.export_sources import Source, classes_of, dataset_sources, left_out, parquet_sources
from imitation.datasets.kitti.files import make_folders, put_frame, texts_of
from imitation.datasets.kitti.original import original_texts
from imitation.datasets.kitti.writer import as_kitti
from imitation.datasets.numbering import Classes, Numbering
from imitation.datasets.parquet.files import write_frames
from imitation.datasets.yolo.writer import write_data_yaml, write_yolo

__all__ = [
    "ExportReport",
    "Source",
    "Survey",
    "classes_of",
    "dataset_sources",
    "export",
    "left_out",
    "parquet_sources",
    "refuse_used",
    "survey_frames",
]

Layout = Literal["coco", "kitti", "yolo", "parquet"]
Which = Literal["all", "real", "synthetic"]
SYNTHETIC = "syn-"  # before the names of a run's rendered frames
LONGEST_NAME = 120  # bytes, of the 255 that file systems have
SHOWN = 3
SKIPPED_SHOWN = 20
CLASSES_SHOWN = 12
ONE_SET = "train"
"""What COCO's files are called of a set without splits."""


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
    """Reads the labels of the sources through. `stop` is called `val`, as others call what decides when to
    stop, unless there is a `val` besides. `classes`: None asks the sources. `notes` are lines for the report;
    with `skip` a dataset's bad frames are left out and listed. Raises UserError and DataError as the reading
    does."""
    names = {source.split for source in sources}
    if "val" not in names:
        sources = [replace(s, split="val") if s.split == "stop" else s for s in sources]
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


@dataclass
class ExportReport:
    """What was written: `frames` by split, `synthetic` ones among them, `objects`; what was lost or
    written in another way (`tally`); how many frame ids were no file names, with the first few of them as
    (frame_id, name); how many frames of `mine` are written once, in train (`shared`); the places that
    were not exported (`left_out`); the numbers of `classes`, and where they come from (`numbered`); KITTI's
    own files that were copied (`as_they_were`) and calibrations that are P2 alone (`bare`); frames that were
    skipped (`problems`)."""

    layout: Layout
    out: str
    frames: dict[str, int] = field(default_factory=dict)
    synthetic: int = 0
    objects: int = 0
    tally: Tally = field(default_factory=Tally)
    renamed: int = 0
    renamed_first: list[tuple[str, str]] = field(default_factory=list)
    shared: int = 0
    left_out: Sequence[str] = ()
    notes: Sequence[str] = ()
    classes: Mapping[str, int] = field(default_factory=dict)
    numbered: str = ""
    as_they_were: int = 0
    bare: int = 0
    problems: Sequence[DataError] = ()

    def lines(self) -> list[str]:
        """The report for people, a line a matter."""
        parts = ", ".join(f"{split} {count:,}" for split, count in self.frames.items() if split)
        told = [
            f"{self.out}: {counted(sum(self.frames.values()), 'frame')}" + (f" ({parts})" if parts else "")
            + f", {counted(self.objects, 'object')}, as {self.layout}"
        ]  # fmt: skip
        told += self.notes
        if self.problems:
            told += [f"skipped: {problem}" for problem in self.problems[:SKIPPED_SHOWN]]
            if (others := len(self.problems) - SKIPPED_SHOWN) > 0:
                told.append(f"skipped: {others:,} more problems (imitate inspect lists all)")
        if self.classes:
            told.append(f"classes: {_classes_told(self.classes)} ({self.numbered})")
        if self.synthetic:
            marked = "" if self.layout == "parquet" else f"; their names begin with {SYNTHETIC}"
            told.append(f"synthetic: {counted(self.synthetic, 'frame')}{marked}")
        if self.renamed:
            first = ", ".join(f"{old!r} is {new}" for old, new in self.renamed_first)
            more = ", ..." if self.renamed > len(self.renamed_first) else ""
            ids = counted(self.renamed, "frame id")
            told.append(f"renamed: {ids} could not be file names ({first}{more})")
        if self.shared:
            told.append(f"once: {counted(self.shared, 'frame')} of mine that train has too, in train alone")
        if self.left_out:
            known = ", ".join((*SPLITS, "val"))
            told.append(f"not exported: {', '.join(self.left_out)} (not called as a split: {known})")
        if self.as_they_were:
            kept = counted(self.as_they_were, "frame")
            told.append(f"byte for byte: labels and calibrations of {kept} that came from KITTI")
        if self.bare:
            told.append(
                f"calibrations of {counted(self.bare, 'frame')}: P2 alone, without a fourth column, cuboids "
                "in that camera's own coordinates (KITTI's labels count from its camera 0, some cm beside)"
            )
        if self.tally.changed:
            told.append(f"changed: {listed(self.tally.changed)}")
        nothing = "nothing else" if self.bare else "nothing"
        told.append(f"dropped: {listed(self.tally.dropped) or nothing}")
        return told


def _classes_told(classes: Mapping[str, int]) -> str:
    shown_first = list(classes.items())[:CLASSES_SHOWN]
    first = [f"{number} {shown(name)[1:-1]}" for name, number in shown_first]
    return ", ".join(first) + (f", ... ({len(classes)} in all)" if len(classes) > CLASSES_SHOWN else "")


class Names:
    """Unique file names for frame ids, on file systems that do not know case either."""

    def __init__(self) -> None:
        self._used: set[str] = set()

    def name(self, frame_id: str, prefix: str = "") -> str:
        """The id itself where it can be a file's name, else something near it."""
        plain = re.sub(r"[^\w.-]+", "_", frame_id).encode()[:LONGEST_NAME].decode(errors="ignore")
        plain = plain.strip(".") or "frame"
        wanted, number = prefix + plain, 1
        while wanted.casefold() in self._used:
            number += 1
            wanted = f"{prefix}{plain}-{number}"
        self._used.add(wanted.casefold())
        return wanted


def export(
    survey: Survey, layout: Layout, out: str, progress: Callable[[int], None] = lambda done: None
) -> ExportReport:
    """Writes the surveyed frames in a layout into the folder `out`, their images copied byte for byte.

    Memory holds a few frames. `progress` gets the number of frames done. Each file appears whole or not
    at all, what makes the folder complete (instances_*.json, data.yaml, ImageSets) last; after an error or
    Ctrl-C `out` is empty again.

    - coco: `annotations/instances_<split>.json` and the images in `<split>/`, nothing lost
      (`imitation.datasets.coco.writer`); a set without splits is called train;
    - kitti: `training/{image_2,label_2,calib}`, splits in `ImageSets/`;
    - yolo: `images/<split>/`, `labels/<split>/`, `data.yaml`;
    - parquet: `<split>/frames.parquet`, and `<split>/synthetic.parquet` for what was rendered for a run.

    Raises UserError if `out` is not empty or there is nothing to write, DataError for a bad frame.
    """
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
        shared=len(survey.shared),
        left_out=survey.left_out,
        notes=survey.notes,
        problems=survey.problems,
    )
    work = _Export(survey, report, progress)
    try:
        splits = [split for split, frames in survey.frames.items() if frames]
        report.frames = dict.fromkeys(splits, 0)
        _WRITERS[layout](work, splits)
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


def _with_image(frame: Frame) -> Frame:
    """The frame with its image's bytes. Raises DataError if they are not an image of the frame's size."""
    data, where = read_image_bytes(frame), frame.image_uri or f"frame {frame.frame_id}"
    width, height = image_size(data, where)
    if (width, height) != (frame.width, frame.height):
        what = f"the image is {width}x{height} px, but its labels are for {frame.width}x{frame.height}"
        raise DataError(where, what)
    return replace(frame, image=data, image_uri=None)


class _Taken(NamedTuple):
    """A frame with its image's bytes, the name that its files take, and where the image lay."""

    name: str
    frame: Frame
    image_uri: str | None


class _Export:
    """The frames of the sources on their way into a layout."""

    def __init__(self, survey: Survey, report: ExportReport, progress: Callable[[int], None]) -> None:
        self.survey, self.report, self._progress = survey, report, progress
        self.out, self.tally = report.out, report.tally
        self._names = Names()

    def frames(self, source: Source) -> Iterator[tuple[Frame, str | None]]:
        """A source's frames with their image's bytes, counted, and where each image lay."""
        for frame in source.read(problems=_passed_over if self.survey.skip else None):
            if not self.survey.has(source, frame):
                continue
            yield _with_image(frame), frame.image_uri
            self.report.frames[source.split] += 1
            self.report.objects += len(frame.objects)
            self.report.synthetic += source.is_synthetic(frame)
            self._progress(sum(self.report.frames.values()))

    def taken(self, split: str) -> Iterator[_Taken]:
        """A split's frames, each with the name that its files take."""
        for source in self.of(split):
            for frame, uri in self.frames(source):
                prefix = SYNTHETIC if source.is_synthetic(frame) else ""
                yield _Taken(self._name(frame.frame_id, prefix), frame, uri)

    def classed(self, split: str) -> Iterator[tuple[str, Frame]]:
        """A split's named frames, their objects called as their classes are numbered."""
        classes = self.survey.classes
        for name, frame, _ in self.taken(split):
            if not classes.renamed or classes.own:
                yield name, frame
                continue
            objects = tuple(replace(obj, category=classes.called(obj.category)) for obj in frame.objects)
            for old, new in zip(frame.objects, objects):
                if old.category != new.category:
                    self.tally.change(f"{old.category} as {new.category} of", "object")
            yield name, replace(frame, objects=objects)

    def of(self, split: str) -> list[Source]:
        return [source for source in self.survey.sources if source.split == split]

    def numbered(self, kind: str, seen: Iterable[str]) -> dict[str, int]:
        """The numbers of the classes, which the report tells."""
        classes = self.survey.classes.numbers(kind, seen)
        self.report.classes, self.report.numbered = classes, self.survey.classes.told(kind)
        return classes

    def _name(self, frame_id: str, prefix: str) -> str:
        name = self._names.name(frame_id, prefix)
        if name != prefix + frame_id:
            self.report.renamed += 1
            if len(self.report.renamed_first) < SHOWN:
                self.report.renamed_first.append((frame_id, name))
        return name


def _passed_over(problem: DataError) -> None:
    """The survey has listed it."""


def _coco(work: _Export, splits: Sequence[str]) -> None:
    writer = CocoWriter(work.numbered("coco", work.survey.categories))
    for split in splits:
        writer.write(work.classed(split), work.out, split or ONE_SET, split or "frames")


def _kitti(work: _Export, splits: Sequence[str]) -> None:
    lists: dict[str, list[str]] = {split: [] for split in splits}
    folder = make_folders(work.out)
    for split in splits:
        for name, frame, uri in work.taken(split):
            lists[split].append(name)
            texts = original_texts(frame, uri)
            if texts is None:
                texts = texts_of(replace(as_kitti(frame, work.tally), frame_id=name))
                work.report.bare += 1
            else:
                work.tally.drop_fields(frame, ("sequence", "conditions", "origin"))
                work.report.as_they_were += 1
            put_frame(folder, name, texts, frame.image)
    if len(splits) > 1:  # a single list would have no validation frames beside it
        for split, names in lists.items():
            text = "".join(f"{name}\n" for name in names)
            storage.write_bytes_atomic(storage.join(work.out, "ImageSets", f"{split}.txt"), text.encode())


def _yolo(work: _Export, splits: Sequence[str]) -> None:
    labelled = [name for name, objects in work.survey.categories.items() if objects]
    classes = work.numbered("yolo", labelled)
    for split in splits:
        write_yolo(work.classed(split), work.out, split, classes, work.tally)
    write_data_yaml(work.out, classes, work.report.frames)


def _parquet(work: _Export, splits: Sequence[str]) -> None:
    classes = work.survey.classes
    numbering = classes.own
    if numbering is None and classes.named and not classes.renamed:
        numbering = Numbering.in_order(classes.named)
    for split in splits:
        for file, synthetic in (("frames.parquet", False), ("synthetic.parquet", True)):
            sources = [source for source in work.of(split) if bool(source.synthetic) == synthetic]
            frames = (frame for source in sources for frame, _ in work.frames(source))
            first = next(frames, None)
            if first is not None:
                uri = storage.join(work.out, split, file)
                write_frames(chain([first], frames), uri, numbering=numbering)


_WRITERS: dict[Layout, Callable[[_Export, Sequence[str]], None]] = {
    "coco": _coco,
    "kitti": _kitti,
    "yolo": _yolo,
    "parquet": _parquet,
}
