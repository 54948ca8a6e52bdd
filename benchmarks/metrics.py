"""The metrics beside what people use for them, and the memory that streaming takes, in one run.

    python -m benchmarks.metrics [--parts coco kitti memory] [--frames 5000] [--repeats 3]

`coco`: random frames through pycocotools (COCO objects built from parsed dicts, loadRes, evaluate,
accumulate, summarize), through `imitate score coco`'s evaluator from the same dicts, and through the
streaming AveragePrecision from the same frames as rows: from parsed data in memory to numbers, each.
They take turns round by round, so that a busy machine slows all alike; the table shows medians and the
greatest difference of any number.
`kitti`: see benchmarks/metrics_kitti.py.
`memory`: peak resident memory of a process that makes frames one by one and streams them into every
metric, at 5,000 and at ten times as many frames (Linux: VmHWM).
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import json
import multiprocessing
import re
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from imitation.evaluation.detections import Detections, FrameDetections, GroundTruth
from imitation.metrics.average_precision import AveragePrecision, AveragePrecisions, average_precisions

SIZES = {"few categories": (3, 20), "80 categories": (80, 20), "crowded": (3, 100)}
"""Categories, and detections a frame."""
OBJECTS = 8


def random_rows(frames: int, categories: int, detections: int, seed: int) -> Iterator[FrameDetections]:
    """Frames of 640 x 480 with `OBJECTS` objects, one in twenty a crowd; most detections lie near one."""
    rng = np.random.default_rng(seed)
    for i in range(frames):
        corner = rng.uniform(0, (500, 350), (OBJECTS, 2))
        true = np.concatenate([corner, corner + np.exp(rng.uniform(2, 5, (OBJECTS, 2)))], axis=1)
        labels = rng.integers(1, categories + 1, OBJECTS)
        about = rng.integers(0, OBJECTS, detections)
        found = true[about] + rng.normal(0, 5, (detections, 4))
        found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 1)
        near = rng.random(detections) < 0.8
        said = np.where(near, labels[about], rng.integers(1, categories + 1, detections))
        yield FrameDetections(
            f"{i:07d}",
            "test",
            "random",
            640,
            480,
            Detections(found, rng.random(detections), said),
            GroundTruth(true, labels, rng.random(OBJECTS) < 0.05),
        )


def as_coco(rows: list[FrameDetections], categories: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The same frames as COCO annotations and results."""

    def boxes(items: Detections | GroundTruth) -> list[list[float]]:
        corners = items.boxes.astype(np.float64)
        return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1).tolist()

    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for image, row in enumerate(rows, start=1):
        true, found = row.objects, row.detections
        for box, label, ignore in zip(boxes(true), true.labels.tolist(), true.ignore.tolist()):
            item = {"id": len(annotations) + 1, "image_id": image, "category_id": label, "bbox": box}
            annotations.append(item | {"area": box[2] * box[3], "iscrowd": int(ignore)})
        for box, label, score in zip(boxes(found), found.labels.tolist(), found.scores.tolist()):
            results.append({"image_id": image, "category_id": label, "bbox": box, "score": score})
    images = [{"id": i + 1, "width": 640, "height": 480} for i in range(len(rows))]
    names = [{"id": k + 1, "name": str(k)} for k in range(categories)]
    return {"images": images, "annotations": annotations, "categories": names}, results


def pycocotools(truth: dict[str, Any], results: list[dict[str, Any]]) -> Any:
    """pycocotools' evaluation, accumulated and summarized."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        index = COCO()
        index.dataset = truth
        index.createIndex()
        evaluation = COCOeval(index, index.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def difference(oracle: Any, numbers: dict[str, float], ours: AveragePrecisions) -> float:
    """The greatest difference of any of the twelve numbers and of any category's AP50 and AP."""
    precision = oracle.eval["precision"][:, :, :, 0, -1]  # (T, R, K), area "all", 100 detections
    pairs = list(zip(numbers.values(), oracle.stats.tolist(), strict=True))
    for k, name in enumerate(ours.ap):
        known = precision[0, 0, k] > -1
        for value, theirs in ((ours.ap50[name], precision[0, :, k]), (ours.ap[name], precision[:, :, k])):
            assert (value is not None) == known
            pairs.append((value or 0.0, float(theirs.mean()) if known else 0.0))
    return max(abs(a - b) for a, b in pairs)


def coco(frames: int, repeats: int, seed: int) -> list[dict[str, Any]]:
    from imitation.metrics.protocols.coco import coco_numbers

    print(f"COCO, {frames} frames of {OBJECTS} objects, medians of {repeats}")
    print(f"{'':>15} {'what':>18} {'s':>8} {'times':>6} {'difference':>10}")
    lines = []
    for size, (categories, detections) in SIZES.items():
        rows = list(random_rows(frames, categories, detections, seed))
        truth, results = as_coco(rows, categories)
        names = [str(k) for k in range(categories)]
        seconds: dict[str, list[float]] = {"pycocotools": [], "score coco": [], "AveragePrecision": []}
        worst = 0.0
        for _ in range(repeats):
            ours = timed(lambda: average_precisions(rows, names), seconds["AveragePrecision"])  # noqa: B023
            scored = timed(lambda: coco_numbers(truth, results), seconds["score coco"])  # noqa: B023
            given = copy.deepcopy((truth, results))  # pycocotools writes into them
            oracle = timed(lambda: pycocotools(*given), seconds["pycocotools"])  # noqa: B023
            worst = max(worst, difference(oracle, scored.numbers, ours))
        median = {what: statistics.median(values) for what, values in seconds.items()}
        for what, value in median.items():
            times = median["pycocotools"] / value
            shown = "" if what == "pycocotools" else f"{worst:.1e}"
            print(f"{size:>15} {what:>18} {value:>8.3f} {times:>6.1f} {shown:>10}")
            line = {"size": size, "what": what, "frames": frames, "categories": categories}
            line |= {"detections": detections, "seconds": value, "times_faster": times}
            lines.append(line | {"max_difference": worst})
    return lines


def timed(work: Callable[[], Any], seconds: list[float]) -> Any:
    start = time.perf_counter()
    result = work()
    seconds.append(time.perf_counter() - start)
    return result


def kitti(frames: int, detections: int, repeats: int, seed: int) -> dict[str, Any]:
    # Imported here: it needs the tests' plain evaluator.
    from benchmarks.metrics_kitti import measure

    measured = measure(frames=frames, detections=detections, repeats=repeats, seed=seed)
    print(f"KITTI, {frames} frames of {detections} detections, medians of {repeats}")
    for name, value in measured.items():
        print(f"{name:>34} {value:.4g}" if isinstance(value, float) else f"{name:>34} {value}")
    return measured


def memory(frames: int, seed: int) -> list[dict[str, Any]]:
    print("Memory, peak resident MB of a process that streams frames of 20 detections")
    print(f"{'frames':>8} {'peak MB':>8} {'times':>6} {'bytes a detection':>18}")
    spawn = multiprocessing.get_context("spawn")
    lines: list[dict[str, Any]] = []
    for count in (frames, 10 * frames):
        with spawn.Pool(1) as pool:  # a process of its own: a peak never falls
            peak = pool.apply(peak_of_streaming, (count, seed))
        first = lines[0] if lines else {"frames": count, "peak_bytes": peak}
        times = peak / first["peak_bytes"]
        more = 20 * (count - first["frames"])
        growth = (peak - first["peak_bytes"]) / more if more else None
        shown = "" if growth is None else f"{growth:.0f}"
        print(f"{count:>8} {peak / 1e6:>8.1f} {times:>6.3f} {shown:>18}")
        lines.append({"frames": count, "peak_bytes": peak, "times_first": times, "bytes_a_detection": growth})
    return lines


def peak_of_streaming(frames: int, seed: int) -> int:
    """Peak resident bytes after streaming random frames into the metrics of an evaluation."""
    from imitation.evaluation.failures import Fates
    from imitation.metrics.operating_point import OperatingCurve

    names = ["car", "pedestrian", "cyclist"]
    precision, curve, fates = AveragePrecision(names), OperatingCurve(), Fates(0.5)
    for row in random_rows(frames, len(names), 20, seed):
        for metric in (precision, curve, fates):
            metric.add(row)
    precision.result()
    curve.best()
    return _peak()


def _peak() -> int:
    """Not `getrusage`'s: a new process starts with the peak of the one that started it."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = ("coco", "kitti", "memory")
    parser.add_argument("--parts", nargs="+", default=parts, choices=parts)
    parser.add_argument("--frames", type=int, default=5000, help="frames of COCO and of memory's first row")
    parser.add_argument("--kitti-frames", type=int, default=3769, help="frames of KITTI")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    works: dict[str, Callable[[], Any]] = {
        "coco": lambda: coco(args.frames, args.repeats, args.seed),
        "kitti": lambda: kitti(args.kitti_frames, 20, args.repeats, args.seed),
        "memory": lambda: memory(args.frames, args.seed),
    }
    measured = {part: works[part]() for part in parts if part in args.parts}
    print(json.dumps({"benchmark": "metrics", **measured}))


if __name__ == "__main__":
    main()
