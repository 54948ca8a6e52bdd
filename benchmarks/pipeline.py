"""Frames a second of the evaluation pass beside a bare PyTorch loop over the same frames, once warm.

    python -m benchmarks.pipeline [--frames 1200 --width 640 --height 192]

Ours is `cluster.evaluation.ray_data.evaluate`: a worker reads Parquet, decodes, infers and makes rows, the
driver writes them; then failures are matched. Once warm: the seconds of an eighth of the frames, start-up
included, are taken off those of all frames. From its start: all of a pass. The bare loop decodes the same
bytes from memory and runs the model, its own imports left out. They take turns. `--memory` measures instead
the peak memory of all processes at a tenth of the frames and at all of them. Prints a table, then one JSON
object as the last line.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.training import CATEGORIES, make_frames
from cluster.config.parse import load_defaults
from cluster.evaluation.ray_data import EvaluationPart, evaluate
from cluster.observability.memory import PeakMemory
from cluster.runtime.ray_session import start_ray
from imitation.data.records import Frame
from imitation.datasets.parquet.files import write_frames
from imitation.detectors.checkpoint import load_checkpoint, save_checkpoint
from imitation.detectors.precision import autocast
from imitation.detectors.registry import build_detector
from imitation.detectors.settings import DetectorSettings
from imitation.evaluation.detection_files import read_detections
from imitation.evaluation.failures import Fates

THRESHOLD = 0.5
BATCH = 16
FROM_ITS_START = "ours, from its start"


def repeated(frames: list[Frame], count: int) -> list[Frame]:
    """So many frames, those given over and over under new ids."""
    return [replace(frames[i % len(frames)], frame_id=f"{i:07}") for i in range(count)]


def save_untrained(folder: str, options: argparse.Namespace) -> None:
    torch.manual_seed(0)
    settings = DetectorSettings(
        backbone=options.backbone, weights=None, width=options.width, height=options.height
    )
    model = build_detector(settings, len(CATEGORIES.categories))
    save_checkpoint(folder, model.state_dict(), settings, CATEGORIES.categories, {})


def ours(uri: str, checkpoint: str, out: str) -> float:
    """Seconds of one evaluation, matching included."""
    began = time.perf_counter()
    evaluate(
        [EvaluationPart(uri, "test", ("main",))],
        {"main": checkpoint},
        CATEGORIES,
        out,
        load_defaults().evaluate,
    )
    fates = Fates(THRESHOLD)
    for row in read_detections(out):
        fates.add(row)
    return time.perf_counter() - began


def bare(frames: list[Frame], checkpoint: str) -> float:
    """Frames a second of decoding, resizing and the model in the same precision, nothing else."""
    predictor, _ = load_checkpoint(checkpoint)
    model, size = predictor.model, (predictor.width, predictor.height)
    began = time.perf_counter()
    with torch.inference_mode(), autocast(predictor.precision, predictor.device, model):
        for start in range(0, len(frames), BATCH):
            images = [Image.open(io.BytesIO(frame.image or b"")) for frame in frames[start : start + BATCH]]
            resized = [np.asarray(image.convert("RGB").resize(size, Image.BILINEAR)) for image in images]
            batch = torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2).float().div_(255)
            model(list(batch.to(predictor.device).unbind(0)))
    return len(frames) / (time.perf_counter() - began)


def speed(options: argparse.Namespace, folder: Path, checkpoint: str) -> dict[str, list[float]]:
    frames = repeated(make_frames(32), options.frames)
    few = options.frames // 8
    for name, part in (("few", frames[:few]), ("all", frames)):
        write_frames(part, str(folder / f"{name}.parquet"))
    out = str(folder / "detections.parquet")
    names = ("ours", FROM_ITS_START, "bare loop", f"ours, seconds of {few}")
    found: dict[str, list[float]] = {name: [] for name in names}
    bare(frames[:BATCH], checkpoint)
    ours(str(folder / "few.parquet"), checkpoint, out)
    for _ in range(options.repeats):
        short = ours(str(folder / "few.parquet"), checkpoint, out)
        long = ours(str(folder / "all.parquet"), checkpoint, out)
        found[FROM_ITS_START].append(options.frames / long)
        found["ours"].append((options.frames - few) / (long - short))
        found[f"ours, seconds of {few}"].append(short)
        found["bare loop"].append(bare(frames, checkpoint))
    return found


def memory(options: argparse.Namespace, folder: Path, checkpoint: str) -> dict[str, list[float]]:
    """Peak MiB of this process and its children, Ray's included, at a tenth of the frames and at all."""
    base = make_frames(32)
    found: dict[str, list[float]] = {}
    for count in (options.frames // 10, options.frames):
        uri = str(folder / f"frames-{count}.parquet")
        write_frames(iter(repeated(base, count)), uri)
        peak = PeakMemory()
        peak.run_begins()
        ours(uri, checkpoint, str(folder / "detections.parquet"))
        peak.run_ends()
        found[f"{count} frames, peak MiB"] = [peak.peak_mb or float("nan")]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=1200)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=192)
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--memory", action="store_true")
    options = parser.parse_args()
    start_ray(load_defaults())
    with tempfile.TemporaryDirectory() as name:
        checkpoint = str(Path(name) / "checkpoint")
        save_untrained(checkpoint, options)
        found = (memory if options.memory else speed)(options, Path(name), checkpoint)
    print(f"{'frames a second':28}{'median':>8}{'lowest':>8}{'highest':>8}")
    for title, values in found.items():
        print(f"{title:28}{statistics.median(values):8.1f}{min(values):8.1f}{max(values):8.1f}")
    result = {
        "benchmark": "pipeline",
        "settings": vars(options),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
        "measured": {title: [round(v, 2) for v in values] for title, values in found.items()},
    }
    if not options.memory:
        plain = statistics.median(found["bare loop"])
        for key, name in (("ratio", "ours"), ("from_its_start", FROM_ITS_START)):
            result[key] = round(statistics.median(found[name]) / plain, 3)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
