"""How much a measure varies by chance, from evaluations that are at hand; what a design needs follows.

The frames' part is the paired bootstrap's standard error of the difference of two detectors, as a mean of
squares over the pairs that there are. The trainings' part is the variance over detectors that differ by the
seed alone (a run's baseline and its twin), less what the same frames make of two equal ways:

    training^2 = max(0, s^2 - mean(e_ij^2) / 2)      s^2: over K seeds, e_ij: of the difference of i and j.

With two seeds that is one degree of freedom, and says little; `Measured.training_range` says how little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.stats import chi2

from imitation.common.settings import UserError
from imitation.evaluation.attributes import CONDITION
from imitation.metrics.statistics.bootstrap import ANYTHING, CONFIDENCE, Resampling
from imitation.metrics.statistics.gate import MEASURES
from imitation.metrics.statistics.outcomes import Outcomes
from imitation.metrics.statistics.paired_comparison import OPERATING, Level, Operating
from imitation.metrics.statistics.power import Noise
from imitation.metrics.statistics.slices import Cut, mean_of, rarest, sampled

UNPAIRED = 2.0
"""The variance of a difference of two detectors that share nothing, in variances of one."""


@dataclass(frozen=True)
class Pair:
    """Two detectors: the standard error of their paired difference, and the difference."""

    a: str
    b: str
    difference: float
    error: float


@dataclass(frozen=True)
class Measured:
    """`noise` of one measure, and what it was taken from.

    `value` of the first detector; `frames`, `clusters` (of `unit`), and of these `holding` the rarest
    category that the measure rests on, `what`. `pairs` may be empty: then two detectors are taken to share
    nothing, which asks for too many frames rather than too few. `training_range`: 95 % interval of the
    trainings' standard deviation, None below two seeds; `seeds`: how many.
    """

    measure: str
    value: float
    noise: Noise
    frames: int
    objects: int
    clusters: int
    holding: int
    what: str
    unit: str
    pairs: tuple[Pair, ...]
    seeds: int
    training_range: tuple[float, float] | None


def measure_noise(
    measure: str,
    seeds: Sequence[tuple[str, Outcomes]],
    others: Sequence[tuple[str, Outcomes]],
    rng: np.random.Generator,
    resamples: int = 1000,
) -> Measured:
    """The noise of `measure` (a key of `imitation.metrics.statistics.gate.MEASURES`, a category for its
    AP50, or attribute=value for AP50 there).

    `seeds` are detectors of one way of training, by name, the first of which counts; `others` are of other
    ways, each paired with the first. Only frames that all have count. Raises UserError for a measure that is
    not there, frames that are not shared, and data with too little in it for a standard error.
    """
    shared = sorted(set.intersection(*(set(found.frames) for _, found in (*seeds, *others))))
    if not shared:
        raise UserError("the evaluations share no frame: evaluate all detectors on the same data")
    named = [(name, found.only(shared)) for name, found in (*seeds, *others)]
    truth = named[0][1]
    for name, found in named[1:]:
        if not np.array_equal(found.counts[:, 2], truth.counts[:, 2]):
            raise UserError(f"{name} was judged by other labels than {named[0][0]}: evaluate both alike")
    resampling = Resampling.of_frames(truth.sequences, resamples, rng)
    taken = [_measured(found, measure, resampling) for _, found in named]
    holding, what, objects = _rests_on(truth, measure, resampling)
    value, draws = taken[0]
    known = int(np.isfinite(draws).sum())
    if reason := resampling.why_not(None if np.isnan(value) else value, known, holding, what):
        raise UserError(f"nothing can be said of {measure}: {reason}")
    pairs = [
        _pair(named[i][0], named[k][0], taken[i], taken[k])
        for i, k in (*combinations(range(len(seeds)), 2), *((0, k) for k in range(len(seeds), len(named))))
    ]
    told = [pair for pair in pairs if pair.error > 0]  # the same detector twice says nothing
    single = float(np.nanvar(draws, ddof=1))
    frames2 = float(np.mean([pair.error**2 for pair in told])) if told else UNPAIRED * single
    if frames2 <= 0:
        raise UserError(f"nothing can be said of {measure}: it is the same in every resample of the frames")
    training, ends = _training([value for value, _ in taken[: len(seeds)]], pairs)
    noise = Noise(float(np.sqrt(frames2)), holding, training)
    return Measured(
        measure, value, noise, len(shared), objects, resampling.clusters, holding, what, resampling.unit,
        tuple(told), len(seeds), ends,
    )  # fmt: skip


def _pair(a: str, b: str, of_a: tuple[float, np.ndarray], of_b: tuple[float, np.ndarray]) -> Pair:
    draws = of_b[1] - of_a[1]
    return Pair(a, b, of_b[0] - of_a[0], float(np.nanstd(draws, ddof=1)))


def _training(
    values: Sequence[float], pairs: Sequence[Pair]
) -> tuple[float | None, tuple[float, float] | None]:
    """The standard deviation over seeds, and its interval by the chi-square of their variance."""
    count = len(values)
    if count < 2:
        return None, None
    spread2 = float(np.var(values, ddof=1))
    of_seeds = pairs[: count * (count - 1) // 2]
    by_frames = float(np.mean([pair.error**2 for pair in of_seeds])) / 2
    tail = (1 - CONFIDENCE) / 2
    low, high = (spread2 * (count - 1) / float(chi2.ppf(q, count - 1)) for q in (1 - tail, tail))
    ends = tuple(float(np.sqrt(max(0.0, variance - by_frames))) for variance in (low, high))
    return float(np.sqrt(max(0.0, spread2 - by_frames))), (ends[0], ends[1])


# -- one measure of one evaluation


def _measured(outcomes: Outcomes, measure: str, resampling: Resampling) -> tuple[float, np.ndarray]:
    """On the frames as they are, and on each resample (R,)."""
    once = np.ones((1, len(outcomes.frames)), dtype=np.int32)
    name = MEASURES.get(measure, measure)
    if name in OPERATING:
        column = OPERATING.index(name)
        parts = [_both(Operating(outcomes), once, resampling)]
        return float(parts[0][0][0, column]), parts[0][1][:, column]
    if "=" in measure:
        cut = Cut(outcomes, *_slice(outcomes, measure))
        at, drawn = _both(cut, once, resampling)
        return float(at[0, 0, 0]), drawn[:, 0, 0]
    levels = range(len(outcomes.thresholds)) if measure == "map" else (0,)
    parts = [_both(Level(outcomes, level), once, resampling) for level in levels]
    if name in MEASURES.values():
        held = ~np.isnan(parts[0][0][0])
        at, drawn = (np.mean([mean_of(part[side], held) for part in parts], axis=0) for side in (0, 1))
        return float(at[0]), drawn
    label = _label(outcomes, measure)
    return float(parts[0][0][0, label]), parts[0][1][:, label]


def _both(
    statistic: Level | Operating | Cut, once: np.ndarray, resampling: Resampling
) -> tuple[np.ndarray, np.ndarray]:
    return statistic.statistics(once), sampled([statistic], resampling)[0]


def _label(outcomes: Outcomes, measure: str) -> int:
    if measure not in outcomes.categories:
        known = ", ".join((*MEASURES, *outcomes.categories))
        raise UserError(f"--measure {measure}: there is {known}, and attribute=value for a slice")
    return outcomes.categories.index(measure)


def _slice(outcomes: Outcomes, named: str) -> tuple[str, list[str]]:
    attribute, _, value = (part.strip() for part in named.partition("="))
    if attribute not in outcomes.attributes():
        attribute = CONDITION + attribute
    if attribute not in outcomes.attributes():
        known = ", ".join(name.removeprefix(CONDITION) for name in outcomes.attributes())
        raise UserError(f"--measure {named}: these frames have no such attribute; they have {known}")
    if value not in outcomes.words_present(attribute):
        there = ", ".join(outcomes.words_present(attribute))
        raise UserError(f"--measure {named}: no object has this value; there is {there}")
    return attribute, [value]


def _rests_on(outcomes: Outcomes, measure: str, resampling: Resampling) -> tuple[int, str, int]:
    """How many clusters hold what the measure rests on, what that is, and how many objects there are."""
    frames, labels = outcomes.of_object["frame"], outcomes.of_object["label"]
    name = MEASURES.get(measure, measure)
    if name in OPERATING:
        return resampling.holding(frames), ANYTHING, len(frames)
    if "=" in measure:
        attribute, values = _slice(outcomes, measure)
        cut = Cut(outcomes, attribute, values)
        return *cut.rarest(0, resampling), len(cut.objects[0])
    if name in MEASURES.values():
        return *rarest(frames, labels, outcomes.categories, resampling), len(frames)
    mine = labels == _label(outcomes, measure) + 1
    return resampling.holding(frames[mine]), measure, int(mine.sum())
