"""Do scores mean what they say: of detections with a score of 0.8, are 80% right?

Reliability bins and the expected calibration error (Guo, Pleiss, Sun, Weinberger: *On Calibration of
Modern Neural Networks*, ICML 2017) with a detector's precision in the place of a classifier's accuracy
(Küppers, Kronenberger, Shantia, Haselhoff: *Multivariate Confidence Calibration for Object Detection*,
CVPR Workshops 2020, of scores alone). Low scores weigh as much as high ones: a detector that
keeps many of them is judged mostly by them, and the bins' counts say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from pydantic import Field

from imitation.common.formats.record import Fraction, Record
from imitation.common.settings import DataError
from imitation.evaluation.detections import FrameDetections
from imitation.evaluation.matching import FOREGROUND_IOU, match_correct

BINS = 10


class CalibrationBin(Record):
    """Detections with a score in [low, high), the last bin [low, high]."""

    low: float = Field(description="lowest score of the bin")
    high: float = Field(description="highest score of the bin")
    count: int = Field(ge=0, description="judged detections in it")
    confidence: Fraction | None = Field(description="their mean score; null if there is none")
    precision: Fraction | None = Field(description="share of them that is right; null if there is none")


class Reliability(Record):
    """How right detections are, by their score."""

    ece: Fraction | None = Field(
        description="expected calibration error: how far precision and confidence of a bin lie apart, the "
        "mean over bins, each by its count; null without detections"
    )
    bins: list[CalibrationBin] = Field(description="detections by score")


class Calibrations(Record):
    """Whether scores mean what they say: `imitation.metrics.calibration`."""

    overall: Reliability = Field(description="all detections together")
    categories: dict[str, Reliability] = Field(description="category -> its detections")


class Calibration:
    """Adds frames one by one, then tells their `Calibrations`; keeps three numbers a bin, whatever the
    number of frames. Bins are of equal width."""

    def __init__(self, categories: Sequence[str], bins: int = BINS, iou: float = FOREGROUND_IOU) -> None:
        self._categories = tuple(categories)
        self._bins = bins
        self._edges = np.linspace(0.0, 1.0, bins + 1)
        self._iou = iou
        shape = (len(self._categories), bins)
        self._count, self._right = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        self._scores = np.zeros(shape)

    def add(self, row: FrameDetections) -> None:
        """Takes in one frame; one with an `error` counts nothing, nor do detections that are not judged
        (see `imitation.evaluation.matching.match_correct`).

        Raises DataError for a score outside [0, 1] (it is no probability), ValueError for a label beyond
        the categories.
        """
        if row.error is not None:
            return
        scores = row.detections.scores.astype(np.float64)
        if len(scores) and (scores.min() < 0 or scores.max() > 1):
            odd = scores[(scores < 0) | (scores > 1)][0]
            raise DataError(
                f"frame {row.frame_id}", f"score {odd:g} is outside [0, 1]: it cannot be calibrated"
            )
        row.check_labels(len(self._categories))
        matched_object, not_judged = match_correct(row.detections, row.objects, self._iou)
        judged = ~not_judged
        place = np.clip(np.searchsorted(self._edges, scores, side="right") - 1, 0, self._bins - 1)[judged]
        at = (row.detections.labels[judged] - 1, place)
        np.add.at(self._count, at, 1)
        np.add.at(self._right, at, matched_object[judged] >= 0)
        np.add.at(self._scores, at, scores[judged])

    def result(self) -> Calibrations:
        """The calibrations of the frames so far; more may be added after."""
        return Calibrations(
            overall=self._reliability(slice(None)),
            categories={name: self._reliability(slice(i, i + 1)) for i, name in enumerate(self._categories)},
        )

    def _reliability(self, which: slice) -> Reliability:
        counts, right, scores = (x[which].sum(axis=0) for x in (self._count, self._right, self._scores))
        total = int(counts.sum())
        gaps = float(np.abs(right - scores).sum())  # count * |precision - confidence| of each bin
        return Reliability(
            ece=gaps / total if total else None,
            bins=[
                CalibrationBin(
                    low=float(self._edges[i]),
                    high=float(self._edges[i + 1]),
                    count=int(counts[i]),
                    confidence=float(scores[i] / counts[i]) if counts[i] else None,
                    precision=float(right[i] / counts[i]) if counts[i] else None,
                )
                for i in range(self._bins)
            ],
        )


def calibration(rows: Iterable[FrameDetections], categories: Sequence[str], bins: int = BINS) -> Calibrations:
    """`Calibrations` of all rows, read once; `categories` are the detector's, in label order."""
    metric = Calibration(categories, bins)
    for row in rows:
        metric.add(row)
    return metric.result()
