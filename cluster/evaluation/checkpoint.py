"""`imitate evaluate`: any checkpoint on any split, by the same code as in the loop."""

from __future__ import annotations

import tempfile
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from cluster.config.schema import Config
from cluster.evaluation.ray_data import EvaluationPart, evaluate
from cluster.observability.console import Reporter
from cluster.runtime.ray_session import cluster_address, start_ray
from cluster.workspace.run_folder import Workspace
from imitation.common import storage
from imitation.common.settings import UserError
from imitation.data.categories import CategoryMap
from imitation.data.splits import PREPARED
from imitation.datasets.base import ALL, frames_of
from imitation.datasets.parquet.files import read_ids, write_frames
from imitation.detectors.checkpoint import read_info
from imitation.diagnosis.cycle_analysis import analyse, by_protocol
from imitation.diagnosis.failure_modes import find_modes
from imitation.evaluation.detection_files import read_detections
from imitation.evaluation.failures import find_failures, write_failures
from imitation.metrics.summary import summarize

NAME = "checkpoint"


def evaluate_checkpoint(
    checkpoint: str, config: Config, split: str, out: str | None, reporter: Reporter
) -> dict[str, Any]:
    """Metrics of a checkpoint on `split`: of the dataset that the configuration names, or, for the
    embedded world (`data.kind: world`), of the run that the checkpoint lies in. `split` may be "all": every
    frame once, whatever its split.

    The operating threshold is the checkpoint's own; a checkpoint without one gets it from these very
    frames, and the result says so. With `out`, writes detections.parquet, failures.parquet and
    metrics.json there. Raises UserError if there is no such checkpoint or data.
    """
    info = read_info(checkpoint)
    known = info.trained_on.get("category_map")
    categories = CategoryMap.from_json(known) if known else CategoryMap.identity(info.categories)
    with _scratch(config, checkpoint, out) as scratch:
        folder = out or scratch
        storage.check_writable(folder)
        problems: list[str] = []
        uris = _frames(checkpoint, config, split, scratch, problems)
        _say_seen(checkpoint, config, split, reporter)
        detections = storage.join(folder, "detections.parquet")
        start_ray(config)
        with reporter.bar(f"evaluating {split}", sum(len(read_ids(uri)) for uri in uris)) as bar:
            done = evaluate(
                [EvaluationPart(uri, split, (NAME,)) for uri in uris],
                {NAME: storage.absolute(checkpoint)},
                categories,
                detections,
                config.evaluate,
                config.data.on_error,
                bar.update,
                config.ray.placement_timeout_s,
            )

        def rows() -> Any:
            return read_detections(detections)

        metrics = summarize(rows, categories.categories, split, info.operating, config.evaluate.min_objects)
        result = metrics.to_dict() | {
            "threshold_chosen_on": "val" if info.operating_threshold is not None else split,
            "errors_listed": problems + done["errors"],
        }
        rng = np.random.default_rng([config.run.seed, zlib.crc32(b"evaluate")])
        analysis = analyse(rows, categories.categories, metrics.cutoff, rng)
        analysis["error_types"] = analysis.pop("errors")  # `errors` are frames that could not be read
        result |= analysis
        modes = find_modes(rows, categories.categories, metrics.cutoff, config.mining.modes)
        result["modes"] = [counts.to_dict() for counts in modes.table]
        result |= by_protocol(config.data.dataset.protocol, rows(), categories.categories)
        if out:
            found = find_failures(rows(), metrics.cutoff, categories.categories)
            write_failures(found, storage.join(out, "failures.parquet"))
            storage.write_json(storage.join(out, "metrics.json"), result)
    return result


@contextmanager
def _scratch(config: Config, checkpoint: str, out: str | None) -> Iterator[str]:
    """A folder for intermediate files. On a cluster every node must reach it: it is beside the checkpoint,
    unless `out` is given."""
    if not cluster_address(config.ray):
        with tempfile.TemporaryDirectory(prefix="imitate-evaluate-") as folder:
            yield folder
        return
    place = storage.absolute(out or storage.parent(storage.absolute(checkpoint)))
    folder = storage.join(place, f".evaluate-{uuid.uuid4().hex[:8]}")
    try:
        yield folder
    finally:
        storage.delete(folder)


def _say_seen(checkpoint: str, config: Config, split: str, reporter: Reporter) -> None:
    """Says so if the detector was trained on such frames, by the run that it is in."""
    if config.data.is_stand_in and split in ("train", ALL):
        reporter.say(
            f"note: {checkpoint} was trained on frames of this split: its score says nothing of new ones"
        )


def _frames(checkpoint: str, config: Config, split: str, scratch: str, problems: list[str]) -> list[str]:
    if config.data.is_stand_in:
        return _of_its_run(checkpoint, PREPARED if split == ALL else (split,))
    dataset = config.data.open().undivide() if split == ALL else config.data.open()
    skip = (lambda error: problems.append(str(error))) if config.data.on_error == "skip" else None
    uri = storage.join(scratch, f"{split}.parquet")
    if not write_frames(frames_of(dataset, split, skip), uri):
        raise UserError(
            f"{dataset.root}: split {split!r} has no usable frame ({len(problems)} with problems)"
        )
    return [uri]


def _of_its_run(checkpoint: str, splits: tuple[str, ...]) -> list[str]:
    folder = storage.absolute(storage.suffixed(checkpoint, ""))
    for _ in range(4):
        folder = storage.parent(folder)
        uris = [Workspace(folder).split(split) for split in splits]
        if all(map(storage.exists, uris)):
            return uris
    raise UserError(
        f"{checkpoint} lies in no run's folder, so there is no data to evaluate it on; "
        "name some: data.kind=kitti data.root=FOLDER"
    )
