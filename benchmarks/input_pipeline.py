"""Images a second of the input pipeline alone, by cores, beside a torchvision reference-style DataLoader.

    python -m benchmarks.input_pipeline [--width 1248 --height 384 --frames 32 --batches 8]

Ours are `imitation.training.batches.Batches` over encoded JPEGs in Parquet, nothing cached: with pictures
resampled and coloured on the host, as for a CPU that trains, and decoded alone, as for a GPU, which does the
rest by the batch. The other reads the same bytes as torchvision's detection references do: Pillow decodes,
transforms.v2 change colours, crop, mirror and scale to [0, 1], a DataLoader has as many worker processes as
there are cores. All are held to 1, 2, 4, ... cores, and take turns. Prints milliseconds of a core a frame, a
table, and one JSON object as the last line.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision

from benchmarks.torchvision_reference import Reference, reference_loader
from benchmarks.training import CATEGORIES, make_frames
from imitation.data.images import decode_image
from imitation.data.records import Frame
from imitation.data.torch_decoder import decode_with_torch
from imitation.datasets.parquet.files import write_frames
from imitation.training.augment import draw_changes
from imitation.training.batches import Batches, SamplePlan, Warp
from imitation.training.device_warp import Unwarped
from imitation.training.samples import FrameSource
from imitation.training.settings import AugmentSettings


def ours(path: str, options: argparse.Namespace, threads: int, warp: Warp) -> Iterable[Any]:
    source = FrameSource([path], [], CATEGORIES)
    plan = SamplePlan(source.synthetic, options.batch, seed=0)
    with Batches(
        source, plan, options.width, options.height, AugmentSettings(), start=0, stop=options.batches,
        threads=threads, warp=warp,
    ) as batches:  # fmt: skip
        yield from batches


def rate(batches: Iterable[Any], images: int) -> float:
    began = time.perf_counter()
    for _ in batches:
        pass
    return images / (time.perf_counter() - began)


def by_cores(frames: list[Frame], path: str, options: argparse.Namespace) -> dict[str, list[float]]:
    """Images a second by what prepares them and on how many cores."""
    every = sorted(os.sched_getaffinity(0))
    counts = sorted({*(2**k for k in range(len(every).bit_length())), len(every)})
    found: dict[str, list[float]] = {}
    images = options.batch * options.batches
    for cores in (count for count in counts if count <= len(every)):
        os.sched_setaffinity(0, every[:cores])
        loader = reference_loader(
            frames, CATEGORIES, options.width, options.height, options.batch, options.batches, cores
        )
        rate(loader, images)  # its workers start
        for _ in range(options.repeats):
            for name, batches in (
                ("ours, for a CPU", ours(path, options, cores, "host")),
                ("ours, for a GPU", ours(path, options, cores, "device")),
                ("torchvision's references", loader),
            ):
                found.setdefault(f"{name}, {cores} cores", []).append(rate(batches, images))
        del loader
    os.sched_setaffinity(0, every)
    return found


def parts(frames: list[Frame], options: argparse.Namespace) -> dict[str, float]:
    """Milliseconds of one core's time a frame, of each part: the least of some repetitions."""
    data = [frame.image or b"" for frame in frames[:8]]
    images = [decode_image(each, "frame") for each in data]
    rng = np.random.default_rng(0)
    settings = AugmentSettings()
    changes = [draw_changes(image, options.width, options.height, settings, rng) for image in images]
    windows = [change.window.image(image) for change, image in zip(changes, images)]
    loader = Reference(frames, CATEGORIES, options.width, options.height, len(data))

    def colours() -> None:
        for change, window in zip(changes, windows):
            assert change.colour is not None
            change.colour.image(window)

    def each(call: Callable[[Any], object], values: list[Any]) -> None:
        for value in values:
            call(value)

    work: dict[str, Callable[[], object]] = {
        "decode, Pillow": partial(each, lambda d: decode_image(d, "frame"), data),
        "decode, torchvision": partial(each, lambda d: decode_with_torch(d, "frame"), data),
        "resample on the host": lambda: [c.window.image(image) for c, image in zip(changes, images)],
        "colours on the host": colours,
        "copy into a batch for the device": lambda: Unwarped.of(images, changes),
        "resample and colours by the batch, on this CPU": lambda: Unwarped.of(images, changes).warped(),
        "all, torchvision's references": lambda: [loader[i] for i in range(len(data))],
    }
    least: dict[str, float] = {}
    for _ in range(options.repeats):
        for name, call in work.items():
            began = time.thread_time()
            call()
            took = (time.thread_time() - began) / len(data) * 1000
            least[name] = min(took, least.get(name, took))
    return least


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--width", type=int, default=1248)
    parser.add_argument("--height", type=int, default=384)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--batches", type=int, default=8)
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", category=DeprecationWarning)

    frames = make_frames(options.frames)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "frames.parquet")
        write_frames(frames, path)
        milliseconds = parts(frames, options)
        found = by_cores(frames, path, options)
    print(f"{'milliseconds of a core a frame':50}")
    for name, value in milliseconds.items():
        print(f"{name:50}{value:8.2f}")
    print(f"{'images a second':50}{'median':>8}{'lowest':>8}{'highest':>8}")
    for name, values in found.items():
        print(f"{name:50}{statistics.median(values):8.1f}{min(values):8.1f}{max(values):8.1f}")
    ratios: dict[str, float] = {}
    for name, values in found.items():
        what, cores = name.rsplit(", ", 1)
        if what.startswith("ours"):
            each = zip(values, found[f"torchvision's references, {cores}"])
            ratios[name] = round(statistics.median(a / b for a, b in each), 2)
            print(f"{name + ', of the references':50}{ratios[name]:8.2f}")
    print(
        json.dumps(
            {
                "benchmark": "input_pipeline",
                "settings": vars(options),
                "torch": torch.__version__,
                "torchvision": torchvision.__version__,
                "python": platform.python_version(),
                "load": os.getloadavg()[0],
                "milliseconds": {name: round(value, 3) for name, value in milliseconds.items()},
                "images_per_second": {name: [round(v, 2) for v in values] for name, values in found.items()},
                "of_references": ratios,
            }
        )
    )


if __name__ == "__main__":
    main()
