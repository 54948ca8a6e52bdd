"""A program on a pipe: whatever it does wrong is a sentence with its own words, and nothing of it is left."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from imitation.common.settings import UserError
from imitation.data.records import Box
from sim_actors.simulators.command.simulator import CommandSimulator, _catalog
from sim_actors.simulators.guarded import GuardedHost
from sim_actors.simulators.registry import SimulatorSpec, build_simulator
from sim_actors.simulators.worker import SimulatorHost, decode_frame
from tests.sim_actors.simulators.toy_simulators import make_jobs, make_scene

ODD = str(Path(__file__).with_name("odd_program.py"))


def odd(fault: str, labels: dict[str, Any] | None = None, **options: Any) -> SimulatorSpec:
    command = [sys.executable, "-S", ODD, fault, *([] if labels is None else [json.dumps(labels)])]
    return SimulatorSpec("command", {"command": command, **options})


@contextmanager
def running(fault: str, labels: dict[str, Any] | None = None, **options: Any) -> Iterator[CommandSimulator]:
    simulator = build_simulator(odd(fault, labels, **options))
    try:
        yield simulator  # type: ignore[misc]
    finally:
        simulator.close()


def gone(pid: int) -> bool:
    for _ in range(400):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


def test_a_scene_there_and_a_labelled_frame_back():
    host = SimulatorHost(odd("nothing"))
    started = host.start()
    assert (started.error, started.simulator, started.version) == (None, "odd", "7")
    answer = host.render(make_jobs(1, twice=True)[0])
    host.close()
    assert (answer.error, answer.remark) == (None, None)
    frame = decode_frame(answer.payload)
    (label,) = frame.objects
    assert (label.category, label.visible_box, label.box) == ("Car", Box(2, 4, 8, 7), Box(2, 4, 8, 7))
    assert frame.image[:2] == b"\xff\xd8", "a raw picture becomes the JPEG that the scene's sensor asks for"
    assert frame.conditions == {"time_of_day": "day", "weather": "clear"}
    assert (frame.origin.simulator, frame.origin.simulator_version) == ("odd", "7")


def test_what_it_can_stage_is_asked_once(tmp_path):
    _catalog.cache_clear()
    log = tmp_path / "starts"
    spec = odd("nothing", {"starts": str(log)})
    assert spec.catalog() == spec.catalog() == {"car", "cone"}
    (pid,) = log.read_text().split()
    assert gone(int(pid))


def test_what_it_cannot_stage_is_refused_beforehand():
    lorry = make_scene("s").actors[0].__class__("lorry", make_scene("s").actors[0].cuboid)
    with running("nothing") as simulator:
        assert simulator.supports(make_scene("s")) == []
        (reason,) = simulator.supports(make_scene("s").replace(actors=(lorry,)))
    assert "actors[0].category: the program stages no 'lorry'; it stages car, cone" in reason
    with running("supports") as simulator:
        assert simulator.supports(make_scene("s")) == ["the fog machine is broken"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "simulate.options: command: this field is required"),
        ({"command": "node boxes.js"}, r"a list of words, since no shell reads it: \[node, boxes.js\]"),
        ({"command": []}, "command: tuple should have at least 1 item"),
        ({"comand": ["node"], "command": ["node"]}, "there is no such field; did you mean 'command'"),
        ({"command": [sys.executable], "cwd": "/no/such"}, "options.cwd: there is no folder '/no/such'"),
        ({"command": ["pythn3"], "env": {"PATH": "/usr/bin:/bin"}}, "no program 'pythn3' on the PATH"),
        ({"command": ["./no-such-script.sh"]}, "'./no-such-script.sh': there is no such file, seen from /"),
        ({"command": [ODD]}, r"it may not be executed \(chmod \+x\)"),
    ],
)
def test_a_program_that_is_not_there_or_not_named(options, message):
    with pytest.raises(UserError, match=message):
        build_simulator(SimulatorSpec("command", options))


def test_the_nearest_program_is_named(tmp_path):
    (tmp_path / "blender").touch(mode=0o755)
    spec = SimulatorSpec("command", {"command": ["blendr", "-b"], "env": {"PATH": str(tmp_path)}})
    assert "did you mean 'blender'?" in spec.ask("preflight")
    assert spec.catalog() is None, "it may be there where it runs"


def test_numbers_among_the_words_are_words():
    spec = SimulatorSpec("command", {"command": [sys.executable, "-S", ODD, 7]})
    assert spec.settings().command[-1] == "7"


@pytest.mark.parametrize(
    ("fault", "messages"),
    [
        ("no start", ["ended with exit status 3, without an answer", "the licence server said no"]),
        ("prints", ["no JSON object: 'Loading shaders ... done'", "write logs to stderr"]),
        ("garbage", ["no JSON object", "hello"]),
        ("half a line", ["""in the middle of a line ('{"protocol": 1, "na')""", "nothing to stderr"]),
    ],
)
def test_a_program_that_starts_badly(fault, messages):
    with pytest.raises(UserError) as caught:
        build_simulator(odd(fault))
    assert all(message in str(caught.value) for message in messages), caught.value


@pytest.mark.parametrize(
    ("hello", "message"),
    [
        ({"protocol": 9}, "it speaks protocol 9, and we protocol 1"),
        ({"catagories": []}, "catagories: there is no such field; did you mean 'categories'"),
        ({"name": ""}, "name: string should have at least 1 character"),
    ],
)
def test_a_hello_that_is_none(hello, message):
    with pytest.raises(UserError, match=message):
        build_simulator(odd("nothing", {"hello": hello}))


def test_a_line_has_a_bound(monkeypatch):
    monkeypatch.setattr("sim_actors.simulators.command.program.MAX_LINE", 200_000)
    with pytest.raises(UserError, match="a line of its stdout is longer than 200,000 bytes"):
        build_simulator(odd("huge line"))


def test_a_program_that_does_not_say_hello_is_not_waited_for_before_a_run():
    _catalog.cache_clear()
    with pytest.raises(UserError, match=r"no answer in time.*hello_timeout_s"):
        odd("hangs at start", hello_timeout_s=0.5).catalog()


def test_a_program_that_dies_costs_its_scene_alone():
    host = SimulatorHost(odd("dies"))
    assert host.start().error is None
    answers = [host.render(job) for job in make_jobs(3)]
    host.close()
    assert [answer.error is None for answer in answers] == [True, False, True]
    assert "died of SIGKILL; was there enough memory?" in answers[1].error
    assert "Segmentation fault in the paint shop: größer" in answers[1].error


def test_the_last_words_are_kept_of_a_flood():
    with running("floods stderr") as simulator, pytest.raises(UserError) as caught:
        simulator.render(make_scene("s"))
    assert str(caught.value).endswith(" | last words")
    assert len(str(caught.value)) < 3000


def test_an_answer_for_another_scene_ends_the_program():
    with running("another scene") as simulator:
        simulator.render(make_scene("s000"))
        with pytest.raises(UserError, match="asked for scene 's001', it answered for 's000'"):
            simulator.render(make_scene("s001"))
        assert simulator.render(make_scene("s002")).frame_id == "s002"


def test_a_program_that_hangs_is_killed_with_its_process_at_the_deadline(tmp_path):
    log = tmp_path / "starts"
    with GuardedHost(odd("hangs", {"starts": str(log)}), 1.0, 60.0) as host:
        first, second, third = (host.render(job) for job in make_jobs(3))
    assert (first.error, third.error) == (None, None)
    assert "no answer within 1 s (simulate.scene_timeout_s)" in second.error
    pids = [int(pid) for pid in log.read_text().split()]
    assert len(pids) == 2, "another one for the third scene"
    assert all(gone(pid) for pid in pids)


def test_its_children_end_with_it(tmp_path):
    pids = tmp_path / "pids"
    simulator = build_simulator(odd("leaves a child", {"pids": str(pids)}))
    program = simulator._program.pid
    simulator.close()
    simulator.close()
    assert gone(program)
    assert gone(int(pids.read_text()))


def test_it_ends_with_a_worker_that_is_killed(tmp_path):
    """SIGKILL, as by the pool or for want of memory: nothing of ours runs any more."""
    pids = tmp_path / "pids"
    spec = odd("leaves a child", {"pids": str(pids)})
    code = (
        "import sys, json, time\n"
        "from sim_actors.simulators.registry import SimulatorSpec, build_simulator\n"
        "simulator = build_simulator(SimulatorSpec('command', json.loads(sys.argv[1])))\n"
        "print(simulator._program.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    words = [sys.executable, "-c", code, json.dumps(dict(spec.options))]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as worker:
        program = int(worker.stdout.readline())
        worker.kill()
    assert gone(program)
    assert gone(int(pids.read_text()))


def test_it_runs_where_and_with_what_the_options_say(tmp_path):
    script = tmp_path / "here.py"
    script.write_text(
        "import json, os, sys\n"
        "sys.stdin.readline()\n"
        "name = os.path.basename(os.getcwd()) + ' ' + os.environ['LENS']\n"
        "print(json.dumps({'protocol': 1, 'name': name, 'version': '1'}), flush=True)\n"
        "sys.stdin.readline()\n"
    )
    options = {"command": [sys.executable, "here.py"], "cwd": str(tmp_path), "env": {"LENS": "50 mm; $HOME"}}
    simulator = build_simulator(SimulatorSpec("command", options))
    simulator.close()
    assert simulator.name == f"{tmp_path.name} 50 mm; $HOME"
    with pytest.raises(RuntimeError, match="is closed"):
        simulator.render(make_scene("s"))
    assert not os.path.exists(simulator._folder.name)
