"""The trainings behind `imitate advise --curves`: a quarter, half and all of the real frames, out of fold.

    RUN/advice/stage-train-025-fold-0.json ...   what is finished; a killed command goes on from there
    RUN/advice/025/detector/fold-0/ ...          the detectors
    RUN/advice/025/evaluation/detections.parquet val, and each mined frame by the fold that did not see it

A fold's smaller parts lie in its larger ones, and all are trained for as many steps: data alone differs.
"""

from __future__ import annotations

import zlib
from dataclasses import asdict
from typing import Any

import numpy as np

from cluster.config.schema import Config
from cluster.evaluation.worker import EvaluationPart
from cluster.observability.callbacks import Watch
from cluster.observability.console import Reporter
from cluster.stages import evaluate as judging
from cluster.stages.prepare import RealData, prepare
from cluster.stages.services import Services
from cluster.training.train_loop import TrainSpec, train_detector
from cluster.workspace.lock import RunLock
from cluster.workspace.run_folder import Workspace
from imitation.common.names import fold_name
from imitation.datasets.parquet.files import read_frames
from imitation.evaluation.detection_files import FILE, read_detections
from imitation.metrics.summary import summarize

FRACTIONS = (0.25, 0.5, 1.0)
FOLDER = "advice"


def part_name(fraction: float) -> str:
    """ "025", "050", "100"."""
    return f"{100 * fraction:03.0f}"


def train_curves(config: Config, workspace: Workspace, reporter: Reporter) -> None:
    """Trains and judges what is not yet finished. Raises UserError for a run that another process holds, or
    whose data is gone."""
    with RunLock(workspace.uri, say=reporter.say) as held, Services(config) as services:
        workspace.check = held.check
        watch = Watch(reporter)
        data = prepare(config, workspace, services, watch)
        known = sorted(frame.frame_id for frame in read_frames(data.parts["train"].uri, ("frame_id",)))
        rng = np.random.default_rng([config.run.seed, zlib.crc32(b"curves")])
        order = [known[i] for i in rng.permutation(len(known))]
        for fraction in FRACTIONS:
            named: dict[str, str] = {}
            sizes: dict[str, int] = {}
            for k, held_out in enumerate(data.held_out):
                unseen = set(held_out)
                allowed = [name for name in order if name not in unseen]
                seen = allowed[: max(1, round(fraction * len(allowed)))]
                named[fold_name(k)] = _train(
                    config, workspace, services, watch, data, fraction, k, seen, known
                )
                sizes[fold_name(k)] = len(seen)
            _judge(config, workspace, services, watch, data, fraction, named, sizes)


def _train(
    config: Config,
    workspace: Workspace,
    services: Services,
    watch: Watch,
    data: RealData,
    fraction: float,
    fold: int,
    seen: list[str],
    known: list[str],
) -> str:
    name = fold_name(fold)
    spec = TrainSpec(
        output=workspace.path(FOLDER, part_name(fraction), "detector", name),
        categories=data.categories,
        detector=config.detector.sized(data.width, data.height),
        train=config.train,
        real=(data.parts["train"].uri,),
        seed=config.run.seed,
        exclude=frozenset(known) - frozenset(seen),
        purpose=f"{len(seen)} frames, {name}",
        skip_bad=config.data.on_error == "skip",
    )

    def work() -> dict[str, Any]:
        title = f"training on {len(seen)} of {len(known)} frames, {name}"
        with watch.training(title, 0, name, config.train) as progress:
            result = train_detector(spec, services.launcher(), progress)
        return {k: v for k, v in asdict(result).items() if k != "folder"}

    workspace.stage(f"{FOLDER}/train-{part_name(fraction)}-{name}", work)
    return spec.output


def _judge(
    config: Config,
    workspace: Workspace,
    services: Services,
    watch: Watch,
    data: RealData,
    fraction: float,
    named: dict[str, str],
    sizes: dict[str, int],
) -> None:
    uri = workspace.path(FOLDER, part_name(fraction), "evaluation", FILE)
    fold_of = {frame: fold_name(k) for k, ids in enumerate(data.folds) for frame in ids}
    parts = [
        EvaluationPart(data.parts["val"].uri, "val", tuple(named)),
        EvaluationPart(data.parts["train"].uri, "mine", only=fold_of),
    ]
    total = len(named) * data.parts["val"].frames + len(fold_of)

    def work() -> dict[str, Any]:
        workers = services.detector_workers()
        with watch.evaluating(f"judging {part_name(fraction)} %", total) as progress:
            done = judging.evaluate(
                parts, named, data.categories, uri, config.evaluate, config.data.on_error, progress,
                config.ray.placement_timeout_s, workers,
            )  # fmt: skip
        categories = data.categories.categories
        thresholds = {
            name: summarize(
                list(read_detections(uri, split="val", detector=name)),
                categories,
                "val",
                min_objects=config.evaluate.min_objects,
            ).cutoff
            for name in named
        }
        return done | {"thresholds": thresholds, "sizes": sizes}

    workspace.stage(f"{FOLDER}/evaluate-{part_name(fraction)}", work)
