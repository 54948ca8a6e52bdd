"""Compact outcomes: the same AP as COCO's, weighted or not, in little memory."""

import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitation.common.settings import UserError
from imitation.evaluation.detections import Detections, FrameDetections, GroundTruth
from imitation.metrics.average_precision import (
    IOU_THRESHOLDS,
    MAX_DETECTIONS,
    average_precisions,
    interpolated_precision,
)
from imitation.metrics.curves import Curve, weighted_average_precisions
from imitation.metrics.statistics.outcomes import BOX, OutcomeBuilder, Outcomes
from imitation.metrics.statistics.slices import slices_of

MakeRows = Callable[..., list[FrameDetections]]


def outcomes_of(
    rows: Sequence[FrameDetections], categories: Sequence[str], threshold: float = 0.5
) -> Outcomes:
    builder = OutcomeBuilder(categories, tuple(IOU_THRESHOLDS))
    for row in rows:
        builder.add(row, threshold)
    return builder.result()


def precisions(outcomes: Outcomes, label: int, weights: np.ndarray | None = None) -> list[float] | None:
    """AP at every IoU, of the frames as they are or weighted; None without objects."""
    curves = [outcomes.curve(label, t) for t in range(len(IOU_THRESHOLDS))]
    if weights is None:
        weights = np.ones(len(outcomes.frames), dtype=np.int32)
    known = [curve for curve in curves if curve is not None]
    return weighted_average_precisions(known, weights[None])[0].tolist() if known else None


@pytest.mark.parametrize("seed", range(8))
def test_equals_coco_with_ties_and_ignore_regions(
    seed: int, random_rows: MakeRows, categories: tuple[str, ...]
) -> None:
    rows = random_rows(seed, frames=5 + 40 * seed)
    theirs = average_precisions(rows, categories)
    ours = outcomes_of(rows, categories)
    for label, name in enumerate(categories, start=1):
        values = precisions(ours, label)
        assert (values is None) == (theirs.ap[name] is None)
        if values is not None:
            assert values[0] == pytest.approx(theirs.ap50[name], abs=1e-12)
            assert np.mean(values) == pytest.approx(theirs.ap[name], abs=1e-12)


def test_equals_coco_with_more_than_100_detections(
    random_rows: MakeRows, categories: tuple[str, ...]
) -> None:
    rows = random_rows(3, frames=4, most=1500, objects=60)
    assert max(np.bincount(r.detections.labels).max() for r in rows) > MAX_DETECTIONS
    theirs, ours = average_precisions(rows, categories), outcomes_of(rows, categories)
    for label in (1, 2):
        values = precisions(ours, label)
        assert values is not None
        assert np.mean(values) == pytest.approx(theirs.ap[categories[label - 1]], abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_a_weight_is_a_repeated_frame(seed: int, random_rows: MakeRows, categories: tuple[str, ...]) -> None:
    rng = np.random.default_rng(seed)
    rows = random_rows(seed, frames=30)
    for row in rows:  # without ties: repeating a frame otherwise says nothing of how copies rank
        row.detections.scores = rng.permutation(10_000)[: len(row.detections)].astype(np.float32) / 10_000
        row.detections.scores += np.float32(rng.random() / 20_000)
    weights = rng.integers(0, 4, len(rows)).astype(np.int32)
    repeated = [
        replace(row, frame_id=f"{row.frame_id}-{copy}")
        for row, weight in zip(rows, weights)
        for copy in range(weight)
    ]
    theirs, ours = average_precisions(repeated, categories), outcomes_of(rows, categories)
    for label in (1, 2):
        values = precisions(ours, label, weights)
        assert values is not None
        assert np.mean(values) == pytest.approx(theirs.ap[categories[label - 1]], abs=1e-12)


@given(
    found=st.lists(st.booleans(), max_size=40),
    missed=st.integers(0, 10),
    at_once=st.integers(1, 3),
)
@settings(deadline=None)
def test_weights_of_one_are_interpolated_precision(found: list[bool], missed: int, at_once: int) -> None:
    hit = np.array(found, dtype=bool)
    objects = int(hit.sum()) + missed
    curve = Curve(
        hits=np.flatnonzero(hit),
        before=np.cumsum(~hit)[hit],
        misses=np.flatnonzero(~hit),
        objects=np.zeros(objects, dtype=np.int64),
    )
    weights = np.ones((at_once, max(len(hit), 1)), dtype=np.int32)
    result = weighted_average_precisions([curve], weights)
    expected = interpolated_precision(hit.astype(int), objects) if objects else np.nan
    np.testing.assert_allclose(result, np.full((at_once, 1), expected), atol=1e-12)


def objects_of(outcomes: Outcomes) -> list[tuple[float, ...]]:
    """Frame, label and box of each object to be found."""
    return list(zip(*(outcomes.of_object[name].tolist() for name in ("frame", "label", *BOX))))


def test_only_some_frames_are_as_if_the_others_had_never_been(
    random_rows: MakeRows, categories: tuple[str, ...]
) -> None:
    rows = random_rows(5, frames=60)
    some = [rows[i] for i in np.random.default_rng(0).permutation(60)[:25]]
    cut = outcomes_of(rows, categories).only([row.frame_id for row in some])
    alone = outcomes_of(some, categories)
    assert cut.frames == alone.frames
    for label in (1, 2):
        assert precisions(cut, label) == precisions(alone, label)
    np.testing.assert_array_equal(cut.counts, alone.counts)
    assert sorted(objects_of(cut)) == sorted(objects_of(alone))
    rng = np.random.default_rng
    assert slices_of(cut, rng(1), 20) == slices_of(alone, rng(1), 20)


def test_objects_keep_their_boxes_and_ignored_ones_do_not() -> None:
    boxes = np.array([[0, 0, 9, 9.25], [5, 5, 30, 30], [0, 50, 8, 60.0]])
    true = GroundTruth(boxes, np.array([1, 2, 2]), ignore=np.array([False, True, False]))
    rows = [FrameDetections(name, "val", "d", 99, 99, objects=true) for name in "fg"]
    kept = [(1, 0, 0, 9, 9.25), (2, 0, 50, 8, 60)]
    outcomes = outcomes_of(rows, ("car", "van"))
    assert objects_of(outcomes) == [(f, *one) for f in (0, 1) for one in kept]


def test_unknown_attribute_is_named(random_rows: MakeRows, categories: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match="no attribute 'colour' to slice by; there are category, size"):
        outcomes_of(random_rows(0, frames=5), categories).words("colour")


def test_label_beyond_the_categories_is_refused() -> None:
    row = FrameDetections("frame7", "val", "d", 9, 9, Detections(np.array([[0, 0, 4, 4]]), [0.5], [2]))
    with pytest.raises(ValueError, match="frame7: label 2 of 1"):
        outcomes_of([row], ["car"])


def stream(frames: int, detections: int) -> Iterator[FrameDetections]:
    """Frames made as they are asked for."""
    rng = np.random.default_rng(0)
    for i in range(frames):
        corner = rng.uniform(0, 500, (detections, 2))
        boxes = np.concatenate([corner, corner + rng.uniform(20, 90, (detections, 2))], axis=1)
        labels = rng.integers(1, 4, detections)
        yield FrameDetections(
            f"sequence_0007/frame_{i:08d}",
            "val",
            "d",
            640,
            640,
            Detections(boxes + rng.normal(0, 9, boxes.shape), rng.random(detections), labels),
            GroundTruth(boxes, labels, truncation=rng.random(detections)),
            conditions={"weather": ("rain", "clear")[i % 2], "hour": str(i % 24)},
        )


@pytest.mark.parametrize("detections", [2, 8])
def test_memory_grows_by_less_than_200_bytes_a_detection(detections: int) -> None:
    def peak(frames: int) -> int:
        tracemalloc.start()
        builder = OutcomeBuilder(("car", "van", "person"), tuple(IOU_THRESHOLDS))
        for row in stream(frames, detections):
            builder.add(row, 0.5)
        builder.result()
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    few, many = 128, 512
    growth = (peak(many) - peak(few)) / ((many - few) * detections)
    assert growth < 200, f"{growth:.0f} bytes a detection"
