"""How many frames one way of training needs for what another reaches with its own.

A curve is the score over the number of added frames, from none on. Scores are noisy, so a curve is first
made one that never falls (isotonic regression: Barlow, Bartholomew, Bremner and Brunk, *Statistical Inference
under Order Restrictions*, 1972), and is straight between its points. The frames needed are where it first
reaches the other curve's score; beyond its last point it is not known. The interval is the two-level
bootstrap's of `imitation.metrics.statistics.bootstrap`, over frames (or sequences) and seeds, the same draws
for both curves: percentiles, since where a score is not reached there is no number to take a deviation of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression

from imitation.metrics.statistics.bootstrap import MIN_CLUSTERS, Resampling, expanded_tail


@dataclass(frozen=True, eq=False)
class Curve:
    """A way of training at B numbers of added frames, ascending, the first 0: `frames` (B,), `estimates`
    (S, B) and `samples` (S, R, B), a row a seed; curves that are compared have the same seeds and
    resamples."""

    frames: np.ndarray
    estimates: np.ndarray
    samples: np.ndarray


@dataclass(frozen=True)
class Needed:
    """Frames that are needed, with their 95 % interval: infinite where the curve ends before the score.
    `value` is the score to reach; `low` and `high` are None without an interval, and `reason` says why."""

    value: float
    frames: float
    low: float | None
    high: float | None
    reason: str | None = None


def frames_to_reach(
    curve: Curve,
    other: Curve,
    point: int,
    resampling: Resampling,
    holding: int,
    rng: np.random.Generator,
    least: int = MIN_CLUSTERS,
) -> Needed:
    """The frames that `curve` needs for the score of `other` at its point number `point`.

    `holding` clusters hold what the score rests on; of fewer than `least` there is no interval. Raises
    ValueError for curves of other seeds or resamples.
    """
    if curve.samples.shape[:2] != other.samples.shape[:2]:
        raise ValueError(
            f"curves of {curve.samples.shape[:2]} and {other.samples.shape[:2]} seeds and resamples"
        )
    seeds, resamples = curve.samples.shape[:2]
    value, frames = _needed(curve.estimates.mean(axis=0), curve.frames, other.estimates.mean(axis=0), point)
    picks = rng.integers(seeds, size=(max(1, seeds - 1), resamples))
    rows = np.arange(resamples)
    ours = curve.samples[picks, rows].mean(axis=0)
    theirs = other.samples[picks, rows].mean(axis=0)
    known = np.isfinite(ours).all(axis=1) & np.isfinite(theirs).all(axis=1)
    estimate = value if np.isfinite(value) else None
    if reason := resampling.why_not(estimate, int(known.sum()), holding, least=least):
        return Needed(value, frames, None, None, reason)
    drawn = [_needed(a, curve.frames, b, point)[1] for a, b in zip(ours[known], theirs[known])]
    low, high = _percentiles(drawn, expanded_tail(holding))
    return Needed(value, frames, low, high)


def _needed(ours: np.ndarray, frames: np.ndarray, theirs: np.ndarray, point: int) -> tuple[float, float]:
    """The score to reach, and where our curve first does; NaN where either is not known."""
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        return float("nan"), float("nan")
    rising = isotonic_regression(ours).x
    value = float(isotonic_regression(theirs).x[point])
    reached = np.flatnonzero(rising >= value - 1e-12)
    if not len(reached):
        return value, float("inf")
    k = int(reached[0])
    if k == 0:
        return value, float(frames[0])
    share = (value - rising[k - 1]) / (rising[k] - rising[k - 1])
    return value, float(frames[k - 1] + min(1.0, share) * (frames[k] - frames[k - 1]))


def _percentiles(drawn: Sequence[float], tail: float) -> tuple[float, float]:
    """Values at these shares of the draws from either end; no mean of two, of which one may be infinite."""
    ranked = np.sort(np.asarray(drawn))
    last = len(ranked) - 1
    return float(ranked[int(np.floor(tail * last))]), float(ranked[int(np.ceil((1 - tail) * last))])
