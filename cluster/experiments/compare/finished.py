"""The finished trials of a comparison: what their folders say, and which detector each cell offers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from cluster.experiments.compare.execute import State
from cluster.experiments.compare.plan import SPLIT as SYNTHETIC
from cluster.experiments.compare.plan import Cell, Plan, Trial, rivals
from cluster.run.summary import SUMMARY
from cluster.workspace.run_folder import Workspace
from imitation.common.names import MAIN, cycle_folder
from imitation.evaluation.detections import Cutoff
from imitation.metrics.statistics.seed_comparison import Judged
from imitation.metrics.summary import score_of
from imitation.report.run.record import Summary, read_summary

REAL = "real"


@dataclass(frozen=True)
class Picked:
    """A detector: a trial's cycle."""

    trial: Trial
    cycle: int


@dataclass
class Finished:
    """The finished trials of a plan, and what their folders say."""

    plan: Plan
    states: Mapping[str, State]
    summaries: dict[str, Summary] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for trial in self.plan.trials:
            if self.states[trial.name].status == "finished":
                self.summaries[trial.name] = read_summary(self.workspace(trial).path(SUMMARY))

    def workspace(self, trial: Trial) -> Workspace:
        return self.plan.workspace(trial)

    @cached_property
    def _by_place(self) -> dict[tuple[str, Cell, float | None], Trial]:
        return {(t.arm.name, t.cell, t.budget): t for t in self.plan.trials if t.name in self.summaries}

    def trial(self, arm: str, cell: Cell, budget: float | None = None) -> Trial | None:
        """An arm's trial in a cell, if it is finished; `budget`: of `compare.budgets`, below the greatest."""
        return self._by_place.get((arm, cell, budget))

    def cells(self, arm: str, budget: float | None = None) -> list[Cell]:
        return [cell for cell in self.plan.cells if self.trial(arm, cell, budget)]

    @cached_property
    def folds(self) -> tuple[int | None, ...]:
        """The folds that the table is of: those in which `real` and every arm of the primary endpoint that
        has finished anywhere has finished some seed, else those in which `real` has."""
        against = {arm for group in rivals(self.plan.config.compare) for arm in group}
        asked = {REAL, self.plan.config.compare.primary.arm} | against
        arms = [arm.name for arm in self.plan.arms if arm.name in asked and self.cells(arm.name)]
        by_arm = {arm: {cell.fold for cell in self.cells(arm)} for arm in arms}
        common = set.intersection(*by_arm.values()) if by_arm else set()
        chosen = common or by_arm.get(REAL, set())
        return tuple(fold for fold in self.plan.folds if fold in chosen)

    def val(self, picked: Picked) -> float:
        val = self.summaries[picked.trial.name].cycles[picked.cycle].metrics.val
        return score_of(val.model_dump(), self.plan.config.loop.metric)

    def chosen(self, trial: Trial) -> Picked:
        """The detector that val chose."""
        return Picked(trial, self.summaries[trial.name].best_cycle)

    def checkpoint(self, picked: Picked) -> str:
        return self.workspace(picked.trial).path(cycle_folder(picked.cycle), "detector", MAIN)

    def judged(self, picked: Picked) -> Judged:
        """Its detections on real test."""
        uri = self.workspace(picked.trial).path(
            cycle_folder(picked.cycle), "evaluation", "detections.parquet"
        )
        return Judged(uri, "test", MAIN, self._threshold(picked))

    def _threshold(self, picked: Picked) -> Cutoff:
        return self.summaries[picked.trial.name].cycles[picked.cycle].metrics.val.cutoff

    def judged_synthetic(self, picked: Picked, uri: str) -> Judged:
        """Its detections on the synthetic test set."""
        return Judged(uri, SYNTHETIC, detector_name(picked), self._threshold(picked))


def detector_name(picked: Picked) -> str:
    """A detector's name in the evaluation of the synthetic test set; that of a shared baseline is one."""
    if picked.cycle == 0 and picked.trial.arm.shares_baseline:
        return f"baseline-{picked.trial.cell.name}"
    return f"{picked.trial.name}-{cycle_folder(picked.cycle)}"
