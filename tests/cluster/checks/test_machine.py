"""`imitate check machine`: what is here and what is missing, by name; exit 0 where a run can work."""

import json
import resource
import shutil
from collections import namedtuple
from types import SimpleNamespace

import psutil
import pytest

from cluster.checks.machine import host, packages, simulators_here
from cluster.cli.commands.look.check import BY_NAME, PARTS
from cluster.cli.main import main
from cluster.config.parse import load_defaults
from imitation.common.contracts import Found, Step
from sim_actors.simulators.registry import SIMULATORS

GIB = 2**30
Usage = namedtuple("Usage", "total used free")


def found(contract) -> dict[str, list[Found]]:
    """step -> what was found in it."""
    steps: dict[str, list[Found]] = {}
    for event in contract:
        if isinstance(event, Step):
            steps[event.what] = last = []
        else:
            last.append(event)
    return steps


def of_host(*options: str) -> dict[str, list[Found]]:
    return found(host.contract(load_defaults(list(options))))


def test_this_machine_is_told_with_numbers(tmp_path):
    steps = of_host(f"run.storage={tmp_path / 'not' / 'yet'}")
    assert set(steps) == {
        "Python and system", "processor", "memory", "shared memory", "open files", "temporary files",
        "home and token", "the run's folder",
    }  # fmt: skip
    assert not [f.text for each in steps.values() for f in each if f.wrong]
    assert steps["processor"][0].numbers["cores"] == host.usable_cores() >= 1
    memory = steps["memory"][0].numbers
    assert 0 < memory["free_gib"] <= memory["total_gib"] <= psutil.virtual_memory().total / GIB + 0.01
    assert not (tmp_path / "not").exists(), "looking leaves nothing"


def test_little_memory_and_a_small_container_are_told(monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=16 * GIB, available=2 * GIB))
    monkeypatch.setattr(host, "_read", lambda path: "")
    (memory,) = of_host()["memory"]
    assert memory.note
    assert not memory.wrong
    assert "end something" in memory.text
    files = {"/sys/fs/cgroup/memory.max": str(GIB), "/sys/fs/cgroup/memory.current": str(GIB // 2)}
    monkeypatch.setattr(host, "_read", lambda path: files.get(path, ""))
    (memory,) = of_host()["memory"]
    assert memory.wrong
    assert memory.text.startswith("0.5 of 1.0 GiB free (the limit of this process's control group)")


def test_cores_are_those_of_the_control_group(monkeypatch):
    monkeypatch.setattr(host, "_read", lambda path: "150000 100000" if path.endswith("cpu.max") else "")
    monkeypatch.setattr(host.os, "sched_getaffinity", lambda pid: {0, 1, 2, 3}, raising=False)
    assert host.usable_cores() == 1.5
    monkeypatch.setattr(host, "_read", lambda path: "max 100000" if path.endswith("cpu.max") else "")
    assert host.usable_cores() == 4
    monkeypatch.setattr(host.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(host, "_read", lambda path: "flags\t\t: fpu sse4_2\n" if "cpuinfo" in path else "")
    assert any("no AVX2" in each.text and each.note for each in of_host()["processor"])


@pytest.mark.parametrize(
    ("free", "status", "words"),
    [(0.2, "wrong", "make room"), (1.0, "note", "a small run"), (50, "ok", "GiB free")],
)
def test_disks(monkeypatch, tmp_path, free, status, words):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(100 * GIB, (100 - free) * GIB, free * GIB))
    steps = of_host(f"run.storage={tmp_path}")
    (folder,) = steps["the run's folder"]
    assert (folder.wrong, folder.note) == (status == "wrong", status == "note")
    assert words in folder.text
    assert steps["temporary files"][0].note is (free < 5), "above 95 % Ray puts nothing there"
    assert steps["shared memory"][0].note is (free < 2)


def test_limits_and_a_storage_elsewhere(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, 4096))
    steps = of_host("run.storage=s3://bucket/runs")
    (files,) = steps["open files"]
    assert files.note
    assert "ulimit -n" in files.text
    assert steps["the run's folder"][0].text.startswith("s3://bucket/runs is not on this machine")
    monkeypatch.setenv("TMPDIR", "/" + "long" * 30)
    assert of_host()["temporary files"][0].wrong


def test_extras_name_what_to_install(monkeypatch):
    known = packages.extras()
    assert {"bodies", "sweep", "onnx"} <= set(known)
    assert "dev" not in known
    version = packages.metadata.version

    def without(name: str) -> str:
        if name == "optuna":
            raise packages.metadata.PackageNotFoundError(name)
        return "1.0" if name == "trimesh" else version(name)

    monkeypatch.setattr(packages.metadata, "version", without)
    lacking = packages.extras()
    assert lacking["sweep"] == ["optuna>=4.4"]
    assert lacking["bodies"] == ["trimesh>=4.5"], "too old is missing"
    said = [each.text for each in found(packages.contract())["optional parts"] if each.note]
    assert any("pip install 'imitation-training[sweep]'" in text for text in said)


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "my_engine.py").write_text(
        "class Engine:\n"
        "    @staticmethod\n"
        "    def preflight(options):\n"
        "        return None if options.get('licence') else 'no licence: ask the vendor'\n"
        "    @staticmethod\n"
        "    def here(options):\n"
        "        return f\"licence {options['licence']}\"\n"
        "class Broken:\n"
        "    @staticmethod\n"
        "    def preflight(options):\n"
        "        raise OSError('driver says no')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(SIMULATORS.load("opengl"), "preflight", staticmethod(lambda settings: None))
    monkeypatch.setattr(SIMULATORS.load("opengl"), "here", staticmethod(lambda settings: "a device"))
    for name in SIMULATORS:  # what others say takes an engine
        if name not in ("opengl", "command"):
            monkeypatch.setattr(SIMULATORS.load(name), "preflight", staticmethod(lambda settings: "not here"))


def of_simulators(*options: str) -> dict[str, Found]:
    steps = found(simulators_here.contract(load_defaults(list(options))))
    return {what.removeprefix("simulator "): each for what, (each,) in steps.items()}


@pytest.mark.usefixtures("own")
def test_every_simulator_is_listed_and_only_the_named_one_has_to_work():
    steps = of_simulators()
    assert set(steps) == set(SIMULATORS)
    assert steps["opengl"].text == "can be used here: a device"
    assert not any(each.wrong for each in steps.values())
    assert "not tried, for nothing names it here" in steps["command"].text
    named = of_simulators("simulate.simulator=my_engine:Engine")
    assert named["my_engine:Engine"].wrong
    assert named["my_engine:Engine"].text == "cannot be used here: no licence: ask the vendor"
    with_one = of_simulators("simulate.simulator=my_engine:Engine", "simulate.options={licence: 7}")
    assert with_one["my_engine:Engine"].text == "can be used here: licence 7"
    broken = of_simulators("simulate.simulator=my_engine:Broken")
    assert broken["my_engine:Broken"].text == "cannot be used here: OSError: driver says no"


@pytest.mark.usefixtures("own")
def test_each_of_several_is_asked_and_on_a_cluster_none_has_to_work_here():
    several = "simulate.simulator=[opengl, {name: 'my_engine:Engine', label: engine}]"
    assert of_simulators(several)["engine"].wrong
    elsewhere = of_simulators(several, "ray.address=head:6379")["engine"]
    assert (elsewhere.wrong, elsewhere.note) == (False, True)
    assert "on the cluster its workers say it" in elsewhere.text
    assert not of_simulators(several, "loop.cycles=0")["engine"].wrong, "nothing is simulated"


@pytest.mark.usefixtures("own")
def test_the_world_needs_the_embedded_one_whoever_simulates(monkeypatch):
    monkeypatch.setattr(SIMULATORS.load("opengl"), "preflight", staticmethod(lambda settings: "no EGL"))
    engine = ["simulate.simulator=my_engine:Engine", "simulate.options={licence: 7}"]
    assert of_simulators(*engine)["opengl"].wrong
    kitti = of_simulators(*engine, "data.kind=kitti", "data.root=/data/kitti")["opengl"]
    assert (kitti.wrong, kitti.note) == (False, True)


def test_it_is_tried_only_by_its_name():
    assert set(PARTS) >= BY_NAME
    assert PARTS.load("machine")


@pytest.mark.slow
def test_the_command_says_whether_a_run_can_work(capsys, tmp_path, monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    words = ["check", "machine", "--json", f"run.storage={tmp_path}"]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    by_step = {finding["tried"]: finding for finding in told["findings"]}
    assert told["ok"]
    assert {"torch", "torchvision", "GPU", "Ray", *(f"simulator {name}" for name in SIMULATORS)} <= set(
        by_step
    )
    assert "one starts here" in by_step["Ray"]["text"]
    assert by_step["Ray"]["numbers"]["cpus"] >= 4
    assert "EGL device" in by_step["simulator opengl"]["text"]
    assert by_step["a run of these settings"]["status"] == "ok"
    missing = "simulate.options={command: [no-such-program]}"
    assert main(["check", "machine", "simulate.simulator=command", missing, "ray.address=127.0.0.1:9"]) == 1
    out = capsys.readouterr().out
    assert "no Ray cluster answers at 127.0.0.1:9" in " ".join(out.split())
    assert "a run of these settings" not in out
