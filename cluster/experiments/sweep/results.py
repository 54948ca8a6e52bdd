"""What a sweep has found, read from its trials' run folders, and written for people and programs."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from cluster.config.parse import parse
from cluster.config.schema import Config
from cluster.experiments.sweep.plan import Plan
from cluster.experiments.sweep.search_space import beyond_defaults, trial_id, with_settings
from cluster.experiments.sweep.trial import trial_folder
from cluster.run.baseline import FOLDER, baseline_key
from cluster.run.summary import SUMMARY
from cluster.workspace.run_folder import Workspace
from imitation.common import storage
from imitation.common.names import MAIN, TWIN, train_stage
from imitation.metrics.summary import score_of
from imitation.report.sweep.html import render_sweep
from imitation.report.sweep.record import Baseline, SweepResults, Trial, TrialCycle

RESULTS = "results.json"
TABLE = "results.csv"
BEST = "best.yaml"
REPORT = "report.html"


@dataclass(frozen=True)
class Outcome:
    """How Tune left a trial: its settings, and why it failed (None: it did not)."""

    settings: dict[str, Any]
    failed: str | None = None


def write_results(plan: Plan, folder: str, outcomes: Sequence[Outcome]) -> SweepResults:
    """Reads every trial's folder and writes `results.json`, `results.csv`, `best.yaml` and the report."""
    results = read_results(plan, folder, outcomes)
    text = results.model_dump_json(indent=2, by_alias=True) + "\n"
    storage.write_bytes_atomic(storage.join(folder, RESULTS), text.encode())
    storage.write_bytes_atomic(storage.join(folder, TABLE), results_csv(results).encode())
    best = best_yaml(plan.config, results) if results.best is not None else None
    if best is not None:
        storage.write_bytes_atomic(storage.join(folder, BEST), best.encode())
    sweep = yaml.safe_dump(plan.config.plain(), sort_keys=False)
    page = render_sweep(results, best=best, config=sweep)
    storage.write_bytes_atomic(storage.join(folder, REPORT), page.encode())
    return results


def read_results(plan: Plan, folder: str, outcomes: Sequence[Outcome]) -> SweepResults:
    """The sweep's results as its folder holds them. Two outcomes of the same settings are one trial."""
    config = plan.config
    once = {trial_id(outcome.settings): outcome for outcome in reversed(outcomes)}
    trials = [read_trial(config, folder, once[name]) for name in reversed(once)]
    chosen = [trial for trial in trials if trial.status != "failed" and trial.best_val]
    best = max(chosen, key=lambda trial: trial.best_val or 0.0, default=None)
    served = Counter(trial.baseline for trial in trials)
    return SweepResults(
        schema=1,
        name=config.sweep.name,
        stand_in=config.data.is_stand_in,
        data_kind=config.data.kind,
        metric=config.loop.metric,
        seed=config.run.seed,
        settings=[dimension.key for dimension in plan.dimensions],
        search=config.sweep.search,
        scheduler=config.sweep.scheduler,
        grace=config.sweep.grace,
        cycles=config.loop.cycles,
        trials=trials,
        best=None if best is None else best.id,
        baselines=[
            found
            for key, count in served.items()
            if (found := _read_baseline(config, folder, key, count)) is not None
        ],
    )


def read_trial(config: Config, folder: str, outcome: Outcome) -> Trial:
    """One trial, from what its run has committed."""
    name = trial_id(outcome.settings)
    workspace = Workspace(trial_folder(folder, name))
    cycles = list(_cycles(workspace, config.loop.metric))
    finished = storage.exists(workspace.path(SUMMARY))
    best = max(cycles, key=lambda cycle: (cycle.val, -cycle.cycle), default=None)
    return Trial(
        id=name,
        settings=outcome.settings,
        status="failed" if outcome.failed else "finished" if finished else "ended early",
        reason=outcome.failed,
        baseline=baseline_key(with_settings(config, outcome.settings)),
        cycles=cycles,
        best_val=None if best is None else best.val,
        best_cycle=None if best is None else best.cycle,
        seconds=round(sum(cycle.seconds for cycle in cycles if cycle.cycle > 0), 3),
    )


def _cycles(workspace: Workspace, metric: str) -> Iterator[TrialCycle]:
    """The cycles that were evaluated, in order; of what an evaluation found the val score alone."""
    for cycle, stages in enumerate(workspace.cycles()):
        trained = stages[train_stage(MAIN)]
        yield TrialCycle(
            cycle=cycle,
            val=score_of(stages["evaluate"]["metrics"]["val"], metric),
            synthetic_frames=trained["synthetic_frames"],
            synthetic_ratio=trained["synthetic_frames"] / trained["real_frames"],
            steps=trained["steps"],
            seconds=_seconds(stages),
        )


def _seconds(stages: Mapping[str, Mapping[str, Any]]) -> float:
    return round(sum(stage["seconds"] for stage in stages.values()), 3)


def _read_baseline(config: Config, folder: str, key: str, trials: int) -> Baseline | None:
    workspace = Workspace(storage.join(folder, FOLDER, key))
    stages = next(workspace.cycles(), None)
    if stages is None:
        return None
    evaluation, metric = stages["evaluate"], config.loop.metric
    return Baseline(
        key=key,
        trials=trials,
        val=score_of(evaluation["metrics"]["val"], metric),
        twin_val=score_of(evaluation[TWIN]["val"], metric) if TWIN in evaluation else None,
        seconds=round(_seconds(workspace.committed("data")) + _seconds(stages), 3),
    )


def results_csv(results: SweepResults) -> str:
    """A row a trial."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    columns = ("best_val", "best_cycle", "synthetic_frames", "seconds", "status", "baseline", "reason")
    out.writerow(["trial", *results.settings, "cycles", *columns])
    for trial in results.trials:
        settings = (trial.settings[key] for key in results.settings)
        cycles = len(trial.cycles) - 1 if trial.cycles else None
        out.writerow([trial.id, *settings, cycles, *(getattr(trial, name) for name in columns)])
    return text.getvalue()


def best_config(config: Config, results: SweepResults) -> Config:
    """The run of the best trial: its settings, and as many cycles as served it best."""
    best = results.chosen
    assert best is not None
    plain = with_settings(config, best.settings).plain()
    del plain["sweep"]
    plain["run"]["name"] = f"{config.sweep.name}-best"
    plain["loop"]["cycles"] = best.best_cycle
    return parse(plain, BEST)


def best_yaml(config: Config, results: SweepResults) -> str:
    """`best_config` as a file to run, with what differs from the defaults and a word on where it is from."""
    best = results.chosen
    assert best is not None
    assert best.best_val is not None
    comments = [
        f"The best of {len(results.trials)} trials of sweep {results.name!r}, by {results.metric} on val:",
        *(f"  {key}: {best.settings[key]!r}" for key in results.settings),
        f"{100 * best.best_val:.1f} points, after cycle {best.best_cycle} of at most {results.cycles}.",
        "Chosen as the best of many it looks better on val than it is; test has had no part in the choice.",
    ]
    if best.best_cycle == 0:
        comments.append("No imitation cycle of it was better than its baseline.")
    body = yaml.safe_dump(beyond_defaults(best_config(config, results)), sort_keys=False)
    return "\n".join(f"# {line}" for line in comments) + "\n" + body
