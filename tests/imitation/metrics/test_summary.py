"""One evaluation in one record."""

import json
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from imitation.evaluation.detections import Detections, FrameDetections, GroundTruth
from imitation.evaluation.failures import find_failures, zero_one_loss
from imitation.metrics.average_precision import average_precisions
from imitation.metrics.operating_point import operating_threshold
from imitation.metrics.summary import Metrics, summarize

MakeRows = Callable[..., list[FrameDetections]]


def test_agrees_with_its_parts(random_rows: MakeRows, categories: tuple[str, ...]) -> None:
    rows = random_rows(0, frames=60)
    metrics = summarize(rows, categories, "val")
    point, ap = operating_threshold(rows), average_precisions(rows, categories)
    assert (metrics.threshold, metrics.f1, metrics.precision, metrics.recall) == point
    assert (metrics.ap50, metrics.ap, metrics.map50, metrics.map) == (ap.ap50, ap.ap, ap.map50, ap.map)
    assert metrics.zero_one_loss == zero_one_loss(rows, point.threshold)
    assert Counter(metrics.failures) == Counter(
        f.kind for f in find_failures(rows, point.threshold, categories)
    )
    assert metrics.objects == sum(int((~r.objects.ignore).sum()) for r in rows)
    assert (metrics.frames, metrics.errors, metrics.iou) == (60, 0, 0.5)
    assert metrics.precision == pytest.approx(metrics.recall * metrics.objects / metrics.detections)


def test_a_given_threshold_is_used_and_one_reading_is_enough(
    random_rows: MakeRows, categories: tuple[str, ...]
) -> None:
    rows = random_rows(0, frames=30)
    metrics = summarize(iter(rows), categories, "val", threshold=0.75)
    assert metrics.threshold == 0.75
    assert Counter(metrics.failures) == Counter(f.kind for f in find_failures(rows, 0.75, categories))
    assert metrics.failures != summarize(rows, categories, "val").failures


def test_rows_that_are_gone_after_one_reading_are_refused(
    random_rows: MakeRows, categories: tuple[str, ...]
) -> None:
    with pytest.raises(TypeError, match="twice"):
        summarize(iter(random_rows(0, frames=3)), categories, "val")


def test_rows_may_come_from_a_function(random_rows: MakeRows, categories: tuple[str, ...]) -> None:
    rows = random_rows(1, frames=30)
    assert summarize(lambda: iter(rows), categories, "val") == summarize(rows, categories, "val")


def test_only_the_split_asked_for_counts(random_rows: MakeRows, categories: tuple[str, ...]) -> None:
    rows, others = random_rows(2, frames=20), random_rows(3, frames=20)
    for row in others:
        row.split = "test"
    broken = random_rows(4, frames=1)[0]
    broken.error = "unreadable"
    metrics = summarize([*rows, broken, *others], categories, "val")
    assert metrics == Metrics(**{**summarize(rows, categories, "val").to_dict(), "errors": 1})


def test_json_round_trip(random_rows: MakeRows, categories: tuple[str, ...]) -> None:
    for rows in (random_rows(2, frames=20), []):
        metrics = summarize(rows, categories, "val")
        text = json.dumps(metrics.to_dict(), allow_nan=False)
        assert Metrics.from_dict(json.loads(text)) == metrics


def test_nothing_evaluated(categories: tuple[str, ...]) -> None:
    metrics = summarize([], categories, "val")
    assert (metrics.frames, metrics.map, metrics.f1, metrics.zero_one_loss) == (0, None, 0.0, 0.0)


def test_rows_are_streamed_in_200_bytes_a_detection() -> None:
    detections = 4

    def stream(frames: int) -> Iterator[FrameDetections]:
        rng = np.random.default_rng(0)
        for i in range(frames):
            corner = rng.uniform(0, 500, (detections, 2))
            boxes = np.concatenate([corner, corner + rng.uniform(20, 90, (detections, 2))], axis=1)
            yield FrameDetections(
                f"frame_{i:012d}",
                "val",
                "d",
                640,
                640,
                detections=Detections(boxes, rng.random(detections), [1] * detections),
                objects=GroundTruth(boxes, [1] * detections),
            )

    def peak(frames: int) -> int:
        tracemalloc.start()
        summarize(lambda: stream(frames), ["car"], "val")
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(100)
    assert (peak(500) - peak(100)) / (400 * detections) < 200
