"""Detections against ground truth: exactly one fate for each detection and each object.

The taxonomy is TIDE's (Bolya, Foley, Hays, Hoffman: *TIDE: A General Toolbox for Identifying
Object Detection Errors*, ECCV 2020), with its thresholds: foreground IoU 0.5, background IoU 0.1,
and its order where several kinds would fit. Ignore regions follow COCO: they absorb any number of
detections, by intersection over the *detection's* area.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imitation.data.boxes import pairwise_coverage, pairwise_iou
from imitation.evaluation.detections import ANY_LABEL, Detections, GroundTruth
from imitation.evaluation.greedy import choose

FOREGROUND_IOU = 0.5
BACKGROUND_IOU = 0.1

DETECTION_FATES = ("correct", "ignored", "localization", "classification", "duplicate", "both", "background")
OBJECT_FATES = ("found", "localization", "classification", "missed", "ignored")
_EXPLAINING = ("localization", "classification")


def by_score(detections: Detections) -> np.ndarray:
    """Indices of the detections, best score first; ties by label, then box: by content, not place."""
    return np.lexsort((*detections.boxes.T[::-1], detections.labels, -detections.scores))


def match_correct(
    detections: Detections, objects: GroundTruth, iou: float = FOREGROUND_IOU
) -> tuple[np.ndarray, np.ndarray]:
    """Which object each detection finds, and which detections are not judged.

    Greedy: by falling score, each detection finds the object of its category that overlaps it most,
    among those not yet found and not `ignore`, if their IoU is at least `iou`. A detection that
    finds nothing and lies to at least `iou` of its area in an ignore region of its category (or of
    every category) is not judged. So a detection's outcome does not depend on lower scores.
    Returns int64 (N,), the row in `objects` or -1, and bool (N,).
    """
    matched_object = np.full(len(detections), -1, dtype=np.int64)
    if not len(detections) or not len(objects):
        return matched_object, np.zeros(len(detections), dtype=bool)
    same = detections.labels[:, None] == objects.labels[None, :]
    order = _by_content(objects)
    ranked = by_score(detections)
    overlap = np.where(same & ~objects.ignore, pairwise_iou(detections.boxes, objects.boxes), -1.0)
    overlap = overlap[ranked][:, order]
    d, o = np.nonzero(overlap >= iou)
    preferred = np.lexsort((o, -overlap[d, o], d))
    d, o = d[preferred], o[preferred]
    one_group = np.zeros(len(d), np.int64)
    matched = choose(d, o, one_group, np.ones(len(d), np.uint8), np.ones(len(objects), np.uint8))
    matched_object[ranked[d[matched > 0]]] = order[o[matched > 0]]
    regions = objects.ignore
    holds = same[:, regions] | (objects.labels[regions] == ANY_LABEL)
    covered = holds & (pairwise_coverage(detections.boxes, objects.boxes[regions]) >= iou)
    return matched_object, covered.any(axis=1) & (matched_object < 0)


@dataclass(frozen=True, eq=False)
class Matching:
    """The fates of one frame.

    Detections (N): `detection_fates` str of `DETECTION_FATES`; `detection_objects` int64, the row in
    the ground truth that the fate is about (found, badly localised, wrongly classified, both,
    doubled), -1 for background and ignored; `ious` float64 with that object, for background the
    greatest with any object (0 if there is none). Objects (M): `object_fates` str of `OBJECT_FATES`;
    `object_detections` int64, the detection that found or explains it, or -1.
    """

    detection_fates: np.ndarray
    detection_objects: np.ndarray
    ious: np.ndarray
    object_fates: np.ndarray
    object_detections: np.ndarray


def match(
    detections: Detections,
    objects: GroundTruth,
    foreground: float = FOREGROUND_IOU,
    background: float = BACKGROUND_IOU,
) -> Matching:
    """Exactly one fate for each detection and each object, whatever their order.

    Pass the detections at the operating threshold (`detections.above(threshold)`). A detection is

    - `correct` or `ignored`: see `match_correct`, at `foreground`; else, in this order,
    - `localization`: its greatest IoU with an object of its category lies in [background, foreground);
    - `classification`: IoU of at least `foreground` with an object of another category;
    - `duplicate`: IoU of at least `foreground` with an object of its category, already found;
    - `both` (wrong category and badly localised): IoU of at least `background` with another category's;
    - `background`: none of these.

    An object is `found`; else explained by the `localization` or `classification` error that
    overlaps it most (ties: the better score), and then not also missed; else `missed`. Ignore
    regions are `ignored`. The order of kinds and what explains an object are TIDE's.
    """
    count = len(detections)
    found, not_judged = match_correct(detections, objects, foreground)
    fates = np.full(count, "background", dtype="<U14")
    about, ious = found.copy(), np.zeros(count)
    fates[found >= 0], fates[not_judged] = "correct", "ignored"

    real = _by_content(objects)
    real = real[~objects.ignore[real]]
    if len(real) and count:
        overlap = pairwise_iou(detections.boxes, objects.boxes[real])
        ious = overlap.max(axis=1)
        same = detections.labels[:, None] == objects.labels[real][None, :]
        own, other = np.where(same, overlap, -1.0), np.where(same, -1.0, overlap)
        best_own, best_other = own.max(axis=1), other.max(axis=1)
        wrong = fates == "background"
        for fate, rule, source in (
            ("localization", (best_own >= background) & (best_own < foreground), own),
            ("classification", best_other >= foreground, other),
            ("duplicate", best_own >= foreground, own),
            ("both", best_other >= background, other),
        ):
            these = np.flatnonzero(wrong & rule)
            fates[these], about[these] = fate, real[source[these].argmax(axis=1)]
            wrong[these] = False
        has_object = about >= 0
        ious[has_object] = pairwise_iou(detections.boxes, objects.boxes)[has_object, about[has_object]]

    return Matching(fates, about, ious, *_object_fates(detections, objects, fates, about, ious))


def _by_content(objects: GroundTruth) -> np.ndarray:
    return np.lexsort((objects.index, *objects.boxes.T[::-1], objects.labels))


def _object_fates(
    detections: Detections, objects: GroundTruth, fates: np.ndarray, about: np.ndarray, ious: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    object_fates = np.where(objects.ignore, "ignored", "missed").astype("<U14")
    explained_by = np.full(len(objects), -1, dtype=np.int64)
    ranked = by_score(detections)
    for d in ranked[np.argsort(-ious[ranked], kind="stable")]:
        if fates[d] in _EXPLAINING and explained_by[about[d]] < 0:
            object_fates[about[d]], explained_by[about[d]] = fates[d], d
    correct = np.flatnonzero(fates == "correct")
    object_fates[about[correct]], explained_by[about[correct]] = "found", correct
    return object_fates, explained_by
