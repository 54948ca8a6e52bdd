"""What a machine with a GPU makes of it, in under ten minutes: training, inference, the host, rendering.

    python -m benchmarks.gpu [--minutes 9] [--batch 64 --threads 16]

ResNet-18 at 1248x384 from KITTI-sized JPEGs in Parquet. Each part is measured while there is time left, and
one that cannot be measured here (no Ray, no EGL, no GPU) says why in the place of its figures:

- training images a second, in bf16 and fp32, nothing cached and with decoded images in memory, beside a plain
  loop on tensors that lie on the device; the GPU's busy share meanwhile, as nvidia-smi counts it
- inference images a second from pixels, beside the bare model
- milliseconds of a core that the host spends on a frame, by part; nvJPEG in its place
- EGL frames a second of the embedded renderer
- images a second of both launchers (the living actor, TorchTrainer), where Ray is installed

`--self-test` does all of it once at a tiny size, on a CPU too, before a GPU is paid for.
Needs no network. Prints each figure as it is found, and one JSON object as the last line.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import torchvision

from benchmarks.input_pipeline import parts
from benchmarks.training import CATEGORIES, make_frames
from imitation.data.records import Frame
from imitation.data.torch_decoder import decode_with_torch
from imitation.datasets.parquet.files import write_frames
from imitation.detectors.precision import autocast, has_bf16
from imitation.detectors.predictor import Predictor
from imitation.detectors.registry import build_detector
from imitation.detectors.settings import DetectorSettings, Precision
from imitation.training.batches import Batches, SamplePlan
from imitation.training.loop import freeze_norms, start, train
from imitation.training.samples import CachedSource, FrameSource
from imitation.training.settings import TrainSettings

Figures = dict[str, Any]
GOAL = 1500  # images a second in training, on one card
WARM = 2  # reports that are not counted
REPORTS = 6


class Machine:
    """What every part works with."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options = options
        self.folder = folder
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.frames: list[Frame] = make_frames(options.frames)
        self.path = str(folder / "frames.parquet")
        write_frames(self.frames, self.path)
        self.detector = DetectorSettings(
            backbone=options.backbone, weights=None, width=options.width, height=options.height
        )

    def model(self) -> torch.nn.Module:
        torch.manual_seed(0)
        return build_detector(self.detector, len(CATEGORIES.categories)).to(self.device)

    def settings(self, precision: Precision = "auto") -> TrainSettings:
        steps = self.options.steps
        return TrainSettings(
            steps=steps,
            batch_size=self.options.batch,
            report_every=max(1, steps // REPORTS),
            checkpoint_every=0,
            decode_threads=min(self.options.threads, 64),
            precision=precision,
        )

    def batches(self, settings: TrainSettings, cache_mb: int) -> Batches:
        source = FrameSource([self.path], [], CATEGORIES)
        return Batches(
            CachedSource(source, cache_mb),
            SamplePlan(source.added, settings.batch_size, seed=0),
            self.options.width,
            self.options.height,
            settings.augment,
            start=0,
            stop=settings.steps,
            threads=settings.decode_threads,
            warp="device" if self.device.type == "cuda" or self.options.self_test else "host",
        )

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def training(machine: Machine) -> Figures:
    """Images a second once warm, and the GPU's busy share."""
    found: Figures = {"goal": GOAL}
    precisions: tuple[Precision, ...] = ("bf16", "fp32") if has_bf16(machine.device) else ("fp32",)
    for precision in precisions:
        settings = machine.settings(precision)
        for name, cache_mb in (("nothing cached", 0), ("decoded images in memory", 8192)):
            rates: list[float] = []

            def note(event: dict[str, Any], rates: list[float] = rates) -> None:
                rates.append(event["images_per_second"])

            state = start(machine.model(), settings)
            with busy_share() as shares, machine.batches(settings, cache_mb) as batches:
                train(state, batches, settings, machine.device, freeze_batch_norm=True, progress=note)
            found[f"{precision}, {name}"] = {
                "images_per_second": statistics.median(rates[WARM:] or rates),
                "gpu_busy": statistics.mean(shares[len(shares) // 3 :]) / 100 if shares else None,
            }
        found[f"{precision}, plain loop on tensors"] = {"images_per_second": plain(machine, settings)}
    return found


def plain(machine: Machine, settings: TrainSettings) -> float:
    """Images a second of one batch on the device, over and over."""
    with machine.batches(settings, 0) as batches:
        batch = next(iter(batches))
    images = batch.pixels(machine.device)
    targets = [{name: value.to(machine.device) for name, value in t.items()} for t in batch.targets]
    model = machine.model().train()
    freeze_norms(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

    def step() -> None:
        with autocast(settings.precision, machine.device, model):
            losses = model(list(images.unbind(0)), targets)
        optimizer.zero_grad(set_to_none=True)
        sum(losses.values()).backward()
        optimizer.step()

    return timed(machine, step, settings.steps // 2 or 1) * len(images)


def inference(machine: Machine) -> Figures:
    """Images a second, from pixels and of the bare model."""
    found: Figures = {}
    pixels = [decode_with_torch(frame.image or b"", "frame") for frame in machine.frames]
    count = min(machine.options.batch, len(pixels))
    precisions: tuple[Precision, ...] = ("bf16", "fp32") if has_bf16(machine.device) else ("fp32",)
    for precision in precisions:
        model = machine.model().eval()
        predictor = Predictor(
            model,
            CATEGORIES.categories,
            machine.options.width,
            machine.options.height,
            machine.device,
            precision,
        )
        inputs = torch.rand(count, 3, machine.options.height, machine.options.width, device=machine.device)
        inputs = inputs.contiguous(memory_format=torch.channels_last)

        def bare(model: Any = model, inputs: Any = inputs, precision: Any = precision) -> None:
            with torch.inference_mode(), autocast(precision, machine.device, model):
                model(inputs)

        def ours(predictor: Predictor = predictor) -> None:
            predictor.predict(pixels, count)

        rounds = machine.options.steps // 4 or 1
        found[precision] = {
            "images_per_second": timed(machine, ours, rounds) * len(pixels),
            "bare_model": timed(machine, bare, rounds) * count,
        }
    return found


def host(machine: Machine) -> Figures:
    """Milliseconds of a core a frame, and of nvJPEG."""
    options = argparse.Namespace(**vars(machine.options) | {"repeats": 1 if machine.options.self_test else 5})
    found: Figures = {name: round(value, 3) for name, value in parts(machine.frames, options).items()}
    if machine.device.type != "cuda":
        return found | {"nvJPEG": "no CUDA device"}
    data = [torch.frombuffer(bytearray(f.image or b""), dtype=torch.uint8) for f in machine.frames]

    def decode() -> None:
        torchvision.io.decode_jpeg(data, device=machine.device)

    try:
        return found | {"nvJPEG, images_per_second": timed(machine, decode, 3) * len(data)}
    except RuntimeError as error:
        return found | {"nvJPEG": str(error)}


def launchers(machine: Machine) -> Figures:
    """Images a second of whole trainings through Ray: the living actor and TorchTrainer."""
    if find_spec("ray") is None:
        return {"skipped": "Ray is not installed"}
    from cluster.config.parse import load_defaults
    from cluster.runtime.ray_session import start_ray
    from cluster.training.launchers import LocalLauncher, TorchLauncher
    from cluster.training.train_loop import TrainSpec, train_detector

    start_ray(load_defaults())
    use_gpu = machine.device.type == "cuda"
    settings = machine.settings().model_copy(update={"cache_mb": 8192, "use_gpu": use_gpu})
    found: Figures = {}
    for name, launcher in (("actor", LocalLauncher(use_gpu)), ("TorchTrainer", TorchLauncher(1, use_gpu))):
        rates: list[float] = []
        spec = TrainSpec(
            str(machine.folder / name), CATEGORIES, machine.detector, settings, real=(machine.path,)
        )

        def note(event: dict[str, Any], rates: list[float] = rates) -> None:
            rates.append(event["images_per_second"])

        began = time.perf_counter()
        train_detector(spec, launcher, note)
        found[name] = {
            "images_per_second": statistics.median(rates[WARM:] or rates),
            "seconds, start included": time.perf_counter() - began,
        }
        launcher.close()
    return found


def renderer(machine: Machine) -> Figures:
    """Frames a second of the embedded renderer through EGL, with its ground truth."""
    if find_spec("moderngl") is None:
        return {"skipped": "moderngl is not installed"}
    from benchmarks.simulator import street
    from sim_actors.simulators.opengl.renderer import OpenGLSimulator

    count = 1 if machine.options.self_test else 40
    found: Figures = {}
    for size in ("640x192", "1242x375"):
        simulator = OpenGLSimulator()
        try:
            simulator.render(street(0, size))
            began = time.perf_counter()
            for seed in range(1, 1 + count):
                simulator.render(street(seed, size))
            found[size] = {"frames_per_second": count / (time.perf_counter() - began)}
            with simulator._open() as device:
                found["on"] = device.ctx.info["GL_RENDERER"]
        finally:
            simulator.close()
        if machine.options.self_test:
            break
    return found


def timed(machine: Machine, call: Callable[[], object], rounds: int) -> float:
    """Calls a second, after one that does not count."""
    call()
    machine.wait()
    began = time.perf_counter()
    for _ in range(rounds):
        call()
    machine.wait()
    return rounds / (time.perf_counter() - began)


@contextmanager
def busy_share() -> Iterator[list[float]]:
    """The GPU's utilisation in percent, five times a second; filled in when the block ends."""
    shares: list[float] = []
    if not torch.cuda.is_available() or (tool := shutil.which("nvidia-smi")) is None:
        yield shares
        return
    words = ["--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "200"]
    process = subprocess.Popen([tool, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield shares
    finally:
        process.terminate()
        out, _ = process.communicate()
        shares += [float(line) for line in out.splitlines() if line.strip().isdigit()]


PARTS: dict[str, Callable[[Machine], Figures]] = {
    "training": training,
    "inference": inference,
    "host": host,
    "renderer": renderer,
    "launchers": launchers,
}


def measure(options: argparse.Namespace) -> dict[str, Figures]:
    """Every part's figures, or why there are none."""
    until = time.monotonic() + 60 * options.minutes
    found: dict[str, Figures] = {}
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(options, Path(folder))
        for name in options.parts:
            if time.monotonic() > until:
                found[name] = {"skipped": f"the {options.minutes:g} minutes were over"}
                continue
            began = time.monotonic()
            try:
                found[name] = PARTS[name](machine)
            except Exception as error:  # the other parts are worth having all the same
                found[name] = {"failed": f"{type(error).__name__}: {error}"}
            found[name]["seconds"] = round(time.monotonic() - began, 1)
            print(name, json.dumps(found[name]), flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--width", type=int, default=1248)
    parser.add_argument("--height", type=int, default=384)
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--frames", type=int, default=256)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        options.width, options.height, options.backbone = 64, 32, "resnet10"
        options.batch, options.steps, options.frames, options.threads = 2, 2, 4, 1
        torch.set_num_threads(1)
    found = measure(options)
    gpu = torch.cuda.is_available()
    print(
        json.dumps(
            {
                "benchmark": "gpu",
                "settings": vars(options),
                "device": torch.cuda.get_device_name() if gpu else "CPU",
                "cores": os.cpu_count(),
                "torch": torch.__version__,
                "torchvision": torchvision.__version__,
                "python": platform.python_version(),
                "peak_gpu_memory_mb": torch.cuda.max_memory_allocated() >> 20 if gpu else None,
                "found": found,
            }
        )
    )


if __name__ == "__main__":
    main()
