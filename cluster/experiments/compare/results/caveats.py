"""Warnings that a reader of the table needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cluster.data.stageable import listed
from cluster.experiments.compare.finished import REAL, Finished
from cluster.experiments.compare.results.measure import PooledFolds
from cluster.experiments.compare.results.rows import RIVAL

FEW_SEQUENCES = 20


def caveats(done: Finished, test: PooledFolds) -> list[str]:
    plan, summaries = done.plan, list(done.summaries.values())
    warnings = []
    if plan.config.data.is_stand_in:
        warnings.append(
            "The data is an embedded stand-in world, rendered, not real: nothing here holds for reality."
        )
    if nothing := [name for name, summary in done.summaries.items() if summary.baseline_finds_nothing]:
        warnings.append(
            f"In {len(nothing)} of {len(summaries)} runs the baseline finds nothing on val (mAP 0.0; "
            f"{', '.join(nothing[:6])}{', ...' if len(nothing) > 6 else ''}): failures mined from it are "
            "noise, and differences from it tell nothing of the synthetic frames."
        )
    compared = [len(m.seeds) for key, m in test.measured.items() if key != REAL and not key.startswith(RIVAL)]
    if max(compared, default=len(plan.seeds)) == 1:  # of those planned, or of those that are finished
        said = (
            "One seed: the intervals hold the choice of test frames alone. Trained again from another seed "
            "every detector would differ, and that is in none of them."
        )
        churn = [
            abs(other - first)
            for s in summaries
            if s.churn is not None
            and (other := s.churn.mAP.get("test")) is not None
            and (first := s.cycles[0].metrics.test.map50) is not None
        ]
        if churn:
            said += (
                f" Another seed of the baseline moved its mAP50 on test by {100 * min(churn):.1f}"
                + (f" to {100 * max(churn):.1f}" if max(churn) - min(churn) > 5e-4 else "")
                + " points here."
            )
        warnings.append(said)
    missing = [name for name, state in done.states.items() if state.status != "finished"]
    if missing:
        warnings.append(
            f"{len(missing)} of {len(done.states)} runs are not finished ({', '.join(missing[:6])}"
            f"{', ...' if len(missing) > 6 else ''}): the table is of the rest."
        )
    lacking: dict[str, int] = {}
    for summary in summaries:
        lacking |= summary.staging.not_staged if summary.staging is not None else {}
    if lacking:
        warnings.append(
            f"Not staged, for the simulator cannot: {listed(lacking)} in train. Nothing was rendered "
            f"for their "
            "failures: the arms with a simulator could help the other classes alone."
        )
    if len(done.folds) < len(plan.folds):
        used = ", ".join(str(fold) for fold in done.folds) or "none"
        warnings.append(f"Of the folds {', '.join(map(str, plan.folds))} the figures are of {used}.")
    if plan.config.compare.use_folds is not None:
        warnings.append(
            f"Test frames are those of folds {', '.join(map(str, plan.folds))} of "
            f"{plan.config.compare.folds} alone. Settings that were chosen on a fold must be reported on "
            "others."
        )
    if len(plan.folds) > 1:
        warnings.append(
            "Detectors of different folds share most of their training frames: intervals do not know that, "
            "and are rather too narrow."
        )
    if test.bench is not None and test.bench.resampling.unit == "frames" and not plan.config.data.is_stand_in:
        warnings.append(
            "The sequences of the frames are not known: frames of one drive count as independent, and the "
            "intervals are rather too narrow."
        )
    drawn = None if test.bench is None else test.bench.resampling
    if drawn is not None and drawn.unit == "sequences" and drawn.clusters < FEW_SEQUENCES:
        warnings.append(
            f"The {len(test.frames)} test frames are of {drawn.clusters} sequences, and these are what is "
            "independent: only large differences can be seen."
        )
    elif 0 < len(test.frames) < 100:
        warnings.append(f"{len(test.frames)} test frames are few: only large differences can be seen.")
    return warnings


def versions(record: Mapping[str, Any]) -> list[str]:
    """A warning if more than one version of the code computed a comparison (`record`: its `run.json`)."""
    later = record.get("later_commits", [])
    if not later:
        return []
    names = ", ".join(commit or "unknown" for commit in later)
    return [f"Begun at commit {record['commit'] or 'unknown'}, continued at {names}: rows may be of either."]
