"""Failure modes: regions of attributes in which a detector fails more often than elsewhere.

A mode is a category and one to three attributes' words that a person can read: "car, truncated > 0.5,
right edge". Modes are found by subgroup discovery: sequential covering by greatest weighted relative
accuracy (Lavrac, Kavsek, Flach, Todorovski: *Subgroup Discovery with CN2-SD*, JMLR 2004), here the
failures in excess of those expected at the failure rate of the rest of the category. Every failure is in
exactly one mode: the first whose words it fits, else the rest of its category and kind.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from pydantic import Field

from imitation.common.formats.record import Count, Fraction, Record
from imitation.diagnosis.error_cost import NO_GROUP, LostPrecision
from imitation.diagnosis.subgroup_discovery import Cells, Item, ModeSettings, find_subgroups
from imitation.evaluation.attributes import CONDITION, OF_OBJECTS, of_detections, of_failure, of_objects
from imitation.evaluation.detections import Cutoff, FrameDetections
from imitation.evaluation.failures import KINDS, Failure
from imitation.evaluation.matching import Matching, match

ON_NOTHING = "background"  # the one kind of failure without an object
PLAIN_CONDITIONS = ("time_of_day", "weather")  # their values speak for themselves

Rows = Callable[[], Iterable[FrameDetections]]
Threshold = Cutoff | Mapping[str, Cutoff]
"""Of scores; for rows of several detectors (the folds of mining) one for each by its name."""


def threshold_of(row: FrameDetections, threshold: Threshold) -> Cutoff:
    """The operating threshold for a row."""
    return threshold[row.detector] if isinstance(threshold, Mapping) else threshold


@dataclass(frozen=True, slots=True)
class Region:
    """What a mode covers: objects of a category, or (`on_nothing`) false detections of it where no
    object is, whose attributes have these words, as (attribute, word)."""

    category: str
    on_nothing: bool
    where: tuple[Item, ...]

    @property
    def name(self) -> str:
        words = [_word(*item) for item in sorted(self.where, key=_reading_order)]
        return ", ".join([_head(self.category, self.on_nothing), *words])


class ModeCounts(Record):
    """A cluster of failures, in words: `imitation.diagnosis.failure_modes`. A failure is in the first mode
    that fits it, else in the rest of its category and kind.
    """

    mode: str = Field(description='"car, truncated > 0.5, right edge", "car, missed, the rest", ...')
    kinds: dict[str, Count] = Field(description="failures by kind")
    failures: int = Field(ge=0, description="failures in it, at the operating threshold")
    objects: int = Field(ge=0, description='objects it covers; of "on nothing", detections')
    frames: int = Field(ge=0, description="frames with such a failure")
    lost_ap: Fraction = Field(description="gain in mAP at IoU 0.5 if its failures alone were mended")


@dataclass(frozen=True)
class Modes:
    """Regions, the first that fits counts, and the `table` of the evaluation in which they were found."""

    regions: tuple[Region, ...]
    table: tuple[ModeCounts, ...] = ()

    def of(self, failure: Failure) -> str:
        """The name of the failure's mode."""
        words = of_failure(failure)
        return self.name(self.region(words, failure.object_box is None), words["category"], failure.kind)

    def region(self, words: Mapping[str, str], on_nothing: bool) -> Region | None:
        """The region of an item with these words (attribute -> word, `category` too); None: the rest."""
        for region in self.regions:
            if (
                region.on_nothing == on_nothing
                and region.category == words["category"]
                and all(words.get(attribute) == word for attribute, word in region.where)
            ):
                return region
        return None

    def name(self, region: Region | None, category: str, kind: str) -> str:
        """The mode's name: the region's, or that of the rest of the category and kind."""
        if region is not None:
            return region.name
        on_nothing = kind == ON_NOTHING
        rest = any(r.category == category and r.on_nothing == on_nothing for r in self.regions)
        parts = [
            _head(category, on_nothing),
            *([] if on_nothing else [kind]),
            *(["the rest"] if rest else []),
        ]
        return ", ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """Plain data; `from_json` reads it back."""
        return {
            "regions": [
                {
                    "category": r.category,
                    "on_nothing": r.on_nothing,
                    "where": [list(pair) for pair in r.where],
                }
                for r in self.regions
            ],
            "table": [counts.to_dict() for counts in self.table],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Modes:
        return cls(
            tuple(
                Region(r["category"], r["on_nothing"], tuple((a, w) for a, w in r["where"]))
                for r in data["regions"]
            ),
            tuple(ModeCounts(**counts) for counts in data["table"]),
        )


def _head(category: str, on_nothing: bool) -> str:
    return f"{category} on nothing" if on_nothing else category


def _reading_order(item: Item) -> tuple[int, str]:
    """What an object is like first, then the conditions."""
    attribute = item[0]
    return (OF_OBJECTS.index(attribute) if attribute in OF_OBJECTS else len(OF_OBJECTS), attribute)


def _word(attribute: str, word: str) -> str:
    if (attribute, word) == ("edge", "inside"):
        return "at no edge"  # for slices, the heading says inside of what; a mode's name must say it
    name = attribute.removeprefix(CONDITION)
    return word if name == attribute or name in PLAIN_CONDITIONS else f"{name} {word}"


def find_modes(
    rows: Rows, categories: Sequence[str], threshold: Threshold, settings: ModeSettings | None = None
) -> Modes:
    """The failure modes of one detector (or of the folds of mining), most lost AP first in their table.

    `rows` is called twice and streamed: once to count what fails by its attributes, once to weigh the
    modes found. `categories` are the detector's, in label order. Memory grows with the number of
    different combinations of attributes, and by what `LostPrecision` keeps.
    The same rows, in any order, give the same modes.
    """
    cells = Cells()
    for judged in _judged(rows, threshold):
        row, failing = judged.row, list(judged.failures())
        cells.add(
            _words(of_objects(row, categories)), False, ~row.objects.ignore, {f.object for f in failing}
        )
        on_nothing = {f.detection for f in failing if f.object < 0}
        cells.add(_words(of_detections(row, categories)), True, judged.detections, on_nothing)
    modes = Modes(
        tuple(
            Region(group.category, group.on_nothing, where)
            for group in cells.groups()
            for where in find_subgroups(group, settings or ModeSettings())
        )
    )
    return replace(modes, table=count_modes(modes, rows, categories, threshold))


def count_modes(
    modes: Modes, rows: Rows, categories: Sequence[str], threshold: Threshold
) -> tuple[ModeCounts, ...]:
    """How often each mode occurs in an evaluation, most lost AP first. Streams the rows once.

    A region without failures stays (a mode that was fixed), a rest without failures is left out.
    """
    places: dict[str, _Place] = {region.name: _place(region) for region in modes.regions}
    groups: dict[str, int] = {}  # mode -> its number, for `LostPrecision`
    kinds: defaultdict[str, Counter[str]] = defaultdict(Counter)
    totals: Counter[_Place] = Counter()
    frames: Counter[str] = Counter()
    lost = LostPrecision(categories)
    for judged in _judged(rows, threshold):
        row = judged.row
        objects = _places(modes, of_objects(row, categories), False)
        detections = _places(modes, of_detections(row, categories), True)
        totals.update(objects[o] for o in np.flatnonzero(~row.objects.ignore))
        totals.update(detections[d] for d in np.flatnonzero(judged.detections))
        detection_groups = np.full(len(detections), NO_GROUP, dtype=np.int32)
        object_groups = np.full(len(objects), NO_GROUP, dtype=np.int32)
        here = set()
        for failing in judged.failures():
            place = detections[failing.detection] if failing.object < 0 else objects[failing.object]
            mode = modes.name(place.region, place.category, failing.kind)
            group = groups.setdefault(mode, len(groups))
            if failing.detection < 0:
                object_groups[failing.object] = group
            else:
                detection_groups[failing.detection] = group
            places.setdefault(mode, place)
            kinds[mode][failing.kind] += 1
            here.add(mode)
        frames.update(here)
        lost.add(row, judged.matching, detection_groups, object_groups)
    table = [
        ModeCounts(
            mode=mode,
            kinds={kind: kinds[mode][kind] for kind in KINDS if kinds[mode][kind]},
            failures=kinds[mode].total(),
            objects=totals[place],
            frames=frames[mode],
            lost_ap=max(0.0, lost.lost(groups[mode]).mean) if mode in groups else 0.0,
        )
        for mode, place in places.items()
    ]
    return tuple(sorted(table, key=lambda counts: (-counts.lost_ap, -counts.failures, counts.mode)))


class _Place(NamedTuple):
    """Where an object or detection is counted: in a region, or (None) in the rest of its category."""

    category: str
    on_nothing: bool
    region: Region | None


def _place(region: Region) -> _Place:
    return _Place(region.category, region.on_nothing, region)


class _Failing(NamedTuple):
    """A failure: the row of the detection that is wrong (-1: none, an object is missed) and of the object
    that it is about (-1: none)."""

    kind: str
    detection: int
    object: int


class _Judged(NamedTuple):
    """A row, the fates of all its detections, and which of them (N,) are judged: those at the threshold
    that no ignore region absorbs. Their fates are the same as if the others were not there."""

    row: FrameDetections
    matching: Matching
    detections: np.ndarray

    def failures(self) -> Iterator[_Failing]:
        """Every failure at the threshold: those of `find_failures`."""
        fates, about = self.matching.detection_fates, self.matching.detection_objects
        for d in np.flatnonzero(self.detections & (fates != "correct")).tolist():
            yield _Failing(str(fates[d]), d, int(about[d]))
        explaining = self.detections & np.isin(fates, ("correct", "localization", "classification"))
        missed = ~self.row.objects.ignore
        missed[about[explaining]] = False
        for o in np.flatnonzero(missed).tolist():
            yield _Failing("missed", -1, o)


def _judged(rows: Rows, threshold: Threshold) -> Iterator[_Judged]:
    for row in rows():
        if row.error is None:
            matching = match(row.detections, row.objects)
            above = row.detections.reaching(threshold_of(row, threshold))
            yield _Judged(row, matching, above & (matching.detection_fates != "ignored"))


def _words(columns: Mapping[str, np.ndarray]) -> list[dict[str, str]]:
    return [dict(zip(columns, words)) for words in zip(*(column.tolist() for column in columns.values()))]


def _places(modes: Modes, columns: Mapping[str, np.ndarray], on_nothing: bool) -> list[_Place]:
    return [
        _Place(words["category"], on_nothing, modes.region(words, on_nothing)) for words in _words(columns)
    ]
