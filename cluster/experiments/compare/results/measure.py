"""Rows measured on the same frames, and their differences to `real`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cluster.experiments.compare.finished import REAL, Picked
from cluster.experiments.compare.plan import Cell
from cluster.experiments.compare.results.rows import Spec
from imitation.evaluation.detections import FrameDetections
from imitation.metrics.own import OwnMetric
from imitation.metrics.statistics.bootstrap import Interval
from imitation.metrics.statistics.outcomes import Outcomes
from imitation.metrics.statistics.seed_comparison import (
    Bench,
    Judged,
    Measured,
    Sources,
    read_outcomes,
    read_rows,
    shared_frames,
)
from imitation.report.comparison.record import Value


@dataclass(frozen=True)
class Terms:
    """What all rows are measured on and with."""

    folds: Sequence[int | None]
    seeds: Sequence[int]
    categories: Sequence[str]
    resamples: int
    rng: np.random.Generator
    own: OwnMetric | None = None


class PooledFolds:
    """The frames of all folds as one set, with every row measured on it."""

    def __init__(
        self,
        rows: Sequence[Spec],
        source: Callable[[Picked], Judged],
        terms: Terms,
        at50: bool = False,
    ) -> None:
        self._known: dict[Sources, Outcomes] = {}
        self._thresholds = (0.5,) if at50 else None
        self._categories = terms.categories
        by_row: dict[str, dict[int, Sources]] = {}
        for row in rows:
            by_row[row.key] = {
                seed: tuple(source(row.picks[Cell(seed, fold)]) for fold in terms.folds)
                for seed in terms.seeds
                if terms.folds and all(Cell(seed, fold) in row.picks for fold in terms.folds)
            }
        self.sources = by_row
        for known in by_row.values():
            for sources in known.values():
                self._read(sources)
        frames = shared_frames(self._known.values())
        self._known = {sources: found.only(frames) for sources, found in self._known.items()}
        self.frames = frames
        self.bench: Bench | None = None
        self.measured: dict[str, Measured] = {}
        if frames:
            truth = next(iter(self._known.values()))
            own = None if terms.own is None else (terms.own, self._rows)
            self.bench = Bench(truth, terms.resamples, terms.rng, at50, own)
            for key in by_row:
                if outcomes := self.outcomes(key):
                    self.measured[key] = self.bench.measure(outcomes)

    def _read(self, sources: Sources) -> None:
        if sources not in self._known:
            extra = {} if self._thresholds is None else {"thresholds": self._thresholds}
            self._known[sources] = read_outcomes(sources, self._categories, **extra)

    def _rows(self, outcomes: Outcomes) -> list[FrameDetections]:
        """The rows behind outcomes, in the order of the frames."""
        sources = next(sources for sources, found in self._known.items() if found is outcomes)
        return read_rows(sources, self.frames)

    def outcomes(self, key: str) -> dict[int, Outcomes]:
        return {seed: self._known[sources] for seed, sources in self.sources[key].items()}


class MeanOfFolds:
    """The synthetic test set: the same frames judged by the detector of every fold, so that a row's value is
    the mean over its folds, seed by seed."""

    def __init__(
        self,
        rows: Sequence[Spec],
        source: Callable[[Picked], Judged],
        terms: Terms,
    ) -> None:
        parts = []
        start = terms.rng.bit_generator.state
        for fold in terms.folds:
            terms.rng.bit_generator.state = start  # the same resamples of the same frames in every fold
            own = [
                Spec(r.key, r.arm, r.label, r.cycle, {c: p for c, p in r.picks.items() if c.fold == fold})
                for r in rows
            ]
            parts.append(PooledFolds(own, source, replace(terms, folds=[fold]), at50=True))
        benches = [part.bench for part in parts]
        self.bench = benches[0] if benches and all(benches) else None
        self.frames = min((len(part.frames) for part in parts), default=0)
        self.measured: dict[str, Measured] = {}
        if self.bench is None or any(part.frames != parts[0].frames for part in parts):
            self.bench = None
            return
        for row in rows:
            found = [part.measured.get(row.key) for part in parts]
            whole = [m for m in found if m is not None]
            if len(whole) < len(parts):
                continue
            shared = [seed for seed in whole[0].seeds if all(seed in m.seeds for m in whole)]
            if shared:
                picked = [[m.seeds.index(seed) for seed in shared] for m in whole]
                self.measured[row.key] = Measured(
                    tuple(shared),
                    np.mean([m.estimates[i] for m, i in zip(whole, picked)], axis=0),
                    np.mean([m.samples[i] for m, i in zip(whole, picked)], axis=0),
                )


class Gains:
    """Every row's difference to `real`, by split and measure."""

    def __init__(self, test: PooledFolds, free: MeanOfFolds | None, rows: Sequence[Spec]) -> None:
        self.intervals: dict[str, Interval] = {}
        self._first: dict[str, str] = {}  # of rows of the very same detectors the first
        for row in rows:
            alike = (r.key for r in rows if test.sources[r.key] == test.sources[row.key])
            self._first[row.key] = next(alike)
        for split, side in (("test", test), ("synthetic", free)):
            if side is None or side.bench is None or REAL not in side.measured:
                continue
            for row in rows:
                if row.key == REAL or row.key not in side.measured:
                    continue
                for measure in side.bench.measures:
                    interval = side.bench.difference(side.measured[REAL], side.measured[row.key], measure)
                    self.intervals[f"{row.key}|{split}|{measure}"] = interval

    def family(self) -> dict[str, Interval]:
        """The differences that are tested: each once, where there is an interval."""
        return {name: i for name, i in self.intervals.items() if i.p is not None and self.first(name) == name}

    def first(self, name: str) -> str:
        """The name under which a difference is in the family: a chosen row repeats one of the cycles'."""
        row, _, rest = name.partition("|")
        return f"{self._first[row]}|{rest}"


def value_of(bench: Bench, measured: Measured, measure: str) -> Value:
    interval = bench.mean(measured, measure)
    column = bench.measures.index(measure)
    each = [None if np.isnan(v) else float(v) for v in measured.estimates[:, column]]
    low, high = interval.low, interval.high
    return Value(
        mean=interval.estimate,
        low=None if low is None else max(0.0, low),
        high=None if high is None else min(1.0, high),
        per_seed=each,
    )
