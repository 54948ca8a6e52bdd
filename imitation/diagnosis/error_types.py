"""TIDE's error types: how much AP at IoU 0.5 each kind of error costs, in one pass over the rows.

Bolya, Foley, Hays, Hoffman: *TIDE: A General Toolbox for Identifying Object Detection Errors*, ECCV 2020,
and its code (`tidecv`), with which the numbers agree where no scores are equal:

- all detections count, the best 100 of a frame, whatever their score;
- AP is the mean over the categories that have objects or detections; a category with detections alone
  counts as 0 (COCO leaves it out; so `ap` here may lie below the AP50 of
  `imitation.metrics.average_precision`);
- an IoU of exactly 0.5 that finds nothing is a localization error, one of exactly 0.1 background.

Detections that ignore regions absorb are neither true nor false and no error, as COCO counts them.
`tidecv` leaves them out of AP as well, but a fix may still turn one into a true positive; that is not
followed here. Of equal scores, `tidecv` ranks the false first once anything is fixed; here, ranks stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from pydantic import Field

from imitation.common.formats.record import Count, Fraction, Record
from imitation.data.boxes import pairwise_iou
from imitation.diagnosis.error_cost import NO_GROUP, CategoryPrecision, LostPrecision
from imitation.evaluation.detections import FrameDetections
from imitation.evaluation.matching import BACKGROUND_IOU, FOREGROUND_IOU, Matching, by_score, match
from imitation.metrics.curves import interpolated_precision

ERROR_TYPES = ("classification", "localization", "both", "duplicate", "background", "missed")
MAX_DETECTIONS = 100
RECALL_POINTS = np.arange(101) / 100
"""In the last bit not `np.linspace`'s, which COCO uses: a recall of 7/20 reaches the point 0.35 here."""


class ErrorTypes(Record):
    """What errors cost in AP at IoU 0.5, after TIDE: `imitation.diagnosis.error_types`. All detections count,
    whatever their score; the kinds' costs do not add up."""

    ap: Fraction = Field(description="AP at IoU 0.5 as TIDE counts it")
    lost: dict[str, Fraction] = Field(description="kind -> gain in AP if its errors alone were mended")
    share: dict[str, Fraction] = Field(description="kind -> its share of the sum of all gains")
    counts: dict[str, Count] = Field(description="kind -> errors")
    false_positives: float = Field(description="gain in AP if no false positive outscored a right detection")
    false_negatives: float = Field(description="gain in AP if objects that nothing finds did not count")


def error_types(rows: Iterable[FrameDetections], categories: Sequence[str]) -> ErrorTypes:
    """`ErrorTypes` of all rows, read once; `categories` are the detector's, in label order.

    Rows with an `error` count nothing; without any object or detection every number is 0.
    Raises ValueError for labels beyond the categories.
    """
    precision = LostPrecision(categories, recall_points=RECALL_POINTS)
    counts = dict.fromkeys(ERROR_TYPES, 0)
    for row in rows:
        if row.error is None:
            _add(row, precision, counts)
    base = precision.precisions()
    ap = _mean(base)
    lost = {kind: max(_mean(precision.precisions(group)) - ap, 0.0) for group, kind in enumerate(ERROR_TYPES)}
    total = sum(lost.values())
    return ErrorTypes(
        ap=ap,
        lost=lost,
        share={kind: value / total if total else 0.0 for kind, value in lost.items()},
        counts=counts,
        false_positives=_mean([_without_false_positives(one) for one in base]) - ap,
        false_negatives=_mean(precision.precisions(_UNFOUND)) - ap,
    )


_MISSED, _EXPLAINED = ERROR_TYPES.index("missed"), len(ERROR_TYPES)
_UNFOUND = (_MISSED, _EXPLAINED)


def _add(row: FrameDetections, precision: LostPrecision, counts: dict[str, int]) -> None:
    if len(row.detections) > MAX_DETECTIONS:
        row = replace(row, detections=row.detections.select(by_score(row.detections)[:MAX_DETECTIONS]))
    matching = _as_tide(row, match(row.detections, row.objects, FOREGROUND_IOU, BACKGROUND_IOU))
    fates = matching.detection_fates
    detection_groups = np.full(len(row.detections), NO_GROUP, dtype=np.int32)
    for group, kind in enumerate(ERROR_TYPES[:_MISSED]):
        detection_groups[fates == kind] = group
        counts[kind] += int((fates == kind).sum())
    object_groups = np.full(len(row.objects), _MISSED, dtype=np.int32)
    explaining = (fates == "localization") | (fates == "classification")
    object_groups[matching.detection_objects[explaining]] = _EXPLAINED
    object_groups[(matching.object_fates == "found") | row.objects.ignore] = NO_GROUP
    counts["missed"] += int((object_groups == _MISSED).sum())
    precision.add(row, matching, detection_groups, object_groups)


def _as_tide(row: FrameDetections, matching: Matching) -> Matching:
    """The matching with detections whose IoU falls on a threshold as the kind that TIDE takes them for."""
    detections, objects = row.detections, row.objects
    fates, about = matching.detection_fates.copy(), matching.detection_objects.copy()
    fates[(fates == "both") & (matching.ious == BACKGROUND_IOU)] = "background"
    if len(objects):
        same = (detections.labels[:, None] == objects.labels) & ~objects.ignore
        overlap = np.where(same, pairwise_iou(detections.boxes, objects.boxes), 0.0)
        touching = np.isin(fates, ("classification", "duplicate")) & (overlap.max(axis=1) == FOREGROUND_IOU)
        fates[touching], about[touching] = "localization", overlap[touching].argmax(axis=1)
    return replace(matching, detection_fates=fates, detection_objects=about)


def _mean(precisions: Sequence[CategoryPrecision]) -> float:
    counted = [one.ap or 0.0 for one in precisions if one.objects or one.detections]
    return float(np.mean(counted)) if counted else 0.0


def _without_false_positives(one: CategoryPrecision) -> CategoryPrecision:
    if not one.objects:
        return one
    return one._replace(ap=interpolated_precision(np.ones(one.found), one.objects, RECALL_POINTS))
