"""What a detector would do at every other operating threshold: precision, recall, F1 and 0-1 loss by score.

One match a frame, with every detection, is enough. Which object a detection finds does not depend on lower
scores (`match_correct`), and what a wrong detection is follows from boxes and categories alone; so at a
threshold t an object is missed if neither what finds nor what explains it (a badly placed box, a wrong
category) scores at least t. At every t the counts are those of `imitation.metrics.summary.summarize`.

By slice as in `imitation.metrics.statistics.slices`: a wrong detection counts in the slice that it has the
attribute of; occlusion, truncation and distance are of objects alone, so there every wrong one of all counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from pydantic import Field

from imitation.common.formats.record import Count, Fraction, Record
from imitation.evaluation import attributes
from imitation.evaluation.detections import FrameDetections
from imitation.evaluation.matching import match
from imitation.metrics.columns import Columns

FEW = 20
"""Objects of a slice below which it is left out."""
MAX_WORDS = 12
"""A condition of more values is no slice here."""
EXPLAINS = ("correct", "localization", "classification")


class ThresholdCurve(Record):
    """Counts at each threshold of `ThresholdCurves.scores`, of all, or of one value of one attribute."""

    attribute: str | None = Field(description='"category", "size", "condition: weather", ...; null: of all')
    value: str | None = Field(description="its word; null: of all")
    objects: int = Field(ge=0, description="objects to be found")
    correct: list[Count] = Field(description="detections that find an object")
    wrong: list[Count] = Field(
        description="detections that do not; of occlusion, truncation and distance: all"
    )
    missed: list[Count] = Field(description="objects that nothing finds, or explains by a place or category")

    def at(self, i: int) -> tuple[float | None, float | None, float | None, float | None]:
        """Precision, recall, F1 and 0-1 loss at the i-th threshold, in [0, 1]; None where there is nothing to
        divide by."""
        right, wrong, missed = self.correct[i], self.wrong[i], self.missed[i]

        def share(over: int, under: int) -> float | None:
            return over / under if under else None

        return (
            share(right, right + wrong),
            share(right, self.objects),
            share(2 * right, right + wrong + self.objects),
            share(wrong + missed, wrong + missed + right),
        )


class ThresholdCurves(Record):
    """The best cycle's detector at other thresholds than its own: `imitation.metrics.threshold_curves`."""

    scores: list[Fraction] = Field(description="thresholds, ascending: a detection counts from that score on")
    operating: Fraction = Field(description="the operating threshold, one of them")
    val: list[ThresholdCurve] = Field(description="on val, on which a threshold is chosen; all, then slices")
    test: list[ThresholdCurve] = Field(description="on test, which only shows what a choice gives")


def score_grid(operating: float, steps: int = 100) -> list[float]:
    """Thresholds from 0 on in equal steps below 1, and the operating one."""
    return sorted({*(i / steps for i in range(steps)), min(1.0, max(0.0, float(operating)))})


def threshold_curves(
    rows: Iterable[FrameDetections], categories: Sequence[str], scores: Sequence[float]
) -> list[ThresholdCurve]:
    """The curves of one detector on one split, read once: of all, then of each category, then of the values
    of other attributes that at least 20 objects have. `scores` (T,) ascending. Rows with an `error` count
    nothing."""
    conditions: list[dict[str, str]] = []
    codes = dict.fromkeys(attributes.WORDS, "u1")
    found = Columns(score="f4", right="?", label="u2", frame="u4", about="i8", size="u1", edge="u1")
    truth = Columns(best="f4", label="u2", frame="u4", **codes)
    count = 0
    for row in rows:
        if row.error is not None:
            continue
        boxes, objects, width = row.detections, row.objects, np.float64(row.width)
        fates = match(boxes, objects)
        best = np.full(len(objects), -np.inf, dtype=np.float32)
        explains = np.isin(fates.detection_fates, EXPLAINS)
        np.maximum.at(best, fates.detection_objects[explains], boxes.scores[explains])
        real = ~objects.ignore
        number = np.where(real, np.cumsum(real) - 1 + count, -1)
        judged = fates.detection_fates != "ignored"
        right = fates.detection_fates == "correct"
        about = np.full(len(boxes), -1, dtype=np.int64)
        about[right] = number[fates.detection_objects[right]]
        frame = len(conditions)
        found.extend(
            score=boxes.scores[judged],
            right=right[judged],
            label=boxes.labels[judged],
            frame=np.full(int(judged.sum()), frame),
            about=about[judged],
            size=attributes.size_codes(boxes.boxes[judged, 3] - boxes.boxes[judged, 1]),
            edge=attributes.edge_codes(boxes.boxes[judged], width),
        )
        truth.extend(
            best=best[real],
            label=objects.labels[real],
            frame=np.full(int(real.sum()), frame),
            size=attributes.size_codes(objects.height[real]),
            occlusion=attributes.occlusion_codes(objects.occlusion[real], objects.occlusion_level[real]),
            truncation=attributes.truncation_codes(objects.truncation[real]),
            distance=attributes.distance_codes(objects.distance[real]),
            edge=attributes.edge_codes(objects.boxes[real], width),
        )
        count += int(real.sum())
        conditions.append(dict(row.conditions or {}))
    return _Counted(found.arrays(), truth.arrays(), conditions, categories, scores).curves()


class _Counted:
    """Everything of a split in arrays, ready to be cut."""

    def __init__(
        self,
        found: dict[str, np.ndarray],
        truth: dict[str, np.ndarray],
        conditions: list[dict[str, str]],
        categories: Sequence[str],
        scores: Sequence[float],
    ) -> None:
        self.found, self.truth, self.conditions = found, truth, conditions
        self.categories = categories
        self.grid = np.asarray(scores, dtype=np.float32)  # as `Detections.above` compares

    def curves(self) -> list[ThresholdCurve]:
        everything = (
            np.ones(len(self.truth["best"]), dtype=bool),
            np.ones(len(self.found["score"]), dtype=bool),
        )
        return [self._curve(None, None, *everything), *self._slices()]

    def _slices(self) -> Iterator[ThresholdCurve]:
        for label, name in enumerate(self.categories, start=1):
            of_objects = self.truth["label"] == label
            if of_objects.any():
                yield self._curve("category", name, of_objects, self.found["label"] == label)
        for name, words in attributes.WORDS.items():
            if len(np.unique(self.truth[name])) < 2:
                continue
            for code, word in enumerate(words[:-1]):
                of_objects = self.truth[name] == code
                if of_objects.sum() >= FEW:
                    own = name in attributes.OF_DETECTIONS
                    yield self._curve(name, word, of_objects, self._belong(of_objects, name, code, own))
        for name in sorted({name for told in self.conditions for name in told}):
            of_frame = np.array(
                [told.get(name, attributes.UNKNOWN) for told in self.conditions], dtype=object
            )
            values = sorted(set(of_frame) - {attributes.UNKNOWN})
            for value in values if 1 < len(values) <= MAX_WORDS else ():
                there = of_frame == value
                of_objects = there[self.truth["frame"]]
                if of_objects.sum() >= FEW:
                    in_frame = there[self.found["frame"]]
                    yield self._curve(attributes.CONDITION + name, value, of_objects, in_frame)

    def _belong(self, of_objects: np.ndarray, name: str, code: int, own: bool) -> np.ndarray:
        """Which detections count in a slice: a right one in its object's, a wrong one in its own, or all."""
        right = self.found["right"]
        inside = self.found[name] == code if own else np.ones(len(right), dtype=bool)
        inside[right] = of_objects[self.found["about"][right]]
        return inside

    def _curve(
        self, attribute: str | None, value: str | None, of_objects: np.ndarray, detections: np.ndarray
    ) -> ThresholdCurve:
        right = self.found["right"]
        best = np.sort(self.truth["best"][of_objects])
        return ThresholdCurve(
            attribute=attribute,
            value=value,
            objects=int(of_objects.sum()),
            correct=self._from(self.found["score"][detections & right]),
            wrong=self._from(self.found["score"][detections & ~right]),
            missed=np.searchsorted(best, self.grid, side="left").tolist(),
        )

    def _from(self, scores: np.ndarray) -> list[int]:
        """How many score at least as much, for each threshold."""
        below = np.searchsorted(np.sort(scores), self.grid, side="left")
        return (len(scores) - below).tolist()
