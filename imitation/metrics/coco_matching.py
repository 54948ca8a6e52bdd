"""COCO's greedy matching of many frames at once, at every IoU threshold, in NumPy.

A *group* is one category in one frame: groups do not touch one another. Of each group only the pairs of
a detection and an object that overlap by the lowest threshold can match; they are visited in COCO's
order, in rounds: round r takes the r-th pair of every group. A threshold is one bit of a uint16.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imitation.data.boxes import areas, intersections, ratio
from imitation.evaluation.detections import ANY_LABEL, FrameDetections

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
MAX_DETECTIONS = 100


@dataclass(frozen=True, eq=False)
class Matched:
    """The detections of some frames that count (the best 100 of a category in a frame), by frame, in it
    by label, then best first; equal scores in the order given.

    `frames` int64 (N,), positions in the rows; `labels` int64 (N,), 1-based; `scores` float32 (N,);
    `found`, `not_judged` uint16 (N,), bit t: a true positive at `IOU_THRESHOLDS[t]`, absorbed by an
    ignore region there.
    """

    frames: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    found: np.ndarray
    not_judged: np.ndarray


def match_frames(rows: Sequence[FrameDetections]) -> Matched:
    """Matches the detections of each frame with its objects, category by category; see `Matched`."""
    boxes, frames, labels, scores = _concatenated(rows, "detections")
    true, true_frames, true_labels, ignore = _concatenated(rows, "objects")
    order = np.lexsort((-scores, labels, frames))
    groups = _group(frames, labels)[order]
    kept = np.arange(len(order)) - np.searchsorted(groups, groups) < MAX_DETECTIONS
    order, groups = order[kept], groups[kept]
    boxes, frames, labels, scores = boxes[order], frames[order], labels[order], scores[order]

    found, not_judged = np.zeros((2, len(order)), dtype=np.uint16)
    if len(order) and len(true):
        size, true_size = areas(boxes), areas(true)
        true_groups = _group(true_frames, true_labels)
        d, o = _pairs(groups, true_groups, np.flatnonzero(~ignore))
        both = intersections(boxes[d], true[o])
        found = _greedy(d, o, ratio(both, size[d] + true_size[o] - both), groups, len(true))
        regions = np.flatnonzero(ignore)
        for asked in (groups, _group(frames, np.full(len(frames), ANY_LABEL))) if len(regions) else ():
            d, o = _pairs(asked, true_groups, regions)
            levels = _levels(ratio(intersections(boxes[d], true[o]), size[d]))
            np.bitwise_or.at(not_judged, d, levels)
        not_judged &= ~found
    return Matched(frames, labels, scores, found, not_judged)


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


def _levels(overlap: np.ndarray) -> np.ndarray:
    """The thresholds that each overlap reaches, as bits: uint16."""
    return ((1 << np.searchsorted(IOU_THRESHOLDS, overlap, side="right")) - 1).astype(np.uint16)


def _greedy(d: np.ndarray, o: np.ndarray, iou: np.ndarray, groups: np.ndarray, objects: int) -> np.ndarray:
    """Bits of the thresholds at which each detection finds an object. Detections come best first in
    their group; each takes the object of greatest IoU not yet taken, of equal ones the last."""
    found = np.zeros(len(groups), dtype=np.uint16)
    taken = np.zeros(objects, dtype=np.uint16)
    near = np.flatnonzero(iou >= IOU_THRESHOLDS[0])
    near = near[np.lexsort((-o[near], -iou[near], d[near]))]
    of_group = groups[d[near]]
    rounds = np.arange(len(near)) - np.searchsorted(of_group, of_group)
    near = near[np.argsort(rounds, kind="stable")]
    d, o, levels = d[near], o[near], _levels(iou[near])
    high = 0
    for size in np.bincount(rounds).tolist():
        low, high = high, high + size
        of_d, of_o = d[low:high], o[low:high]
        new = levels[low:high] & ~taken[of_o] & ~found[of_d]
        found[of_d] |= new
        taken[of_o] |= new
    return found
