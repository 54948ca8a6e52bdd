"""Training and inference images a second: the project's, and a plain PyTorch loop of the same model.

    python benchmarks/training.py [--width 416 --height 128 --steps 20 --backbone efficientnet_lite0]

Ours decodes JPEGs from Parquet, augments, trains and predicts through the project's own code; the plain loop
gets decoded, resized float tensors from memory. Both use one model, batch and thread count, and take turns.
Prints a table, then one JSON object as the last line.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from imitation.data.categories import CategoryMap
from imitation.data.images import encode_jpeg
from imitation.data.records import Box, Frame, Object
from imitation.datasets.parquet.files import write_frames
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


def rate(images: int, call: Callable[[], object]) -> float:
    """Images a second of one call."""
    began = time.perf_counter()
    call()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return images / (time.perf_counter() - began)


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
        write_frames(make_frames(32), path)
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
                (batch.pixels(device)).contiguous(memory_format=torch.channels_last),
                [{name: value.to(device) for name, value in target.items()} for target in batch.targets],
            )
            for batch in ready
        ]

        def plain() -> None:
            model = new_model().train()
            freeze_norms(model)
            optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
            for inputs, targets in tensors:
                with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                    losses = model(inputs, targets)
                optimizer.zero_grad(set_to_none=True)
                sum(losses.values()).backward()
                optimizer.step()

        model = new_model().eval()
        predictor = Predictor(model, CATEGORIES.categories, options.width, options.height, device)
        inputs = tensors[0][0]

        def predict() -> None:
            predictor.predict(pixels, options.batch)

        def infer() -> None:
            with torch.inference_mode():
                for _ in range(len(pixels) // options.batch):
                    model(inputs)

        found: dict[str, list[float]] = {}
        plain()  # warms up the libraries
        infer()
        for _ in range(options.repeats):  # in turns: a busy machine slows all alike
            for name, count, call in (
                ("train, ours", images, lambda: ours(256)),
                ("train, ours, no cache", images, lambda: ours(0)),
                ("train, plain loop on tensors", images, plain),
                ("predict, ours", len(pixels), predict),
                ("predict, plain model on tensors", len(pixels) // options.batch * options.batch, infer),
            ):
                found.setdefault(name, []).append(rate(count, call))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--width", type=int, default=416)
    parser.add_argument("--height", type=int, default=128)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    found = measure(options)
    print(f"{'images a second':36}{'median':>8}{'lowest':>8}{'highest':>8}")
    for name, values in found.items():
        print(f"{name:36}{statistics.median(values):8.1f}{min(values):8.1f}{max(values):8.1f}")
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
                "images_per_second": {name: [round(v, 2) for v in values] for name, values in found.items()},
            }
        )
    )


if __name__ == "__main__":
    main()
