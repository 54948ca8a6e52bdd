"""What more real frames would mend, from detectors trained on different numbers of them.

The number of failures is taken to fall by the same amount with each doubling of the frames,

    failures(n) = a - b log2(n),        so m more mend  b log2((n + m) / n),

a straight line through what trainings on subsets leave, on frames that none of them saw (over a factor of two
or so; any curve is straight enough there, a power law too). Two sources of chance: the frames that are judged
(bootstrap over them, the same draws for every training) and the trainings (what is left of the line).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t

from imitation.advice.record import Estimate
from imitation.metrics.statistics.bootstrap import CONFIDENCE, MIN_CLUSTERS, Resampling

NEXT_TO_NONE = 0.05
"""Share of the failures on average of all trainings below which a line that ends there says nothing."""


@dataclass(frozen=True, eq=False)
class Curve:
    """K trainings: `sizes` (K,) real frames that each saw, `counts` (K, F) failures in each judged frame.
    `groups` (K,): trainings of a group are judged on the same frames, each group with a line of its own, of
    the same slope (the folds: each judges the part that it did not see). Frames of other groups count 0."""

    sizes: np.ndarray
    counts: np.ndarray
    groups: np.ndarray


def real_estimate(
    curve: Curve, resampling: Resampling, train_frames: int, more: int, failures: int, tell: str
) -> Estimate:
    """How many of `failures` that are there with `train_frames` real frames `more` of them would mend.

    The curve says which share of its own failures is mended; that share is taken of `failures`. `tell` says
    what would tell where nothing can be told.
    """
    x = np.log2(np.asarray(curve.sizes, dtype=np.float64))
    _, group = np.unique(curve.groups, return_inverse=True)
    parts = group.max(initial=-1) + 1
    of_group = (group == np.arange(parts)[:, None]) / np.maximum(1, np.bincount(group, minlength=parts))[
        :, None
    ]
    centred = x - (of_group @ x)[group]
    spread, free = float(centred @ centred), len(x) - parts - 1
    if spread < 1e-9:
        return Estimate(reason=f"all detectors saw as many real frames; {tell}")
    if free < 1:
        return Estimate(reason=f"only {len(x)} trainings; {tell}")
    holding = resampling.holding(np.flatnonzero(curve.counts.any(axis=0)))
    if holding < MIN_CLUSTERS:
        return Estimate(reason=f"too few {resampling.unit} with such a failure; {tell}")
    here = curve.counts.sum(axis=1).astype(np.float64)
    slope = float(centred @ here) / spread
    at_size = float((of_group @ (here + slope * (np.log2(train_frames) - x))).sum())
    if at_size <= NEXT_TO_NONE * parts * here.mean():
        return Estimate(reason=f"next to none is left at {train_frames:,} frames; {tell}")
    drawn = np.concatenate([w @ curve.counts.T for w in resampling.weights(256)]) @ centred / spread
    left = here - (of_group @ here)[group] - slope * centred
    variances = [
        (float(drawn.var(ddof=1)), float(holding - 1)),
        (float(left @ left) / free / spread, float(free)),
    ]
    total = sum(variance for variance, _ in variances)
    freedom = total**2 / sum(v**2 / n for v, n in variances) if total else float(holding - 1)
    reach = float(t.isf((1 - CONFIDENCE) / 2, freedom)) * float(np.sqrt(total))
    scale = failures * parts * float(np.log2((train_frames + more) / train_frames)) / at_size
    low, mended, high = (min(float(failures), -scale * s) for s in (slope + reach, slope, slope - reach))
    return Estimate(mended=mended, low=low, high=high)


def counts_by_mode(found: Sequence[Sequence[tuple[int, str]]], frames: int) -> dict[str, np.ndarray]:
    """Mode -> int (K, frames), of each training's failures as (frame, mode)."""
    counts: dict[str, np.ndarray] = {}
    for k, failures in enumerate(found):
        for frame, mode in failures:
            if mode not in counts:
                counts[mode] = np.zeros((len(found), frames), dtype=np.int32)
            counts[mode][k, frame] += 1
    return counts
