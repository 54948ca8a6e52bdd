"""A simulator is started and renders a scene, as an actor would have it do."""

import re

import numpy as np
import pytest

from imitation.common.contracts import carried_out
from imitation.data.images import encode_png
from imitation.data.records import Box, Camera, Cuboid, Frame, Object
from sim_actors.scene.records import Actor, Scene
from sim_actors.simulators.conformance.checks import simulator_contract
from sim_actors.simulators.registry import SimulatorSpec

HERE = "tests.sim_actors.simulators.conformance.test_checks"
SCENE = Scene(
    "s0", 24, 16, Camera(20.0, 20.0, 12.0, 8.0), actors=(Actor("car", Cuboid(0, 1, 10, 4, 2, 1.5, 0)),)
)


class Own:
    name, version = "own", "1"

    def supports(self, scene):
        return []

    def pixels(self):
        return np.zeros((16, 24, 3), np.uint8)

    def render(self, scene):
        car = Object("car", Box(2.0, 2.0, 9.0, 9.0))
        return Frame(scene.scene_id, 24, 16, (car,), image=encode_png(self.pixels()))

    def close(self):
        pass


class Fussy(Own):
    def supports(self, scene):
        return ["no asset for car"]


class Noisy(Own):
    def pixels(self):
        return np.random.default_rng().integers(0, 256, (16, 24, 3), np.uint8)


class Unlabelled(Own):
    def render(self, scene):
        return Frame(scene.scene_id, 24, 16, (), image=encode_png(self.pixels()))


class OtherSize(Own):
    def render(self, scene):
        return Frame(scene.scene_id, 30, 16, (), image=encode_png(np.zeros((16, 30, 3), np.uint8)))


class Raises(Own):
    def render(self, scene):
        return {}["asset"]


def needs_a_port(port):
    return Own()


def gives_a_class():
    return Own


def findings(name: str, scenes=(SCENE,)):
    spec = SimulatorSpec(f"{HERE}:{name}")
    return list(carried_out("simulator", simulator_contract(spec, scenes, 30.0, 10.0)))


def test_a_simulator_that_keeps_to_the_protocol():
    assert [finding.status for finding in findings("Own")] == ["ok"] * 4


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Fussy", "supports none of the 1 scenes that were tried: no asset for car"),
        ("OtherSize", "scene s0 could not be rendered: .*30x16 px"),
        ("Raises", r"scene s0 could not be rendered: KeyError: 'asset' \(.*test_checks.py"),
        ("needs_a_port", r"is called with \(no arguments\), but it is needs_a_port\(port\)"),
        ("gives_a_class", r"gave the class Own, not an object of it; return Own\(\.\.\.\)"),
        ("Ovn", "has no 'Ovn'; did you mean 'Own'"),
    ],
)
def test_what_breaks_the_protocol_is_a_problem(name, said):
    last = findings(name)[-1]
    assert last.status == "problem"
    assert re.search(said, last.text), last.text
    assert last.text.startswith("simulate.simulator: ")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Noisy", "the same labels, other pixels: it is not deterministic"),
        ("Unlabelled", "not one of the 1 actor to be labelled came back as an object"),
    ],
)
def test_what_is_odd_is_a_note(name, said):
    (note,) = [finding for finding in findings(name) if finding.status == "note"]
    assert said in note.text
