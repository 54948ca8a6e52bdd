"""What a setting of training does to accuracy and speed, on KITTI's train list alone, cut by drive.

    python -m benchmarks.settings_compared KITTI --keep DIR --way base= \\
        --way bf16=train.precision=bf16 --way two=detector.trainable_layers=2

The drives of the train list are cut into as many folds as there are seeds; seed k trains on all folds but the
k-th and is tested on that one, so each frame is tested once a way. The val list stays closed. A way is the
first one with other settings, `section.key=value` of `train` or `detector`, joined by commas. `--keep` keeps
each finished training: the same command goes on after the last one. Prints mAP50 of all frames together, its
difference to the first way with a paired 95 % interval (bootstrap over drives; each fold had a seed of its
own, so seeds are drawn with the drives), that difference fold by fold (a fold may hold two objects of a
category: then single objects move it by tens of points), and processor-seconds an image in training; then one
JSON object as the last line.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from imitation.data.images import load_frame_image
from imitation.data.records import Frame
from imitation.datasets.kitti.files import kitti_splits, read_kitti
from imitation.datasets.kitti.reader import KittiReader
from imitation.datasets.parquet.files import write_frames
from imitation.detectors.predictor import Predictor
from imitation.detectors.registry import build_detector
from imitation.detectors.settings import DetectorSettings
from imitation.evaluation.detection_files import read_detections, write_detections
from imitation.evaluation.detections import FrameDetections
from imitation.metrics.average_precision import average_precisions
from imitation.metrics.statistics.seed_comparison import MAP50, Bench, Judged, read_outcomes
from imitation.training.batches import Batches, SamplePlan
from imitation.training.loop import start, train
from imitation.training.samples import CachedSource, FrameSource
from imitation.training.settings import TrainSettings

CATEGORIES = KittiReader.categories
RESAMPLES = 1000


def cut(frames: Sequence[Frame], folds: int) -> list[list[Frame]]:
    """Whole drives, largest first, each to the fold with the fewest frames so far."""
    drives: dict[str, list[Frame]] = {}
    for frame in frames:
        drives.setdefault(frame.sequence or frame.frame_id, []).append(frame)
    parts: list[list[Frame]] = [[] for _ in range(folds)]
    for name in sorted(drives, key=lambda name: (-len(drives[name]), name)):
        min(parts, key=len).extend(drives[name])
    return parts


def settings(words: str, options: argparse.Namespace) -> tuple[DetectorSettings, TrainSettings]:
    given: dict[str, dict[str, Any]] = {
        "detector": {"width": options.width, "height": options.height, "backbone": options.backbone},
        "train": {"steps": options.steps, "cache_mb": 1024, "report_every": 10_000},
    }
    for word in filter(None, words.split(",")):
        key, value = word.split("=", 1)
        section, name = key.split(".", 1)
        given[section][name] = yaml.safe_load(value)
    return DetectorSettings.model_validate(given["detector"]), TrainSettings.model_validate(given["train"])


def one(real: str, tested: list[Frame], words: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """One training and its test: rows of detections, and processor-seconds of each image trained on."""
    shape, training = settings(words, options)
    assert shape.width
    assert shape.height
    torch.manual_seed(seed)
    model = build_detector(shape, len(CATEGORIES.categories))
    source = FrameSource([real], [], CATEGORIES, exclude=[frame.frame_id for frame in tested])
    plan = SamplePlan(np.zeros(len(source), dtype=bool), training.batch_size, seed)
    device = torch.device("cpu")
    with Batches(
        CachedSource(source, training.cache_mb), plan, shape.width, shape.height, training.augment,
        start=0, stop=training.steps, threads=training.decode_threads,
    ) as batches:  # fmt: skip
        state = start(model, training)
        wall, cpu = time.perf_counter(), time.process_time()
        train(state, batches, training, device, freeze_batch_norm=shape.weights is not None)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    model.load_state_dict(state.checkpoint_weights())
    predictor = Predictor(
        model, CATEGORIES.categories, shape.width, shape.height, precision=training.precision
    )
    found = predictor.predict([load_frame_image(frame) for frame in tested])
    rows = [
        FrameDetections.of(
            CATEGORIES.mapped(frame), each, categories=CATEGORIES.categories, split="fold", detector="way"
        )
        for frame, each in zip(tested, found, strict=True)
    ]
    images = training.steps * training.batch_size
    return {"rows": rows, "cpu": cpu / images, "wall": wall / images}


def measure(options: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    keep = Path(options.keep)
    keep.mkdir(parents=True, exist_ok=True)
    names = (kitti_splits(options.kitti) or {})["train"]
    frames = list(read_kitti(options.kitti, names))
    folds = cut(frames, options.seeds)
    results: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        real = str(Path(folder) / "real.parquet")
        write_frames(frames, real)
        for seed, tested in enumerate(folds):
            for way in options.way:
                name, words = way.split("=", 1)
                kept = keep / f"{name}-{options.steps}-{options.width}x{options.height}-{seed}"
                if not kept.with_suffix(".json").exists():
                    done = one(real, tested, words, seed, options)
                    write_detections(
                        done.pop("rows"), str(kept.with_suffix(".parquet")), CATEGORIES.categories
                    )
                    kept.with_suffix(".json").write_text(json.dumps(done | {"words": words}))
                done = json.loads(kept.with_suffix(".json").read_text())
                if done["words"] != words:
                    raise SystemExit(
                        f"{kept}.json is of {done['words']!r}, not {words!r}: name the way otherwise"
                    )
                done["uri"] = str(kept.with_suffix(".parquet"))
                done["rows"] = list(read_detections(done["uri"]))
                results.setdefault(name, []).append(done)
                print(f"seed {seed}, {name}: mAP50 {map50(done['rows']):.1f}", flush=True)
    return results


def map50(rows: Sequence[FrameDetections]) -> float:
    return 100 * (average_precisions(rows, CATEGORIES.categories).map50 or 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kitti", help="a KITTI folder with ImageSets/train.txt and the drives' mapping")
    parser.add_argument("--way", action="append", required=True, metavar="NAME=SETTINGS")
    parser.add_argument("--keep", required=True, metavar="DIR", help="folder of finished trainings")
    parser.add_argument("--seeds", type=int, default=5, help="and folds")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--height", type=int, default=160)
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    results = measure(options)
    outcomes = {
        name: read_outcomes(
            tuple(Judged(part["uri"], "fold", "way", 0.5) for part in parts),  # AP has no threshold
            CATEGORIES.categories,
        )
        for name, parts in results.items()
    }
    first = next(iter(results))
    bench = Bench(outcomes[first], RESAMPLES, np.random.default_rng(0), at50=True)
    measured = {name: bench.measure({0: outcome}) for name, outcome in outcomes.items()}
    table = {}
    print(
        f"{'way':12}{'mAP50':>8}{'difference':>12}{'95 % interval':>18}{'cpu-s an image':>16}   fold by fold"
    )
    for name, parts in results.items():
        gain = bench.difference(measured[first], measured[name], MAP50)
        found = 100 * float(measured[name].estimates[0, 0])
        of_folds = [map50(part["rows"]) for part in parts]
        each = [a - map50(part["rows"]) for a, part in zip(of_folds, results[first], strict=True)]
        cpu = statistics.median(part["cpu"] for part in parts)
        low, middle, high = (
            math.nan if value is None else 100 * value for value in (gain.low, gain.estimate, gain.high)
        )
        print(
            f"{name:12}{found:>8.1f}{middle:>+12.1f}{f'{low:+.1f} to {high:+.1f}':>18}{cpu:>16.4f}   "
            + " ".join(f"{value:+.1f}" for value in each)
        )
        table[name] = {
            "map50": found, "of_folds": of_folds, "difference": middle, "low": low, "high": high,
            "cpu_seconds_an_image": cpu,
        }  # fmt: skip
    known = vars(options) | {"torch": torch.__version__, "python": platform.python_version()}
    print(json.dumps({"benchmark": "settings_compared", "settings": known, "ways": table}))


if __name__ == "__main__":
    main()
