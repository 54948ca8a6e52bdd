"""Error types against TIDE's own code."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitation.diagnosis.error_types import ERROR_TYPES, ErrorTypes, error_types
from imitation.evaluation.detections import ANY_LABEL, Detections, FrameDetections, GroundTruth
from imitation.evaluation.failures import find_failures

CATEGORIES = ("car", "van", "person", "tram")
THEIRS = {
    "classification": "Cls",
    "localization": "Loc",
    "both": "Both",
    "duplicate": "Dupe",
    "background": "Bkg",
    "missed": "Miss",
}


def frames(
    seed: int, count: int, grid: bool = False, most: int = 30, ignored: float = 0.0
) -> list[FrameDetections]:
    """Random frames; all scores differ. On a grid, IoUs of exactly 0.5 are common."""
    rng = np.random.default_rng(seed)
    scores = rng.permutation(count * most).astype(float) / (count * most)

    def boxes(number: int) -> np.ndarray:
        corner = rng.uniform(0, 100, (number, 2))
        return np.concatenate([corner, corner + rng.uniform(8, 40, (number, 2))], axis=1)

    rows = []
    for i in range(count):
        m, n = int(rng.integers(0, 9)), int(rng.integers(0, most))
        true, labels, found, said = boxes(m), rng.integers(1, 4, m), boxes(n), rng.integers(1, 5, n)
        if m:
            near, about = rng.random(n) < 0.75, rng.integers(0, m, n)
            found[near] = (true[about] + rng.normal(0, 5, (n, 4)))[near]
            said = np.where(near & (rng.random(n) < 0.7), labels[about], said)
        if grid:
            true, found = np.round(true / 4) * 4, np.round(found / 4) * 4
        found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 4)
        ignore = rng.random(m) < ignored
        labels = np.where(ignore & (rng.random(m) < 0.4), ANY_LABEL, labels)
        # equal overlaps go to the first by content here, to the first in the file there: the same one
        order = np.lexsort((*true.T[::-1], labels))
        objects = GroundTruth(true[order], labels[order], ignore[order])
        detections = Detections(found, scores[most * i : most * i + n], said)
        rows.append(FrameDetections(f"{i:04d}", "test", "d", 150, 150, detections, objects))
    return rows


@pytest.fixture(scope="module")
def tidecv() -> ModuleType:
    try:
        import cv2  # noqa: F401
    except ImportError:  # it needs system libraries; tidecv only draws with it
        stub = ModuleType("cv2")
        stub.FONT_HERSHEY_SIMPLEX = stub.LINE_AA = 0  # type: ignore[attr-defined]
        sys.modules["cv2"] = stub
    return pytest.importorskip("tidecv")


@pytest.fixture(scope="module")
def oracle(tidecv: ModuleType) -> Callable[[Sequence[FrameDetections]], ErrorTypes]:
    """TIDE's verdict, in our words."""

    def xywh(box: np.ndarray) -> list[float]:
        x1, y1, x2, y2 = (float(v) for v in box)
        return [x1, y1, x2 - x1, y2 - y1]

    def judge(rows: Sequence[FrameDetections]) -> ErrorTypes:
        truth, found = tidecv.Data("truth"), tidecv.Data("found")
        for label, name in enumerate(CATEGORIES, start=1):
            truth.add_class(label, name)
        for image, row in enumerate(rows):
            truth.add_image(image, row.frame_id)
            for box, label, ignore in zip(row.objects.boxes, row.objects.labels.tolist(), row.objects.ignore):
                if ignore:
                    truth.add_ignore_region(image, -1 if label == ANY_LABEL else label, xywh(box))
                else:
                    truth.add_ground_truth(image, label, xywh(box))
            detections = row.detections
            for box, label, score in zip(
                detections.boxes, detections.labels.tolist(), detections.scores.tolist()
            ):
                found.add_detection(image, label, score, xywh(box))
        run = tidecv.TIDE().evaluate(truth, found, mode=tidecv.TIDE.BOX)
        lost = {kind.short_name: value / 100 for kind, value in run.fix_main_errors().items()}
        special = {kind.short_name: value / 100 for kind, value in run.fix_special_errors().items()}
        counts = {kind.short_name: count for kind, count in run.count_errors().items()}
        total = sum(lost.values())
        return ErrorTypes(
            ap=run.ap / 100,
            lost={ours: lost[theirs] for ours, theirs in THEIRS.items()},
            share={ours: lost[theirs] / total for ours, theirs in THEIRS.items()},
            counts={ours: counts[theirs] for ours, theirs in THEIRS.items()},
            false_positives=special["FalsePos"],
            false_negatives=special["FalseNeg"],
        )

    return judge


@pytest.mark.parametrize("grid", [False, True], ids=["anywhere", "on a grid"])
@pytest.mark.parametrize("seed", range(15))
def test_equals_tidecv(seed: int, grid: bool, oracle: Callable[..., ErrorTypes]) -> None:
    rows = frames(seed, count=2 + 3 * seed, grid=grid)
    ours, theirs = error_types(rows, CATEGORIES), oracle(rows)
    assert ours.counts == theirs.counts
    assert ours.ap == pytest.approx(theirs.ap, abs=1e-6)
    assert ours.lost == pytest.approx(theirs.lost, abs=1e-6)
    assert ours.share == pytest.approx(theirs.share, abs=1e-6)
    assert ours.false_positives == pytest.approx(theirs.false_positives, abs=1e-6)
    assert ours.false_negatives == pytest.approx(theirs.false_negatives, abs=1e-6)


def test_equals_tidecv_with_more_than_100_detections(oracle: Callable[..., ErrorTypes]) -> None:
    rows = frames(1, count=4, most=400)
    assert max(len(row.detections) for row in rows) > 100
    ours, theirs = error_types(rows, CATEGORIES), oracle(rows)
    assert ours.counts == theirs.counts
    assert ours.lost == pytest.approx(theirs.lost, abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_ignore_regions_absorb_what_tidecv_lets_them_absorb(
    seed: int, oracle: Callable[..., ErrorTypes]
) -> None:
    rows = frames(seed, count=25, ignored=0.3)
    ours, theirs = error_types(rows, CATEGORIES), oracle(rows)
    assert ours.ap == pytest.approx(theirs.ap, abs=1e-6)
    assert ours.false_positives == pytest.approx(theirs.false_positives, abs=1e-6)
    assert ours.false_negatives == pytest.approx(theirs.false_negatives, abs=1e-6)
    # tidecv takes absorbed detections for errors as well
    assert sum(ours.counts[kind] for kind in ERROR_TYPES[:-1]) < sum(
        theirs.counts[kind] for kind in ERROR_TYPES[:-1]
    )


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(0, 6), st.booleans())
def test_order_of_frames_detections_and_objects_does_not_matter(seed: int, count: int, grid: bool) -> None:
    rows = frames(seed, count, grid, ignored=0.2)
    rng = np.random.default_rng(seed)
    shuffled = []
    for i in rng.permutation(count):
        d, o = rng.permutation(len(rows[i].detections)), rng.permutation(len(rows[i].objects))
        true = rows[i].objects
        objects = GroundTruth(true.boxes[o], true.labels[o], true.ignore[o], true.index[o])
        shuffled.append(replace(rows[i], detections=rows[i].detections.select(d), objects=objects))
    assert error_types(shuffled, CATEGORIES) == error_types(rows, CATEGORIES)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(0, 6))
def test_shares_and_bounds(seed: int, count: int) -> None:
    result = error_types(frames(seed, count, ignored=0.1), CATEGORIES)
    assert tuple(result.lost) == tuple(result.share) == tuple(result.counts) == ERROR_TYPES
    assert all(0 <= value <= 1 - result.ap + 1e-12 for value in result.lost.values())
    assert sum(result.share.values()) == pytest.approx(1.0 if any(result.lost.values()) else 0.0)
    assert all(result.counts[kind] for kind, value in result.lost.items() if value > 0)
    assert result.false_positives >= -1e-12
    assert result.false_negatives >= -1e-12
    assert json.loads(json.dumps(result.to_dict())) == result.to_dict()


def test_counts_are_the_failures_of_all_detections() -> None:
    rows = frames(4, count=30, ignored=0.2)
    failures = find_failures(rows, threshold=0.0, categories=CATEGORIES)
    assert Counter(error_types(rows, CATEGORIES).counts) == Counter(f.kind for f in failures)


def test_perfect_and_empty() -> None:
    boxes, labels = np.array([[0, 0, 10, 10], [20, 0, 30, 10]]), np.array([1, 2])
    row = FrameDetections(
        "f", "test", "d", 50, 50, Detections(boxes, [0.9, 0.8], labels), GroundTruth(boxes, labels)
    )

    def nothing_but(ap: float) -> ErrorTypes:
        none = dict.fromkeys(ERROR_TYPES, 0)
        return ErrorTypes(
            ap=ap, lost=dict(none), share=dict(none), counts=none, false_positives=0.0, false_negatives=0.0
        )

    assert error_types([row], CATEGORIES) == nothing_but(1.0)
    assert error_types([], CATEGORIES) == nothing_but(0.0)
    row.error = "truncated JPEG"
    assert error_types([row], CATEGORIES) == nothing_but(0.0)


def test_one_of_each_kind() -> None:
    objects = [((0, 0, 10, 10), 1), ((50, 0, 60, 10), 2), ((0, 50, 10, 60), 1), ((50, 50, 60, 60), 1)]
    found = [
        ((0, 0, 10, 10), 1, 0.9),
        ((0, 0, 10, 11), 1, 0.8),  # the first again
        ((50, 0, 60, 10), 1, 0.7),  # the second, of the wrong category
        ((0, 50, 10, 80), 1, 0.6),  # the third, badly
        ((50, 0, 60, 30), 3, 0.5),  # the second, wrong and badly
        ((90, 90, 99, 99), 1, 0.4),  # nothing
    ]
    row = FrameDetections(
        "f",
        "test",
        "d",
        100,
        100,
        Detections([f[0] for f in found], [f[2] for f in found], [f[1] for f in found]),
        GroundTruth([o[0] for o in objects], [o[1] for o in objects]),
    )
    assert error_types([row], CATEGORIES).counts == dict.fromkeys(ERROR_TYPES, 1)
