"""Where to cut the scores: the threshold of the greatest F1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from imitation.evaluation.detections import Cutoff, FrameDetections
from imitation.evaluation.matching import FOREGROUND_IOU, match_correct
from imitation.metrics.columns import Columns
from imitation.metrics.curves import last_of_equal

DEFAULT_THRESHOLD = 0.5


class OperatingPoint(NamedTuple):
    """A threshold (keep scores >= it), and what it gives over all categories together, in [0, 1]."""

    threshold: float
    f1: float
    precision: float
    recall: float


@dataclass(frozen=True)
class Operating:
    """Where a detector's scores are cut: at `threshold`, or, of the categories that `by_category` names, at
    the score given there. Of others too few objects are known to choose one."""

    threshold: float
    by_category: Mapping[str, float] = field(default_factory=dict)

    def cutoff(self, categories: Sequence[str]) -> Cutoff:
        """As `Detections.above` takes it, for a detector of these categories."""
        if not self.by_category:
            return self.threshold
        return tuple(self.by_category.get(name, self.threshold) for name in categories)


class OperatingCurve:
    """Adds frames one by one (5 bytes a detection), then tells their best `OperatingPoint`."""

    def __init__(self, iou: float = FOREGROUND_IOU) -> None:
        self._iou = iou
        self._objects = 0
        self._judged = Columns(score="f4", correct="?")

    def add(self, row: FrameDetections) -> None:
        """Takes in one frame; one with an `error` counts nothing."""
        if row.error is not None:
            return
        found, not_judged = match_correct(row.detections, row.objects, self._iou)
        self.count(
            row.detections.scores[~not_judged], found[~not_judged] >= 0, int((~row.objects.ignore).sum())
        )

    def count(self, scores: np.ndarray, correct: np.ndarray, objects: int) -> None:
        """Takes in judged detections, float32 (N,) and bool (N,), and how many objects were to be found."""
        self._objects += objects
        self._judged.extend(score=scores, correct=correct)

    @property
    def objects(self) -> int:
        """Objects to be found so far."""
        return self._objects

    def best(self) -> OperatingPoint:
        """The point of greatest F1; of several, the one of the greatest threshold.

        Where no threshold finds anything: `DEFAULT_THRESHOLD` and zeros.
        """
        judged = self._judged.arrays()
        order = np.argsort(-judged["score"], kind="stable")
        ranked = judged["score"][order]
        correct = np.cumsum(judged["correct"][order], dtype=np.int64)
        if not len(correct) or not correct[-1]:
            return OperatingPoint(DEFAULT_THRESHOLD, 0.0, 0.0, 0.0)
        last = last_of_equal(ranked)
        kept, hits = last + 1, correct[last]
        best = int(np.argmax(2 * hits / (kept + self._objects)))
        return operating_point(float(ranked[last[best]]), int(hits[best]), int(kept[best]), self._objects)


class CategoryCurves:
    """The curve of all categories together, and one for each (12 bytes a detection in all)."""

    def __init__(self, categories: Sequence[str]) -> None:
        self._all = OperatingCurve()
        self._own = {name: OperatingCurve() for name in categories}

    def add(self, row: FrameDetections) -> None:
        """Takes in one frame; one with an `error` counts nothing."""
        if row.error is not None:
            return
        found, not_judged = match_correct(row.detections, row.objects)
        scores, correct = row.detections.scores[~not_judged], found[~not_judged] >= 0
        labels, real = row.detections.labels[~not_judged], row.objects.labels[~row.objects.ignore]
        self._all.count(scores, correct, len(real))
        for label, curve in enumerate(self._own.values(), start=1):
            own = labels == label
            curve.count(scores[own], correct[own], int((real == label).sum()))

    def best(self, min_objects: int) -> Operating:
        """The threshold of greatest F1 of all, and that of each category of which at least `min_objects`
        were to be found, and one was."""
        found = {name: curve.best() for name, curve in self._own.items() if curve.objects >= min_objects}
        own = {name: point.threshold for name, point in found.items() if point.f1 > 0}
        return Operating(self._all.best().threshold, own)


def operating_point(threshold: float, correct: int, detections: int, objects: int) -> OperatingPoint:
    """The point of these counts; precision, recall and F1 are 0 where there is nothing to divide by."""
    return OperatingPoint(
        threshold,
        f1=2 * correct / (detections + objects) if correct else 0.0,
        precision=correct / detections if correct else 0.0,
        recall=correct / objects if correct else 0.0,
    )


def operating_threshold(rows: Iterable[FrameDetections], iou: float = FOREGROUND_IOU) -> OperatingPoint:
    """(threshold, f1, precision, recall) of the greatest micro F1 over all categories at `iou`.

    Matching is `match_correct`; ignored detections and objects count for nothing. The threshold is
    the score of the last detection kept. Of equal F1 the greatest threshold; where no threshold
    finds anything (no detections, no objects, none right) `DEFAULT_THRESHOLD` with zeros.
    """
    curve = OperatingCurve(iou)
    for row in rows:
        curve.add(row)
    return curve.best()
