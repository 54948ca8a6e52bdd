"""The primary endpoint of a comparison: one arm, one measure, against each of its rivals."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.config.schema import Config
from cluster.experiments.compare.plan import Plan, rivals
from cluster.experiments.compare.results.measure import PooledFolds, value_of
from cluster.experiments.compare.results.rows import ASKED, Spec
from imitation.metrics.own import OwnMetric, is_own, load_metric
from imitation.report.comparison.record import Against, Gain, Primary, answer, rival_name

MEASURE_NAMES = {"map50": "mAP50", "map": "mAP"}


def own_metric(config: Config) -> OwnMetric | None:
    """The user's own metric that a comparison measures: its endpoint, else the one of val."""
    for name in (config.compare.primary.measure, config.loop.metric):
        if is_own(name):
            return load_metric(name)
    return None


def primary_endpoint(plan: Plan, folds: int, test: PooledFolds, opponents: Sequence[Spec]) -> Primary:
    """What the comparison was made to find out; `opponents` stand for its rivals (`rival_specs`), and
    `folds` is how many of the planned ones `test` is of."""
    config = plan.config
    wanted = config.compare.primary
    measure = MEASURE_NAMES.get(wanted.measure, wanted.measure)
    key = ASKED
    bench = test.bench
    if bench is None or key not in test.measured or measure not in bench.measures:
        return Primary(arm=wanted.arm, measure=measure, value=None, against=[], answer=answer(wanted.arm, []))
    groups = rivals(config.compare)
    against = []
    for group, rival in zip(groups, opponents, strict=True):
        if rival.key not in test.measured:
            continue
        interval = bench.difference(test.measured[rival.key], test.measured[key], measure)
        against.append(
            Against(
                arms=group,
                chosen={cell.name: picked.trial.arm.name for cell, picked in rival.picks.items()},
                value=value_of(bench, test.measured[rival.key], measure),
                gain=Gain.of(interval, interval.verdict()),
            )
        )
    verdicts: list[tuple[str, str]] = [(rival_name(a.arms), a.gain.verdict) for a in against]
    seeds = min((a.gain.seeds for a in against), default=0)
    cells = (seeds * folds, len(plan.cells))
    said = answer(wanted.arm, verdicts if len(against) == len(groups) else [], seeds, cells)
    return Primary(
        arm=wanted.arm,
        measure=measure,
        value=value_of(bench, test.measured[key], measure),
        against=against,
        answer=said,
    )
