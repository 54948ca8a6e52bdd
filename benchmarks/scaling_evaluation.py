"""Evaluation of ever more tiny frames: frames a second of each step, and what the driver's memory grows by.

    python -m benchmarks.scaling_evaluation [--frames 10000 100000 --actors 1]

The frames are 32x32 px JPEGs, stored once; the detector is a toy that finds three boxes in each (of two
objects), so that what is measured is everything but the network. The steps are those of a run: the pass
to `detections.parquet`, then metrics, analysis, failure modes, failures and what became of
them, by streaming that file. Memory is the driver's own (anonymous pages, sampled), as growth over the same
step on `--warm-up` frames, a detection. Prints a table, then one JSON object as the last line.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor, nn

from cluster.config.evaluate import EvaluateSettings
from cluster.config.parse import load_defaults
from cluster.evaluation.one_pass import evaluate
from cluster.evaluation.worker import EvaluationPart
from cluster.runtime.ray_session import start_ray
from imitation.data.categories import CategoryMap
from imitation.data.images import encode_jpeg
from imitation.data.records import SCHEMA, Box, Frame, Object
from imitation.datasets.parquet.files import write_frames
from imitation.detectors.checkpoint import save_checkpoint
from imitation.detectors.registry import build_detector
from imitation.detectors.settings import DetectorSettings
from imitation.diagnosis.cycle_analysis import analyse, by_protocol
from imitation.diagnosis.failure_modes import find_modes
from imitation.diagnosis.failure_tracking import Judge, count_followed, follow
from imitation.evaluation.detection_files import read_detections
from imitation.evaluation.failures import FAILURES_SCHEMA, failure_batches, find_failures
from imitation.metrics.summary import summarize

SIZE = 32
BATCH = 512
CATEGORIES = CategoryMap.identity(("Car", "Pedestrian"))
TOY = "benchmarks.scaling_evaluation:make_toy"
LIMIT = 200  # bytes a detection


class Toy(nn.Module):
    """Three boxes in every image: one right, one badly placed, one on nothing; scores by the image's place
    in the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.boxes = torch.tensor([[2.0, 2, 14, 14], [18, 20, 31, 31], [1, 22, 9, 31]])
        self.labels = torch.tensor([1, 2, 1])

    def forward(self, images: list[Tensor]) -> list[dict[str, Tensor]]:
        found = []
        for number in range(len(images)):
            scores = torch.tensor([0.9, 0.5, 0.3]) - 0.02 * number
            found.append({"boxes": self.boxes, "labels": self.labels, "scores": scores})
        return found


def make_toy(settings: DetectorSettings, num_categories: int) -> nn.Module:
    return Toy()


def write_tiny(folder: Path, count: int) -> str:
    """`count` frames in one Parquet file as the application writes it; all name one image file."""
    image = folder / "tiny.jpg"
    pixels = np.random.default_rng(0).integers(0, 255, (SIZE, SIZE, 3), dtype=np.uint8)
    image.write_bytes(encode_jpeg(pixels))
    rng = np.random.default_rng(1)
    frames = []
    for _ in range(BATCH):
        x, y = rng.uniform(0, 4, 2)
        objects = (
            Object("Car", Box(2 + x, 2 + y, 14 + x, 14 + y), occlusion=float(rng.random()), truncation=0.0),
            Object("Pedestrian", Box(16, 16, 28, 30), occlusion=0.2, truncation=0.0),
        )
        frames.append(Frame("x", SIZE, SIZE, objects, image_uri=str(image)))
    pattern = str(folder / "pattern.parquet")
    write_frames(frames, pattern)
    rows = pq.read_table(pattern)
    uri = folder / f"frames-{count}.parquet"
    with pq.ParquetWriter(uri, SCHEMA, compression="zstd") as writer:
        for start in range(0, count, BATCH):
            size = min(BATCH, count - start)
            ids = pa.array([f"frame-{i:08d}" for i in range(start, start + size)], pa.string())
            part = rows.slice(0, size)
            part = part.set_column(part.schema.get_field_index("frame_id"), SCHEMA.field("frame_id"), ids)
            writer.write_table(part.cast(SCHEMA), row_group_size=BATCH)
    return str(uri)


class Anonymous:
    """The most anonymous memory (MiB) that this process held in a block, and its seconds."""

    def __enter__(self) -> Anonymous:
        self.peak_mb, self._stop = _anonymous_mb(), threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        self._began = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds = time.perf_counter() - self._began
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(0.05):
            self.peak_mb = max(self.peak_mb, _anonymous_mb())


def _anonymous_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("/proc/self/status has no RssAnon; this benchmark needs Linux")


def steps(
    folder: Path, frames: str, checkpoint: str, settings: EvaluateSettings
) -> dict[str, Callable[[], Any]]:
    """What a run does with one split, in order."""
    out = str(folder / "detections.parquet")
    names = CATEGORIES.categories

    def rows() -> Any:
        return read_detections(out)

    def failures() -> int:
        count = 0
        with pq.ParquetWriter(folder / "failures.parquet", FAILURES_SCHEMA) as writer:
            for batch in failure_batches(find_failures(rows(), 0.4, names)):
                writer.write_batch(batch)
                count += batch.num_rows
        return count

    part = EvaluationPart(frames, "test", ("main",))
    judge = Judge(names, 0.4)
    return {
        "evaluate": lambda: evaluate([part], {"main": checkpoint}, CATEGORIES, out, settings),
        "read": lambda: sum(1 for _ in rows()),
        "metrics": lambda: summarize(rows, names, "test"),
        "analysis": lambda: analyse(rows, names, 0.4, np.random.default_rng(0)),
        "protocol (kitti)": lambda: by_protocol("kitti", rows(), names),
        "protocol (waymo)": lambda: by_protocol("waymo", rows(), names),
        "modes": lambda: find_modes(rows, names, 0.4),
        "failures": failures,
        "following": lambda: count_followed(
            follow(rows(), rows(), judge, judge), lambda failure: failure.kind
        ),
    }


def measure(
    folder: Path, count: int, checkpoint: str, settings: EvaluateSettings, only: list[str]
) -> dict[str, dict[str, float]]:
    frames = write_tiny(folder, count)
    found: dict[str, dict[str, float]] = {}
    for name, step in steps(folder, frames, checkpoint, settings).items():
        if only and name not in (*only, "evaluate"):
            continue
        with Anonymous() as memory:
            step()
        found[name] = {"seconds": memory.seconds, "peak_mb": memory.peak_mb}
        print(f"{count} frames, {name}: {memory.seconds:.1f} s, {memory.peak_mb:.0f} MiB", file=sys.stderr)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--warm-up", type=int, default=2_000)
    parser.add_argument("--actors", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=1024)
    parser.add_argument("--steps", nargs="+", default=[], help="these alone, beside the evaluation")
    options = parser.parse_args()
    start_ray(load_defaults())
    settings = EvaluateSettings(actors=options.actors, batch_size=options.batch_size, threads=1)
    results: dict[int, dict[str, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkpoint = str(folder / "checkpoint")
        detector = DetectorSettings(name=TOY, width=SIZE, height=SIZE)
        save_checkpoint(
            checkpoint, build_detector(detector, 2).state_dict(), detector, CATEGORIES.categories, {}
        )
        base = measure(folder, options.warm_up, checkpoint, settings, options.steps)
        base = measure(folder, options.warm_up, checkpoint, settings, options.steps)
        for count in options.frames:
            results[count] = measure(folder, count, checkpoint, settings, options.steps)
            for step, values in results[count].items():
                more = 3 * (count - options.warm_up)
                values["frames_per_second"] = round(count / values["seconds"], 1)
                grown = (values["peak_mb"] - base[step]["peak_mb"]) * 2**20
                values["bytes_per_detection"] = round(max(0.0, grown) / more, 1)
    print(f"{'step':18}{'frames':>9}{'seconds':>10}{'frames/s':>10}{'peak MiB':>10}{'bytes/detection':>17}")
    for count, found in results.items():
        for step, values in found.items():
            print(
                f"{step:18}{count:9}{values['seconds']:10.1f}{values['frames_per_second']:10.0f}"
                f"{values['peak_mb']:10.0f}{values['bytes_per_detection']:17.1f}"
            )
    worst = max(v["bytes_per_detection"] for found in results.values() for v in found.values())
    result = {
        "benchmark": "scaling_evaluation",
        "settings": vars(options),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "load": os.getloadavg()[0],
        "detections_per_frame": 3,
        "measured": {str(count): found for count, found in results.items()},
        "most_bytes_per_detection": worst,
        "within_limit": worst <= LIMIT,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
