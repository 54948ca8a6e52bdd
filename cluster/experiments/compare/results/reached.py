"""How many added frames each arm needs for what another one reaches: from the curves of `compare.budgets`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from cluster.experiments.compare.finished import REAL
from cluster.experiments.compare.plan import Plan
from cluster.experiments.compare.results.measure import PooledFolds
from cluster.experiments.compare.results.rows import budget_key
from imitation.metrics.statistics.frames_to_reach import Curve, frames_to_reach
from imitation.metrics.statistics.seed_comparison import Bench, Measured
from imitation.report.comparison.record import Reached, Row


def reached(
    plan: Plan, test: PooledFolds, table: Sequence[Row], measure: str, rng: np.random.Generator
) -> list[Reached]:
    """Every pair of arms that have a whole curve, for every budget; over the seeds that all curves have."""
    budgets, bench = plan.config.compare.budgets or [], test.bench
    if bench is None or len(budgets) < 2 or measure not in bench.measures or REAL not in test.measured:
        return []
    added = {row.key: row.synthetic_frames + row.repeated_frames for row in table}
    keys = {arm.name: _keys(arm.name, budgets) for arm in plan.arms if arm.adds}
    keys = {arm: points for arm, points in keys.items() if all(key in test.measured for key in points)}
    found = []
    start = rng.bit_generator.state
    for arm, points in keys.items():
        for other, theirs in keys.items():
            seeds = _shared([test.measured[key] for key in (REAL, *points, *theirs)])
            if arm == other or not seeds:
                continue
            curve, target = (
                _curve(bench, test.measured, names, seeds, added, measure) for names in (points, theirs)
            )
            for number, budget in enumerate(budgets, start=1):
                rng.bit_generator.state = start  # the same draws of seeds for every pair
                needed = frames_to_reach(
                    curve, target, number, bench.resampling, bench.holding(measure), rng, bench.least(measure)
                )
                found.append(
                    Reached(
                        arm=arm,
                        other=other,
                        measure=measure,
                        budget=budget,
                        other_frames=float(target.frames[number]),
                        value=None if math.isnan(needed.value) else needed.value,
                        most=float(curve.frames[-1]),
                        frames=_finite(needed.frames),
                        low=_finite(needed.low),
                        high=_finite(needed.high),
                        reason=needed.reason,
                    )
                )
    return found


def _keys(arm: str, budgets: Sequence[float]) -> list[str]:
    return [*(budget_key(arm, budget) for budget in budgets[:-1]), f"{arm}, cycle 1"]


def _shared(ways: Sequence[Measured]) -> list[int]:
    return [seed for seed in ways[0].seeds if all(seed in way.seeds for way in ways)]


def _curve(
    bench: Bench,
    measured: Mapping[str, Measured],
    keys: Sequence[str],
    seeds: Sequence[int],
    added: Mapping[str, float],
    measure: str,
) -> Curve:
    column = bench.measures.index(measure)
    ways = [measured[key] for key in (REAL, *keys)]
    picked = [[way.seeds.index(seed) for seed in seeds] for way in ways]
    return Curve(
        np.array([0.0, *(added[key] for key in keys)]),
        np.stack([way.estimates[rows, column] for way, rows in zip(ways, picked)], axis=-1),
        np.stack([way.samples[rows, :, column] for way, rows in zip(ways, picked)], axis=-1),
    )


def _finite(frames: float | None) -> float | None:
    return frames if frames is not None and math.isfinite(frames) else None
