"""KITTI's 2D average precision, as its official C++ program counts it.

Protocol: `evaluate_object.cpp` of the object development kit (Geiger, Lenz, Urtasun, *Are we ready for
autonomous driving? The KITTI vision benchmark suite*, CVPR 2012), in its version with 41 recall points
(Simonelli et al., *Disentangling Monocular 3D Object Detection*, ICCV 2019, for AP_R40). What it does:

- an object counts if its class matches (names are compared without case), its occlusion and truncation
  are within the difficulty's limits and its box is high enough; otherwise, and for a neighbour class
  (Van for Car, Person_sitting for Pedestrian), it is ignored: it may take one detection, which is then
  neither right nor wrong. Objects of other classes are passed over.
- a detection lower than the limit is ignored *whatever its class*, and may take an object away.
- objects choose in file order among the free detections with an IoU strictly above the class's. To find
  the score thresholds, each takes the best score (ignored ones included); at each threshold it takes
  the best overlap among the detections not ignored, and the first ignored one only if there is none.
- a detection left over is no false positive if more than the class's IoU of its area lies in DontCare.
- a class without any detection (with x1 >= 0) is not evaluated.

Where the program would divide 0 by 0 (a threshold at which nothing is right and nothing wrong), the
precision is 0 here.

Fast by two things: only pairs that overlap enough are kept, and all thresholds are matched at once
(`imitation.evaluation.greedy`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from pydantic import Field

from imitation.common.formats.record import Fraction, Record
from imitation.data.boxes import areas
from imitation.evaluation.greedy import choose
from imitation.metrics.curves import best_from
from imitation.metrics.protocols.kitti_frames import (
    CAR,
    CYCLIST,
    DONT_CARE,
    OTHER,
    PEDESTRIAN,
    KittiFrames,
    kitti_from_rows,
    parse_kitti,
    read_label_dir,
)

if TYPE_CHECKING:
    from imitation.evaluation.detections import FrameDetections

__all__ = [
    "CATEGORIES",
    "DIFFICULTIES",
    "KittiAP",
    "KittiFrames",
    "kitti_average_precision",
    "kitti_from_rows",
    "parse_kitti",
    "read_label_dir",
]

CATEGORIES = ("Car", "Pedestrian", "Cyclist")
DIFFICULTIES = ("easy", "moderate", "hard")
MIN_OVERLAP = np.array([0.7, 0.5, 0.5])
MIN_HEIGHT = (40, 25, 25)
MAX_OCCLUSION = (0, 1, 2)
MAX_TRUNCATION = (0.15, 0.3, 0.5)
RECALL_POINTS = 41

NO_DETECTION = -1e7
"""A score that is not above this is none to the official program when it looks for thresholds."""

_CLASS_OF = np.array([CAR, PEDESTRIAN, CYCLIST, CAR, PEDESTRIAN, OTHER, OTHER], dtype=np.int8)
"""By type, the class that its objects concern; OTHER (-1) is the last."""

_CHUNK = 1 << 14
"""Pairs of boxes compared at once."""


class KittiPrecision(Record):
    """AP of one category at one difficulty, as KITTI counts it: `imitation.metrics.protocols.kitti`."""

    ap_r40: Fraction = Field(description="over 40 recall points, the benchmark's since 2019")
    ap_r11: Fraction = Field(description="over 11 recall points, as older papers give it")


class KittiAP(KittiPrecision):
    """And the curve behind it."""

    precision: tuple[Fraction, ...] = Field(
        description="at 41 recall points (0, 1/40, ..., 1), each the best at its recall or a higher one: "
        "`ap_r40` is the mean without recall 0, `ap_r11` of every fourth point"
    )


def kitti_average_precision(frames: KittiFrames) -> dict[str, dict[str, KittiAP] | None]:
    """By category, then difficulty ("easy", "moderate", "hard"); None for a category that was never
    detected, which the official program does not evaluate."""
    pairs = _overlapping_pairs(frames)
    excused = _in_dont_care(frames)
    result: dict[str, dict[str, KittiAP] | None] = {}
    for category, name in enumerate(CATEGORIES):
        detected = (frames.detection_types == category) & (frames.detection_boxes[:, 0] >= 0)
        if not detected.any():
            result[name] = None
            continue
        own = pairs.of(frames, category)
        result[name] = {
            level: _average_precision(_Problem(frames, own, excused, category, difficulty))
            for difficulty, level in enumerate(DIFFICULTIES)
        }
    return result


def of_rows(rows: Iterable[FrameDetections], categories: Sequence[str]) -> dict[str, Any]:
    """AP_R40 and AP_R11 of evaluated rows of KITTI data, as plain data (see `kitti_from_rows`)."""
    return {
        name: None
        if levels is None
        else {level: {"ap_r40": ap.ap_r40, "ap_r11": ap.ap_r11} for level, ap in levels.items()}
        for name, levels in kitti_average_precision(kitti_from_rows(rows, categories)).items()
    }


# Which boxes overlap


class _Pairs(NamedTuple):
    """An object and a detection of its frame each, sorted by object, then detection."""

    objects: np.ndarray
    detections: np.ndarray
    overlap: np.ndarray

    def where(self, mask: np.ndarray) -> _Pairs:
        return _Pairs(*(column[mask] for column in self))

    def of(self, frames: KittiFrames, category: int) -> _Pairs:
        return self.where(_CLASS_OF[frames.object_types[self.objects]] == category)


def _intersecting(frames: KittiFrames, objects: np.ndarray) -> Iterator[_Pairs]:
    """These objects with all detections that they touch; `overlap` is the area in common, px^2."""
    frame = np.searchsorted(frames.object_starts, objects, side="right") - 1
    first = frames.detection_starts[frame]
    count = frames.detection_starts[frame + 1] - first
    ends = np.cumsum(count)
    low = 0
    while low < len(objects):
        done = ends[low] - count[low]
        high = max(low + 1, int(np.searchsorted(ends, done + _CHUNK, side="right")))
        counts = count[low:high]
        o = np.repeat(objects[low:high], counts)
        d = np.arange(ends[high - 1] - done) + np.repeat(
            first[low:high] - (ends[low:high] - counts - done), counts
        )
        sides: list[np.ndarray] = []
        for axis in (0, 1):
            a, b = frames.object_boxes[:, axis::2], frames.detection_boxes[:, axis::2]
            side = np.minimum(a[o, 1], b[d, 1]) - np.maximum(a[o, 0], b[d, 0])
            touch = side > 0
            o, d, sides = o[touch], d[touch], [*(s[touch] for s in sides), side[touch]]
        yield _Pairs(o, d, sides[0] * sides[1])
        low = high


def _overlapping_pairs(frames: KittiFrames) -> _Pairs:
    """Objects that concern a class, and detections with an IoU strictly above that class's."""
    concerned = np.flatnonzero(_CLASS_OF[frames.object_types] >= 0)
    parts = [_Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    for pairs in _intersecting(frames, concerned):
        # The order of operations is the official program's: detection first.
        area = areas(frames.detection_boxes[pairs.detections]) + areas(frames.object_boxes[pairs.objects])
        iou = pairs.overlap / (area - pairs.overlap)
        category = _CLASS_OF[frames.object_types[pairs.objects]]
        parts.append(pairs._replace(overlap=iou).where(iou > MIN_OVERLAP[category]))
    return _Pairs(*(np.concatenate(column) for column in zip(*parts)))


def _in_dont_care(frames: KittiFrames) -> np.ndarray:
    """bool (N,): detections of which more than their class's IoU lies in one DontCare region."""
    excused = np.zeros(len(frames.scores), dtype=bool)
    for pairs in _intersecting(frames, np.flatnonzero(frames.object_types == DONT_CARE)):
        share = pairs.overlap / areas(frames.detection_boxes[pairs.detections])
        category = frames.detection_types[pairs.detections]
        known = (category >= 0) & (category < len(CATEGORIES))
        enough = known & (share > MIN_OVERLAP[np.where(known, category, 0)])
        excused[pairs.detections[enough]] = True
    return excused


# One category at one difficulty


class _Problem:
    """What counts: `counted` objects bool (M,), `low` detections bool (N,), the `pairs` that may match,
    and the rows `judged`, of the detections that are false if they match nothing."""

    def __init__(
        self, frames: KittiFrames, pairs: _Pairs, excused: np.ndarray, category: int, difficulty: int
    ) -> None:
        boxes, own = frames.detection_boxes, frames.detection_types == category
        # The official program cuts the height to an integer, which changes nothing against an integer.
        self.low = np.abs(boxes[:, 1] - boxes[:, 3]) < MIN_HEIGHT[difficulty]
        beyond = (
            (frames.occlusion > MAX_OCCLUSION[difficulty])
            | (frames.truncation > MAX_TRUNCATION[difficulty])
            | (frames.object_boxes[:, 3] - frames.object_boxes[:, 1] < MIN_HEIGHT[difficulty])
        )
        self.counted = (frames.object_types == category) & ~beyond
        self.scores = frames.scores
        self.judged = np.flatnonzero(own & ~self.low & ~excused)
        self.pairs = pairs.where((own | self.low)[pairs.detections])
        self.frames = np.searchsorted(frames.object_starts, self.pairs.objects, side="right")

    def right(self, pairs: _Pairs) -> np.ndarray:
        """bool: pairs that are a true positive if they match; the others are ignored if they do."""
        return np.asarray(self.counted[pairs.objects] & ~self.low[pairs.detections])


def _average_precision(problem: _Problem) -> KittiAP:
    thresholds = np.array(_thresholds(_scores_found(problem), int(problem.counted.sum())))
    precision = np.zeros(RECALL_POINTS)
    if len(thresholds):
        right, wrong = _counts(problem, thresholds)
        known = right + wrong > 0
        precision[: len(thresholds)][known] = right[known] / (right + wrong)[known]
    precision = best_from(precision)
    return KittiAP(
        ap_r40=float(precision[1:].mean()),
        ap_r11=float(precision[::4].mean()),
        precision=tuple(precision.tolist()),
    )


def _scores_found(problem: _Problem) -> np.ndarray:
    """Scores of the true positives if every object takes the best score, float64."""
    pairs = problem.pairs
    by_score = np.lexsort((pairs.detections, -problem.scores[pairs.detections], pairs.objects))
    pairs = pairs.where(by_score)
    free = (problem.scores > NO_DETECTION).astype(np.uint64)
    chosen = choose(pairs.objects, pairs.detections, problem.frames, np.ones(len(by_score), np.uint64), free)
    return np.asarray(problem.scores[pairs.detections[(chosen > 0) & problem.right(pairs)]])


def _thresholds(scores: np.ndarray, objects: int) -> list[float]:
    """The scores, of the true positives', that come nearest to a recall of 0, 1/40, ..., 1."""
    falling = np.sort(scores)[::-1].tolist()
    last = len(falling) - 1
    thresholds, recall, i = [], 0.0, 0

    def near(i: int) -> bool:  # that the next score is not nearer; once true, it stays so
        return (i + 2) / objects - recall >= recall - (i + 1) / objects

    while i <= last:
        i = bisect_left(range(last), True, lo=i, key=near)  # the last one is taken in any case
        thresholds.append(falling[i])
        recall += 1 / (RECALL_POINTS - 1)
        i += 1
    return thresholds


def _counts(problem: _Problem, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """True and false positives at each threshold, int64 (T,) twice."""
    pairs, low = problem.pairs, problem.low[problem.pairs.detections]
    by_overlap = np.lexsort((pairs.detections, np.where(low, 0, -pairs.overlap), low, pairs.objects))
    pairs = pairs.where(by_overlap)
    everywhere = np.uint64((1 << len(thresholds)) - 1)
    above = np.searchsorted(-thresholds, -problem.scores, side="left").astype(np.uint64)
    free = everywhere << above & everywhere
    able = np.full(len(by_overlap), everywhere)
    chosen = choose(pairs.objects, pairs.detections, problem.frames, able, free)
    right = _count_bits(chosen[problem.right(pairs)], len(thresholds))
    return right, _count_bits(free[problem.judged], len(thresholds))


def _count_bits(masks: np.ndarray, bits: int) -> np.ndarray:
    """How many of the masks have bit 0, 1, ..., int64 (bits,)."""
    total = np.zeros(64, dtype=np.int64)
    for low in range(0, len(masks), _CHUNK):
        octets = masks[low : low + _CHUNK].astype("<u8").view(np.uint8).reshape(-1, 8)
        total += np.unpackbits(octets, axis=1, bitorder="little").sum(axis=0, dtype=np.int64)
    return total[:bits]
