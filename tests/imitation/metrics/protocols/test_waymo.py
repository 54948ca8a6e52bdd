"""The Waymo emulation against a plain one: matched anew at every score, integrated point by point."""

import tracemalloc
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitation.evaluation.detections import ANY_LABEL, Detections, FrameDetections, GroundTruth
from imitation.metrics.protocols.waymo import (
    WaymoAP,
    WaymoAveragePrecision,
    area_under_curve,
    required_iou,
    waymo_average_precision,
)
from tests.imitation.metrics.conftest import random_frame

NAMES = ("TYPE_VEHICLE", "pedestrian", "cyclist")


def iou(a: np.ndarray, b: np.ndarray) -> float:
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    both = float(np.prod(np.maximum(high - low, 0)))
    return both / (float(np.prod(a[2:] - a[:2])) + float(np.prod(b[2:] - b[:2])) - both)


def covered(box: np.ndarray, region: np.ndarray) -> float:
    low, high = np.maximum(box[:2], region[:2]), np.minimum(box[2:], region[2:])
    return float(np.prod(np.maximum(high - low, 0))) / float(np.prod(box[2:] - box[:2]))


def counts(row: FrameDetections, label: int, level: int, cutoff: float) -> tuple[int, int, int]:
    """True positives, false positives and false negatives of one frame, above a score cutoff."""
    needed = (0.7, 0.5, 0.5)[label - 1]
    boxes, true = row.detections.boxes.astype(float), row.objects
    there = [d for d in np.flatnonzero(row.detections.labels == label) if row.detections.scores[d] >= cutoff]
    there.sort(key=lambda d: (-row.detections.scores[d], *boxes[d]))
    objects = [o for o in np.flatnonzero(true.labels == label) if not true.ignore[o]]
    objects.sort(key=lambda o: tuple(true.boxes[o]))  # of equal overlaps, the first by content
    zones = [o for o in range(len(true)) if true.ignore[o] and true.labels[o] in (label, ANY_LABEL)]
    taken: set[int] = set()
    right = wrong = 0
    for d in there:
        near = [(iou(boxes[d], true.boxes[o].astype(float)), o) for o in objects if o not in taken]
        best, found = max(near, key=lambda pair: pair[0], default=(0.0, -1))
        if best >= needed:
            taken.add(found)
            right += 1
        elif not any(covered(boxes[d], true.boxes[z].astype(float)) >= needed for z in zones):
            wrong += 1
    missed = sum(o not in taken and true.difficulty[o] <= level for o in objects)
    return right, wrong, missed


def plain_ap(rows: list[FrameDetections], label: int, level: int) -> float | None:
    """Waymo's `ToDetectionMetrics` and `ComputeMeanAveragePrecision`, with a cutoff at every score."""
    if not any(
        ((row.objects.labels == label) & ~row.objects.ignore & (row.objects.difficulty <= level)).any()
        for row in rows
    ):
        return None
    best = {0.0: 1.0}
    cutoffs = {s for row in rows for s in row.detections.scores[row.detections.labels == label].tolist()}
    for cutoff in cutoffs:
        right, wrong, missed = (sum(c) for c in zip(*(counts(row, label, level, cutoff) for row in rows)))
        if right:
            recall = right / (right + missed)
            best[recall] = max(best.get(recall, 0.0), right / (right + wrong))
    points: list[tuple[float, float]] = []  # recall and precision, from high recall to low
    highest, last = 0.0, 0.0
    for recall in sorted(best, reverse=True):
        while last - recall > 0.05 + 1e-6:
            last -= 0.05
            points.append((last, highest))
        highest = max(highest, best[recall])
        points.append((recall, highest))
        last = recall
    if len(points) == 1:
        return 0.0
    points[-1] = (0.0, points[-2][1])
    return sum((a[0] - b[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(points))


def check(ours: dict[str, WaymoAP], rows: list[FrameDetections]) -> None:
    for label, name in enumerate(NAMES, start=1):
        for level in (1, 2):
            told, plain = getattr(ours[name], f"level_{level}"), plain_ap(rows, label, level)
            assert told == (None if plain is None else pytest.approx(plain, abs=1e-9))


def random_rows(seed: int, frames: int, most: int = 8) -> list[FrameDetections]:
    rng = np.random.default_rng(seed)
    rows = [random_frame(rng, f"{i:05d}", most) for i in range(frames)]
    return [
        replace(row, objects=replace(row.objects, difficulty=rng.choice([-1, 1, 2, 2], len(row.objects))))
        for row in rows
    ]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), frames=st.integers(1, 12))
def test_equal_to_the_plain_one(seed: int, frames: int) -> None:
    rows = random_rows(seed, frames)
    check(waymo_average_precision(rows, NAMES), rows)


def line_of(scores: list[float], hits: list[bool], difficulty: list[int]) -> FrameDetections:
    """Objects in a row, 100 px apart; detection i lies on object i, or on nothing."""
    true = np.array([[100.0 * i, 0, 100.0 * i + 50, 50] for i in range(len(difficulty))]).reshape(-1, 4)
    found = np.array(
        [[100.0 * i, 0 if hit else 200, 100.0 * i + 50, 50 if hit else 250] for i, hit in enumerate(hits)]
    )
    labels = np.ones(len(true))
    return FrameDetections(
        *("0", "test", "d", 5000, 375),
        Detections(found.reshape(-1, 4), np.array(scores), np.ones(len(found))),
        GroundTruth(true, labels, difficulty=np.array(difficulty, dtype=np.int64)),
    )


def test_a_found_object_of_level_2_is_right_at_level_1_and_a_missed_one_is_nothing_there() -> None:
    found = waymo_average_precision([line_of([0.9, 0.8], [True, True], [2, 1])], NAMES[:1])[NAMES[0]]
    assert (found.level_1, found.level_2) == pytest.approx((1.0, 1.0))
    missed = waymo_average_precision([line_of([0.9], [True], [1, 2])], NAMES[:1])[NAMES[0]]
    assert (missed.level_1, missed.level_2) == pytest.approx((1.0, 0.5))
    assert (missed.objects_level_1, missed.objects_level_2, missed.iou) == (1, 2, 0.7)


def test_precision_is_held_over_jumps_of_recall() -> None:
    """Precision 1 to recall 0.5, then 2/3 at recall 1: over the jump it is 2/3, but for the last step of
    0.05, which is a trapezoid."""
    row = line_of([0.9, 0.8, 0.7], [True, False, False], [1, 1])
    row.detections.boxes[2] = row.objects.boxes[1]
    (ap,) = waymo_average_precision([row], NAMES[:1]).values()
    assert ap.level_1 == pytest.approx(0.5 + 0.45 * 2 / 3 + 0.05 * (1 + 2 / 3) / 2)


@pytest.mark.parametrize(
    ("precision", "recall", "area"),
    [
        ([], [], 0.0),
        ([0.1], [0.2], 0.02),
        ([0.1, 0.05], [0.2, 1.0], 0.05 * 0.8 + 0.1 * 0.2 + 0.05 * 0.5 * 0.05),
        ([0.1, 0.0, 0.05], [0.2, 0.4, 1.0], 0.05 * 0.8 + 0.1 * 0.2 + 0.05 * 0.5 * 0.05),
        ([0.2, 0.4], [1.0, 1.0], 0.4),
        ([1.0, 0.5], [0.0, 0.0], 0.0),
    ],
)
def test_area_under_curve(precision: list[float], recall: list[float], area: float) -> None:
    """The first four are what Waymo's own `metrics_utils_test.cc` expects."""
    assert area_under_curve(np.array(precision), np.array(recall)) == pytest.approx(area, abs=1e-9)


def test_nothing_found_nothing_there_and_failed_frames() -> None:
    (ap,) = waymo_average_precision([line_of([0.9], [False], [1])], NAMES[:1]).values()
    assert (ap.level_1, ap.level_2) == (0.0, 0.0)
    (ap,) = waymo_average_precision([line_of([], [], [2])], NAMES[:1]).values()
    assert (ap.level_1, ap.level_2) == (None, 0.0)
    failed = replace(line_of([0.9], [True], [1]), error="an unreadable image")
    (ap,) = waymo_average_precision([failed], NAMES[:1]).values()
    assert (ap.level_1, ap.level_2, ap.objects_level_2) == (None, None, 0)


def test_more_frames_may_be_added_after_a_result() -> None:
    rows = random_rows(4, 20)
    metric = WaymoAveragePrecision(NAMES)
    for row in rows[:9]:
        metric.add(row)
    assert metric.result() == waymo_average_precision(rows[:9], NAMES)
    for row in rows[9:]:
        metric.add(row)
    assert metric.result() == waymo_average_precision(rows, NAMES)


def test_another_detectors_row_is_refused() -> None:
    with pytest.raises(ValueError, match="of 1 categories"):
        waymo_average_precision(random_rows(0, 20), ("car",))


def test_required_iou() -> None:
    assert [required_iou(name) for name in ("car", "TYPE_VEHICLE", "Truck")] == [0.7] * 3
    assert [required_iou(name) for name in ("pedestrian", "TYPE_CYCLIST", "sign")] == [0.5] * 3


def test_at_most_200_bytes_a_detection() -> None:
    rows = random_rows(0, 200, most=40)
    waymo_average_precision(rows[:1], NAMES)
    tracemalloc.start()
    try:
        waymo_average_precision((row for _ in range(5) for row in rows), NAMES)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak / (5 * sum(len(row.detections) for row in rows)) < 200
