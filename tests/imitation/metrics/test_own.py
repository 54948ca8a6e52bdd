"""A metric of one's own: what it is given, what it may give, and its resamples."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from imitation.common.settings import UserError
from imitation.evaluation.detections import FrameDetections
from imitation.evaluation.matching import match_correct
from imitation.metrics.average_precision import average_precisions
from imitation.metrics.own import (
    METRICS,
    OwnMetric,
    check_metric,
    check_metric_name,
    load_metric,
    sampled_metric,
)
from imitation.metrics.summary import Metrics, score_of, summarize

MakeRows = Callable[..., list[FrameDetections]]


def recall(frames: list[FrameDetections], categories: tuple[str, ...]) -> float:
    found = objects = 0
    for frame in frames:
        hits, _ = match_correct(frame.detections, frame.objects)
        found += int((hits >= 0).sum())
        objects += int((~frame.objects.ignore).sum())
    return found / objects if objects else float("nan")


def test_it_gets_the_frames_that_could_be_judged(random_rows: MakeRows, categories: tuple[str, ...]) -> None:
    rows = random_rows(1, frames=6)
    rows[2].error = "unreadable"
    seen: list[Any] = []

    def spy(frames: Any, names: Any) -> float:
        seen.append(([frame.frame_id for frame in frames], names))
        return 0.25

    assert OwnMetric("mine:spy", spy)(iter(rows), categories) == 0.25
    assert seen == [([row.frame_id for i, row in enumerate(rows) if i != 2], categories)]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (float("nan"), "mine:f gave NaN: .* return 0.0 where there is nothing to find"),
        (None, r"mine:f gave NoneType \(None\); it must return a number"),
        (True, "mine:f gave bool"),
        ([0.5], "mine:f gave list"),
        (71.0, "mine:f gave 71; it must lie in 0 to 1"),
        (-0.1, "mine:f gave -0.1"),
        (float("inf"), "mine:f gave inf"),
    ],
)
def test_what_is_no_score_is_refused(value: object, told: str) -> None:
    with pytest.raises(UserError, match=told):
        OwnMetric("mine:f", lambda frames, categories: value)([], ("car",))


def test_what_it_raises_is_told_with_its_name() -> None:
    with pytest.raises(UserError, match="mine:f failed on 0 frames: ZeroDivisionError: division by zero"):
        OwnMetric("mine:f", lambda frames, categories: 1 / len(frames))([], ("car",))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("no_such_module:f", "no_such_module:f' cannot be imported"),
        ("math:no_such_name", "cannot be imported"),
        ("math:pi", "is a float, which cannot be called"),
    ],
)
def test_a_path_that_leads_nowhere_is_named(name: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        load_metric(name)


def test_names() -> None:
    assert [check_metric_name(name) for name in ("map50", "map", "a.b:c")] == ["map50", "map", "a.b:c"]
    for wrong in ("mAP50", "a:", ":b", ""):
        with pytest.raises(ValueError, match=r"there is no metric .*map.*package\.module:factory"):
            check_metric_name(wrong)


def test_ours_are_metrics_like_anybodys(random_rows: MakeRows, categories: tuple[str, ...]) -> None:
    rows = random_rows(2, frames=10)
    told = average_precisions(rows, categories)
    assert [load_metric(name)(rows, categories) for name in METRICS] == [told.map50, told.map]
    assert METRICS.load("map")([], categories) == 0.0


def test_on_each_resample_frames_count_as_often_as_they_were_drawn(
    random_rows: MakeRows, categories: tuple[str, ...]
) -> None:
    rows = random_rows(3, frames=5)
    metric = OwnMetric("mine:recall", recall)
    weights = np.array([[1, 1, 1, 1, 1], [0, 3, 0, 2, 0], [0, 0, 0, 0, 0]])
    got = sampled_metric(metric, rows, categories, [weights[:2], weights[2:]])
    by_hand = [recall(rows, categories), recall([rows[1]] * 3 + [rows[3]] * 2, categories)]
    assert got[:2] == pytest.approx(by_hand)
    assert np.isnan(got[2])  # a resample without objects says nothing, and stops nothing


def test_it_stands_among_the_metrics(random_rows: MakeRows, categories: tuple[str, ...]) -> None:
    metrics = summarize(random_rows(2, frames=10), categories, "val")
    metrics.own["mine:recall"] = 0.75
    again = Metrics.from_dict(metrics.to_dict())
    assert again == metrics
    assert again.score("mine:recall") == score_of(metrics.to_dict(), "mine:recall") == 0.75
    assert again.score("map50") == metrics.map50
    with pytest.raises(KeyError):
        again.score("mine:other")
    old = {k: v for k, v in metrics.to_dict().items() if k not in ("own", "thresholds")}
    assert Metrics.from_dict(old).own == {}  # a run of an earlier version


def test_it_is_tried_before_anything_is_trained(categories: tuple[str, ...]) -> None:
    seen: list[float] = []
    check_metric(
        OwnMetric("mine:recall", lambda frames, names: seen.append(recall(frames, names)) or 0.5), categories
    )
    assert seen == [0.5]  # each category once found and once missed, in every frame
    check_metric(OwnMetric("mine:nothing", lambda frames, names: float("nan")), categories)
    with pytest.raises(UserError, match=r"mine:typo failed on 3 frames: AttributeError: .*detektions"):
        check_metric(OwnMetric("mine:typo", lambda frames, names: frames[0].detektions), categories)
    with pytest.raises(UserError, match="mine:text gave str"):
        check_metric(OwnMetric("mine:text", lambda frames, names: "0.5"), categories)
