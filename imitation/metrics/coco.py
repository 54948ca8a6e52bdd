"""COCO's average precision over streamed rows, matched by faster-coco-eval's C++.

Frames are matched in small chunks; of each detection only its score, its frame and one bit a
threshold for "found" and "not judged" stay: 12 bytes, whatever the number of frames.

Protocol (Lin et al., *Microsoft COCO*, ECCV 2014; pycocotools' `cocoeval.py`): IoU 0.50:0.05:0.95,
101 recall points, the best 100 detections of a category in a frame, area range "all". `ignore`
objects are COCO's crowd: they absorb any number of detections by intersection over detection area.
Those of `ANY_LABEL` hold for every category. Detections of equal score rank in the order of their
`frame_id`, in a frame in the order given: as pycocotools does with images numbered by `frame_id`.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from imitation.detections import ANY_LABEL, FrameDetections
from imitation.matching import pairwise_coverage, pairwise_iou

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALL_POINTS = np.linspace(0.0, 1.0, 101)
MAX_DETECTIONS = 100
CHUNK = 32
"""Frames matched at once: enough to amortise a call, few enough to weigh nothing."""


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
        self._pending: list[_Problem] = []
        self._pending_frames = 0

    def add(self, row: FrameDetections) -> None:
        """Takes in one frame; one with an `error` counts nothing."""
        if row.error is not None:
            return
        found, true = row.detections, row.objects
        highest = max(found.labels.max(initial=0), true.labels.max(initial=0))
        if highest > len(self._kept):
            raise ValueError(
                f"frame {row.frame_id}: label {highest} of {len(self._kept)} categories: "
                "is this row another detector's?"
            )
        frame = len(self._frames)
        if len(found):
            self._frames.append(row.frame_id)
        ranked = np.argsort(-found.scores, kind="stable")
        overlap = pairwise_iou(found.boxes, true.boxes)
        if true.ignore.any():
            overlap = np.where(true.ignore, pairwise_coverage(found.boxes, true.boxes), overlap)
        for label in set(true.labels[~true.ignore].tolist()).union(found.labels.tolist()):
            objects = np.flatnonzero((true.labels == label) | (true.ignore & (true.labels == ANY_LABEL)))
            ignore = true.ignore[objects]
            self._kept[label - 1].objects += int((~ignore).sum())
            best = ranked[found.labels[ranked] == label][:MAX_DETECTIONS]
            if len(best):
                self._pending.append(
                    _Problem(label, frame, found.scores[best], ignore, overlap[np.ix_(best, objects)])
                )
        self._pending_frames += 1
        if self._pending_frames >= CHUNK:
            self._match_pending()

    def result(self) -> AveragePrecisions:
        """The average precisions of the frames so far; more may be added after."""
        self._match_pending()
        rank = np.empty(len(self._frames), dtype=np.uint32)
        rank[sorted(range(len(self._frames)), key=self._frames.__getitem__)] = np.arange(len(self._frames))
        curves = [kept.average_precision(rank) for kept in self._kept]
        return AveragePrecisions(
            ap50={name: None if ap is None else float(ap[0]) for name, ap in zip(self._categories, curves)},
            ap={name: None if ap is None else float(ap.mean()) for name, ap in zip(self._categories, curves)},
        )

    def _match_pending(self) -> None:
        found, not_judged = _match([problem for problem in self._pending if problem.overlap.size])
        at = 0
        for problem in self._pending:
            count = len(problem.scores)
            kept = self._kept[problem.label - 1]
            kept.scores.frombytes(problem.scores.tobytes())
            kept.frames.frombytes(np.full(count, problem.frame, dtype=np.uint32).tobytes())
            if problem.overlap.size:
                kept.found.frombytes(found[at : at + count].tobytes())
                kept.not_judged.frombytes(not_judged[at : at + count].tobytes())
                at += count
            else:
                kept.found.frombytes(bytes(2 * count))
                kept.not_judged.frombytes(bytes(2 * count))
        self._pending, self._pending_frames = [], 0


@dataclass(frozen=True, eq=False)
class _Problem:
    """One category in one frame: N detections, best first, and their overlap with M objects."""

    label: int
    frame: int
    scores: np.ndarray
    ignore: np.ndarray
    overlap: np.ndarray


class _Kept:
    """What stays of one category: 12 bytes a detection, in frame order, best first in a frame."""

    def __init__(self) -> None:
        self.objects = 0
        self.scores = array("f")
        self.frames = array("I")
        self.found = array("H")  # bit t: a true positive at IOU_THRESHOLDS[t]
        self.not_judged = array("H")  # bit t: matched to an ignore region there

    def average_precision(self, frame_rank: np.ndarray) -> np.ndarray | None:
        """AP at each of `IOU_THRESHOLDS`, float64 (T,); None without objects."""
        if not self.objects:
            return None
        rank = frame_rank[np.frombuffer(self.frames, dtype=np.uint32)]
        order = np.lexsort((rank, -np.frombuffer(self.scores, dtype=np.float32)))
        found = np.frombuffer(self.found, dtype=np.uint16)[order]
        judged = ~np.frombuffer(self.not_judged, dtype=np.uint16)[order]
        return np.array(
            [
                interpolated_precision(found[judged >> t & 1 == 1] >> t & 1, self.objects)
                for t in range(len(IOU_THRESHOLDS))
            ]
        )


def interpolated_precision(found: np.ndarray, objects: int) -> float:
    """COCO's AP: the mean over 101 recall points of the best precision at that recall or a higher one.

    `found` is 1 for a true positive and 0 for a false one, (N,), best score first; `objects` > 0.
    """
    hits = np.cumsum(found, dtype=np.int64)
    precision = hits / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(hits / objects, RECALL_POINTS, side="left")
    return float(envelope[at[at < len(envelope)]].sum() / len(RECALL_POINTS))


def _match(problems: Sequence[_Problem]) -> tuple[np.ndarray, np.ndarray]:
    """Matches each problem at each threshold: uint16 (sum of N) twice, bit t for threshold t.

    A problem is what the library calls an image, with a single category. Its report of matched
    pairs is exact for one threshold a call.
    """
    # The import costs a library that only this function needs.
    import faster_coco_eval.faster_eval_api_cpp as fast

    total = sum(len(problem.scores) for problem in problems)
    found, not_judged = np.zeros((2, total), dtype=np.uint16)
    if not total:
        return found, not_judged
    detections, objects, ignored = fast.Dataset(), fast.Dataset(), [False]
    at = 0
    for image, problem in enumerate(problems, start=1):
        for score in problem.scores.tolist():
            at += 1
            detections.append_ref(image, 1, {"id": at, "score": score, "area": 1.0})
        for ignore in problem.ignore.tolist():
            objects.append_ref(
                image, 1, {"id": len(ignored), "area": 1.0, "iscrowd": int(ignore), "ignore": int(ignore)}
            )
            ignored.append(ignore)
    images = list(range(1, len(problems) + 1))
    overlaps = [[problem.overlap] for problem in problems]
    for t, threshold in enumerate(IOU_THRESHOLDS.tolist()):
        params = SimpleNamespace(
            iouThrs=[threshold],
            recThrs=[0.0],
            maxDets=[MAX_DETECTIONS],
            areaRng=[[0.0, 1e10]],
            catIds=[1],
            imgIds=images,
            useCats=1,
        )
        report: dict[str, Any] = fast.COCOevalEvaluateAccumulate(
            params, overlaps, objects, detections, images, [1], True
        )
        for pair in report["matched"]:
            detection, _, thing = pair.partition("_")
            bits = not_judged if ignored[int(thing)] else found
            bits[int(detection) - 1] |= 1 << t
    return found, not_judged


def average_precisions(rows: Iterable[FrameDetections], categories: Sequence[str]) -> AveragePrecisions:
    """`AveragePrecisions` of all rows, read once; `categories` are the detector's, in label order."""
    metric = AveragePrecision(categories)
    for row in rows:
        metric.add(row)
    return metric.result()
