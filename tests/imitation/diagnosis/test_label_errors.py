"""Suspected label errors: what every detector sees, and nobody labelled."""

from functools import partial

import numpy as np
import pytest

from imitation.diagnosis.failure_tracking import Judge
from imitation.diagnosis.label_errors import Evaluated, Suspect, suspected_label_errors
from imitation.evaluation.detections import Detections, FrameDetections, GroundTruth

CATEGORIES = ("car", "pedestrian")
CAR, GHOST, OTHER = (100.0, 100, 160, 140), (400.0, 100, 440, 140), (600.0, 100, 640, 140)
Found = tuple[tuple[float, ...], float, int]


def evaluated(name: str, *frames: list[Found], errors: frozenset[int] = frozenset()) -> Evaluated:
    """Frames "f0", "f1", ... with one labelled car each, and detections of (box, score, label)."""
    rows = [
        FrameDetections(
            f"f{i}",
            "mine",
            name,
            1000,
            400,
            Detections([f[0] for f in found], [f[1] for f in found], [f[2] for f in found]),
            GroundTruth([CAR], [1]),
            error="unreadable" if i in errors else None,
        )
        for i, found in enumerate(frames)
    ]
    return Evaluated(name, partial(iter, rows), Judge(CATEGORIES, 0.5))


RIGHT: list[list[Found]] = [[(CAR, 0.7, 1)], [(CAR, 0.8, 1)], [(CAR, 0.9, 1)]]


def test_confident_and_made_again_by_all() -> None:
    first = evaluated("cycle 1", [*RIGHT[0], (GHOST, 0.85, 1), (OTHER, 0.95, 1)], *RIGHT[1:])
    second = evaluated("cycle 0", [*RIGHT[0], ((402.0, 100, 442, 140), 0.55, 1)], *RIGHT[1:])
    assert suspected_label_errors([first, second], quantile=0.5) == [
        Suspect(
            frame_id="f0",
            predicted="car",
            score=float(np.float32(0.85)),
            box=list(GHOST),
            evaluations=["cycle 1", "cycle 0"],
            failure_id="f0#background-d1",
        )
    ]


@pytest.mark.parametrize(
    "again",
    [
        (GHOST, 0.9, 2),  # of another class
        ((430.0, 100, 470, 140), 0.9, 1),  # elsewhere
        (GHOST, 0.4, 1),  # under the threshold
    ],
)
def test_what_another_does_not_see_is_no_suspect(again: Found) -> None:
    first = evaluated("a", [*RIGHT[0], (GHOST, 0.95, 1)])
    assert suspected_label_errors([first, evaluated("b", [*RIGHT[0], again])]) == []
    third = evaluated("c", [*RIGHT[0], (GHOST, 0.95, 1)])
    assert len(suspected_label_errors([first, third])) == 1
    assert suspected_label_errors([first, third, evaluated("b", [*RIGHT[0], again])]) == []


def test_what_is_not_confident_is_no_suspect() -> None:
    frames = [[*RIGHT[0], (GHOST, 0.75, 1)], *RIGHT[1:]]
    pair = [evaluated(name, *frames) for name in "ab"]
    assert suspected_label_errors(pair, quantile=0.5) == []
    assert len(suspected_label_errors(pair, quantile=0.0)) == 1


def test_without_a_right_detection_nothing_is_confident() -> None:
    assert suspected_label_errors([evaluated(name, [(GHOST, 0.99, 1)]) for name in "ab"]) == []


def test_a_frame_that_only_one_could_judge_is_left_out() -> None:
    frames = [[*RIGHT[0], (GHOST, 0.95, 1)], [*RIGHT[1], (GHOST, 0.96, 1)]]
    first, second = evaluated("a", *frames), evaluated("b", *frames, errors=frozenset({0}))
    assert [s.frame_id for s in suspected_label_errors([first, second])] == ["f1"]
    third = evaluated("c", *frames)
    found = {s.frame_id: s.evaluations for s in suspected_label_errors([first, second, third])}
    assert found == {"f1": ["a", "b", "c"], "f0": ["a", "c"]}


def test_sorted_by_score_and_plain() -> None:
    frames = [[*RIGHT[0], (GHOST, 0.95, 1)], [*RIGHT[1], (OTHER, 0.96, 2)]]
    found = suspected_label_errors([evaluated(name, *frames) for name in "ab"])
    assert [s.frame_id for s in found] == ["f1", "f0"]
    assert found[1].to_dict() == {
        "frame_id": "f0",
        "predicted": "car",
        "score": pytest.approx(0.95),
        "box": list(GHOST),
        "evaluations": ["a", "b"],
        "failure_id": "f0#background-d0",
    }


def test_needs_two_and_a_quantile() -> None:
    with pytest.raises(ValueError, match="found 1"):
        suspected_label_errors([evaluated("a")])
    with pytest.raises(ValueError, match=r"quantile is 1\.5"):
        suspected_label_errors([evaluated("a"), evaluated("b")], quantile=1.5)
