"""Frames in another layout: COCO, KITTI, YOLO or our own Parquet, saying what the layout cannot hold."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Literal

from imitation import storage
from imitation.datasets.kitti import write_kitti
from imitation.datasets.parquet import read_frames, write_frames
from imitation.datasets.paths import list_name
from imitation.datasets.tally import Tally, counted, listed
from imitation.datasets.to_kitti import as_kitti
from imitation.datasets.validate import FrameChecker
from imitation.datasets.write_coco import CocoWriter
from imitation.datasets.write_yolo import write_data_yaml, write_yolo
from imitation.images import image_size, read_image_bytes
from imitation.records import Frame
from imitation.settings import DataError, UserError
from imitation.splits import SPLITS

Layout = Literal["coco", "kitti", "yolo", "parquet"]
Which = Literal["all", "real", "synthetic"]
SYNTHETIC = "syn-"  # before the names of a run's rendered frames
LONGEST_NAME = 120  # bytes, of the 255 that file systems have
SHOWN = 3


@dataclass(frozen=True)
class Source:
    """Parquet frames of one split ("" where there are no splits): a file, or a folder of files.

    `synthetic` says whether they were rendered for a run; None: each frame's `origin` says it.
    """

    split: str
    uri: str
    synthetic: bool | None = None

    def has(self, frame: Frame, which: Which) -> bool:
        return which == "all" or self.is_synthetic(frame) == (which == "synthetic")

    def is_synthetic(self, frame: Frame) -> bool:
        return frame.origin is not None if self.synthetic is None else self.synthetic


@dataclass
class Survey:
    """What there is to export: `frames` by split, and objects by category, where those that are ignored
    count nothing (a category of theirs alone stands there with 0). `shared` are the frame ids of `mine`
    that `train` has too: such a frame is one, and is written among those of train. `left_out` are the
    places beside the sources whose frames are not exported."""

    sources: Sequence[Source]
    which: Which
    left_out: Sequence[str] = ()
    frames: Counter[str] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)
    shared: set[str] = field(default_factory=set)

    @property
    def total(self) -> int:
        return self.frames.total()

    def has(self, source: Source, frame: Frame) -> bool:
        """Whether a source's frame is to be written with it."""
        twice = source.split == "mine" and frame.frame_id in self.shared
        return source.has(frame, self.which) and not twice


def survey_frames(sources: Sequence[Source], which: Which = "all", left_out: Sequence[str] = ()) -> Survey:
    """Reads the labels of the sources through. Raises UserError and DataError as `read_frames` does."""
    survey = Survey(sources, which, left_out)
    columns = ("frame_id", "objects") if which == "all" else ("frame_id", "objects", "origin")
    if any(source.split == "mine" for source in sources):
        survey.shared = _ids(survey, "train") & _ids(survey, "mine")
    for source in sources:
        survey.frames[source.split] += 0
        for frame in read_frames(source.uri, columns):
            if survey.has(source, frame):
                survey.frames[source.split] += 1
                for obj in frame.objects:
                    survey.categories[obj.category] += not obj.ignore
    return survey


def _ids(survey: Survey, split: str) -> set[str]:
    """The frame ids of a split's frames that are asked for."""
    return {
        frame.frame_id
        for source in survey.sources
        if source.split == split
        for frame in read_frames(source.uri, ("frame_id", "origin"))
        if source.has(frame, survey.which)
    }


@dataclass
class ExportReport:
    """What was written: `frames` by split, `synthetic` ones among them, `objects`; what was lost or
    written in another way (`tally`); how many frame ids were no file names, with the first few of them as
    (frame_id, name); how many frames of `mine` are written once, in train (`shared`); and the places that
    were not exported (`left_out`)."""

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

    def lines(self) -> list[str]:
        """The report for people, a line a matter."""
        parts = ", ".join(f"{split} {count:,}" for split, count in self.frames.items() if split)
        told = [
            f"{self.out}: {counted(sum(self.frames.values()), 'frame')}" + (f" ({parts})" if parts else "")
            + f", {counted(self.objects, 'object')}, as {self.layout}"
        ]  # fmt: skip
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
        if self.tally.changed:
            told.append(f"changed: {listed(self.tally.changed)}")
        told.append(f"dropped: {listed(self.tally.dropped) or 'nothing'}")
        return told


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


def parquet_sources(uri: str) -> list[Source]:
    """The sources of a Parquet file or folder: a folder with one file or folder a split (`train.parquet`
    or `train/`, ...; "valid" and "validation" are `val`) has splits, anything else is one set. Raises
    UserError if there is nothing."""
    uri = storage.absolute(uri)
    if not storage.exists(uri):
        raise UserError(f"{uri}: there is nothing there; give a run's folder, or Parquet frames")
    if not storage.is_folder(uri):
        return [Source("", uri)]
    places = _places(uri)
    splits = [Source(name, place) for name in (*SPLITS, "val") for place in places.get(name, [])]
    return splits or [Source("", uri)]


def left_out(uri: str, sources: Sequence[Source]) -> list[str]:
    """The names of what lies in a folder of splits and holds Parquet frames, but is none of its `sources`."""
    uri = storage.absolute(uri)
    used = {source.uri for source in sources}
    if uri in used:
        return []
    others = sorted(place for places in _places(uri).values() for place in places if place not in used)
    return [
        storage.name_of(place)
        for place in others
        if not storage.is_folder(place) or storage.list_files(place, ".parquet")
    ]


def _places(folder: str) -> dict[str, list[str]]:
    """The Parquet files and the folders in a folder, by the list that they are called as."""
    found: dict[str, list[str]] = {}
    for place in (*storage.list_files(folder, ".parquet"), *storage.list_folders(folder)):
        found.setdefault(list_name(storage.name_of(place).removesuffix(".parquet")), []).append(place)
    return found


def export(
    survey: Survey, layout: Layout, out: str, progress: Callable[[int], None] = lambda done: None
) -> ExportReport:
    """Writes the surveyed frames in a layout into the folder `out`, their images copied byte for byte.

    Memory holds a few frames. `progress` gets the number of frames done. Each file appears whole or not
    at all, what makes the folder complete (labels.json, data.yaml, ImageSets) last; after an error or
    Ctrl-C `out` is empty again.

    - coco: `<split>/data/` and `<split>/labels.json`, nothing lost (`imitation.datasets.write_coco`);
    - kitti: `training/{image_2,label_2,calib}`, splits in `ImageSets/`;
    - yolo: `images/<split>/`, `labels/<split>/`, `data.yaml`;
    - parquet: `<split>/frames.parquet`, and `<split>/synthetic.parquet` for what was rendered for a run.

    Raises UserError if `out` is not empty or there is nothing to write, DataError for a bad frame.
    """
    out = storage.absolute(out)
    refuse_used(out)
    for source in survey.sources:
        alike = storage.is_local(out) == storage.is_local(source.uri)
        if alike and not storage.relative(out, source.uri).startswith(".."):
            raise UserError(f"{out}: lies among the frames to export; give a folder outside {source.uri}")
    if not survey.total:
        raise UserError(f"there are no frames to export (asked for: {survey.which})")
    storage.check_writable(out)
    report = ExportReport(layout, out, shared=len(survey.shared), left_out=survey.left_out)
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


class _Export:
    """The frames of the sources on their way into a layout."""

    def __init__(self, survey: Survey, report: ExportReport, progress: Callable[[int], None]) -> None:
        self.survey, self.report, self._progress = survey, report, progress
        self.out, self.tally = report.out, report.tally
        self._names = Names()

    def frames(self, source: Source) -> Iterator[Frame]:
        """A source's frames with their image's bytes, counted."""
        for frame in read_frames(source.uri, check=FrameChecker()):
            if not self.survey.has(source, frame):
                continue
            yield _with_image(frame)
            self.report.frames[source.split] += 1
            self.report.objects += len(frame.objects)
            self.report.synthetic += source.is_synthetic(frame)
            self._progress(sum(self.report.frames.values()))

    def named(self, split: str) -> Iterator[tuple[str, Frame]]:
        """A split's frames, each with the name that its files take."""
        for source in self.of(split):
            for frame in self.frames(source):
                prefix = SYNTHETIC if source.is_synthetic(frame) else ""
                yield self._name(frame.frame_id, prefix), frame

    def of(self, split: str) -> list[Source]:
        return [source for source in self.survey.sources if source.split == split]

    def _name(self, frame_id: str, prefix: str) -> str:
        name = self._names.name(frame_id, prefix)
        if name != prefix + frame_id:
            self.report.renamed += 1
            if len(self.report.renamed_first) < SHOWN:
                self.report.renamed_first.append((frame_id, name))
        return name


def _coco(work: _Export, splits: Sequence[str]) -> None:
    writer = CocoWriter(sorted(work.survey.categories))
    for split in splits:
        writer.write(work.named(split), storage.join(work.out, split), split or "frames")


def _kitti(work: _Export, splits: Sequence[str]) -> None:
    lists: dict[str, list[str]] = {split: [] for split in splits}
    for split in splits:

        def frames(split: str = split) -> Iterator[Frame]:
            for name, frame in work.named(split):
                lists[split].append(name)
                yield replace(as_kitti(frame, work.tally), frame_id=name)

        write_kitti(frames(), work.out)
    if len(splits) > 1:  # a single list would have no validation frames beside it
        for split, names in lists.items():
            text = "".join(f"{name}\n" for name in names)
            storage.write_bytes_atomic(storage.join(work.out, "ImageSets", f"{split}.txt"), text.encode())


def _yolo(work: _Export, splits: Sequence[str]) -> None:
    names = sorted(name for name, objects in work.survey.categories.items() if objects)
    for split in splits:
        write_yolo(work.named(split), work.out, split, names, work.tally)
    write_data_yaml(work.out, names, work.report.frames)


def _parquet(work: _Export, splits: Sequence[str]) -> None:
    for split in splits:
        for file, synthetic in (("frames.parquet", False), ("synthetic.parquet", True)):
            sources = [source for source in work.of(split) if bool(source.synthetic) == synthetic]
            frames: Iterable[Frame] = chain.from_iterable(work.frames(source) for source in sources)
            first = next(iter(frames), None)
            if first is not None:
                uri = storage.join(work.out, split, file)
                write_frames(chain([first], frames), uri)


_WRITERS: dict[Layout, Callable[[_Export, Sequence[str]], None]] = {
    "coco": _coco,
    "kitti": _kitti,
    "yolo": _yolo,
    "parquet": _parquet,
}
