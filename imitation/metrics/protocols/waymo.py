"""An emulation of the Waymo Open Dataset's 2D detection metrics, over streamed rows.

Not Waymo's own program; a number from here is no Waymo benchmark result. It follows the dataset's public
C++ code (`detection_metrics.cc`, `metrics_utils.cc`, `matcher.cc`; Sun et al., *Scalability in Perception
for Autonomous Driving: Waymo Open Dataset*, CVPR 2020):

- a match needs an IoU of at least 0.7 for vehicles and 0.5 for everything else;
- an object of difficulty 2 that is missed counts at level 2 alone; one that is found is a true positive
  at *both* levels. Level 1 is what remains: objects whose difficulty is 1, or unknown, must be found;
- AP is the area under the curve of precision over recall, each precision the best at its recall or a
  higher one, by trapezoids; where recall jumps by more than 0.05, precision is held at the later value.

What differs from the leaderboard:

- matching is Waymo's "score first" (by falling score, each detection takes the free object of its class
  that overlaps it most) where the leaderboard solves an assignment of greatest total IoU at each cutoff;
- the curve has a point at every score, where theirs has points at a fixed list of score cutoffs;
- ignore regions (COCO's crowd, KITTI's DontCare) stand in for Waymo's no-label zones: a detection left
  over that lies in one to at least the class's IoU of its own area is no false positive. Waymo's zones
  are marked in the predictions themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from pydantic import Field

from imitation.common.formats.record import Fraction, Record
from imitation.evaluation.detections import FrameDetections
from imitation.evaluation.matching import match_correct
from imitation.metrics.columns import Columns
from imitation.metrics.curves import area_under_curve, last_of_equal

VEHICLE_IOU = 0.7
OTHER_IOU = 0.5
VEHICLES = frozenset({"vehicle", "type_vehicle", "car", "van", "truck", "bus", "motorcycle"})
"""Names, in lower case, of categories that are Waymo's vehicles."""
FALSE, FOUND_LEVEL_1, FOUND_LEVEL_2 = range(3)


class WaymoAP(Record):
    """AP of one category, counted like Waymo's: an emulation, `imitation.metrics.protocols.waymo`."""

    level_1: Fraction | None = Field(description="AP of the easier objects; null if there are none")
    level_2: Fraction | None = Field(description="AP of all objects; null if there are none")
    objects_level_1: int = Field(ge=0, description="objects of difficulty 1, or unknown")
    objects_level_2: int = Field(ge=0, description="objects of both")
    iou: float = Field(gt=0, le=1, description="IoU that a match needs")


def required_iou(category: str) -> float:
    """0.7 for a category named like a vehicle ("car", "TYPE_VEHICLE", ...), 0.5 for any other."""
    return VEHICLE_IOU if category.lower() in VEHICLES else OTHER_IOU


class WaymoAveragePrecision:
    """Adds frames one by one, then tells the `WaymoAP` of each category; 5 bytes a detection stay."""

    def __init__(self, categories: Sequence[str]) -> None:
        self._categories = tuple(categories)
        self._iou = np.array([required_iou(name) for name in categories])
        self._kept = [Columns(score="f4", outcome="u1") for _ in categories]
        self._objects = np.zeros((len(categories), 2), dtype=np.int64)  # of level 1, of both

    def add(self, row: FrameDetections) -> None:
        """Takes in one frame; one with an `error` counts nothing. Raises ValueError for a label that is
        none of the categories."""
        if row.error is not None:
            return
        detections, true = row.detections, row.objects
        row.check_labels(len(self._categories))
        easy = true.difficulty < 2
        for difficult, which in enumerate((~true.ignore & easy, ~true.ignore)):
            self._objects[:, difficult] += np.bincount(
                true.labels[which] - 1, minlength=len(self._categories)
            )
        if not len(detections):
            return
        outcome, judged = np.zeros(len(detections), dtype=np.uint8), np.ones(len(detections), dtype=bool)
        needed = self._iou[detections.labels - 1]
        for iou in set(needed.tolist()):
            objects, not_judged = match_correct(detections, true, iou)
            these = needed == iou
            judged[these] = ~not_judged[these]
            hits = these & (objects >= 0)
            outcome[hits] = np.where(easy[objects[hits]], FOUND_LEVEL_1, FOUND_LEVEL_2)
        for label in set(detections.labels.tolist()):
            kept = judged & (detections.labels == label)
            self._kept[label - 1].extend(score=detections.scores[kept], outcome=outcome[kept])

    def result(self) -> dict[str, WaymoAP]:
        """By category, of the frames so far; more may be added after."""
        return {name: self._of(i) for i, name in enumerate(self._categories)}

    def _of(self, category: int) -> WaymoAP:
        kept = self._kept[category].arrays()
        order = np.argsort(-kept["score"], kind="stable")
        last = last_of_equal(kept["score"][order])
        outcome = kept["outcome"][order]
        hits = np.cumsum(outcome != FALSE)[last]
        hits_level_1 = np.cumsum(outcome == FOUND_LEVEL_1)[last]
        precision = hits / (last + 1)
        easy, both = (int(count) for count in self._objects[category])
        return WaymoAP(
            level_1=area_under_curve(precision, hits / (hits + easy - hits_level_1)) if easy else None,
            level_2=area_under_curve(precision, hits / both) if both else None,
            objects_level_1=easy,
            objects_level_2=both,
            iou=float(self._iou[category]),
        )


def waymo_average_precision(rows: Iterable[FrameDetections], categories: Sequence[str]) -> dict[str, WaymoAP]:
    """The `WaymoAP` of all rows, read once, by category; `categories` are the detector's, in label order."""
    metric = WaymoAveragePrecision(categories)
    for row in rows:
        metric.add(row)
    return metric.result()


def of_rows(rows: Iterable[FrameDetections], categories: Sequence[str]) -> dict[str, Any]:
    """`waymo_average_precision` as plain data."""
    return {name: ap.to_dict() for name, ap in waymo_average_precision(rows, categories).items()}
