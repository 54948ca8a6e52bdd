"""Why a failure may be out of the simulator's reach."""

from typing import Any

import pytest

from imitation.data.records import Box, Frame, Origin
from imitation.diagnosis.feasibility import Reach, ReachSettings, frames_rendered
from imitation.evaluation.failures import Failure

REACH = Reach(frozenset({"car"}), {"weather": frozenset({"clear", "rain"})}, {"f#missed-o0": 3})


def failure(**changes: Any) -> Failure:
    values: dict[str, Any] = {
        "failure_id": "f#missed-o0",
        "frame_id": "f",
        "split": "mine",
        "detector": "fold-0",
        "kind": "missed",
        "category": "car",
        "predicted": None,
        "object_index": 0,
        "object_box": Box(0, 0, 30, 20),
        "detection_box": None,
        "score": None,
        "iou": 0.0,
        "height_px": 20.0,
        "distance_m": 30.0,
        "truncation": 0.1,
        "occlusion": 0.2,
        "conditions": {"weather": "Rain", "location": "anywhere"},
    }
    return Failure(**values | changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "in reach: rendered 3 frames for it"),
        ({"failure_id": "f#missed-o1"}, "in reach: nothing was rendered"),
        ({"category": "tram"}, "the simulator has no asset for category 'tram'"),
        ({"source_category": "Van"}, "the simulator has no asset for category 'Van'"),
        ({"conditions": {"weather": "fog"}}, "the simulator cannot stage weather 'fog'"),
        ({"distance_m": None}, "no 3D information: its place is guessed from its box"),
        ({"height_px": 11.9}, "too few pixels: under 12 px high"),
        ({"truncation": 0.81}, "hardly visible: occluded or truncated beyond 0.8"),
        ({"occlusion": 0.81}, "hardly visible: occluded or truncated beyond 0.8"),
        ({"occlusion": None, "truncation": None}, "in reach: rendered 3 frames for it"),
        # Nothing is there to be far away or hidden: clutter can be staged.
        (
            {
                "kind": "background",
                "object_box": None,
                "object_index": None,
                "distance_m": None,
                "height_px": 5.0,
            },
            "in reach: rendered 3 frames for it",
        ),
    ],
)
def test_the_first_reason_that_holds(changes: dict[str, Any], said: str) -> None:
    reason = REACH.reason(failure(**changes))
    assert str(reason) == said
    assert reason.in_reach == said.startswith("in reach")


def test_counts_are_kept_without_the_number() -> None:
    assert REACH.reason(failure()).group == "in reach: frames were rendered for it"
    many = Reach(rendered={"f#missed-o0": 1})
    assert str(many.reason(failure())) == "in reach: rendered 1 frame for it"
    assert many.reason(failure()).group == REACH.reason(failure()).group


def test_of_a_split_that_is_not_mined_nothing_is_said_of_frames() -> None:
    assert str(Reach().reason(failure())) == Reach().reason(failure()).group == "in reach"


def test_bounds_are_settings() -> None:
    strict = Reach(settings=ReachSettings(min_height_px=25))
    assert str(strict.reason(failure())) == "too few pixels: under 25 px high"


def test_lineage_counts_frames_by_failure() -> None:
    def frame(*failures: str) -> Frame:
        return Frame("s", 10, 10, origin=Origin(1, "f", failures, "imitation", "{}", "toy", "1", 0))

    assert frames_rendered([frame("a", "b"), frame("a"), Frame("real", 10, 10)]) == {"a": 2, "b": 1}
