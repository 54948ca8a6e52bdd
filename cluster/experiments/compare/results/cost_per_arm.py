"""What finished trials took, and what an arm cost beyond `real` for what it gained."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from cluster.experiments.compare.arms import Arm
from cluster.experiments.compare.finished import REAL, Finished, Picked
from cluster.experiments.compare.results.rows import chosen_key
from imitation.common.names import MAIN, TWIN, is_fold, train_stage, trained_by
from imitation.policies import PolicySettings, build_policy, looks_at_failures
from imitation.report.comparison.record import ArmCost, Row
from imitation.report.run.record import Summary


def seconds_to(done: Finished, picked: Picked, whole: bool) -> float:
    """What it took to come to a detector; `whole`: to choose it among all of its trial's."""
    cycles = done.summaries[picked.trial.name].cycles
    if picked.trial.arm.name == REAL:
        own = (train_stage(MAIN), "evaluate", "analyse")
        return sum(value for name, value in cycles[0].seconds.items() if name in own)
    mines = looks(picked.trial.arm, done.plan.config.policy)
    return sum(
        value
        for c in (cycles if whole else cycles[: picked.cycle + 1])
        for name, value in c.seconds.items()
        if trained_by(name) != TWIN and (mines or not is_fold(trained_by(name) or ""))
    )


def looks(arm: Arm, policy: PolicySettings) -> bool:
    """Whether an arm needs the failures of the baseline, which every arm's folder has."""
    return looks_at_failures(build_policy(policy.model_copy(update={"name": arm.policy})))


def arm_costs(done: Finished, table: Sequence[Row], measure: str) -> list[ArmCost]:
    """Each arm's, of the rows in the table; the gain is that of its chosen detector in `measure`."""
    costs = []
    for arm in done.plan.arms:
        cells = done.cells(arm.name)
        row = next((r for r in table if r.key == chosen_key(arm.name)), None)
        row = row or next((r for r in table if r.arm == arm.name), None)
        if arm.name == REAL or not cells or row is None:
            continue
        mines = looks(arm, done.plan.config.policy)
        spent = [
            _spent(done.summaries[trial.name], arm, mines)
            for c in cells
            if (trial := done.trial(arm.name, c))
        ]
        gain = row.test[measure].gain if measure in row.test else None
        costs.append(
            ArmCost(
                arm=arm.name,
                rendered=statistics.fmean(s["rendered"] for s in spent),
                seconds={
                    name: round(statistics.fmean(s[name] for s in spent), 1)
                    for name in ("training", "rendering", "evaluating", "rest")
                },
                gain=None if gain is None else gain.difference,
                verdict="not distinguishable" if gain is None else gain.verdict,
            )
        )
    return costs


def _spent(summary: Summary, arm: Arm, mines: bool) -> dict[str, float]:
    """Beyond `real`: later cycles, and for arms that mine the folds of the baseline."""
    spent = dict.fromkeys(("training", "rendering", "evaluating", "rest", "rendered"), 0.0)
    for cycle in summary.cycles:
        for name, seconds in cycle.seconds.items():
            shared = cycle.cycle == 0 and arm.shares_baseline
            if shared and not (mines and is_fold(trained_by(name) or "") and len(summary.cycles) > 1):
                continue
            spent[_kind(name)] += seconds
        if cycle.simulated is not None:
            spent["rendered"] += cycle.simulated.rendered
    return spent


def _kind(stage: str) -> str:
    if trained_by(stage) is not None:
        return "training"
    rendering, evaluating = ("simulate", "candidates"), ("evaluate", "analyse")
    return "rendering" if stage in rendering else "evaluating" if stage in evaluating else "rest"
