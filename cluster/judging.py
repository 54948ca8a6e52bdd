"""What a cycle's detections say: each detector's operating threshold, its metrics, and the mined failures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from cluster.analysis import MAIN, MINE, TWIN, Judged
from cluster.cycles import Detectors, cycle_folder
from cluster.workspace import Workspace
from imitation import storage
from imitation.detections import FrameDetections
from imitation.evaluations import read_detections
from imitation.failures import Failure, find_failures, write_failures
from imitation.metrics.summary import Metrics, summarize
from imitation.policies import mode_name, out_of_reach
from imitation.product import set_operating_threshold


def judge(
    detections: str,
    failures: str,
    detectors: Detectors,
    categories: tuple[str, ...],
    reach: frozenset[str] | None,
) -> dict[str, Any]:
    """Metrics of `detections` by detector and split; each reported detector's product is told its operating
    threshold. If folds were trained, their failures in the mined frames go to `failures`, and those that
    are out of `reach` (the categories that can be staged) are counted apart."""

    def rows(name: str) -> Iterator[FrameDetections]:
        return (row for row in read_detections(detections) if row.detector == name)

    metrics: dict[str, dict[str, Metrics]] = {}
    for name, product in detectors.reported().items():
        stop = summarize(partial(rows, name), categories, "stop")
        test = summarize(partial(rows, name), categories, "test", stop.threshold)
        set_operating_threshold(product, stop.threshold)
        metrics[name] = {"stop": stop, "test": test}
    judged: dict[str, Any] = {
        "metrics" if name == MAIN else name: {split: value.to_dict() for split, value in by_split.items()}
        for name, by_split in metrics.items()
    }
    if detectors.folds:
        thresholds = {
            name: summarize(partial(rows, name), categories, "stop").threshold
            for name in detectors.of_folds()
        }
        mined = _mine(rows, thresholds, categories, reach, failures)
        judged |= {"fold_thresholds": thresholds, "mined": mined}
    return judged


def _mine(
    rows: Callable[[str], Iterator[FrameDetections]],
    thresholds: Mapping[str, float],
    categories: tuple[str, ...],
    reach: frozenset[str] | None,
    uri: str,
) -> dict[str, Any]:
    """Writes the failures of every fold's detector in the part that it did not see; counts them."""
    kinds, modes, unreachable = Counter[str](), Counter[str](), Counter[str]()

    def found() -> Iterator[Failure]:
        for name, threshold in thresholds.items():
            unseen = (row for row in rows(name) if row.split == MINE)
            for failure in find_failures(unseen, threshold, categories):
                kinds[failure.kind] += 1
                modes[mode_name(failure)] += 1
                if why := out_of_reach(failure, reach):
                    unreachable[why] += 1
                yield failure

    write_failures(found(), uri)
    return {
        "split": "train, out of fold",
        "failures": dict(kinds),
        "modes": dict(modes.most_common()),
        "out_of_reach": dict(unreachable),
    }


def read_judged(workspace: Workspace, cycle: int) -> Judged:
    """A cycle's committed evaluation."""
    told = storage.read_json(workspace.path(cycle_folder(cycle), "stage-evaluate.json"))
    thresholds = {MAIN: told["metrics"]["stop"]["threshold"]} | told.get("fold_thresholds", {})
    if TWIN in told:
        thresholds[TWIN] = told[TWIN]["stop"]["threshold"]
    detections = workspace.path(cycle_folder(cycle), "evaluation", "detections.parquet")
    return Judged(cycle, detections, thresholds, mined="mined" in told)
