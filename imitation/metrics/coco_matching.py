"""COCO's matching of many frames at once, at every IoU threshold.

A *group* is one category in one frame: groups do not touch one another. Of each group only the pairs of
a detection and an object that overlap by the lowest threshold can match.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imitation.data.boxes import areas, intersections, ratio
from imitation.evaluation.detections import ANY_LABEL, FrameDetections
from imitation.evaluation.greedy import choose

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
MAX_DETECTIONS = 100


@dataclass(frozen=True, eq=False)
class Matched:
    """The detections of some frames that count (the best 100 of a category in a frame), by frame, in it
    by label, then best first; equal scores in the order given.

    `frames` int64 (N,), positions in the rows; `rows` int64 (N,), positions among the detections of all
    rows; `labels` int64 (N,), 1-based; `scores` float32 (N,); `found`, `not_judged` uint16 (N,), bit t: a
    true positive at threshold t, absorbed by an ignore region there. `about` int64 (N,): the object found
    at the lowest threshold, a position among the objects of all rows, or -1.
    """

    frames: np.ndarray
    rows: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    found: np.ndarray
    not_judged: np.ndarray
    about: np.ndarray


def match_frames(rows: Sequence[FrameDetections], thresholds: np.ndarray = IOU_THRESHOLDS) -> Matched:
    """Matches the detections of each frame with its objects, category by category, at IoU `thresholds`
    (ascending, at most 16); see `Matched`. Of objects that overlap as much, the last is taken."""
    boxes, frames, labels, scores = _concatenated(rows, "detections")
    true, true_frames, true_labels, ignore = _concatenated(rows, "objects")
    order = np.lexsort((-scores, labels, frames))
    groups = _group(frames, labels)[order]
    kept = np.arange(len(order)) - np.searchsorted(groups, groups) < MAX_DETECTIONS
    order, groups = order[kept], groups[kept]
    boxes, frames, labels, scores = boxes[order], frames[order], labels[order], scores[order]

    found, not_judged = np.zeros((2, len(order)), dtype=np.uint16)
    about = np.full(len(order), -1, dtype=np.int64)
    if len(order) and len(true):
        sizes, true_sizes = areas(boxes), areas(true)
        true_groups = _group(true_frames, true_labels)
        d, o = _pairs(groups, true_groups, np.flatnonzero(~ignore))
        both = intersections(boxes[d], true[o])
        iou = ratio(both, sizes[d] + true_sizes[o] - both)
        near = np.flatnonzero(iou >= thresholds[0])
        near = near[np.lexsort((-o[near], -iou[near], d[near]))]
        d, o = d[near], o[near]
        free = np.full(len(true), np.iinfo(np.uint16).max, dtype=np.uint16)
        chosen = choose(d, o, groups[d], _levels(iou[near], thresholds), free)
        np.bitwise_or.at(found, d, chosen)
        lowest = chosen & 1 == 1
        about[d[lowest]] = o[lowest]
        regions = np.flatnonzero(ignore)
        for asked in (groups, _group(frames, np.full(len(frames), ANY_LABEL))) if len(regions) else ():
            d, o = _pairs(asked, true_groups, regions)
            levels = _levels(ratio(intersections(boxes[d], true[o]), sizes[d]), thresholds)
            np.bitwise_or.at(not_judged, d, levels)
        not_judged &= ~found
    return Matched(frames, order, labels, scores, found, not_judged, about)


def _concatenated(rows: Sequence[FrameDetections], name: str) -> tuple[np.ndarray, ...]:
    """Boxes as float64, the frame of each, its label, and its score or whether it is ignored."""
    parts = [getattr(row, name) for row in rows]
    last = "scores" if name == "detections" else "ignore"
    return (
        np.concatenate([part.boxes for part in parts]).astype(np.float64),
        np.repeat(np.arange(len(parts)), [len(part) for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([getattr(part, last) for part in parts]),
    )


def _group(frames: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return frames << 32 | labels


def _pairs(groups: np.ndarray, true_groups: np.ndarray, objects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every detection with each of these objects of the same group: indices of both, by detection."""
    objects = objects[np.argsort(true_groups[objects], kind="stable")]
    ranked = true_groups[objects]
    low = np.searchsorted(ranked, groups, side="left")
    counts = np.searchsorted(ranked, groups, side="right") - low
    first = np.cumsum(counts) - counts
    return (
        np.repeat(np.arange(len(groups)), counts),
        objects[np.arange(counts.sum()) + np.repeat(low - first, counts)],
    )


def _levels(overlap: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """The thresholds that each overlap reaches, as bits: uint16."""
    return ((1 << np.searchsorted(thresholds, overlap, side="right")) - 1).astype(np.uint16)
