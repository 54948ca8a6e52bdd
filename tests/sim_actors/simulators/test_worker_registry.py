"""Simulators by name and by import path."""

import sys

import pytest

from imitation.common.settings import UserError
from sim_actors.simulators.registry import SIMULATORS, SimulatorSpec, build_simulator
from tests.sim_actors.simulators.toy_simulators import PATH


def test_an_import_path_is_called_with_the_options():
    simulator = build_simulator(SimulatorSpec(PATH, {"delay_s": 0.25}))
    assert (simulator.name, simulator.delay_s) == ("toy", 0.25)


def test_a_module_in_the_current_folder_is_found(tmp_path, monkeypatch):
    (tmp_path / "my_own_simulator.py").write_text(
        "class Mine:\n"
        "    name, version = 'mine', '2'\n"
        "    def render(self, scene): ...\n"
        "    def supports(self, scene): return []\n"
        "    def close(self): ...\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert build_simulator(SimulatorSpec("my_own_simulator:Mine")).name == "mine"


@pytest.mark.parametrize("name", ["opengl", "a.b:c", "module:Class"])
def test_names_that_can_be_meant(name):
    assert SIMULATORS.check(name) == name


@pytest.mark.parametrize("name", ["opngl", "a.b.c", ":c", "a:", "a..b:c", ""])
def test_names_that_cannot_be_meant(name):
    with pytest.raises(ValueError, match=r"there is no simulator .*opengl"):
        SIMULATORS.check(name)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("no_such_module_xyz:make", "No module named 'no_such_module_xyz'"),
        ("tests.sim_actors.simulators.toy_simulators:nothing", "has no 'nothing'"),
        (
            "tests.sim_actors.simulators.toy_simulators:not_a_simulator",
            "a value of type 'object', which lacks",
        ),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(path, message):
    with pytest.raises(UserError, match=message):
        build_simulator(SimulatorSpec(path))


def test_how_many_can_run_at_once_is_asked_of_the_simulator():
    servers = {"endpoints": ["127.0.0.1:9000", "127.0.0.1:9003"]}
    assert SimulatorSpec("unrealcv", {"manifest": "m.yaml", **servers}).side_by_side() == 2
    assert SimulatorSpec("carla", servers).side_by_side() == 2
    assert SimulatorSpec().side_by_side() is None
    assert SimulatorSpec("no_such_module:Simulator").side_by_side() is None
    assert SimulatorSpec("unrealcv", {"manifesto": "m.yaml"}).side_by_side() is None, "told where it runs"
