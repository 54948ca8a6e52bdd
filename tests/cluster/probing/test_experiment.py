"""The probe names the cause where it is known: detectors blind by construction, on rendered streets."""

from dataclasses import replace

import numpy as np
import pytest

from cluster.probing.experiment import changed_scene, plain_name
from imitation.common.settings import UserError
from imitation.data.records import Box, Object
from imitation.diagnosis.counterfactuals import (
    HELPS,
    MORE_CHANGED,
    NOT_APPLICABLE,
    REFUSED,
    Probe,
    case_records,
    probed,
)
from imitation.report.probe.text import conclusions
from sim_actors.changes.factor import Factor, Subject
from sim_actors.changes.registry import factors
from sim_actors.simulators.opengl.renderer import OpenGLSimulator
from tests.cluster.probing.blind import BLACK, WHITE, Bench, car, dark, hidden, right, small, street, thing

COUNT = 8


@pytest.fixture(scope="module")
def simulator():
    made = OpenGLSimulator()
    yield made
    made.close()


def cause(simulator, blind, scenes, names):
    asked = factors(names)
    cases = Bench(simulator, blind, asked).experiment.cases([thing(s, i) for i, s in enumerate(scenes)])
    said = {name: factor.said for name, factor in asked.items()}
    groups, unit = probed(cases, said, np.random.default_rng(0), 500)
    return cases, groups, unit


def helping(groups):
    return {effect.factor for effect in groups[0].effects if effect.verdict == HELPS}


def test_a_detector_blind_to_dark_cars_hangs_on_the_paint(simulator):
    scenes = [street(i, car(-3.0 + i, 12.0 + i, BLACK)) for i in range(COUNT)]
    cases, groups, unit = cause(simulator, dark, scenes, ["paint", "turned", "nearer", "noon"])
    assert [case.control for case in cases] == ["missed"] * COUNT
    assert helping(groups) == {"paint"}
    assert unit == "frames"
    assert {case.changed["noon"] for case in cases} == {NOT_APPLICABLE}  # it is one o'clock
    noon = next(effect for effect in groups[0].effects if effect.factor == "noon")
    assert noon.cases == 0
    assert noon.left_out == {NOT_APPLICABLE: COUNT}


def test_a_detector_blind_to_small_cars_hangs_on_the_distance(simulator):
    scenes = [street(i, car(-3.0 + i, 26.0 + i / 2)) for i in range(COUNT)]
    _, groups, _ = cause(simulator, small, scenes, ["nearer", "paint", "turned", "mirrored"])
    assert helping(groups) == {"nearer"}


def test_a_detector_blind_in_the_right_half_hangs_on_the_side(simulator):
    scenes = [street(i, car(3.0 + i / 3, 12.0 + i, WHITE if i % 2 else BLACK)) for i in range(COUNT)]
    _, groups, _ = cause(simulator, right, scenes, ["mirrored", "nearer", "paint", "turned"])
    assert helping(groups) == {"mirrored"}


def test_a_detector_blind_to_hidden_cars_hangs_on_what_hides_them(simulator):
    scenes = [street(i, car(-2.0 + i, 20.0), car((-2.0 + i) * 0.5 + 0.8, 10.0)) for i in range(COUNT)]
    cases, groups, _ = cause(simulator, hidden, scenes, ["occluder", "paint", "turned", "nearer"])
    assert helping(groups) == {"occluder"}
    # 10 m nearer stands before, or in, what hid it: never counted as if distance alone had changed
    assert {case.changed["nearer"] for case in cases} <= {NOT_APPLICABLE, MORE_CHANGED}


def test_failures_that_do_not_survive_are_not_counted_and_nothing_is_concluded(simulator):
    scenes = [street(i, car(-3.0 + i / 8, 11.0, BLACK if i < 2 else WHITE)) for i in range(COUNT)]
    bench = Bench(simulator, dark, factors(["paint"]))
    cases = bench.experiment.cases([thing(s, i) for i, s in enumerate(scenes)])
    assert [case.survives for case in cases] == [True] * 2 + [False] * (COUNT - 2)
    # what does not survive costs no further picture
    assert len(bench.asked) == 2 * COUNT + 2
    groups, unit = probed(cases, {"paint": "in another paint"}, np.random.default_rng(0), 100)
    told = {"run": "r", "cycle": 0, "split": "val", "simulator": "s", "there": COUNT, "out_of_reach": {}}
    probe = Probe(version=1, seed=0, unit=unit, groups=groups, cases=case_records(cases), **told)
    assert not groups[0].enough
    assert not helping(groups)
    (said,) = conclusions(probe)
    assert "nothing is concluded" in said
    assert f"2 of {COUNT}" in said


def test_what_a_simulator_refuses_is_counted_apart(simulator):
    refuse = Factor(lambda scene, subject, rng: replace(scene, family="no such family"), "refused")
    bench = Bench(simulator, dark, {"mine": refuse})
    (case,) = bench.experiment.cases([thing(street(0, car(0.0, 12.0, BLACK)), 0)])
    assert case.survives
    assert case.changed == {"mine": REFUSED}


SUBJECT = Subject(0, Object("car", Box(0, 0, 9, 9)), np.zeros((72, 192, 3), np.uint8))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda scene, subject, rng: 1 / 0, "factor mine: ZeroDivisionError: division by zero"),
        (lambda scene, subject, rng: "fog", "factor mine: gave str, not a Scene or None"),
        (
            lambda scene, subject, rng: replace(scene, actors=scene.actors[:1], focus=()),
            "factor mine: of 2 actors 1 are left",
        ),
    ],
)
def test_a_factor_of_ones_own_that_is_wrong_is_named(change, said):
    scene = street(0, car(0.0, 12.0), car(3.0, 15.0))
    with pytest.raises(UserError, match=said):
        changed_scene("mine", Factor(change, "x"), scene, SUBJECT, np.random.default_rng(0))


def test_a_factor_of_ones_own_need_not_speak_of_the_focus():
    scene = street(0, car(0.0, 12.0))
    own = Factor(lambda scene, subject, rng: replace(scene, seed=9, focus=()), "x")
    found = changed_scene("mine", own, scene, SUBJECT, np.random.default_rng(0))
    assert found is not None
    assert found.focus == (0,)
    assert found.seed == 9
    assert plain_name("my.module:fog") == "my-module-fog"
