"""KITTI's average precision beside the plain evaluator that the tests hold it against.

Both score the same random frames, already parsed; rounds alternate, so that whatever else the machine
does hits both; the table shows medians. Reading the same frames from label and result files is timed
apart, beside splitting and converting their lines one by one.

    python benchmarks/metrics_kitti.py --frames 3769 --detections 20
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from imitation.metrics.protocols.kitti import KittiAP, kitti_average_precision, read_label_dir
from tests.imitation.metrics.protocols.kitti_plain import (
    PlainFrame,
    parse_plain,
    plain_average_precision,
    random_frame,
)

OBJECTS = 7
"""Labelled objects a frame, about as many as KITTI's."""


def timed(work: Callable[[], Any], seconds: list[float]) -> Any:
    start = time.perf_counter()
    result = work()
    seconds.append(time.perf_counter() - start)
    return result


def write_frames(folder: Path, frames: int, detections: int, seed: int) -> tuple[Path, Path]:
    rng = np.random.default_rng(seed)
    labels, results = folder / "label_2", folder / "results"
    labels.mkdir()
    results.mkdir()
    for index in range(frames):
        label, result = random_frame(rng, OBJECTS, detections, ties=index % 5 == 0)
        (labels / f"{index:06d}.txt").write_text(label)
        (results / f"{index:06d}.txt").write_text(result)
    return labels, results


def read_plain(labels: Path, results: Path) -> list[PlainFrame]:
    return [
        parse_plain((labels / path.name).read_text(), path.read_text()) for path in sorted(results.iterdir())
    ]


def same(fast: dict[str, dict[str, KittiAP] | None], plain: dict[str, dict[str, list[float]] | None]) -> bool:
    """Whether every precision is equal, to the last bit."""
    curves = {
        name: levels and {level: list(ap.precision) for level, ap in levels.items()}
        for name, levels in fast.items()
    }
    return curves == plain


def measure(frames: int, detections: int, repeats: int, seed: int) -> dict[str, Any]:
    """Medians in seconds of `repeats` rounds, their ratio, and whether all results were equal."""
    seconds: dict[str, list[float]] = {"fast": [], "plain": [], "read": [], "read_plain": []}
    equal = True
    with tempfile.TemporaryDirectory() as folder:
        labels, results = write_frames(Path(folder), frames, detections, seed)
        for _ in range(repeats):
            packed = timed(lambda: read_label_dir(str(labels), str(results)), seconds["read"])
            parsed = timed(lambda: read_plain(labels, results), seconds["read_plain"])
            fast = timed(lambda: kitti_average_precision(packed), seconds["fast"])  # noqa: B023
            plain = timed(lambda: plain_average_precision(parsed), seconds["plain"])  # noqa: B023
            equal = equal and same(fast, plain)
    medians = {f"{name}_s": statistics.median(values) for name, values in seconds.items()}
    return {
        "frames": frames,
        "detections_per_frame": detections,
        "repeats": repeats,
        "seed": seed,
        **medians,
        "speedup": medians["plain_s"] / medians["fast_s"],
        "speedup_with_reading": (medians["plain_s"] + medians["read_plain_s"])
        / (medians["fast_s"] + medians["read_s"]),
        "equal": equal,
    }


def table(result: dict[str, Any]) -> str:
    head = f"KITTI AP, {result['frames']} frames x {result['detections_per_frame']} detections, median s"
    lines = [head, f"{'':22}{'ours':>10}{'plain':>10}{'ratio':>8}"]
    for name, fast, plain in (
        ("average precision", result["fast_s"], result["plain_s"]),
        ("reading the files", result["read_s"], result["read_plain_s"]),
    ):
        lines.append(f"{name:22}{fast:10.3f}{plain:10.3f}{plain / fast:8.1f}")
    return "\n".join([*lines, f"equal to the last bit: {'yes' if result['equal'] else 'NO'}"])


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--frames", type=int, default=3769)
    arguments.add_argument("--detections", type=int, default=20, help="a frame")
    arguments.add_argument("--repeats", type=int, default=3)
    arguments.add_argument("--seed", type=int, default=0)
    result = measure(**vars(arguments.parse_args()))
    print(table(result))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
