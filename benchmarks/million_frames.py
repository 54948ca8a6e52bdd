"""Opening a training on a million frames: seconds, bytes a frame, and images a second from there.

    python -m benchmarks.million_frames [--frames 1000000 --whole 50000]

Writes a table of small frames (pictures of 64x64 px, five objects each, row groups of 16 as `write_frames`
makes them) into a temporary folder, and opens it as a training does: beyond 50,000 frames ids alone are read.
Beside it a table of `--whole` frames is opened with all labels read and made into targets, which is what
happens below (and did at every size before): at more than a kilobyte a frame, too much for a million. Each in
a process of its own, that has opened a few frames before; both then draw batches with two threads. They take
turns. Prints a table, then one JSON object as the last line.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from imitation.data.categories import CategoryMap
from imitation.data.images import encode_jpeg
from imitation.data.records import SCHEMA, Box, Frame, Object, frames_to_table

OBJECTS = 5
PAGE = 4096  # frames that are made once, and written again and again under new ids
STEPS, BATCH = 40, 16


def write_table(path: str, count: int, rows_per_group: int) -> None:
    """So many frames, in the layout of `write_frames`."""
    from imitation.datasets.parquet.files import _layout

    rng = np.random.default_rng(0)
    frames = []
    for number in range(min(PAGE, count)):
        picture = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8).repeat(8, axis=0).repeat(8, axis=1)
        corners = rng.uniform(0, 40, (OBJECTS, 2))
        objects = tuple(
            Object(("car", "person")[k % 2], Box(x, y, x + 12.5, y + 9.25), occlusion=0.25 * (k % 3))
            for k, (x, y) in enumerate(corners.tolist())
        )
        frames.append(Frame(f"{number:09}", 64, 64, objects, image=encode_jpeg(picture)))
    page = frames_to_table(frames)
    with pq.ParquetWriter(path, SCHEMA, **_layout()) as writer:
        for start in range(0, count, PAGE):
            part = page.slice(0, min(PAGE, count - start))
            ids = pa.array([f"{number:09}" for number in range(start, start + len(part))])
            writer.write_table(
                part.set_column(0, SCHEMA.field("frame_id"), ids), row_group_size=rows_per_group
            )


def memory() -> int:
    """Bytes that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def opened(path: str, whole: bool, results: Any) -> None:
    """Opens a table and draws batches from it, in a process of its own."""
    import torch

    from imitation.training.batches import Batches, SamplePlan
    from imitation.training.samples import FrameSource
    from imitation.training.settings import AugmentSettings

    torch.set_num_threads(1)
    categories = CategoryMap.identity(("car", "person"))
    warm = FrameSource([str(Path(path).with_name("few.parquet"))], [], categories, in_memory=0)
    with Batches(
        warm, SamplePlan(warm.added, BATCH, 0), 64, 64, AugmentSettings(), start=0, stop=2
    ) as batches:
        list(batches)
    pa.default_memory_pool().release_unused()
    held = memory()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    began, worked = time.perf_counter(), time.process_time()
    source = FrameSource([path], [], categories, in_memory=1 << 60 if whole else 0)
    plan = SamplePlan(source.added, BATCH, seed=0)
    plan.indices(0)
    seconds, cpu = time.perf_counter() - began, time.process_time() - worked
    pa.default_memory_pool().release_unused()
    count = len(source)
    found: dict[str, Any] = {
        "frames": count,
        "opening, s": seconds,
        "opening, s of a core": cpu,
        "bytes a frame": (memory() - held) / count,
        "peak, bytes a frame": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - max(peak, held))
        / count,
    }
    with Batches(source, plan, 64, 64, AugmentSettings(), start=0, stop=STEPS, threads=2) as batches:
        stream = iter(batches)
        next(stream)
        began, worked = time.perf_counter(), time.process_time()
        for _ in stream:
            pass
        images = (STEPS - 1) * BATCH
        found["images a second"] = images / (time.perf_counter() - began)
        found["ms of a core an image"] = (time.process_time() - worked) / images * 1000
    results.put(found)


def measured(path: str, whole: bool) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    process = context.Process(target=opened, args=(path, whole, results))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"the process that opened {path} ended with {process.exitcode}")
    found: dict[str, Any] = results.get()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--whole", type=int, default=50_000, help="frames of the table that is read whole")
    parser.add_argument("--rows-per-group", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    found: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        large, small = (str(Path(folder) / f"{name}.parquet") for name in ("large", "small"))
        write_table(large, options.frames, options.rows_per_group)
        write_table(small, options.whole, options.rows_per_group)
        write_table(str(Path(folder) / "few.parquet"), 64, options.rows_per_group)
        for _ in range(options.repeats):
            for name, path, whole in (("ids alone", large, False), ("all labels", small, True)):
                found.setdefault(name, []).append(measured(path, whole))
    print(f"{'median of each':26}" + "".join(f"{name:>16}" for name in found))
    medians = {
        key: {name: statistics.median(run[key] for run in runs) for name, runs in found.items()}
        for key in next(iter(found.values()))[0]
    }
    for key, values in medians.items():
        print(f"{key:26}" + "".join(f"{value:16,.2f}" for value in values.values()))
    print(
        json.dumps(
            {
                "benchmark": "million_frames",
                "settings": vars(options),
                "pyarrow": pa.__version__,
                "python": platform.python_version(),
                "load": os.getloadavg()[0],
                "medians": medians,
                "throughput_of_all_labels": round(
                    statistics.median(
                        a["images a second"] / b["images a second"]
                        for a, b in zip(found["ids alone"], found["all labels"])
                    ),
                    3,
                ),
            }
        )
    )


if __name__ == "__main__":
    main()
