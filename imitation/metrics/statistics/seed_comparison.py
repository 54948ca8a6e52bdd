"""Ways of training compared: several detectors of each, one a seed, all on the same frames.

For a measure m (an AP, say) and S seeds, the difference of way B to way A is

    d = 1/S sum_s [ m(B_s; F) - m(A_s; F) ]        F: the test frames, s: seed, drawn alike on both sides.

Its interval comes from a two-level bootstrap (`imitation.metrics.statistics.bootstrap.seed_interval`):
resample b draws frames (whole sequences where they are known) with replacement, the same ones for every
detector, and S - 1 of the S seeds with replacement (Rao and Wu, JASA 83, 1988); the interval is d +- t *
sd_b(d_b) with Student's t at Satterthwaite's degrees of freedom. Two crossed sources of chance drawn each for
itself are Owen's pigeonhole bootstrap (Annals of Applied Statistics 1, 2007), which errs on the wide side.
One seed: frames alone are drawn, and the noise of the seed is in no interval.

Where a detector was trained for each fold, its frames are those of all folds together, and a measure is taken
once over all of them (as if one detector had judged them): a fold of few frames may hold no object of a rare
category at all. Scores of detectors of different folds are thereby ranked together, in every way alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from imitation.common.settings import UserError
from imitation.evaluation.detection_files import read_detections
from imitation.evaluation.detections import Cutoff, FrameDetections
from imitation.metrics.average_precision import IOU_THRESHOLDS
from imitation.metrics.own import OwnMetric, sampled_metric
from imitation.metrics.statistics.bootstrap import (
    CONFIDENCE,
    MIN_CLUSTERS,
    MIN_OF_MEAN,
    NEITHER,
    Interval,
    Resampling,
    SeedSamples,
    holm,
    seed_interval,
)
from imitation.metrics.statistics.outcome_files import SUFFIX, read_outcome_file, together
from imitation.metrics.statistics.outcomes import OutcomeBuilder, Outcomes
from imitation.metrics.statistics.paired_comparison import Level, Operating
from imitation.metrics.statistics.slices import FEW, Cut, mean_of, sampled

MAP50, MAP, LOSS = "mAP50", "mAP", "0-1 loss"
SUMMARY = (MAP50, MAP, LOSS)


@dataclass(frozen=True)
class Judged:
    """The rows of one detector on one split of an evaluation, at its operating threshold."""

    uri: str
    split: str
    detector: str
    threshold: Cutoff


CHUNK = 64  # resamples for a metric of one's own at a time

RowsOf = Callable[[Outcomes], list[FrameDetections]]

Sources = tuple[Judged, ...]
"""The evaluations that make up one seed: one, or one a fold."""


def read_outcomes(
    sources: Sources, categories: Sequence[str], thresholds: Sequence[float] = tuple(IOU_THRESHOLDS)
) -> Outcomes:
    """All frames of the sources as if one detector had judged them. Raises UserError for a frame that two
    of them judge. Sources may be files of outcomes (`outcome_files`), at the IoUs that they have."""
    if all(source.uri.endswith(SUFFIX) for source in sources):
        return together([read_outcome_file(source.uri) for source in sources])
    builder = OutcomeBuilder(categories, thresholds)
    seen: set[str] = set()
    for source in sources:
        for row in read_detections(source.uri, split=source.split, detector=source.detector):
            if row.frame_id in seen:
                raise UserError(f"{source.uri}: frame {row.frame_id!r} is in the test part of two folds")
            seen.add(row.frame_id)
            builder.add(row, source.threshold)
    return builder.result()


def read_rows(sources: Sources, frames: Sequence[str]) -> list[FrameDetections]:
    """The rows of these frames, in this order. Holds them all."""
    by_frame = {
        row.frame_id: row
        for source in sources
        for row in read_detections(source.uri, split=source.split, detector=source.detector)
    }
    return [by_frame[name] for name in frames]


def shared_frames(outcomes: Iterable[Outcomes]) -> list[str]:
    """The frames that could be read in all of them, sorted."""
    sets = [set(found.frames) for found in outcomes]
    return sorted(set.intersection(*sets)) if sets else []


@dataclass(frozen=True, eq=False)
class Measured:
    """A way of training on the frames: `estimates` (S, M) and `samples` (S, R, M), a row a seed."""

    seeds: tuple[int, ...]
    estimates: np.ndarray
    samples: np.ndarray


class Bench:
    """The frames on which ways are compared, and the resamples of them that all share.

    `measures` are the names of the columns: mAP50, mAP (unless `at50` alone is asked for), 0-1 loss, then the
    AP50 of each category by its name; before these a metric of one's own, where `own` gives one and how to
    find the rows behind outcomes, in the order of their frames. `truth` is any outcome on these frames: all
    have the same objects.
    """

    def __init__(
        self,
        truth: Outcomes,
        resamples: int,
        rng: np.random.Generator,
        at50: bool = False,
        own: tuple[OwnMetric, RowsOf] | None = None,
    ) -> None:
        self.frames = truth.frames
        self.categories = truth.categories
        self.at50 = at50
        self.own = own
        mine = () if own is None else (own[0].name,)
        self.measures = (*((MAP50, LOSS) if at50 else SUMMARY), *mine, *truth.categories)
        self.resampling = Resampling.of_frames(truth.sequences, resamples, rng)
        self._seed = int(rng.integers(2**63))  # the same draws of seeds for every row: their order is nothing
        self._objects = {
            name: truth.of_object["frame"][truth.of_object["label"] == label].astype(np.int64)
            for label, name in enumerate(truth.categories, start=1)
        }
        self._cache: dict[int, tuple[Outcomes, np.ndarray, np.ndarray]] = {}

    def objects(self, measure: str) -> int:
        """Objects to find behind a measure."""
        if measure in self._objects:
            return len(self._objects[measure])
        return sum(len(frames) for frames in self._objects.values())

    def measure(self, by_seed: Mapping[int, Outcomes]) -> Measured:
        """Every measure of one way, on the frames as they are and on every resample. Outcomes must be on
        `self.frames`, in this order (`Outcomes.only`); one that was measured before is not measured again."""
        found = [self._of(outcomes) for outcomes in by_seed.values()]
        return Measured(tuple(by_seed), np.stack([e for e, _ in found]), np.stack([s for _, s in found]))

    def _of(self, outcomes: Outcomes) -> tuple[np.ndarray, np.ndarray]:
        if id(outcomes) not in self._cache:  # which holds the outcomes, so that the id stays theirs
            self._cache[id(outcomes)] = (outcomes, *self._compute(outcomes))
        return self._cache[id(outcomes)][1:]

    def _compute(self, outcomes: Outcomes) -> tuple[np.ndarray, np.ndarray]:
        if outcomes.frames != self.frames:
            raise ValueError("these outcomes are on other frames, or in another order")
        levels = 1 if self.at50 else len(outcomes.thresholds)
        precisions = [self._both(Level(outcomes, t)) for t in range(levels)]  # a level's curves at a time
        loss = self._both(Operating(outcomes))
        own = None if self.own is None else self._own(*self.own, outcomes)
        result = []
        for side in (0, 1):  # as they are; resampled
            at50 = precisions[0][side]
            held = ~np.isnan(precisions[0][0][0])
            columns = [mean_of(at50, held)]
            if not self.at50:
                columns.append(mean_of(np.mean([p[side] for p in precisions], axis=0), held))
            mine = () if own is None else (own[side],)
            result.append(np.column_stack([*columns, loss[side][:, 3], *mine, at50]))
        return result[0][0], result[1]

    def _own(self, metric: OwnMetric, rows_of: RowsOf, outcomes: Outcomes) -> tuple[np.ndarray, np.ndarray]:
        """A metric of one's own on the frames as they are (1,) and on every resample (R,)."""
        rows = rows_of(outcomes)
        drawn = sampled_metric(metric, rows, self.categories, self.resampling.weights(CHUNK))
        return np.array([metric(rows, self.categories)]), drawn

    def _both(self, statistic: Any) -> tuple[np.ndarray, np.ndarray]:
        once = np.ones((1, len(self.frames)), dtype=np.int32)
        return statistic.statistics(once), sampled([statistic], self.resampling)[0]

    def mean(self, way: Measured, measure: str) -> Interval:
        """The mean over seeds, with its interval."""
        zero = SeedSamples(np.zeros(1), np.zeros((1, self.resampling.resamples)))
        return self._interval(zero, self._side(way, measure), measure, paired=False)

    def difference(self, base: Measured, way: Measured, measure: str) -> Interval:
        """`way` minus `base`, paired by seed and frame; over the seeds that both have (None of an estimate
        where there are none)."""
        shared = [seed for seed in way.seeds if seed in base.seeds]
        if not shared:
            return Interval(None, None, None, self.resampling.resamples, self.resampling.clusters,
                            self.resampling.unit, "no seed in common")  # fmt: skip
        a, b = (self._side(side, measure, shared) for side in (base, way))
        return self._interval(a, b, measure, paired=True)

    def _side(self, way: Measured, measure: str, seeds: Sequence[int] | None = None) -> SeedSamples:
        column = self.measures.index(measure)
        rows = [way.seeds.index(seed) for seed in (way.seeds if seeds is None else seeds)]
        return SeedSamples(way.estimates[rows, column], way.samples[rows, :, column])

    def _interval(self, a: SeedSamples, b: SeedSamples, measure: str, paired: bool) -> Interval:
        if paired and np.array_equal(a.samples, b.samples, equal_nan=True):
            known = np.isfinite(b.estimates).all()
            return self._same(len(b.estimates), known=bool(known))
        rng = np.random.default_rng(self._seed)
        least = self.least(measure)
        result = seed_interval(a, b, self.resampling, self.holding(measure), rng, paired, least)
        return replace(result, seeds=len(b.estimates))

    def _same(self, seeds: int, known: bool) -> Interval:
        """The very same detectors on both sides: no difference, nothing to draw, and no test."""
        r = self.resampling
        reason = None if known else "nothing to find"
        zero = 0.0 if known else None
        return Interval(zero, zero, zero, r.resamples, r.clusters, r.unit, reason, seeds=seeds)

    def least(self, measure: str) -> int:
        """Clusters that what the measure rests on must have, `holding`, for an interval."""
        mean = measure in (MAP50, MAP) and sum(len(frames) > 0 for frames in self._objects.values()) > 1
        everything = self.resampling.holding(np.concatenate(list(self._objects.values())))
        return MIN_OF_MEAN if mean and everything >= MIN_CLUSTERS else MIN_CLUSTERS

    def holding(self, measure: str) -> int:
        """Clusters that hold what the measure rests on: of a mean over categories the rarest one."""
        held = {
            name: self.resampling.holding(frames) for name, frames in self._objects.items() if len(frames)
        }
        if measure in self.categories:
            return held.get(measure, 0)
        if measure == LOSS or (self.own is not None and measure == self.own[0].name):
            return self.resampling.holding(np.concatenate(list(self._objects.values())))
        return min(held.values(), default=0)


@dataclass(frozen=True)
class SliceGain:
    """AP50 of one slice: the base's and the way's mean over seeds, and their paired difference."""

    attribute: str
    value: str
    objects: int
    base: float
    way: float
    difference: Interval


def slice_gains(
    bench: Bench, base: Mapping[int, Outcomes], way: Mapping[int, Outcomes], rng: np.random.Generator
) -> list[SliceGain]:
    """Gains by attribute (occlusion, size, ...) of `imitation.metrics.statistics.slices`, over the seeds that
    both have; slices of under 20 objects are left out. One attribute's curves are held at a time.
    """
    seeds = [seed for seed in way if seed in base]
    if not seeds:
        return []
    truth = way[seeds[0]]
    once = np.ones((1, len(bench.frames)), dtype=np.int32)
    gains: list[SliceGain] = []
    for attribute in truth.attributes():
        if attribute == "category" or any(attribute not in base[seed].attributes() for seed in seeds):
            continue
        words, codes = truth.words(attribute), truth.object_codes(attribute)
        counts = {value: int((codes == words.index(value)).sum()) for value in truth.words_present(attribute)}
        values = [value for value, count in counts.items() if count >= FEW]
        if not values:
            continue
        sides = []
        for outcomes in (base, way):
            cuts = [Cut(outcomes[seed], attribute, values) for seed in seeds]
            estimates = np.stack([cut.statistics(once)[0, 0] for cut in cuts])
            samples = np.stack([sampled([cut], bench.resampling)[0][:, 0] for cut in cuts])
            sides.append((cuts, estimates, samples))
        (cuts, *_), _ = sides
        for s, value in enumerate(values):
            pair = [SeedSamples(estimates[:, s], samples[:, :, s]) for _, estimates, samples in sides]
            holding = cuts[0].rarest(s, bench.resampling)[0]
            interval = seed_interval(pair[0], pair[1], bench.resampling, holding, rng, paired=True)
            if interval.estimate is None:
                continue
            means = [float(side.estimates.mean()) for side in pair]
            gains.append(SliceGain(attribute, value, counts[value], means[0], means[1], interval))
    return gains


def explored(differences: Mapping[str, Interval], lower_is_better: Sequence[str] = ()) -> dict[str, str]:
    """Verdicts of a family of exploratory differences: name -> "better", "worse" or "not distinguishable",
    called only where Holm's correction over the whole family leaves p under 0.05."""
    adjusted = holm({name: interval.p for name, interval in differences.items()})
    verdicts = {}
    for name, interval in differences.items():
        p = adjusted[name]
        called = p is not None and p < 1 - CONFIDENCE
        verdicts[name] = interval.verdict(name in lower_is_better) if called else NEITHER
    return verdicts
