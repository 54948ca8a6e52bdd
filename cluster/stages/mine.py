"""The loop's middle without our detector: anyone's detections -> failures -> requests -> scenes."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from cluster.config.schema import Config
from cluster.observability.console import Reporter
from cluster.simulation.work_queue import SetAside
from cluster.stages.prepare import common_camera
from cluster.stages.scene_jobs import check_backdrops, scene_jobs, staging_settings
from cluster.stages.stageable import Labels, catalog, feasible
from imitation.common import storage
from imitation.common.reservoir import reservoir
from imitation.common.settings import UserError
from imitation.common.texts import shown
from imitation.data.categories import CategoryMap
from imitation.data.records import Camera, Frame
from imitation.data.splits import SPLITS
from imitation.datasets.base import ALL, DatasetReader, frames_of, whole
from imitation.datasets.category_map import categories_of
from imitation.datasets.coco.reader import CocoReader
from imitation.datasets.numbering import Numbering
from imitation.datasets.settings import DataSettings
from imitation.datasets.yolo.reader import YoloReader
from imitation.diagnosis.failure_modes import find_modes
from imitation.diagnosis.feasibility import out_of_reach
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
from imitation.policies import Mined, build_policy, what_it_adds
from imitation.requests import Request, annealed, check_requests
from sim_actors.simulators.worker import SceneJob
from sim_actors.staging.restage import default_camera
from sim_actors.staging.stage import StagingSettings, Target, asset_names, stageable_names

DETECTOR = "results"
REQUESTS = "requests.json"


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
    dataset = whole(config.data.open())
    problems: list[str] = []
    skip = (lambda error: problems.append(str(error))) if config.data.on_error == "skip" else None
    facts = _Facts()
    frames = facts.seeing(frames_of(dataset, split, skip))
    categories = categories_of(config.data, frames)
    deque(frames, maxlen=0)  # a kind with a map of its own need not look at them
    if not facts.frames:
        raise UserError(f"{dataset.root}: split {split!r} has no usable frame ({len(problems)} problems)")
    results = _open_results(detections, dataset, split, categories, detector)
    uri = storage.join(out, FILE)
    left_out: list[str] = []
    with reporter.stage(f"reading {split}", facts.frames) as bar:
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
    unreachable: Counter[str] = Counter()
    failures = _counting(_failures(uri, metrics, categories), reach, unreachable)
    write_failures(failures, storage.join(out, "failures.parquet"))
    rng = np.random.default_rng([config.run.seed, 0])
    sample = reservoir(_failures(uri, metrics, categories), config.mining.max_failures, rng)
    wanted = budget or max(1, round(config.aggregation.synthetic_per_cycle * facts.frames))
    requests = policy.request(Mined(sample, facts.objects, reach), cycle=1, budget=wanted, rng=rng)
    asked = check_requests(requests, wanted, facts.ids, policy.name)
    requests = annealed(requests, config.policy.strength.at(1))
    storage.write_json(
        storage.join(out, REQUESTS),
        {
            "data": config.data.model_dump(mode="json"),
            "split": split,
            "policy": policy.name,
            "budget": wanted,
            "frames": asked,
            "categories": categories.to_json(),
            "numbering": numbering.to_json() if (numbering := _numbering(dataset, categories)) else None,
            "objects": dict(facts.objects),
            "width": facts.size[0],
            "height": facts.size[1],
            "camera": asdict(camera) if (camera := facts.camera()) else None,
            "requests": [request.to_row() for request in requests],
        },
    )
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
        "out_of_reach": dict(unreachable),
        "requests": len(requests),
        "frames_asked": asked,
        "requests_file": storage.join(out, REQUESTS),
    }


def _numbering(dataset: DatasetReader, categories: CategoryMap) -> Numbering | None:
    """How frames that are rendered for the requests are to be numbered: as the dataset is."""
    renamed = any(a != b and a not in categories.ignore for a, b in categories.mapping.items())
    return dataset.numbering() or (None if renamed else Numbering.in_order(categories.categories))


def _splits(split: str) -> tuple[str, ...]:
    return SPLITS if split == ALL else (split,)


class _Facts:
    """What policies and free scenes need to know of the frames, gathered while they stream by."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.objects: Counter[str] = Counter()
        self._sizes: Counter[tuple[int, int]] = Counter()
        self._cameras: Counter[Camera] = Counter()

    def seeing(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        for frame in frames:
            self.ids.add(frame.frame_id)
            self.objects.update(obj.category for obj in frame.objects if not obj.ignore)
            self._sizes[(frame.width, frame.height)] += 1
            if frame.camera is not None:
                self._cameras[frame.camera] += 1
            yield frame

    @property
    def frames(self) -> int:
        return len(self.ids)

    @property
    def size(self) -> tuple[int, int]:
        return self._sizes.most_common(1)[0][0]

    def camera(self) -> Camera | None:
        return common_camera(list(self._cameras.elements()))


def _counting(
    failures: Iterable[Failure], reach: frozenset[str] | None, unreachable: Counter[str]
) -> Iterator[Failure]:
    """The failures; counts those out of reach by why while they pass."""
    for failure in failures:
        if why := out_of_reach(failure, reach):
            unreachable[why] += 1
        yield failure


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
        found = results.of(frame)
        if found is None:
            left_out.append(frame.frame_id)
            continue
        row = FrameDetections.of(
            categories.mapped(frame),
            found,
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
    found, true = row.detections, row.objects
    boxes = found.boxes.astype(np.float64)
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
        said(found.labels),
        found.scores,
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


def requested_jobs(
    uri: str, config: Config, limit: int | None, reporter: Reporter
) -> tuple[int, Iterator[tuple[Frame | None, SceneJob]]]:
    """The scenes of a requests file that `mine` wrote: how many, and they, each with its parent.

    The dataset is the file's own, or the configuration's where it names a `data.root`. `limit` renders the
    first so many. A scene whose labels cannot be staged is said and left out. Raises UserError for a
    file that is no requests file, or a parent that the dataset no longer has or that may not be a backdrop.
    """
    try:
        told = json.loads(storage.read_text(uri))
        requests = [Request.from_row(row) for row in told["requests"]]
        data = config.data if config.data.root else DataSettings.model_validate(told["data"])
        categories = CategoryMap.from_json(told["categories"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{uri}: is no requests file of `imitate mine`: {error!r}") from None
    dataset = whole(data.open())
    splits = dataset.splits()
    staging = staging_settings(config)
    check_backdrops(requests, {*splits["train"], *splits["mine"]}, staging)
    wanted = {request.parent for request in requests if request.parent is not None}
    parents = {frame.frame_id: frame for frame in frames_of(dataset, told["split"], None, wanted)}
    if missing := sorted(wanted - parents.keys()):
        raise UserError(f"{uri}: frame {missing[0]!r} is not in split {told['split']!r} of {dataset.root}")
    size = (told["width"], told["height"])
    known = catalog(config)
    target = Target(
        convention=data.label_convention(),
        categories=tuple(told["objects"]),
        camera=Camera(**told["camera"]) if told["camera"] else default_camera(*size, config.restage.hfov_deg),
        width=size[0],
        height=size[1],
        catalog=known,
        assets=asset_names(told["objects"], categories.mapping, known),
    )
    total = sum(request.variations for request in requests)
    scenes = _staged(requests, parents, target, staging, reporter)
    return min(total, limit or total), islice(scenes, limit)


def _staged(
    requests: list[Request],
    parents: dict[str, Frame],
    target: Target,
    settings: StagingSettings,
    reporter: Reporter,
) -> Iterator[tuple[Frame | None, SceneJob]]:
    for job in scene_jobs(requests, parents, 1, target, settings):
        if isinstance(job, SetAside):
            reporter.say(f"left out: {job.reason}")
        else:
            yield None if job.parent is None else parents[job.parent], job
