"""Counts at every threshold, against matching anew at each."""

from dataclasses import replace

import numpy as np
import pytest

from imitation.evaluation.detections import FrameDetections
from imitation.evaluation.matching import match
from imitation.metrics.summary import summarize
from imitation.metrics.threshold_curves import ThresholdCurve, score_grid, threshold_curves
from tests.imitation.metrics.driving import CATEGORIES, evaluated

ROWS = list(evaluated(24, 3, hit=0.7))
GRID = [0.0, 0.1, 0.3, 0.55, 0.8, 0.99]


@pytest.fixture(scope="module")
def curves() -> list[ThresholdCurve]:
    return threshold_curves(ROWS, CATEGORIES, GRID)


def test_of_all_they_are_the_measures_of_a_run_at_that_threshold(curves: list[ThresholdCurve]) -> None:
    for i, threshold in enumerate(GRID):
        told = summarize(ROWS, CATEGORIES, "test", threshold)
        shares = [0.0 if share is None else share for share in curves[0].at(i)]
        expected = [told.precision, told.recall, told.f1, told.zero_one_loss]
        assert shares == pytest.approx(expected, abs=1e-12)
        assert curves[0].objects == told.objects


def brute(row: FrameDetections, threshold: float, label: int) -> np.ndarray:
    kept = row.detections.above(threshold)
    fates = match(kept, row.objects)
    mine, objects = kept.labels == label, row.objects.labels == label
    right = fates.detection_fates == "correct"
    judged = fates.detection_fates != "ignored"
    missed = objects & (fates.object_fates == "missed")
    return np.array([(mine & right).sum(), (mine & judged & ~right).sum(), missed.sum()])


def test_by_category_they_are_what_matching_at_each_threshold_gives(curves: list[ThresholdCurve]) -> None:
    by_name = {part.value: part for part in curves if part.attribute == "category"}
    assert list(by_name) == list(CATEGORIES)
    for label, name in enumerate(CATEGORIES, start=1):
        part = by_name[name]
        for i, threshold in enumerate(GRID):
            expected = sum(brute(row, threshold, label) for row in ROWS)
            assert [part.correct[i], part.wrong[i], part.missed[i]] == list(expected)


def test_slices_share_out_what_all_have(curves: list[ThresholdCurve]) -> None:
    """Weather is known of every frame, so its slices share all out; of occlusion, wrong ones are all."""
    weather = [part for part in curves if part.attribute == "condition: weather"]
    assert {part.value for part in weather} == {"clear", "rain", "fog"}
    whole = curves[0]
    for name in ("correct", "wrong", "missed"):
        summed = np.sum([getattr(part, name) for part in weather], axis=0)
        assert list(summed) == getattr(whole, name)
    fog = threshold_curves([row for row in ROWS if row.conditions["weather"] == "fog"], CATEGORIES, GRID)[0]
    (part,) = (part for part in weather if part.value == "fog")
    assert (part.correct, part.wrong, part.missed) == (fog.correct, fog.wrong, fog.missed)
    occluded = [part for part in curves if part.attribute == "occlusion"]
    assert occluded
    assert all(part.wrong == whole.wrong and part.objects >= 20 for part in occluded)
    assert all(part.objects >= 20 for part in curves if part.attribute not in (None, "category"))


def test_rows_that_could_not_be_read_and_empty_ones() -> None:
    broken = replace(ROWS[0], error="no image")
    assert threshold_curves([broken, *ROWS], CATEGORIES, GRID) == threshold_curves(ROWS, CATEGORIES, GRID)
    (nothing,) = threshold_curves([], CATEGORIES, GRID)
    assert (nothing.objects, nothing.at(0)) == (0, (None,) * 4)


def test_the_grid_holds_the_operating_threshold() -> None:
    grid = score_grid(0.3751, 100)
    assert len(grid) == 101
    assert grid == sorted(grid)
    assert 0.3751 in grid
    assert len(score_grid(0.25)) == 100
