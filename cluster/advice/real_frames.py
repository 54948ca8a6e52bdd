"""The learning curve of a run: of the trainings of `--curves` where there are such, else of its folds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cluster.advice.curves import FOLDER, FRACTIONS, part_name
from cluster.config.schema import Config
from cluster.workspace.run_folder import Workspace
from imitation.advice.advise import Photographed
from imitation.advice.learning_curve import counts_by_mode
from imitation.common.names import MAIN, TWIN, cycle_folder, is_fold, train_stage
from imitation.evaluation.detection_files import FILE, read_categories, read_detections
from imitation.evaluation.detections import Cutoff
from imitation.evaluation.failures import find_failures
from imitation.metrics.statistics.bootstrap import Resampling
from imitation.metrics.summary import Metrics
from imitation.policies.strata import stratum_name

RESAMPLES = 500
MINE = "mine"
Stage = Mapping[str, Any]


class _Failures:
    """Failures by frame of several trainings, on the same frames."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}
        self.sequences: list[str | None] = []
        self.objects = 0

    def of(
        self, uri: str, split: str, detector: str, threshold: Cutoff, categories: Sequence[str]
    ) -> list[tuple[int, str]]:
        found = []
        for row in read_detections(uri, split=split, detector=detector):
            if row.error is not None:
                continue
            if row.frame_id not in self.places:
                self.places[row.frame_id] = len(self.places)
                self.sequences.append(row.sequence)
                self.objects += int((~row.objects.ignore).sum())
            place = self.places[row.frame_id]
            found += [(place, stratum_name(f)) for f in find_failures([row], threshold, categories)]
        return found

    def photographed(
        self,
        sizes: Sequence[int],
        groups: Sequence[int],
        found: Sequence[list[tuple[int, str]]],
        trained: int,
        source: Any,
        notes: Sequence[str],
        rng: np.random.Generator,
    ) -> Photographed:
        return Photographed(
            np.array(sizes),
            np.array(groups),
            counts_by_mode(found, len(self.places)),
            Resampling.of_frames(self.sequences, RESAMPLES, rng),
            trained,
            self.objects / max(1, len(self.places)),
            source,
            tuple(notes),
        )


def photographed(
    config: Config, workspace: Workspace, baseline: Mapping[str, Stage], rng: np.random.Generator
) -> Photographed:
    """The better of the two that is there."""
    trained = int(baseline[train_stage(MAIN)]["real_frames"])
    done = workspace.committed(FOLDER)
    if all(f"evaluate-{part_name(fraction)}" in done for fraction in FRACTIONS):
        return _of_curves(workspace, done, trained, rng)
    return _of_folds(config, workspace, baseline["evaluate"], trained, rng)


def _of_curves(
    workspace: Workspace, done: Mapping[str, Stage], trained: int, rng: np.random.Generator
) -> Photographed:
    """Each fold is judged on what it did not see, with a line of its own."""
    failures, found, sizes, groups = _Failures(), [], [], []
    for fraction in FRACTIONS:
        stage = done[f"evaluate-{part_name(fraction)}"]
        uri = workspace.path(FOLDER, part_name(fraction), "evaluation", FILE)
        categories = read_categories(uri)
        for k, (name, size) in enumerate(sorted(stage["sizes"].items())):
            found.append(failures.of(uri, MINE, name, _cutoff(stage["thresholds"][name]), categories))
            sizes.append(int(size))
            groups.append(k)
    note = (
        f"{len(found)} trainings on a quarter, half and all of the real frames that their folds may see, "
        f"for the same steps, judged on the {len(failures.places):,} frames that they did not see."
    )
    return failures.photographed(sizes, groups, found, trained, "curves", [note], rng)


def _of_folds(
    config: Config, workspace: Workspace, judged: Stage, trained: int, rng: np.random.Generator
) -> Photographed:
    """The baseline, its twin and the detectors of its folds, all on val: none of them saw it, and the folds'
    saw a part of the real frames only."""
    uri = workspace.path(cycle_folder(0), "evaluation", FILE)
    categories = read_categories(uri)
    thresholds: dict[str, Cutoff] = {MAIN: Metrics.from_dict(judged["metrics"]["val"]).cutoff}
    if TWIN in judged:
        thresholds[TWIN] = Metrics.from_dict(judged[TWIN]["val"]).cutoff
    thresholds |= {name: _cutoff(value) for name, value in judged.get("fold_thresholds", {}).items()}
    failures = _Failures()
    found = [failures.of(uri, "val", name, cut, categories) for name, cut in thresholds.items()]
    held = Counter(row.detector for row in read_detections(uri, split=MINE))
    sizes = [trained - held[name] for name in thresholds]
    notes = [
        f"The learning curve is of few points: the baseline{' and its twin' if TWIN in thresholds else ''} "
        f"with {trained:,} real frames, {sum(map(is_fold, thresholds))} detectors of the folds with fewer, "
        f"judged on {len(failures.places):,} frames of val."
    ]
    if (share := config.mining.fold_steps) < 1:
        notes.append(
            f"The folds' detectors were trained for {share:.0%} of the steps (mining.fold_steps), which may "
            "be a part of what looks like the effect of more frames; --curves trains all alike."
        )
    return failures.photographed(sizes, [0] * len(sizes), found, trained, "folds", notes, rng)


def _cutoff(value: Any) -> Cutoff:
    return tuple(value) if isinstance(value, list) else float(value)
