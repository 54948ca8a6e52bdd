"""What synthetic frames alone teach: a detector trained on nothing else, tested on real KITTI frames.

    imitate render --like KITTI --count 58 --variations 4 --out SIM
    python -m benchmarks.realism KITTI --arm sim=SIM/frames.parquet [--arm ...] [--real] [--seeds 3]

Vehicle AP: Car, Van and Truck as one class, 40 recall points, IoU 0.5, boxes of 25 px and more at full
size (lower ones, and DontCare, excuse a detection). Every arm trains the same detector for the same steps;
`--real` is an arm of the train frames themselves. Where choices are made, use `--folds K`: frames are then
tested inside the train list, each on detectors whose arms lack it and everything re-staged from it; the val
list stays closed. `--keep DIR` keeps what each finished training found: the same command goes on after the
last one. Prints a table, with intervals over seeds and drives, then one JSON object as the last line.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from imitation.data.categories import CategoryMap
from imitation.data.images import load_frame_image
from imitation.data.records import Frame
from imitation.datasets.kitti.files import kitti_splits, read_kitti
from imitation.datasets.parquet.files import write_frames
from imitation.datasets.parquet.store import FrameStore
from imitation.detectors.predictor import Predictor
from imitation.detectors.registry import build_detector
from imitation.detectors.settings import DetectorSettings
from imitation.evaluation.detections import Detections, FrameDetections, GroundTruth
from imitation.metrics.coco_matching import match_frames
from imitation.metrics.curves import interpolated_precision
from imitation.metrics.statistics.bootstrap import CONFIDENCE
from imitation.training.batches import Batches, SamplePlan
from imitation.training.loop import start, train
from imitation.training.samples import CachedSource, FrameSource
from imitation.training.settings import TrainSettings

VEHICLES = CategoryMap(("vehicle",), dict.fromkeys(("Car", "Van", "Truck"), "vehicle"))
MIN_HEIGHT = 25.0  # px at full size
RECALL_POINTS = np.linspace(1 / 40, 1, 40)
IOU = np.array([0.5])
RESAMPLES = 1000


@dataclass(frozen=True)
class Budget:
    """One training, the same for every arm."""

    detector: DetectorSettings
    training: TrainSettings


@dataclass(frozen=True)
class Judged:
    """One frame under one detector: scores and hits of the judged detections, and the objects to find."""

    scores: np.ndarray
    hits: np.ndarray
    objects: int


def judged(found: Detections, frame: Frame) -> Judged:
    mapped = VEHICLES.mapped(frame)
    objects = tuple(replace(obj, ignore=obj.ignore or obj.box.height < MIN_HEIGHT) for obj in mapped.objects)
    true = GroundTruth.of(objects, VEHICLES.categories)
    row = FrameDetections(frame.frame_id, "", "", frame.width, frame.height, found, true)
    matched = match_frames([row], IOU)
    kept = matched.not_judged & 1 == 0
    return Judged(matched.scores[kept], matched.found[kept] & 1, int((~true.ignore).sum()))


def average_precision(frames: Sequence[Judged]) -> float:
    """AP over 40 recall points; ties by frame order."""
    scores = np.concatenate([frame.scores for frame in frames])
    hits = np.concatenate([frame.hits for frame in frames])
    objects = sum(frame.objects for frame in frames)
    return interpolated_precision(hits[np.argsort(-scores, kind="stable")], objects, RECALL_POINTS)


def detector(source: FrameSource, budget: Budget, seed: int) -> Predictor:
    """Trains on everything in the source, which counts as one part."""
    torch.manual_seed(seed)
    settings, shape = budget.training, budget.detector
    assert shape.width
    assert shape.height
    model = build_detector(shape, 1)
    plan = SamplePlan(np.zeros(len(source), dtype=bool), settings.batch_size, seed)
    with Batches(
        CachedSource(source, settings.cache_mb), plan, shape.width, shape.height, settings.augment,
        start=0, stop=settings.steps, threads=settings.decode_threads,
    ) as batches:  # fmt: skip
        state = train(
            start(model, settings), batches, settings, torch.device("cpu"),
            freeze_batch_norm=shape.weights is not None,
        )  # fmt: skip
    model.load_state_dict(state.checkpoint_weights())
    return Predictor(model, VEHICLES.categories, shape.width, shape.height)


def parents(path: str) -> dict[str, str]:
    """Frame ids of an arm -> the frame that each was re-staged from."""
    store = FrameStore([path], ("objects", "origin"), 0)
    found = {}
    for index, frame_id in enumerate(store.frame_ids):
        origin = store.frame(index).origin
        found[frame_id] = origin.parent if origin and origin.parent else frame_id
    return found


def splits(
    options: argparse.Namespace, train_ids: list[str], val_ids: list[str]
) -> Iterator[tuple[int, list[str]]]:
    """The frames of each test: all val frames once, or fold by fold of the train frames."""
    if not options.folds:
        yield 0, val_ids
        return
    order = np.random.default_rng(options.fold_seed).permutation(len(train_ids))
    for fold in range(options.folds):
        yield fold, [train_ids[i] for i in sorted(order[fold :: options.folds])]


def measure(
    options: argparse.Namespace, budget: Budget, folder: str
) -> tuple[dict[str, list[list[Judged]]], list[str]]:
    """For every arm and seed, every test frame judged, in one order; and the drives of these frames."""
    lists = kitti_splits(options.kitti) or {}
    frames = {f.frame_id: f for f in read_kitti(options.kitti, [*lists["train"], *lists["val"]])}
    real = str(Path(folder) / "real.parquet")
    write_frames((frames[name] for name in lists["train"]), real)
    arms = dict(arm.split("=", 1) for arm in options.arm) | ({"real": real} if options.real else {})
    results: dict[str, list[list[Judged]]] = {name: [] for name in arms}
    tests = list(splits(options, lists["train"], lists["val"]))
    drives = [frames[name].sequence or name for _, tested in tests for name in tested]
    for seed in range(options.seeds):
        for name, path in arms.items():
            of = parents(path)
            row: list[Judged] = []
            for fold, tested in tests:
                began = time.perf_counter()
                source = FrameSource([path], [], VEHICLES, include=_without(of, tested))
                kept = _kept(options, path, [seed, fold, tested, budget])
                part = _load(kept) if kept and kept.exists() else None
                if part is None:
                    images = [load_frame_image(frames[f]) for f in tested]
                    found = detector(source, budget, seed).predict(images)
                    part = [judged(d, frames[f]) for d, f in zip(found, tested, strict=True)]
                    if kept:
                        _save(part, kept)
                row += part
                took = time.perf_counter() - began
                print(
                    f"seed {seed}, {name}, fold {fold}: {len(source)} frames learned, {len(tested)} tested, "
                    f"AP {average_precision(part):.3f}, {took:.0f} s",
                    flush=True,
                )
            results[name].append(row)
    return results, drives


def _kept(options: argparse.Namespace, path: str, what: list[object]) -> Path | None:
    """Where the result of a training on these very bytes lies."""
    if not options.keep:
        return None
    digest = hashlib.sha256(Path(path).read_bytes() + repr(what).encode()).hexdigest()
    return Path(options.keep) / f"{digest[:24]}.npz"


def _save(part: Sequence[Judged], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lengths = [len(frame.scores) for frame in part]
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
        np.savez(
            file,
            scores=np.concatenate([frame.scores for frame in part]),
            hits=np.concatenate([frame.hits for frame in part]),
            ends=np.cumsum(lengths),
            objects=[frame.objects for frame in part],
        )
    Path(file.name).replace(path)


def _load(path: Path) -> list[Judged]:
    with np.load(path) as stored:
        ends = stored["ends"][:-1]
        scores, hits = np.split(stored["scores"], ends), np.split(stored["hits"], ends)
        return [Judged(s, h, int(n)) for s, h, n in zip(scores, hits, stored["objects"], strict=True)]


def _without(of: dict[str, str], tested: Collection[str]) -> list[str]:
    return [frame for frame, parent in of.items() if parent not in tested]


Sample = tuple[np.ndarray, np.ndarray]
"""Numbers of the seeds and of the frames of one draw of the bootstrap."""


def samples(seeds: int, drives: Sequence[str]) -> list[Sample]:
    """Draws on two levels: seeds, and drives with all of their frames."""
    rng = np.random.default_rng(0)
    _, of = np.unique(drives, return_inverse=True)
    groups = [np.flatnonzero(of == k) for k in range(of.max() + 1)]
    return [
        (
            rng.integers(seeds, size=seeds),
            np.concatenate([groups[g] for g in rng.integers(len(groups), size=len(groups))]),
        )
        for _ in range(RESAMPLES)
    ]


def drawn(rows: list[list[Judged]], sample: Sample) -> float:
    """The mean AP of a draw's seeds on its frames."""
    seeds, frames = sample
    each = {seed: average_precision([rows[seed][i] for i in frames]) for seed in set(seeds.tolist())}
    return statistics.fmean(each[seed] for seed in seeds.tolist())


def interval(values: Sequence[float]) -> tuple[float, float]:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kitti", help="a KITTI folder with ImageSets/train.txt and val.txt")
    parser.add_argument(
        "--arm", action="append", default=[], metavar="NAME=PARQUET", help="frames to train on"
    )
    parser.add_argument("--real", action="store_true", help="an arm of the real train frames")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folds", type=int, default=0, help="test inside the train list; 0: on the val list")
    parser.add_argument("--fold-seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=192)
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", metavar="DIR", help="folder of finished trainings' results")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    budget = Budget(
        DetectorSettings(backbone=options.backbone, width=options.width, height=options.height),
        TrainSettings(steps=options.steps, batch_size=options.batch, report_every=10_000, cache_mb=1024),
    )
    with tempfile.TemporaryDirectory() as folder:
        results, drives = measure(options, budget, folder)
    print(f"{'arm':16}{'vehicle AP':>11}{'95 % interval':>20}{'minus the first':>28}   of each seed")
    summary: dict[str, dict[str, Any]] = {}
    draws = samples(options.seeds, drives)
    first = [drawn(next(iter(results.values())), draw) for draw in draws]
    for name, rows in results.items():
        values = [average_precision(row) for row in rows]
        resampled = [drawn(rows, draw) for draw in draws]
        low, high = interval(resampled)
        gain = statistics.fmean(values) - summary[next(iter(results))]["ap"] if summary else 0.0
        less, more = interval([a - b for a, b in zip(resampled, first)])
        print(
            f"{name:16}{statistics.fmean(values):>11.3f}{f'{low:.3f} to {high:.3f}':>20}"
            f"{f'{gain:+.3f} ({less:+.3f} to {more:+.3f})':>28}   " + ", ".join(f"{v:.3f}" for v in values)
        )
        summary[name] = {
            "ap": statistics.fmean(values), "seeds": values, "low": low, "high": high,
            "minus_first": {"difference": gain, "low": less, "high": more},
        }  # fmt: skip
    settings = vars(options) | {"torch": torch.__version__, "python": platform.python_version()}
    print(json.dumps({"benchmark": "realism", "settings": settings, "arms": summary}))


if __name__ == "__main__":
    main()
