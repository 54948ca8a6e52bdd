"""One name for a thing, wherever it stands."""

import re

import pytest

from imitation.evaluation.failures import KINDS
from imitation.report import words
from imitation.report.words import (
    arms_mean,
    detector_name,
    kind_name,
    measure_name,
    mode_name,
)


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("real", "baseline"),
        ("stand-in", "baseline"),
        ("stand-in + sim, cycle 2", "imitation, cycle 2"),
        ("real + random sim, cycle 1", "random, cycle 1"),
        ("real + repeated, cycle 1", "oversample, cycle 1"),
        ("real, longer, cycle 3", "longer, cycle 3"),
        ("sim, longer, cycle 3", "sim, cycle 3"),
        ("sim, cycle 0", "sim"),
        ("imitation, chosen", "imitation, chosen"),
        ("mine.policies:greedy, cycle 1", "mine.policies:greedy, cycle 1"),
    ],
)
def test_a_detector_has_one_name_whatever_an_earlier_version_called_it(label: str, name: str) -> None:
    assert detector_name(label) == name
    assert detector_name(name) == name


def test_every_arm_says_what_it_is_trained_on() -> None:
    said = arms_mean(
        ["baseline", "imitation, cycle 1", "imitation, cycle 2", "mine:policy, cycle 1"], "stand-in"
    )
    assert said.count("imitation:") == 1
    assert "real" not in said
    assert "mine:policy: stand-in frames and what this policy asked for" in said


def test_every_kind_of_failure_has_a_name_of_its_own() -> None:
    assert list(words.KINDS) == list(words.KINDS_MEAN) == list(KINDS)
    assert len({kind_name(kind) for kind in KINDS}) == len(KINDS)


def test_modes_of_policies_and_of_analyses_speak_alike() -> None:
    assert mode_name("car, background, plain") == "car on nothing, nothing special"
    assert mode_name("car on nothing, under 25 px") == "car on nothing, under 25 px"
    assert mode_name("car, localization, the rest") == "car, badly placed, the rest"
    assert mode_name("truck, missed, occluded") == "truck, missed, occluded"
    assert mode_name("missed") == "missed", "a category may have the name of a kind"


def test_a_measure_says_its_iou() -> None:
    for measure in ("map", "map50", "mAP", "mAP50"):
        assert re.fullmatch(r"mAP(50|@\[\.5:\.95\])", measure_name(measure))
    assert measure_name("Car") == "Car AP50"
    assert measure_name("0-1 loss") == "wrong"
