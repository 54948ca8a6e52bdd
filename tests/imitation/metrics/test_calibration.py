"""Reliability bins against a direct computation and closed forms."""

import json
from dataclasses import replace

import numpy as np
import pytest

from imitation.common.settings import DataError
from imitation.evaluation.detections import Detections, FrameDetections, GroundTruth
from imitation.evaluation.matching import match_correct
from imitation.metrics.calibration import Calibration, calibration
from tests.imitation.metrics.driving import CATEGORIES, evaluated


def direct(rows: list[FrameDetections], label: int | None, bins: int) -> tuple[float, list[int]]:
    scores: list[float] = []
    right: list[bool] = []
    for row in rows:
        found, excused = match_correct(row.detections, row.objects)
        for d in range(len(row.detections)):
            if not excused[d] and label in (None, row.detections.labels[d]):
                scores.append(float(row.detections.scores[d]))
                right.append(bool(found[d] >= 0))
    ece, counts = 0.0, []
    for i in range(bins):
        low, high = i / bins, (i + 1) / bins
        inside = [j for j, s in enumerate(scores) if low <= s < high or (i == bins - 1 and s == 1)]
        counts.append(len(inside))
        if inside:
            gap = np.mean([right[j] for j in inside]) - np.mean([scores[j] for j in inside])
            ece += len(inside) / len(scores) * abs(gap)
    return float(ece), counts


@pytest.mark.parametrize("bins", [1, 8, 16])  # edges that are exact in binary, for both computations
def test_equals_a_direct_computation(bins: int) -> None:
    rows = list(evaluated(40, 3))
    result = calibration(rows, CATEGORIES, bins)
    for label, one in [(None, result.overall), *enumerate(result.categories.values(), start=1)]:
        ece, counts = direct(rows, label, bins)
        assert one.ece == pytest.approx(ece)
        assert [b.count for b in one.bins] == counts


def scored(scores: np.ndarray, right: np.ndarray) -> FrameDetections:
    """A frame of detections side by side, of which some stand on an object."""
    x = 20.0 * np.arange(len(scores))
    boxes = np.stack([x, np.zeros_like(x), x + 10, np.full_like(x, 10)], axis=1)
    objects = GroundTruth(boxes[right], np.ones(int(right.sum())))
    return FrameDetections("f", "val", "d", 1000, 100, Detections(boxes, scores, np.ones(len(x))), objects)


def test_closed_form_of_two_bins() -> None:
    """3 of 4 right at 0.75 and 1 of 4 right at 0.875: ECE = (0 + 0.625) / 2."""
    right = np.array([1, 1, 1, 0, 1, 0, 0, 0], dtype=bool)
    row = scored(np.array([0.75] * 4 + [0.875] * 4), right)
    result = calibration([row], ("car",), bins=8).overall
    assert result.ece == pytest.approx(0.3125)
    assert [(b.low, b.count, b.confidence, b.precision) for b in result.bins if b.count] == [
        (0.75, 4, 0.75, 0.75),
        (0.875, 4, 0.875, 0.25),
    ]


def test_of_a_detector_whose_scores_are_the_square_of_the_truth() -> None:
    """Right with probability p, uniform, scored p^2: the gap p - p^2 has the mean 1/6."""
    rng = np.random.default_rng(0)
    p = rng.random(40_000)
    metric = Calibration(("car",), bins=20)
    for part in np.split(p, 400):
        metric.add(scored(part**2, rng.random(len(part)) < part))
    assert metric.result().overall.ece == pytest.approx(1 / 6, abs=0.01)
    honest = Calibration(("car",), bins=20)
    for part in np.split(p, 400):
        honest.add(scored(part, rng.random(len(part)) < part))
    assert honest.result().overall.ece == pytest.approx(0, abs=0.02)


def test_what_is_ignored_is_left_out() -> None:
    row = scored(np.array([0.5, 0.9]), np.array([True, True]))
    row.objects.ignore[1] = True
    assert sum(b.count for b in calibration([row], ("car",)).overall.bins) == 1


def test_scores_of_zero_and_one_have_a_bin() -> None:
    bins = calibration([scored(np.array([0.0, 1.0]), np.array([False, True]))], ("car",)).overall.bins
    assert (bins[0].count, bins[-1].count, bins[-1].precision) == (1, 1, 1.0)


def test_nothing_detected_has_no_error_and_empty_bins() -> None:
    result = calibration([], ("car", "van"), bins=4)
    assert result.overall.ece is None
    assert result.categories["van"].ece is None
    assert result.overall.to_dict()["bins"][1] == {
        **{"low": 0.25, "high": 0.5, "count": 0, "confidence": None, "precision": None}
    }
    assert set(json.loads(json.dumps(result.to_dict()))) == {"overall", "categories"}


def test_a_score_that_is_no_probability_is_refused() -> None:
    row = replace(scored(np.array([0.5, 3.25]), np.array([True, True])), frame_id="000123")
    with pytest.raises(DataError, match=r"frame 000123: score 3.25 is outside \[0, 1\]"):
        calibration([row], ("car",))


def test_frames_with_an_error_count_nothing() -> None:
    row = scored(np.array([0.5]), np.array([True]))
    assert calibration([replace(row, error="gone")], ("car",)) == calibration([], ("car",))
