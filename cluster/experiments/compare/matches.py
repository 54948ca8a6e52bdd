"""What a comparison's table is computed from, small enough to keep: `<comparison>/matches/`.

    comparison.yaml        the configuration, without where things lie on a machine
    parts.json             seeds, folds, how each run ended, versions, seconds
    summaries/<trial>.json what of a run's summary the table has
    test/<detector>.npz    matches and scores by frame and sequence: no boxes, no pixels
    synthetic/<detector>.npz

A machine may be lost, or another one go on with other seeds: `imitate compare --from-matches` computes the
table again, of one such folder or of several together, whose runs differ in their seeds alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from typing import Any

import yaml

from cluster.config.parse import parse
from cluster.config.schema import Config
from cluster.experiments.compare.arms import check_arms
from cluster.experiments.compare.execute import State
from cluster.experiments.compare.finished import Finished, Picked, detector_name
from cluster.experiments.compare.plan import Cell, Plan, Trial, comparison_folder, in_order
from cluster.experiments.cost import Sizes
from cluster.workspace.run_folder import differences
from imitation.common import storage
from imitation.common.formats import old_names
from imitation.common.settings import UserError
from imitation.metrics.average_precision import IOU_THRESHOLDS
from imitation.metrics.own import is_own
from imitation.metrics.statistics.outcome_files import SUFFIX, write_outcomes
from imitation.metrics.statistics.seed_comparison import Judged, read_outcomes
from imitation.report.run.record import Summary, read_summary, write_summary

FOLDER = "matches"
_CONFIG, _PARTS, _SUMMARIES, _TEST, _SYNTHETIC = (
    "comparison.yaml",
    "parts.json",
    "summaries",
    "test",
    "synthetic",
)


def keep_matches(
    done: Finished,
    run_json: Mapping[str, Any],
    synthetic: Mapping[str, str] | None,
    seconds: float,
    command: str,
) -> str:
    """Writes the matches of what is finished, beside what an earlier call has written; returns the folder."""
    plan, folder = done.plan, storage.join(done.plan.folder, FOLDER)
    categories = next((summary.categories for summary in done.summaries.values()), [])
    alone = len(plan.folds) == 1
    for picked in _detectors(done):
        name = detector_name(picked)
        _keep(done.judged(picked), storage.join(folder, _TEST, name + SUFFIX), categories, alone)
        if synthetic is not None and name in synthetic:
            judged = done.judged_synthetic(picked, synthetic[name])
            _keep(judged, storage.join(folder, _SYNTHETIC, name + SUFFIX), categories, True, (0.5,))
    for name, summary in done.summaries.items():
        write_summary(_without_detail(summary), storage.join(folder, _SUMMARIES, f"{name}.json"))
    plain = plan.config.plain()
    plain["run"]["storage"] = "runs"
    if plan.config.data.root is not None:
        plain["data"]["root"] = storage.name_of(plan.config.data.root.rstrip("/"))
    text = yaml.safe_dump(plain, sort_keys=False)
    storage.write_bytes_atomic(storage.join(folder, _CONFIG), text.encode())
    parts = {
        "schema": 1,
        "cells": [[cell.seed, cell.fold] for cell in plan.cells],
        "sizes": [[fold, asdict(size)] for fold, size in plan.sizes.items()],
        "states": {
            name: {"status": state.status, "reason": state.reason} for name, state in done.states.items()
        },
        "run": dict(run_json),
        "seconds": round(seconds, 1),
        "command": command,
        "synthetic": synthetic is not None,
    }
    storage.write_json(storage.join(folder, _PARTS), parts)
    return folder


def _keep(
    judged: Judged,
    uri: str,
    categories: Sequence[str],
    whole: bool,
    thresholds: Sequence[float] = tuple(IOU_THRESHOLDS),
) -> None:
    if not storage.exists(uri):
        write_outcomes(read_outcomes((judged,), categories, thresholds), uri, whole)


def _detectors(done: Finished) -> list[Picked]:
    """Every detector of the finished runs once; those of a shared baseline are one."""
    found: dict[str, Picked] = {}
    for trial in done.plan.trials:
        if trial.name in done.summaries:
            for cycle in range(len(done.summaries[trial.name].cycles)):
                picked = Picked(trial, cycle)
                found.setdefault(detector_name(picked), picked)
    return list(found.values())


def _without_detail(summary: Summary) -> Summary:
    """What the table has of a run: no failure, no slice, no scene of it."""
    nothing = dict.fromkeys(("protocols", "errors", "slices", "calibration", "modes", "followed", "time"))
    cycles = []
    for cycle in summary.cycles:
        simulated = cycle.simulated
        if simulated is not None:
            simulated = simulated.model_copy(update={"set_aside": [], "modes": None})
        cycles.append(cycle.model_copy(update={**nothing, "simulated": simulated}))
    gone = dict.fromkeys(("suspected_label_errors", "thresholds", "advice")) | {"problems": []}
    return summary.model_copy(update={"cycles": cycles, **gone})


# -- the table again


@dataclass(frozen=True)
class _Part:
    """One folder of matches."""

    folder: str
    config: Config
    parts: dict[str, Any]

    @property
    def cells(self) -> list[Cell]:
        return [Cell(seed, fold) for seed, fold in self.parts["cells"]]


@dataclass
class Kept(Finished):
    """Finished runs of which the matches are left; `homes`: the folder that each cell's lie in."""

    homes: Mapping[Cell, str] | None = None

    def __post_init__(self) -> None:
        for trial in self.plan.trials:
            if self.states[trial.name].status == "finished":
                self.summaries[trial.name] = read_summary(self._file(trial, _SUMMARIES, f"{trial.name}.json"))

    def _file(self, trial: Trial, *parts: str) -> str:
        assert self.homes is not None
        return storage.join(self.homes[trial.cell], *parts)

    def judged(self, picked: Picked) -> Judged:
        return replace(super().judged(picked), uri=self._place(picked, _TEST))

    def judged_synthetic(self, picked: Picked, uri: str) -> Judged:
        return replace(super().judged_synthetic(picked, uri), uri=self._place(picked, _SYNTHETIC))

    def _place(self, picked: Picked, kind: str) -> str:
        return self._file(picked.trial, kind, detector_name(picked) + SUFFIX)


@dataclass(frozen=True)
class Again:
    """All that `collect` needs, from folders of matches."""

    done: Kept
    run_json: dict[str, Any]
    synthetic: dict[str, str] | None
    seconds: float
    command: str


def from_matches(folders: Sequence[str]) -> Again:
    """The comparison that was kept in a folder, or those in several as one, of all their seeds.

    Raises UserError for a folder without matches, for comparisons of other settings, for a seed and fold
    that stand in two, and for an endpoint that needs the detections themselves.
    """
    parts = [_read(folder) for folder in folders]
    first = parts[0]
    config = first.config
    if is_own(config.compare.primary.measure) or is_own(config.loop.metric):
        raise UserError(
            f"{first.folder}: a function of your own is computed from detections, boxes and all, and matches "
            "have none"
        )
    for part in parts[1:]:
        free = ("run.name", "run.storage", "run.seed", "compare.name", "compare.seeds", *_SPENT)
        if changes := differences(config.plain(), part.config.plain(), free):
            raise UserError(
                f"{part.folder} is of another comparison than {first.folder} ({'; '.join(changes[:6])})"
            )
        if part.parts["sizes"] != first.parts["sizes"]:
            raise UserError(f"{part.folder} is of other data than {first.folder}: its splits differ in size")
    homes: dict[Cell, str] = {}
    for part in parts:
        for cell in part.cells:
            if cell in homes:
                raise UserError(f"{cell.name} stands in {homes[cell]} and in {part.folder}; give one of them")
            homes[cell] = part.folder
    seeds = list(dict.fromkeys(cell.seed for cell in homes))
    plain = config.plain()
    plain["compare"]["seeds"] = seeds
    merged = parse(plain, "matches")
    arms = in_order(check_arms(merged, merged.compare.arms), merged.train.warm_start)
    sizes = {fold: Sizes(**size) for fold, size in first.parts["sizes"]}
    plan = Plan(merged, comparison_folder(merged), tuple(arms), tuple(homes), sizes)
    told = dict(chain.from_iterable(part.parts["states"].items() for part in parts))
    states = {trial.name: State(**told.get(trial.name, {"status": "not started"})) for trial in plan.trials}
    done = Kept(plan, states, homes=homes)
    synthetic = None
    if all(part.parts["synthetic"] for part in parts):
        synthetic = {detector_name(picked): "" for picked in _detectors(done)}
    return Again(
        done,
        _run_of(parts),
        synthetic,
        sum(part.parts["seconds"] for part in parts),
        first.parts["command"],
    )


_SPENT = ("compare.max_hours", "compare.max_frames", "compare.max_concurrent", "ray", "report", "tracking")


def _run_of(parts: Sequence[_Part]) -> dict[str, Any]:
    """The first part's versions and machine; commits of the others are later ones."""
    run: dict[str, Any] = dict(parts[0].parts["run"])
    commits = [part.parts["run"]["commit"] for part in parts]
    commits += [c for part in parts for c in part.parts["run"].get("later_commits", [])]
    later = [commit for commit in dict.fromkeys(commits) if commit != run["commit"]]
    machines = dict.fromkeys(part.parts["run"]["machine"] for part in parts)
    return run | {"machine": "; ".join(machines)} | ({"later_commits": later} if later else {})


def _read(folder: str) -> _Part:
    inner = storage.join(folder, FOLDER)
    place = inner if storage.exists(storage.join(inner, _PARTS)) else folder
    if not storage.exists(storage.join(place, _PARTS)):
        raise UserError(f"{folder}: no matches of a comparison lie there ({_PARTS} is missing)")
    plain = old_names.settings(yaml.safe_load(storage.read_bytes(storage.join(place, _CONFIG))))
    return _Part(place, parse(plain, place), old_names.read_json(storage.join(place, _PARTS)))
