"""What is tried before a run, and by `imitate check`: real processes, and one sentence at the end."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cluster.checks import policy, simulator
from cluster.checks.early import has_judged, try_early
from cluster.cli.main import main
from cluster.config.parse import load_defaults
from cluster.observability.console import Reporter
from cluster.run.baseline import has_baseline
from cluster.workspace.run_folder import Workspace
from imitation.common import storage
from imitation.common.settings import UserError
from tests.cluster.checks.own import PATH

ROOT = Path(__file__).resolve().parents[3]


def gone(pid: int) -> bool:
    """Whether a process has ended, or is only waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_policy_of_ones_own_is_tried_in_a_process_of_its_own(capfd):
    found = list(policy.findings(load_defaults([f"policy.name={PATH}:Policy"])))
    assert [finding.status for finding in found] == ["ok"] * 4
    assert "may print" not in capfd.readouterr().out


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Exits", "its process ended with exit status 3 while a request about 16 failures"),
        ("Killed", "its process died of SIGKILL while a request about 16 failures"),
    ],
)
def test_a_process_that_dies_is_told_with_what_was_tried(name, said):
    last = list(policy.findings(load_defaults([f"policy.name={PATH}:{name}"])))[-1]
    assert last.status == "problem"
    assert said in last.text
    assert ("it had printed: a policy may print licence expired" in last.text) == (name == "Exits")


def test_one_that_hangs_is_ended_with_everything_that_it_started(tmp_path):
    pids = tmp_path / "pids"
    config = load_defaults(
        [
            f"simulate.simulator={PATH}:Hangs",
            f"simulate.options={{pids: {pids}}}",
            "simulate.startup_timeout_s=3",
        ]
    )
    last = list(simulator.findings(config, scenes=1, brief=True))[-1]
    assert last.status == "problem"
    assert "no answer within 3 s: scene 1 of 1" in last.text
    until = time.monotonic() + 20
    while not all(map(gone, map(int, pids.read_text().split()))) and time.monotonic() < until:
        time.sleep(0.05)
    assert all(map(gone, map(int, pids.read_text().split())))


def test_scenes_that_are_tried_hold_the_datas_categories():
    known = simulator.toy_scenes(load_defaults(), 4)
    assert {actor.category for scene in known for actor in scene.actors} <= {
        "car",
        "truck",
        "pedestrian",
        "cyclist",
    }
    own = ["data.kind=coco", "data.root=x", "data.categories=[crane]", "simulate.simulator=a:b"]
    strange = simulator.toy_scenes(load_defaults(own), 2)
    assert {actor.category for scene in strange for actor in scene.actors} == {"crane"}


def test_what_comes_with_the_project_is_not_tried_before_a_run():
    with open(os.devnull, "w") as nowhere:
        reporter = Reporter(nowhere)
        reporter.say = pytest.fail
        try_early([load_defaults()], reporter)


def test_what_has_been_through_an_evaluation_is_not_tried_again(tmp_path):
    workspace = Workspace(str(tmp_path / "run"))
    assert not has_judged(workspace)
    storage.write_json(workspace.path("cycle-000", "stage-evaluate.json"), {})
    assert has_judged(workspace)
    assert not has_baseline(str(tmp_path))
    storage.write_json(str(tmp_path / "baselines" / "ab12" / "baseline.json"), {})
    assert has_baseline(str(tmp_path))


def test_bodies_that_are_not_there_are_told_before_a_run(tmp_path):
    with open(os.devnull, "w") as nowhere, pytest.raises(UserError, match=r"no\.yaml"):
        try_early([load_defaults([f"renderer.bodies={tmp_path / 'no.yaml'}"])], Reporter(nowhere))


def test_check_says_line_by_line_what_it_tried(capsys, tmp_path):
    assert main(["check", "policy", "bodies", "data", "endpoint"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert {line.split()[0] for line in lines if not line.startswith(" ")} == {
        "policy", "bodies", "data", "endpoint",
    }  # fmt: skip
    assert main(["check", "bodies", "policy", "--json", f"renderer.bodies={tmp_path / 'no.yaml'}"]) == 1
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert told["ok"] is False
    assert {(f["about"], f["status"]) for f in told["findings"]} == {("bodies", "problem"), ("policy", "ok")}
    assert said.err.splitlines()[-1] == f"imitate: {told['findings'][0]['text']}"


def test_a_comparison_that_nobody_spoke_of_is_no_problem_of_a_run(capsys):
    assert main(["check", "endpoint", "loop.cycles=0"]) == 0
    assert "note" in capsys.readouterr().out
    assert main(["check", "endpoint", "compare.primary.measure=cra"]) == 1
    assert "compare.primary.measure is 'cra'" in capsys.readouterr().err


BOXES = "examples.simulator:Boxes"


def test_a_simulator_is_named_behind_its_part(capsys):
    assert main(["check", "simulator", BOXES, "--scenes", "1", "--json"]) == 0
    told = {f["tried"]: f for f in json.loads(capsys.readouterr().out)["findings"]}
    assert told[f"starting {BOXES}"]["text"].startswith("boxes 1, with")
    assert told["handedness"]["numbers"]["right"] > 0.9
    assert [name for name in told if name.startswith("scene ")] == ["scene 1 of 1: 416x128 px, 1 actor (car)"]


@pytest.mark.parametrize("words", [["policy", "--scenes", "2"], ["simulator", "--scenes", "0"]])
def test_a_number_of_scenes_is_the_simulators(capsys, words):
    assert main(["check", *words]) == 1
    assert f"--scenes {words[-1]}: a number of scenes" in capsys.readouterr().err


def test_what_is_wrong_with_a_simulator_is_told_and_ends_the_command(capsys):
    broken = "tests.sim_actors.simulators.broken_simulators:Mirrored"
    assert main(["check", "simulator", broken]) == 1
    said = capsys.readouterr()
    assert "is x to the left?" in said.err
    assert "simulator problem handedness: boxes lie where" in said.out
    assert "cost of a frame" in said.out  # what does not build on it is tried all the same
    assert "scene 1 of 3" not in said.out


def test_check_refuses_two_files(capsys):
    assert main(["check", "polcy", "ray_config.yaml"]) == 1
    assert "'ray_config.yaml' is one word too many" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["polcy", "detectr"])
def test_a_part_that_is_not_there_is_said_to_be_none(capsys, word):
    assert main(["check", word]) == 1
    assert f"there is no part or file {word!r}; did you mean" in capsys.readouterr().err


RUN = """
import sys
import numpy as np
before = str(np.random.get_state())
from cluster.cli.main import main
status = main(sys.argv[1:])
ray = sys.modules.get("ray")
unchanged = str(np.random.get_state()) == before
print(status, "torch" in sys.modules, ray is not None and ray.is_initialized(), unchanged, flush=True)
"""


@pytest.mark.parametrize(
    ("setting", "what", "said"),
    [
        ("policy.name=%s:Exits", "policy", "policy: its process ended with exit status 3 while"),
        pytest.param(
            "detector.name=%s:tensor_in_evaluation",
            "detector",
            "detector.name: '%s:tensor_in_evaluation' gave a Tensor of shape (2, 6) in evaluation",
            marks=pytest.mark.slow,  # torch and torchvision are loaded
        ),
    ],
)
def test_a_run_refuses_it_before_anything_starts_and_stays_as_it_was(tmp_path, setting, what, said):
    words = ["run", "ray_config.yaml", f"run.storage={tmp_path}", setting.replace("%s", PATH)]
    done = subprocess.run(
        [sys.executable, "-c", RUN, *words], cwd=ROOT, capture_output=True, text=True, timeout=280, check=True
    )
    assert done.stdout == "1 False False True\n"
    first, *_, last = done.stderr.splitlines()
    assert first.startswith(f"trying {what} {PATH}:")
    assert last.startswith(f"imitate: {said.replace('%s', PATH)}")
    assert "starting Ray" not in done.stderr
    assert not list(tmp_path.iterdir())
