"""From frames to files: what the writers of all layouts share, and the report of an export."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from imitation.common.settings import DataError
from imitation.common.texts import shown
from imitation.common.wording import counted
from imitation.data.images import image_size, portable_bytes
from imitation.data.records import Frame
from imitation.data.splits import SPLITS
from imitation.datasets.common.tally import Tally, listed

if TYPE_CHECKING:
    from imitation.datasets.export import Survey
    from imitation.datasets.export_sources import Source

SYNTHETIC = "syn-"  # before the names of a run's rendered frames
LONGEST_NAME = 120  # bytes, of the 255 that file systems have
SHOWN = 3
SKIPPED_SHOWN = 20
CLASSES_SHOWN = 12


@dataclass
class ExportReport:
    """What was written: `frames` by split, `synthetic` ones among them, `objects`; what was lost or
    written in another way (`tally`); how many frame ids were no file names, with the first few of them as
    (frame_id, name); how many frames of `mine` are written once, in train (`shared`); the places that
    were not exported (`left_out`); the numbers of `classes`, and where they come from (`numbered`); KITTI's
    own files that were copied (`as_they_were`) and calibrations that are P2 alone (`bare`); frames that were
    skipped (`problems`)."""

    layout: str
    out: str
    marked: bool = True
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
        lines = [
            f"{self.out}: {counted(sum(self.frames.values()), 'frame')}" + (f" ({parts})" if parts else "")
            + f", {counted(self.objects, 'object')}, as {self.layout}"
        ]  # fmt: skip
        lines += self.notes
        if self.problems:
            lines += [f"skipped: {problem}" for problem in self.problems[:SKIPPED_SHOWN]]
            if (others := len(self.problems) - SKIPPED_SHOWN) > 0:
                lines.append(f"skipped: {others:,} more problems (imitate inspect lists all)")
        if self.classes:
            lines.append(f"classes: {_classes_told(self.classes)} ({self.numbered})")
        if self.synthetic:
            marked = f"; their names begin with {SYNTHETIC}" if self.marked else ""
            lines.append(f"synthetic: {counted(self.synthetic, 'frame')}{marked}")
        if self.renamed:
            first = ", ".join(f"{old!r} is {new}" for old, new in self.renamed_first)
            more = ", ..." if self.renamed > len(self.renamed_first) else ""
            ids = counted(self.renamed, "frame id")
            lines.append(f"renamed: {ids} could not be file names ({first}{more})")
        if self.shared:
            lines.append(f"once: {counted(self.shared, 'frame')} of mine that train has too, in train alone")
        if self.left_out:
            known = ", ".join(SPLITS)
            lines.append(f"not exported: {', '.join(self.left_out)} (not called as a split: {known})")
        if self.as_they_were:
            kept = counted(self.as_they_were, "frame")
            lines.append(f"byte for byte: labels and calibrations of {kept} that came from KITTI")
        if self.bare:
            lines.append(
                f"calibrations of {counted(self.bare, 'frame')}: P2 alone, without a fourth column, cuboids "
                "in that camera's own coordinates (KITTI's labels count from its camera 0, some cm beside)"
            )
        if self.tally.changed:
            lines.append(f"changed: {listed(self.tally.changed)}")
        nothing = "nothing else" if self.bare else "nothing"
        lines.append(f"dropped: {listed(self.tally.dropped) or nothing}")
        return lines


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


def _with_image(frame: Frame) -> Frame:
    """The frame with its image's bytes. Raises DataError if they are not an image of the frame's size."""
    data, where = portable_bytes(frame), frame.image_uri or f"frame {frame.frame_id}"
    width, height = image_size(data, where)
    if (width, height) != (frame.width, frame.height):
        what = f"the image is {width}x{height} px, but its labels are for {frame.width}x{frame.height}"
        raise DataError(where, what)
    return replace(frame, image=data, image_uri=None)


class Taken(NamedTuple):
    """A frame with its image's bytes, the name that its files take, and where the image lay."""

    name: str
    frame: Frame
    image_uri: str | None


class FrameWriter(ABC):
    """Writes surveyed frames in a layout: a format's own is its dataset's `Writer`, and stands beside its
    reader. `write` is all that it needs; `taken` and `classed` give the frames, `tally` counts what the
    layout cannot hold. What makes a folder complete has to be written last: half of it must not be read."""

    marks_synthetic: ClassVar[bool] = True
    """Whether the names of rendered frames begin with `SYNTHETIC`: the layout has no field that says it."""

    def __init__(self, survey: Survey, report: ExportReport, progress: Callable[[int], None]) -> None:
        self.survey, self.report, self._progress = survey, report, progress
        self.out, self.tally = report.out, report.tally
        self._names = Names()

    @abstractmethod
    def write(self, splits: Sequence[str]) -> None:
        """Writes the frames of these splits into the folder `out`, which is empty."""

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

    def taken(self, split: str) -> Iterator[Taken]:
        """A split's frames, each with the name that its files take."""
        for source in self.of(split):
            for frame, uri in self.frames(source):
                prefix = SYNTHETIC if source.is_synthetic(frame) else ""
                yield Taken(self._name(frame.frame_id, prefix), frame, uri)

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
        self.report.classes, self.report.numbered = classes, self.survey.classes.origin(kind)
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
