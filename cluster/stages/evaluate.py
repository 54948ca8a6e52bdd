"""What a cycle's detections say: each detector's operating threshold, its metrics, and the mined failures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from cluster.stages.cycle import Detectors
from cluster.stages.diagnose import MINE, Judged
from cluster.workspace.run_folder import Workspace
from imitation.common import old_names
from imitation.common.names import MAIN, TWIN, cycle_folder
from imitation.detectors.checkpoint import set_operating_threshold
from imitation.diagnosis.feasibility import out_of_reach
from imitation.evaluation.detection_files import read_detections
from imitation.evaluation.detections import Cutoff, FrameDetections
from imitation.evaluation.failures import Failure, find_failures, write_failures
from imitation.metrics.own import OwnMetric
from imitation.metrics.summary import Metrics, summarize
from imitation.policies import stratum_name


def judge(
    detections: str,
    failures: str,
    detectors: Detectors,
    categories: tuple[str, ...],
    reach: frozenset[str] | None,
    min_objects: int | None = None,
    metric: OwnMetric | None = None,
) -> dict[str, Any]:
    """Metrics of `detections` by detector and split; each reported detector's product is told its operating
    threshold (`min_objects`: see `summarize`). With a `metric` of one's own, its values stand among them.

    If folds were trained, their failures in the mined frames go to `failures`, and those that are out of
    `reach` (the categories that can be staged) are counted apart.
    """

    def rows(name: str) -> Iterator[FrameDetections]:
        return (row for row in read_detections(detections) if row.detector == name)

    metrics: dict[str, dict[str, Metrics]] = {}
    for name, product in detectors.reported().items():
        val = summarize(partial(rows, name), categories, "val", min_objects=min_objects)
        test = summarize(partial(rows, name), categories, "test", val.operating)
        set_operating_threshold(product, val.threshold, val.thresholds)
        metrics[name] = {"val": val, "test": test}
        if metric is not None:
            for split, found in metrics[name].items():
                found.own[metric.name] = own_value(metric, detections, split, name, categories)
    judged: dict[str, Any] = {
        "metrics" if name == MAIN else name: {split: value.to_dict() for split, value in by_split.items()}
        for name, by_split in metrics.items()
    }
    if detectors.folds:
        thresholds = {
            name: summarize(partial(rows, name), categories, "val", min_objects=min_objects).cutoff
            for name in detectors.of_folds()
        }
        mined = _mine(rows, thresholds, categories, reach, failures)
        judged |= {"fold_thresholds": thresholds, "mined": mined}
    return judged


def own_value(
    metric: OwnMetric, detections: str, split: str, detector: str, categories: tuple[str, ...]
) -> float:
    """A metric of one's own on a split of an evaluation; holds the split's rows."""
    return metric(read_detections(detections, split=split, detector=detector), categories)


def _mine(
    rows: Callable[[str], Iterator[FrameDetections]],
    thresholds: Mapping[str, Cutoff],
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
                modes[stratum_name(failure)] += 1
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
    told = old_names.read_json(workspace.path(cycle_folder(cycle), "stage-evaluate.json"))
    thresholds = {MAIN: Metrics.from_dict(told["metrics"]["val"]).cutoff} | told.get("fold_thresholds", {})
    if TWIN in told:
        thresholds[TWIN] = Metrics.from_dict(told[TWIN]["val"]).cutoff
    detections = workspace.path(cycle_folder(cycle), "evaluation", "detections.parquet")
    return Judged(cycle, detections, thresholds, mined="mined" in told)
