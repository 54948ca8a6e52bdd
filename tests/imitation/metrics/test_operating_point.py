"""The threshold of the greatest F1, against trying them all."""

from collections.abc import Callable

import numpy as np
import pytest

from imitation.detections import Detections, FrameDetections, GroundTruth
from imitation.failures import Fates
from imitation.metrics.operating_point import DEFAULT_THRESHOLD, operating_threshold

MakeRows = Callable[..., list[FrameDetections]]


def f1_at(rows: list[FrameDetections], threshold: float) -> tuple[float, float, float]:
    """(F1, precision, recall) from the fates at a threshold: an independent count."""
    fates = Fates(threshold)
    for row in rows:
        fates.add(row)
    precision = fates.correct / max(fates.detections, 1)
    recall = fates.correct / max(fates.objects, 1)
    return 2 * precision * recall / max(precision + recall, 1e-12), precision, recall


@pytest.mark.parametrize("seed", range(6))
def test_no_other_threshold_is_better(seed: int, random_rows: MakeRows) -> None:
    rows = random_rows(seed, frames=25)
    threshold, f1, precision, recall = operating_threshold(rows)
    assert (f1, precision, recall) == pytest.approx(f1_at(rows, threshold))
    for other in np.arange(0.05, 1.0, 0.1):
        assert f1_at(rows, float(other))[0] <= f1 + 1e-12


def test_order_of_frames_does_not_matter(random_rows: MakeRows) -> None:
    rows = random_rows(5, frames=30)
    assert operating_threshold(rows) == operating_threshold(rows[::-1])


def row(scores: list[float], right: list[bool], objects: int) -> FrameDetections:
    """Disjoint objects in a row; each right detection is on the next object, the others far away."""
    assert sum(right) <= objects
    place = np.cumsum(right) - 1
    boxes = [
        [20.0 * p, 0, 20.0 * p + 10, 10] if ok else [20.0 * i, 500, 20.0 * i + 10, 510]
        for i, (ok, p) in enumerate(zip(right, place))
    ]
    true = [[20.0 * i, 0, 20.0 * i + 10, 10] for i in range(objects)]
    return FrameDetections(
        "f",
        "stop",
        "d",
        999,
        999,
        detections=Detections(boxes, scores, [1] * len(boxes)),
        objects=GroundTruth(true, [1] * objects),
    )


def test_by_hand() -> None:
    point = operating_threshold([row([0.9, 0.8, 0.7, 0.2], [True, False, True, False], objects=3)])
    assert point == pytest.approx((0.7, 2 / 3, 2 / 3, 2 / 3))


def test_of_equal_f1_the_greatest_threshold() -> None:
    # At 0.9: 1 of 1 right, 2 objects: F1 2/3. At 0.3: 2 of 4 right: F1 2/3.
    point = operating_threshold([row([0.9, 0.5, 0.5, 0.3], [True, False, False, True], objects=2)])
    assert point.f1 == pytest.approx(2 / 3)
    assert point.threshold == pytest.approx(0.9)


def test_equal_scores_stand_or_fall_together() -> None:
    point = operating_threshold([row([0.5, 0.5], [True, False], objects=1)])
    assert point == pytest.approx((0.5, 2 / 3, 0.5, 1.0))


def test_the_threshold_keeps_the_detection_that_gave_it() -> None:
    rows = [row([0.1, 0.7], [True, True], objects=2)]
    point = operating_threshold(rows)
    assert len(rows[0].detections.above(point.threshold)) == 2


@pytest.mark.parametrize(
    "rows",
    [[], [row([], [], 2)], [row([0.9], [False], 0)], [row([0.9], [False], 1)]],
    ids=["no frames", "no detections", "no objects", "none right"],
)
def test_where_nothing_is_found(rows: list[FrameDetections]) -> None:
    assert operating_threshold(rows) == (DEFAULT_THRESHOLD, 0.0, 0.0, 0.0)
