"""Where to cut the scores: the threshold of the greatest F1."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from imitation.detections import FrameDetections
from imitation.matching import FOREGROUND_IOU, match_correct

DEFAULT_THRESHOLD = 0.5


class OperatingPoint(NamedTuple):
    """A threshold (keep scores >= it), and what it gives over all categories together, in [0, 1]."""

    threshold: float
    f1: float
    precision: float
    recall: float


class OperatingCurve:
    """Adds frames one by one (5 bytes a detection), then tells their best `OperatingPoint`."""

    def __init__(self, iou: float = FOREGROUND_IOU) -> None:
        self._iou = iou
        self._objects = 0
        self._scores = array("f")
        self._correct = bytearray()

    def add(self, row: FrameDetections) -> None:
        """Takes in one frame; one with an `error` counts nothing."""
        if row.error is not None:
            return
        found, not_judged = match_correct(row.detections, row.objects, self._iou)
        self._objects += int((~row.objects.ignore).sum())
        self._scores.frombytes(row.detections.scores[~not_judged].tobytes())
        self._correct += (found[~not_judged] >= 0).tobytes()

    def best(self) -> OperatingPoint:
        """The point of greatest F1; of several, the one of the greatest threshold.

        Where no threshold finds anything: `DEFAULT_THRESHOLD` and zeros.
        """
        scores = np.frombuffer(self._scores, dtype=np.float32)
        order = np.argsort(-scores, kind="stable")
        ranked = scores[order]
        correct = np.cumsum(np.frombuffer(self._correct, dtype=np.bool_)[order], dtype=np.int64)
        if not len(correct) or not correct[-1]:
            return OperatingPoint(DEFAULT_THRESHOLD, 0.0, 0.0, 0.0)
        last = np.flatnonzero(
            np.append(ranked[1:] != ranked[:-1], True)
        )  # equal scores stand or fall together
        kept, hits = last + 1, correct[last]
        best = int(np.argmax(2 * hits / (kept + self._objects)))
        return operating_point(float(ranked[last[best]]), int(hits[best]), int(kept[best]), self._objects)


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
