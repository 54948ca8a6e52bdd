"""Training and inference images a second: the project's, and loops of plain PyTorch with the same model.

    python -m benchmarks.training [--width 416 --height 128 --steps 20 --backbone resnet18 --compile]

Ours decodes JPEGs from Parquet, augments, trains and predicts through the project's own code. Beside it, with
the same frames, model, batch, precision and threads: a plain loop that gets decoded, resized float tensors
from memory; a loop as torchvision's detection references write it, over a DataLoader with a worker process a
core; and for prediction the bare model on tensors, and a loop that decodes and resizes with Pillow first.
`--compile` adds the plain loop and the bare model through torch.compile. `--processor-time` counts seconds of
processors, all in this process, which a busy machine does not change. All take turns. Prints a table, the
medians of ours over each of the others in the same turn, then one JSON object as the last line.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import resource
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from benchmarks.torchvision_reference import reference_loader
from imitation.data.categories import CategoryMap
from imitation.data.images import decode_image, encode_jpeg
from imitation.data.records import Box, Frame, Object
from imitation.datasets.parquet.files import write_frames
from imitation.detectors.precision import autocast
from imitation.detectors.predictor import Predictor
from imitation.detectors.registry import build_detector
from imitation.detectors.settings import DetectorSettings
from imitation.training.batches import Batches, SamplePlan
from imitation.training.loop import freeze_norms, start, train
from imitation.training.samples import CachedSource, FrameSource
from imitation.training.settings import TrainSettings

SOURCE_SIZE = (1242, 375)  # KITTI's
CATEGORIES = CategoryMap.identity(("car", "truck"))


def make_frames(count: int) -> list[Frame]:
    """Smooth noise with rectangles: as heavy to decode as photos, and nobody's data."""
    rng = np.random.default_rng(0)
    frames = []
    for number in range(count):
        noise = rng.integers(0, 255, (24, 80, 3), dtype=np.uint8)
        image = Image.fromarray(noise).resize(SOURCE_SIZE, Image.Resampling.BICUBIC)
        pen = ImageDraw.Draw(image)
        objects = []
        for _ in range(5):
            width, height = rng.integers(40, 250), rng.integers(30, 150)
            x, y = rng.integers(0, SOURCE_SIZE[0] - width), rng.integers(0, SOURCE_SIZE[1] - height)
            box = Box(float(x), float(y), float(x + width), float(y + height))
            colour = tuple(rng.integers(0, 255, 3).tolist())
            pen.rectangle([box.x1, box.y1, box.x2 - 1, box.y2 - 1], fill=colour)
            objects.append(Object(str(rng.choice(CATEGORIES.categories)), box, occlusion=0.0))
        data = encode_jpeg(np.asarray(image), 90)
        frames.append(Frame(f"{number:03}", *SOURCE_SIZE, tuple(objects), image=data))
    return frames


def rate(images: int, call: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Images a second of one call."""
    began = clock()
    call()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return images / (clock() - began)


def measure(options: argparse.Namespace) -> dict[str, list[float]]:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    weights = None if options.backbone == "resnet10" else "DEFAULT"
    detector = DetectorSettings(
        backbone=options.backbone, weights=weights, width=options.width, height=options.height
    )
    settings = TrainSettings(
        steps=options.steps, batch_size=options.batch, report_every=10_000, checkpoint_every=0
    )
    images = options.steps * options.batch

    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "frames.parquet")
        frames = make_frames(32)
        write_frames(frames, path)
        source = FrameSource([path], [], CATEGORIES)
        plan = SamplePlan(source.synthetic, options.batch, seed=0)
        pixels = [source.image(index) for index in range(len(source))]

        def batches(cache_mb: int) -> Batches:
            cached = CachedSource(source, cache_mb)
            return Batches(
                cached, plan, options.width, options.height, settings.augment, start=0, stop=options.steps,
                threads=settings.decode_threads,
            )  # fmt: skip

        def new_model() -> torch.nn.Module:
            torch.manual_seed(0)
            return build_detector(detector, 2).to(device)

        def ours(cache_mb: int) -> None:
            model = new_model()
            with batches(cache_mb) as all_:
                train(start(model, settings), all_, settings, device, freeze_batch_norm=True)

        with batches(0) as all_:
            ready = list(all_)
        tensors = [
            (
                batch.pixels(device),
                [{name: value.to(device) for name, value in target.items()} for target in batch.targets],
            )
            for batch in ready
        ]

        def step(model: Any, optimizer: torch.optim.Optimizer, inputs: Any, targets: Any) -> None:
            with autocast(settings.precision, device, model):
                losses = model(inputs, targets)
            optimizer.zero_grad(set_to_none=True)
            sum(losses.values()).backward()
            optimizer.step()

        def plain(compiled: bool = False) -> None:
            model = new_model().train()
            freeze_norms(model)
            optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
            called = torch.compile(model) if compiled else model
            for inputs, targets in tensors:
                step(called, optimizer, inputs, targets)

        loader = reference_loader(
            frames,
            CATEGORIES,
            options.width,
            options.height,
            options.batch,
            options.steps,
            0 if options.processor_time else os.cpu_count() or 1,
        )

        def reference() -> None:
            model = new_model().train()
            freeze_norms(model)
            optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
            for images_, targets in loader:
                inputs = [image.to(device) for image in images_]
                moved = [{name: value.to(device) for name, value in target.items()} for target in targets]
                step(model, optimizer, inputs, moved)

        model = new_model().eval()
        predictor = Predictor(model, CATEGORIES.categories, options.width, options.height, device)
        inputs = tensors[0][0]
        size = (options.width, options.height)

        def predict() -> None:
            predictor.predict([decode_image(frame.image or b"", "frame") for frame in frames], options.batch)

        def infer(called: Any = model) -> None:
            with torch.inference_mode(), autocast("auto", device, model):
                for _ in range(len(pixels) // options.batch):
                    called(inputs)

        def bare() -> None:
            with torch.inference_mode(), autocast("auto", device, model):
                for at in range(0, len(frames), options.batch):
                    opened = [Image.open(io.BytesIO(f.image or b"")) for f in frames[at : at + options.batch]]
                    small = [
                        np.asarray(i.convert("RGB").resize(size, Image.Resampling.BILINEAR)) for i in opened
                    ]
                    batch = torch.from_numpy(np.stack(small)).to(device).permute(0, 3, 1, 2).float().div_(255)
                    model(list(batch.unbind(0)))

        compiled_model = torch.compile(model) if options.compile else None
        works: list[tuple[str, int, Callable[[], object]]] = [
            ("train, ours", images, lambda: ours(256)),
            ("train, ours, no cache", images, lambda: ours(0)),
            ("train, plain loop on tensors", images, plain),
            ("train, torchvision's references", images, reference),
            ("predict, ours, from JPEG", len(pixels), predict),
            ("predict, ours, from pixels", len(pixels), lambda: predictor.predict(pixels, options.batch)),
            ("predict, model on tensors", len(pixels) // options.batch * options.batch, infer),
            ("predict, bare loop from JPEG", len(frames), bare),
        ]
        if options.compile:
            works += [
                ("train, plain loop, compiled", images, lambda: plain(compiled=True)),
                ("predict, model, compiled", works[6][1], lambda: infer(compiled_model)),
            ]
            works[-2][2]()  # compiles
            works[-1][2]()
        found: dict[str, list[float]] = {}
        plain()  # warms up the libraries
        infer()
        reference()  # its workers start
        clock = time.process_time if options.processor_time else time.perf_counter
        for _ in range(options.repeats):  # in turns: a busy machine slows all alike
            for name, count, call in works:
                found.setdefault(name, []).append(rate(count, call, clock))
    return found


def ratios(found: dict[str, list[float]]) -> dict[str, float]:
    """The median of each of ours over each other of its kind, turn by turn."""
    made = {}
    for ours in (name for name in found if ", ours" in name):
        for other in (name for name in found if ", ours" not in name and name[:5] == ours[:5]):
            each = [a / b for a, b in zip(found[ours], found[other])]
            made[f"{ours} / {other.split(', ', 1)[1]}"] = round(statistics.median(each), 3)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--width", type=int, default=416)
    parser.add_argument("--height", type=int, default=128)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--processor-time", action="store_true", help="of all threads, on a busy machine")
    parser.add_argument("--compile", action="store_true", help="torch.compile's, too")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore", category=DeprecationWarning)

    found = measure(options)
    print(f"{'images a second':36}{'median':>8}{'lowest':>8}{'highest':>8}")
    for name, values in found.items():
        print(f"{name:36}{statistics.median(values):8.1f}{min(values):8.1f}{max(values):8.1f}")
    for name, value in ratios(found).items():
        print(f"{name:66}{value:6.2f}")
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {options.threads} threads"
    print(
        json.dumps(
            {
                "benchmark": "training",
                "settings": vars(options),
                "device": device,
                "torch": torch.__version__,
                "python": platform.python_version(),
                "load": os.getloadavg()[0],
                "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
                "ratios": ratios(found),
                "images_per_second": {name: [round(v, 2) for v in values] for name, values in found.items()},
            }
        )
    )


if __name__ == "__main__":
    main()
