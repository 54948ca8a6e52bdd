"""The loop's middle without our detector: anyone's detections -> failures -> requests, by the loop's own
stages. `cluster.simulation.requests_file` renders what was asked for."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np

from cluster.config.schema import Config
from cluster.data.facts import Facts
from cluster.data.stageable import Labels, catalog, feasible
from cluster.observability.console import Reporter
from cluster.simulation.requests_file import write_requests
from cluster.stages.evaluate import FailureCounts
from cluster.stages.request import Seen, ask, objects_to_find
from imitation.common import storage
from imitation.common.reservoir import reservoir
from imitation.common.settings import UserError
from imitation.common.texts import shown
from imitation.data.categories import CategoryMap
from imitation.data.records import Frame
from imitation.data.splits import SPLITS
from imitation.datasets.base import ALL, DatasetReader, frames_of
from imitation.datasets.category_map import categories_of
from imitation.datasets.coco.reader import CocoReader
from imitation.datasets.numbering import Numbering
from imitation.datasets.yolo.reader import YoloReader
from imitation.diagnosis.failure_modes import find_modes
from imitation.evaluation.detection_files import FILE, read_detections, write_detections
from imitation.evaluation.detections import FrameDetections
from imitation.evaluation.external_detections import (
    CocoResults,
    EvaluatedResults,
    KittiResults,
    Results,
    yolo_results,
)
from imitation.evaluation.failures import Failure, find_failures, write_failures
from imitation.evaluation.result_remarks import ResultRemarks
from imitation.metrics.summary import Metrics, summarize
from imitation.policies import Mined, build_policy, sees_frames, what_it_adds
from sim_actors.staging.stage import stageable_names

REQUESTS = "requests.json"
DETECTOR = "results"


def mine(
    config: Config,
    detections: str,
    split: str,
    detector: str | None,
    threshold: float | None,
    budget: int | None,
    out: str,
    reporter: Reporter,
) -> dict[str, Any]:
    """Writes detections.parquet, failures.parquet and requests.json to `out`; returns what was found.

    Frames of which the results do not speak are left out and counted. The operating threshold, where
    none is given, is that of greatest F1 on these very frames. Raises UserError for data or results that
    are not there, DataError for a result that cannot be read.
    """
    policy = build_policy(config.policy)
    if what_it_adds(policy) != "synthetic":
        raise UserError(f"policy.name is {config.policy.name!r}, which stages nothing; name one that does")
    storage.check_writable(out)
    dataset = config.data.open().undivide()
    problems: list[str] = []
    skip = (lambda error: problems.append(str(error))) if config.data.on_error == "skip" else None
    facts = Facts()
    frames = facts.seeing(frames_of(dataset, split, skip))
    categories = categories_of(config.data, frames)
    deque(frames, maxlen=0)  # a kind with a map of its own need not look at them
    if not facts.frames:
        raise UserError(f"{dataset.root}: split {split!r} has no usable frame ({len(problems)} problems)")
    results = _open_results(detections, dataset, split, categories, detector)
    uri = storage.join(out, FILE)
    left_out: list[str] = []
    with reporter.bar(f"reading {split}", facts.frames) as bar:
        looked = ResultRemarks(
            results.layout, _ids_told(results, categories), "frame", silent=results.layout == "xywh"
        )
        rows = _rows(
            frames_of(dataset, split, skip), results, categories, split, left_out, bar.update, looked
        )
        judged = write_detections(rows, uri, categories.categories)
    if not judged:
        raise UserError(
            f"{detections}: speaks of no frame of split {split!r} of {dataset.root}, which has "
            f"{facts.frames} (such as {left_out[0] if left_out else 'none'})"
        )
    if results.unmapped:
        reporter.say(f"left out: detections of other categories {_counts(results.unmapped)}")
    if left_out:
        reporter.say(f"left out: {len(left_out)} frames without results, such as {left_out[0]}")
    metrics = summarize(
        partial(read_detections, uri), categories.categories, split, threshold, config.evaluate.min_objects
    )
    storage.write_json(storage.join(out, "metrics.json"), metrics.to_dict())
    for sentence in feasible(config, categories, Labels(facts.objects)).sentences():
        reporter.say(f"staging: {sentence}")
    reach = stageable_names(facts.objects, categories.mapping, catalog(config))
    evaluated = partial(read_detections, uri)
    modes = find_modes(evaluated, categories.categories, metrics.cutoff, config.mining.modes)
    counts = FailureCounts(reach)
    failures = counts.seeing(_failures(uri, metrics, categories))
    write_failures(failures, storage.join(out, "failures.parquet"))
    rng = np.random.default_rng([config.run.seed, 0])
    sample = reservoir(_failures(uri, metrics, categories), config.mining.max_failures, rng)
    wanted = budget or max(1, round(config.aggregation.synthetic_per_cycle * facts.frames))
    seen: Seen = objects_to_find(frames_of(dataset, split, skip), categories) if sees_frames(policy) else {}
    requests, asked = ask(
        policy,
        Mined(sample, facts.objects, reach, **seen),
        cycle=1,
        budget=wanted,
        parents=facts.sequences.keys(),
        strength=config.policy.strength,
        rng=rng,
    )
    place = storage.join(out, REQUESTS)
    origin = {"policy": policy.name, "budget": wanted, "frames": asked}
    numbering = _numbering(dataset, categories)
    write_requests(place, config.data, split, origin, categories, numbering, facts, requests)
    return {
        "frames": judged,
        "left_out": len(left_out),
        "problems": problems,
        "remarks": [*_left_out(left_out, facts.frames), *filter(None, [results.remark]), *looked.lines()],
        "threshold": metrics.threshold,
        "thresholds": metrics.thresholds,
        "threshold_chosen_on": "given" if threshold is not None else split,
        "map50": metrics.map50,
        "ap50": metrics.ap50,
        "failures": metrics.failures,
        "modes": [counts.to_dict() for counts in modes.table],
        "out_of_reach": dict(counts.unreachable),
        "requests": len(requests),
        "frames_asked": asked,
        "requests_file": place,
    }


def _numbering(dataset: DatasetReader, categories: CategoryMap) -> Numbering | None:
    """How frames that are rendered for the requests are to be numbered: as the dataset is."""
    renamed = any(a != b and a not in categories.ignore for a, b in categories.mapping.items())
    return dataset.numbering() or (None if renamed else Numbering.in_order(categories.categories))


def _splits(split: str) -> tuple[str, ...]:
    return SPLITS if split == ALL else (split,)


def _rows(
    frames: Iterable[Frame],
    results: Results,
    categories: CategoryMap,
    split: str,
    left_out: list[str],
    progress: Any,
    looked: ResultRemarks,
) -> Iterator[FrameDetections]:
    for count, frame in enumerate(frames, start=1):
        progress(count)
        detections = results.of(frame)
        if detections is None:
            left_out.append(frame.frame_id)
            continue
        row = FrameDetections.of(
            categories.mapped(frame),
            detections,
            categories=categories.categories,
            split=split,
            detector=DETECTOR,
            source=[obj.category for obj in frame.objects],
        )
        _look(looked, row, results)
        yield row


def _left_out(names: list[str], frames: int) -> list[str]:
    """The remark on frames that the results do not speak of."""
    if not names:
        return []
    return [f"no result for {len(names)} of the {frames} frames, such as {shown(names[0])[1:-1]}"]


def _ids_told(results: Results, categories: CategoryMap) -> dict[int, str] | None:
    """The category numbers that the results have, with their names; None where they have names."""
    return {n: categories.categories[label - 1] for label, n in results.said.items() if label} or None


def _look(looked: ResultRemarks, row: FrameDetections, results: Results) -> None:
    """Shows a judged frame to the remarks, its boxes and categories as the results have them."""
    detections, true = row.detections, row.objects
    boxes = detections.boxes.astype(np.float64)
    if results.layout == "xywh":
        boxes[:, 2:] -= boxes[:, :2]
    said = np.vectorize(lambda label: results.said.get(label, label), otypes=[np.int64])
    kept = ~true.ignore
    looked.add(
        row.frame_id,
        (row.width, row.height),
        true.boxes[kept],
        said(true.labels[kept]),
        boxes,
        said(detections.labels),
        detections.scores,
    )


def _failures(uri: str, metrics: Metrics, categories: CategoryMap) -> Iterator[Failure]:
    return find_failures(read_detections(uri), metrics.cutoff, categories.categories)


def _open_results(
    place: str, dataset: DatasetReader, split: str, categories: CategoryMap, detector: str | None
) -> Results:
    """By what lies there: a folder is KITTI's, JSON is COCO's, Parquet is an evaluation."""
    if not storage.exists(place):
        raise UserError(
            f"{place}: there is nothing there; give COCO results (JSON), a KITTI result folder, or an "
            "evaluation's detections.parquet"
        )
    if storage.name_of(place).endswith(".parquet"):
        return EvaluatedResults(place, categories, detector)
    if storage.is_folder(place):
        return KittiResults(place, categories)
    if isinstance(dataset, CocoReader):
        # A results file is of a dataset's own list, whichever of our splits its images went to.
        ids = {name: dataset.image_ids(name) for name in SPLITS if dataset.splits()[name]}
        asked = {frame: image for part in _splits(split) for frame, image in ids.get(part, {}).items()}
        names = {key: name for part in ids for key, name in dataset.category_ids(part).items()}
        known = {image for images in ids.values() for image in images.values()}
        files = {image: name for part in ids for image, name in dataset.image_names(part).items()}
        files |= {image: name for part in _splits(split) for image, name in dataset.image_names(part).items()}
        return CocoResults(place, asked, names, categories, known, files)
    if isinstance(dataset, YoloReader):
        asked_ids = [i for part in _splits(split) for i in dataset.splits()[part]]
        numbering = dataset.numbering() or Numbering.of_digits(categories.mapping)
        return yolo_results(place, asked_ids, dataset.image_files(), numbering, categories)
    raise UserError(f"{place}: COCO results are for a COCO or YOLO dataset; this one is {dataset.kind!r}")


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in counts.most_common())
