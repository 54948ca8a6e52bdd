"""A cycle's evaluation: detections, then each detector's operating threshold, its metrics, and the mined
failures."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from cluster.config.evaluate import EvaluateSettings
from cluster.evaluation.ray_data import EvaluationPart, evaluate
from cluster.stages.context import RunContext
from cluster.stages.cycle import Detectors, Evaluation
from cluster.stages.diagnose import MINE
from imitation.common.names import MAIN, fold_name
from imitation.detectors.checkpoint import set_operating_threshold
from imitation.diagnosis.feasibility import out_of_reach
from imitation.evaluation.detection_files import FILE, read_detections
from imitation.evaluation.detections import Cutoff, FrameDetections
from imitation.evaluation.failures import Failure, find_failures, write_failures
from imitation.metrics.own import OwnMetric, check_metric, is_own, load_metric
from imitation.metrics.summary import Metrics, summarize
from imitation.policies import stratum_name


@dataclass(frozen=True)
class Judging:
    """Evaluates for one run. `metric` names what a cycle's score on val is (`loop.metric`), `own` is it where
    it is a function of one's own (`own_metric`); `on_error` and `placement_timeout_s` are those of
    `cluster.evaluation.ray_data.evaluate`."""

    run: RunContext
    settings: EvaluateSettings
    metric: str
    own: OwnMetric | None
    on_error: str
    placement_timeout_s: float

    def evaluate(self, detectors: Detectors, cycle: int) -> Evaluation:
        """One streaming pass over val, test and (out of fold) the mined frames; then the operating
        threshold of each detector on val, metrics, and failures; committed."""
        run, data = self.run, self.run.data
        named, reported = detectors.named(), detectors.reported()
        parts = [
            EvaluationPart(data.parts["val"].uri, "val", tuple(named)),
            EvaluationPart(data.parts["test"].uri, "test", tuple(reported)),
        ]
        total = len(named) * data.parts["val"].frames + len(reported) * data.parts["test"].frames
        if detectors.folds:
            fold_of = {i: fold_name(k) for k, ids in enumerate(data.folds) for i in ids}
            parts.append(EvaluationPart(data.parts["train"].uri, MINE, only=fold_of))
            total += sum(len(ids) for ids in data.folds)
        detections = run.path(cycle, "evaluation", FILE)
        failures = run.path(cycle, "evaluation", "failures.parquet")

        def work() -> dict[str, Any]:
            run.services.make_room_for_evaluation()
            with run.watch.evaluating(f"cycle {cycle}: evaluating", total, cycle) as progress:
                done = evaluate(
                    parts,
                    named,
                    data.categories,
                    detections,
                    self.settings,
                    self.on_error,
                    progress,
                    self.placement_timeout_s,
                )
            start = time.monotonic()
            judged = judge(
                detections,
                failures,
                detectors,
                run.categories,
                run.reach,
                self.settings.min_objects,
                self.own,
            )
            done["busy_seconds"] = round(done["busy_seconds"] + time.monotonic() - start, 3)
            return done | judged

        result = run.commit(cycle, "evaluate", work)
        metrics = {split: Metrics.from_dict(value) for split, value in result["metrics"].items()}
        if self.own is not None and self.own.name not in metrics["val"].own:
            # a baseline of runs that are judged by another metric
            for split, found in metrics.items():
                found.own[self.own.name] = own_value(self.own, detections, split, MAIN, run.categories)
        mined = failures if detectors.folds else None
        return Evaluation(metrics, mined, metrics["val"].score(self.metric))


def own_metric(name: str, categories: tuple[str, ...]) -> OwnMetric | None:
    """A metric of one's own by its import path, tried; None for one of ours. Raises UserError where it
    cannot be used."""
    if not is_own(name):
        return None
    own = load_metric(name)
    check_metric(own, categories)
    return own


def judge(
    detections: str,
    failures: str,
    detectors: Detectors,
    categories: tuple[str, ...],
    reach: frozenset[str] | None,
    min_objects: int | None = None,
    metric: OwnMetric | None = None,
) -> dict[str, Any]:
    """Metrics of `detections` by detector and split; each reported detector's checkpoint gets its operating
    threshold (`min_objects`: see `summarize`). With a `metric` of one's own, its values stand among them.

    If folds were trained, their failures in the mined frames go to `failures`, and those that are out of
    `reach` (the categories that can be staged) are counted apart.
    """

    def rows(name: str) -> Iterator[FrameDetections]:
        return (row for row in read_detections(detections) if row.detector == name)

    metrics: dict[str, dict[str, Metrics]] = {}
    for name, checkpoint in detectors.reported().items():
        val = summarize(partial(rows, name), categories, "val", min_objects=min_objects)
        test = summarize(partial(rows, name), categories, "test", val.operating)
        set_operating_threshold(checkpoint, val.threshold, val.thresholds)
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


class FailureCounts:
    """Counts failures while they pass: by kind, by stratum, and by why those out of `reach` are."""

    def __init__(self, reach: frozenset[str] | None) -> None:
        self._reach = reach
        self.kinds, self.modes, self.unreachable = Counter[str](), Counter[str](), Counter[str]()

    def seeing(self, failures: Iterable[Failure]) -> Iterator[Failure]:
        """Passes them on."""
        for failure in failures:
            self.kinds[failure.kind] += 1
            self.modes[stratum_name(failure)] += 1
            if why := out_of_reach(failure, self._reach):
                self.unreachable[why] += 1
            yield failure


def _mine(
    rows: Callable[[str], Iterator[FrameDetections]],
    thresholds: Mapping[str, Cutoff],
    categories: tuple[str, ...],
    reach: frozenset[str] | None,
    uri: str,
) -> dict[str, Any]:
    """Writes the failures of every fold's detector in the part that it did not see; counts them."""

    def found() -> Iterator[Failure]:
        for name, threshold in thresholds.items():
            unseen = (row for row in rows(name) if row.split == MINE)
            yield from find_failures(unseen, threshold, categories)

    counts = FailureCounts(reach)
    write_failures(counts.seeing(found()), uri)
    return {
        "split": "train, out of fold",
        "failures": dict(counts.kinds),
        "modes": dict(counts.modes.most_common()),
        "out_of_reach": dict(counts.unreachable),
    }
