"""The threshold of the greatest F1, against trying them all."""

from collections.abc import Callable

import numpy as np
import pytest

from imitation.diagnosis.failure_modes import find_modes
from imitation.evaluation.detections import Detections, FrameDetections, GroundTruth
from imitation.evaluation.failures import Fates, find_failures
from imitation.metrics.operating_point import (
    DEFAULT_THRESHOLD,
    CategoryCurves,
    Operating,
    operating_threshold,
)
from imitation.metrics.summary import summarize

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
        "val",
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


def of_category(rows: list[FrameDetections], label: int) -> list[FrameDetections]:
    """The rows as if there were one category alone; ignored regions stay."""
    kept = []
    for r in rows:
        true = (r.objects.labels == label) | r.objects.ignore
        objects = GroundTruth(r.objects.boxes[true], r.objects.labels[true], r.objects.ignore[true])
        found = r.detections.select(r.detections.labels == label)
        kept.append(FrameDetections(r.frame_id, r.split, r.detector, r.width, r.height, found, objects))
    return kept


@pytest.mark.parametrize("seed", range(4))
def test_each_category_has_the_threshold_that_it_would_have_alone(
    seed: int, random_rows: MakeRows, categories: tuple[str, ...]
) -> None:
    rows = random_rows(seed, frames=30)
    curves = CategoryCurves(categories)
    for r in rows:
        curves.add(r)
    chosen = curves.best(min_objects=1)
    assert chosen.threshold == operating_threshold(rows).threshold
    alone = {name: operating_threshold(of_category(rows, k)) for k, name in enumerate(categories, start=1)}
    found = {name: point.threshold for name, point in alone.items() if point.f1 > 0}
    assert chosen.by_category == found
    assert found  # of persons there are none
    assert "person" not in found


def test_a_category_with_few_objects_takes_the_one_for_all(
    random_rows: MakeRows, categories: tuple[str, ...]
) -> None:
    rows = random_rows(0, frames=30)
    counts = [sum(int(((r.objects.labels == k) & ~r.objects.ignore).sum()) for r in rows) for k in (1, 2)]
    assert counts[0] != counts[1]
    metrics = summarize(rows, categories, "val", min_objects=max(counts))
    (named,) = metrics.thresholds
    assert named == categories[int(np.argmax(counts))]
    cutoff = metrics.operating.cutoff(categories)
    assert [cutoff[i] for i in range(3) if categories[i] != named] == [metrics.threshold] * 2
    assert summarize(rows, categories, "val", min_objects=max(counts) + 1).thresholds == {}
    assert summarize(rows, categories, "val").cutoff == metrics.threshold  # the default: one for all


def test_failures_and_modes_are_those_of_detections_at_their_categorys_threshold(
    random_rows: MakeRows, categories: tuple[str, ...]
) -> None:
    rows = random_rows(7, frames=40)
    cutoff = Operating(0.5, {"car": 0.3, "van": 0.8}).cutoff(categories)
    assert cutoff == (0.3, 0.8, 0.5)
    cut = []
    for r in rows:
        least = np.array([0.3, 0.8, 0.5])[r.detections.labels - 1]
        kept = r.detections.select(r.detections.scores >= least.astype(np.float32))
        cut.append(FrameDetections(r.frame_id, r.split, r.detector, r.width, r.height, kept, r.objects))
    by_hand = [f.to_row() for f in find_failures(cut, 0.0, categories)]
    assert [f.to_row() for f in find_failures(rows, cutoff, categories)] == by_hand
    metrics = summarize(rows, categories, "val", Operating(0.5, {"car": 0.3, "van": 0.8}))
    assert sum(metrics.failures.values()) == len(by_hand)
    modes = find_modes(lambda: rows, categories, cutoff)
    assert sum(counts.failures for counts in modes.table) == len(by_hand)
    assert find_modes(lambda: rows, categories, {"d": cutoff}) == modes  # as folds have them
