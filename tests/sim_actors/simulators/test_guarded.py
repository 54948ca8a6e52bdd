"""A simulator in a process of its own: whatever it does is an answer, and nothing of it is left."""

import os
import time
from pathlib import Path

import pytest

from sim_actors.simulators.deadlines import scene_limit
from sim_actors.simulators.guarded import GuardedHost
from sim_actors.simulators.registry import SimulatorSpec
from sim_actors.simulators.worker import SimulatorHost
from tests.sim_actors.simulators.toy_simulators import PATH, make_jobs, renders


def guarded(scene_timeout_s: float = 60.0, startup_timeout_s: float = 60.0, **options: object) -> GuardedHost:
    return GuardedHost(SimulatorSpec(PATH, options), scene_timeout_s, startup_timeout_s)


def gone(pid: int) -> bool:
    for _ in range(200):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


def test_frames_are_those_of_a_host_in_this_process():
    with guarded() as host:
        started = host.start()
        assert (started.error, started.simulator) == (None, "toy")
        assert started.pid == host.pid != os.getpid()
        payloads = [host.render(job).payload for job in make_jobs(3)]
    assert gone(started.pid)
    here = SimulatorHost(SimulatorSpec(PATH))
    here.start()
    assert payloads == [here.render(job).payload for job in make_jobs(3)]


def test_bad_scenes_are_answers_and_the_others_are_rendered(tmp_path):
    log = tmp_path / "log"
    options = {"log": str(log), "crash": ("s000",), "hang": ("s002",), "stop": ("s004",), "raises": ("s005",)}
    with guarded(scene_timeout_s=2, **options) as host:
        answers = [host.render(job) for job in make_jobs(7)]
        pids = {int(line.split()[1]) for line in log.read_text().splitlines()}
    errors = [answer.error for answer in answers]
    assert "its process ended with exit status 9 (os._exit or sys.exit" in errors[0]
    assert "no answer within 2 s (simulate.scene_timeout_s); its process was killed" in errors[2]
    assert "no answer within 2 s" in errors[4]
    assert "the wheel fell off" in errors[5]
    assert [error is None for error in errors] == [False, True, False, True, False, False, True]
    assert renders(log) == [f"s{i:03d}" for i in range(7)]
    assert len(pids) == 4  # a fresh process after the crash, the hang and the stop
    assert all(gone(pid) for pid in pids)


def test_of_a_first_scene_that_hangs_the_limit_that_holds_is_named():
    with guarded(scene_timeout_s=0.5, hang=("s000",)) as host:
        assert host.start().error is None
        host._startup_s = 1.0  # a busy machine needs more to start, and this test no more to hang
        error = host.render(make_jobs(1)[0]).error
    assert "no answer within 1 s (simulate.startup_timeout_s; a process's first scene has these" in error
    assert "others simulate.scene_timeout_s = 0.5" in error


def test_a_scene_that_is_rendered_twice_has_the_time_for_it():
    """And what is said is the time that it had."""
    assert scene_limit(5.0, 10.0, first=False).overdue() == "no answer within 5 s (simulate.scene_timeout_s)"
    assert scene_limit(5.0, 10.0, first=True).seconds == 10
    assert scene_limit(20.0, 10.0, first=True).overdue() == "no answer within 20 s (simulate.scene_timeout_s)"
    twice = scene_limit(20.0, 10.0, first=True, twice=True)
    assert twice.overdue().startswith(
        "no answer within 40 s (simulate.scene_timeout_s; and a scene's once more"
    )
    assert scene_limit(5.0, 10.0, first=True, twice=True).seconds == 15


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ("exit", "its process ended with exit status 7"),
        ("hang", "not ready after 4 s (simulate.startup_timeout_s)"),
        ("raise", "RuntimeError: no such driver"),
        ("user_error", "libEGL.so.1 is missing"),
    ],
)
def test_a_simulator_that_does_not_start_says_why(start, said):
    host = guarded(startup_timeout_s=4 if start == "hang" else 60, start=start)
    assert said in host.start().error
    host.close()
    assert host.pid is None


def test_what_the_simulator_started_ends_with_it():
    """An engine of its own, say; and nothing waits for it."""
    spec = SimulatorSpec("tests.sim_actors.simulators.test_guarded:WithEngine", {})
    with GuardedHost(spec) as host:
        engine = int(host.start().version)
        assert Path(f"/proc/{engine}").exists()
    assert gone(engine)


class WithEngine:
    name = "with engine"

    def __init__(self) -> None:
        import subprocess

        self.version = str(subprocess.Popen(["sleep", "3600"]).pid)

    def supports(self, scene):
        return []

    def render(self, scene):
        raise NotImplementedError

    def close(self):
        pass
