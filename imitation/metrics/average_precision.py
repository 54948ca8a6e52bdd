"""COCO's average precision over streamed rows.

Frames are matched in small chunks; of each detection only its score, its frame and one bit a
threshold for "found" and "not judged" stay: 12 bytes, whatever the number of frames.

Protocol (Lin et al., *Microsoft COCO*, ECCV 2014; pycocotools' `cocoeval.py`): IoU 0.50:0.05:0.95,
101 recall points, the best 100 detections of a category in a frame, area range "all". `ignore`
objects are COCO's crowd: they absorb any number of detections by intersection over detection area.
Those of `ANY_LABEL` hold for every category. Detections of equal score rank in the order of their
`frame_id`, in a frame in the order given: as pycocotools does with images numbered by `frame_id`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from imitation.evaluation.detections import FrameDetections
from imitation.metrics.coco_matching import IOU_THRESHOLDS, MAX_DETECTIONS, match_frames
from imitation.metrics.columns import Columns, ranks
from imitation.metrics.curves import RECALL_POINTS, interpolated_precision

CHUNK = 64
"""Frames matched at once: enough to amortise NumPy's calls, few enough to weigh nothing."""

__all__ = [
    "IOU_THRESHOLDS",
    "MAX_DETECTIONS",
    "RECALL_POINTS",
    "AveragePrecision",
    "AveragePrecisions",
    "average_precisions",
    "interpolated_precision",
]


@dataclass(frozen=True)
class AveragePrecisions:
    """AP by category, in [0, 1]: `ap50` at IoU 0.5, `ap` the mean over 0.50:0.95.

    None for a category without objects to find; `map50` and `map` are means over the others, None
    if there are none.
    """

    ap50: dict[str, float | None]
    ap: dict[str, float | None]

    @property
    def map50(self) -> float | None:
        return _mean(self.ap50)

    @property
    def map(self) -> float | None:
        return _mean(self.ap)


def _mean(values: dict[str, float | None]) -> float | None:
    known = [value for value in values.values() if value is not None]
    return float(np.mean(known)) if known else None


class AveragePrecision:
    """Adds frames one by one, then tells their `AveragePrecisions`."""

    def __init__(self, categories: Sequence[str]) -> None:
        self._categories = list(categories)
        self._kept = [_Kept() for _ in categories]
        self._frames: list[str] = []  # ids of frames with detections, to rank ties by
        self._pending: list[FrameDetections] = []

    def add(self, row: FrameDetections) -> None:
        """Takes in one frame; one with an `error` counts nothing."""
        if row.error is not None:
            return
        row.check_labels(len(self._kept))
        self._pending.append(row)
        if len(self._pending) >= CHUNK:
            self._match_pending()

    def result(self) -> AveragePrecisions:
        """The average precisions of the frames so far; more may be added after."""
        self._match_pending()
        rank = ranks(self._frames)
        curves = [kept.average_precision(rank) for kept in self._kept]
        return AveragePrecisions(
            ap50={name: None if ap is None else float(ap[0]) for name, ap in zip(self._categories, curves)},
            ap={name: None if ap is None else float(ap.mean()) for name, ap in zip(self._categories, curves)},
        )

    def _match_pending(self) -> None:
        if not self._pending:
            return
        for row in self._pending:
            true = row.objects
            for label in true.labels[~true.ignore].tolist():
                self._kept[label - 1].objects += 1
        with_detections = [row for row in self._pending if len(row.detections)]
        self._pending = []
        if not with_detections:
            return
        matched = match_frames(with_detections)
        order = np.argsort(matched.labels, kind="stable")
        labels = matched.labels[order]
        for low, high in pairwise(np.flatnonzero(np.diff(labels, prepend=0, append=0)).tolist()):
            these = order[low:high]
            self._kept[labels[low] - 1].detections.extend(
                score=matched.scores[these],
                frame=matched.frames[these] + len(self._frames),
                found=matched.found[these],
                not_judged=matched.not_judged[these],
            )
        self._frames += [row.frame_id for row in with_detections]


class _Kept:
    """What stays of one category: 12 bytes a detection, in frame order, best first in a frame."""

    def __init__(self) -> None:
        self.objects = 0
        self.detections = Columns(score="f4", frame="u4", found="u2", not_judged="u2")  # bits, as `Matched`

    def average_precision(self, frame_rank: np.ndarray) -> np.ndarray | None:
        """AP at each of `IOU_THRESHOLDS`, float64 (T,); None without objects."""
        if not self.objects:
            return None
        kept = self.detections.arrays()
        order = np.lexsort((frame_rank[kept["frame"]], -kept["score"]))
        found, judged = kept["found"][order], ~kept["not_judged"][order]
        return np.array(
            [
                interpolated_precision(found[judged >> t & 1 == 1] >> t & 1, self.objects)
                for t in range(len(IOU_THRESHOLDS))
            ]
        )


def map50(frames: Iterable[FrameDetections], categories: Sequence[str]) -> float:
    """The mean of AP at IoU 0.5 over categories, 0 where nothing is to be found: `loop.metric: map50`."""
    return average_precisions(frames, categories).map50 or 0.0


def map50_95(frames: Iterable[FrameDetections], categories: Sequence[str]) -> float:
    """The same of AP at IoU 0.50:0.95: `loop.metric: map`."""
    return average_precisions(frames, categories).map or 0.0


def average_precisions(rows: Iterable[FrameDetections], categories: Sequence[str]) -> AveragePrecisions:
    """`AveragePrecisions` of all rows, read once; `categories` are the detector's, in label order."""
    metric = AveragePrecision(categories)
    for row in rows:
        metric.add(row)
    return metric.result()
