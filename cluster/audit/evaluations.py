"""Which detectors of a run, or evaluation, tell of the labels of a split, the latest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from cluster.workspace.run_folder import CONFIG_FILE, Workspace
from imitation.audit.suspects import Judged
from imitation.common import storage
from imitation.common.names import MAIN, TWIN, cycle_folder
from imitation.common.settings import UserError
from imitation.evaluation.detection_files import FILE, evaluation_uri, read_categories, read_detections
from imitation.evaluation.detections import Cutoff, FrameDetections
from imitation.metrics.statistics.evaluation_side import counted_detectors, open_source
from imitation.metrics.summary import Metrics

MINE = "mine"


@dataclass(frozen=True)
class Audited:
    """The evaluations of one split, and where its frames lie (None: not known)."""

    split: str
    categories: tuple[str, ...]
    evaluations: tuple[Judged, ...]
    frames: str | None


def evaluations_of(places: Sequence[str], split: str | None) -> Audited:
    """Of a run's folder: every detector that judged `split` (None: the mined frames of train, out of fold,
    else test), from the last cycle back, the baseline's twin too. Of evaluations: each; the first counts.

    Raises UserError for a place without such rows, and for evaluations of different categories.
    """
    found: list[Judged] = []
    frames, categories = None, None
    for place in places:
        if _is_run(place):
            split, judged, frames, named = _of_run(Workspace(place), split)
        else:
            split = split or _split(place)
            source = open_source(place, split)
            judged = [_judged(place, source.uri, split, dict(source.thresholds))]
            named = source.categories
        if categories is not None and named != categories:
            raise UserError(f"{place}: has other categories than {places[0]}")
        categories = named
        found += judged
    assert split is not None
    assert categories is not None
    return Audited(split, categories, tuple(found), frames)


def _is_run(place: str) -> bool:
    return storage.is_folder(place) and storage.exists(Workspace(place).path(CONFIG_FILE))


def _split(place: str) -> str:
    there = list(counted_detectors(place))
    for name in (MINE, "test"):
        if name in there:
            return name
    if len(there) == 1:
        return there[0]
    raise UserError(f"{place}: has the splits {', '.join(there)}; choose one with --split")


def _judged(name: str, uri: str, split: str, thresholds: dict[str, Cutoff]) -> Judged:
    return Judged(name, partial(_rows, uri, split, tuple(thresholds)), thresholds)


def _rows(uri: str, split: str, detectors: tuple[str, ...]) -> Iterator[FrameDetections]:
    return (row for row in read_detections(uri, split=split) if row.detector in detectors)


def _of_run(workspace: Workspace, split: str | None) -> tuple[str, list[Judged], str, tuple[str, ...]]:
    stages = list(workspace.cycles())
    if not stages:
        raise UserError(f"{workspace.uri}: is a run in which no detector has been evaluated yet")
    mined = any("mined" in own["evaluate"] for own in stages)
    split = split or (MINE if mined else "test")
    found: list[Judged] = []
    for cycle in range(len(stages) - 1, -1, -1):
        judged = stages[cycle]["evaluate"]
        uri = workspace.path(cycle_folder(cycle), "evaluation", FILE)
        if split == MINE:
            if "mined" in judged:
                folds = {n: _cutoff(c) for n, c in judged["fold_thresholds"].items()}
                found.append(_judged(f"cycle {cycle}", uri, split, folds))
            continue
        threshold = Metrics.from_dict(judged["metrics"]["val"]).cutoff
        found.append(_judged(f"cycle {cycle}", uri, split, {MAIN: threshold}))
        if TWIN in judged:
            twin = Metrics.from_dict(judged[TWIN]["val"]).cutoff
            found.append(_judged("the twin", uri, split, {TWIN: twin}))
    if not found:
        raise UserError(f"{workspace.uri}: no detector has judged the split {split!r}")
    uri = evaluation_uri(workspace.path(cycle_folder(0)))
    return split, found, workspace.split("train" if split == MINE else split), read_categories(uri)


def _cutoff(value: float | list[float]) -> Cutoff:
    return tuple(value) if isinstance(value, list) else float(value)
