"""Precision over recall, and the area under it, as each protocol takes it.

COCO: the mean over 101 recall points of the best precision at that recall or a higher one
(`interpolated_precision`; TIDE's points differ in the last bit). Waymo: trapezoids between the points
(`area_under_curve`). KITTI: 41 score thresholds, one near each recall point, over the same `best_from`
(`imitation.metrics.protocols.kitti`). On resamples of the frames: `weighted_average_precisions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RECALL_POINTS = np.linspace(0.0, 1.0, 101)
MAX_RECALL_DELTA = 0.05


def best_from(precision: np.ndarray) -> np.ndarray:
    """Each precision (..., N), by rising recall, as the best at its recall or a higher one."""
    return np.maximum.accumulate(precision[..., ::-1], axis=-1)[..., ::-1]


def last_of_equal(ranked: np.ndarray) -> np.ndarray:
    """Where each run of equal scores (N,) ends, int64: they stand or fall together, and a curve has one
    point for all of them."""
    return np.flatnonzero(np.append(ranked[1:] != ranked[:-1], np.ones(min(len(ranked), 1), dtype=bool)))


def interpolated_precision(
    true_positives: np.ndarray, objects: int, recall_points: np.ndarray = RECALL_POINTS
) -> float:
    """COCO's AP: the mean over recall points of the best precision at that recall or a higher one.

    `true_positives` are 1 or 0, (N,), best score first; `objects` > 0;
    `recall_points` (R,) in [0, 1], ascending.
    """
    # Precision is greatest, and recall rises, at true positives alone.
    ranks = np.flatnonzero(true_positives) + 1
    hits = np.arange(1, len(ranks) + 1)
    envelope = best_from(hits / ranks)
    at = np.searchsorted(hits / objects, recall_points, side="left")
    return float(envelope[at[at < len(envelope)]].sum() / len(recall_points))


def area_under_curve(precision: np.ndarray, recall: np.ndarray) -> float:
    """Waymo's integral, in [0, 1], of precision (N,) over recall (N,) that never falls: trapezoids, and
    where recall jumps by more than `MAX_RECALL_DELTA`, precision held at the later value."""
    there = recall > 0
    if not there.any():
        return 0.0
    recall, first = np.unique(recall[there], return_index=True)
    best = best_from(np.maximum.reduceat(precision[there], first))
    gaps = np.diff(recall, prepend=0.0)
    # Counted from the higher recall, precision is held over whole steps; what is left is a trapezoid.
    steps = np.maximum(np.ceil((gaps - 1e-6) / MAX_RECALL_DELTA) - 1, 0)
    held = steps * MAX_RECALL_DELTA
    before = np.concatenate([best[:1], best[:-1]])  # at recall 0: as at the first point
    return float(np.sum(held * best + (gaps - held) * (before + best) / 2))


@dataclass(frozen=True, eq=False)
class Curve:
    """A precision-recall curve whose frames can be weighted: frame numbers, int64.

    `hits` (K,) of the true positives, best first; `before` (K,) how many of `misses` rank before each;
    `misses` of the false positives, best first; `objects` (M,) of the objects to be found. Curves that
    share `misses` (the same array) share its work.
    """

    hits: np.ndarray
    before: np.ndarray
    misses: np.ndarray
    objects: np.ndarray


def weighted_average_precisions(curves: Sequence[Curve], weights: np.ndarray) -> np.ndarray:
    """AP of each curve on each resample: float64 (R, C), NaN where no object was drawn.

    `weights` int32 (R, F): how often each frame counts. With ones it is `interpolated_precision`, and what
    a resample would give without matching anew. A loop of its own: it goes through all resamples at once.
    """
    result = np.full((len(weights), len(curves)), np.nan)
    summed: dict[int, np.ndarray] = {}
    for c, curve in enumerate(curves):
        missed = summed.get(id(curve.misses))
        if missed is None:
            missed = np.zeros((len(weights), len(curve.misses) + 1), dtype=np.int32)
            np.cumsum(weights.take(curve.misses, axis=1), axis=1, dtype=np.int32, out=missed[:, 1:])
            summed = {id(curve.misses): missed}  # curves that share come one after the other
        objects = weights.take(curve.objects, axis=1).sum(axis=1)
        hits = np.cumsum(weights.take(curve.hits, axis=1), axis=1, dtype=np.int32)
        judged = hits + missed.take(curve.before, axis=1)
        envelope = np.zeros((len(weights), len(curve.hits) + 1))
        np.divide(hits, judged, out=envelope[:, :-1], where=judged > 0)
        envelope = best_from(envelope)
        for r in np.flatnonzero(objects):
            at = np.searchsorted(hits[r] / objects[r], RECALL_POINTS, side="left")
            result[r, c] = envelope[r, at].sum() / len(RECALL_POINTS)
    return result
