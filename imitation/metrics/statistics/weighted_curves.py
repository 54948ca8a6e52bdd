"""Average precision of weighted frames: what a resample of the frames would give, without matching anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imitation.metrics.average_precision import RECALL_POINTS


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

    `weights` int32 (R, F): how often each frame counts. With ones it is
    `imitation.metrics.average_precision.interpolated_precision`.
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
        envelope = np.maximum.accumulate(envelope[:, ::-1], axis=1)[:, ::-1]
        for r in np.flatnonzero(objects):
            at = np.searchsorted(hits[r] / objects[r], RECALL_POINTS, side="left")
            result[r, c] = envelope[r, at].sum() / len(RECALL_POINTS)
    return result
