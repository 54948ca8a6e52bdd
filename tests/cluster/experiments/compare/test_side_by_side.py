"""Runs side by side, each with a driver of its own; one that dies is started again."""

import io
import os
import signal
import time
from pathlib import Path

import ray

from cluster.experiments.compare.execute import Job
from cluster.experiments.compare.side_by_side import SideBySide
from cluster.experiments.drivers import Tell
from cluster.observability.console import Reporter
from imitation.common.settings import UserError


def work(job: Job, reporter: Reporter, tell: Tell) -> str:
    """Leaves a mark each time it is run, and does what the job's name says."""
    marks = Path(job.folder)
    (marks / f"{job.name}-{os.getpid()}").touch()
    reporter.say("here")
    times = len(list(marks.glob(f"{job.name}-*")))
    if job.name == "dies" or (job.name == "once" and times == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    if job.name == "fails":
        raise UserError("there is no such data")
    if job.name == "waits":  # until the others are there: all run at the same time
        while not list(marks.glob("once-*")):
            pass
    return f"{job.name} done"


def test_jobs_run_side_by_side_die_are_replaced_and_say_why_they_fail(ray_session, tmp_path):
    out = io.StringIO()
    jobs = [Job(name, {}, str(tmp_path)) for name in ("waits", "once", "dies", "fails")]
    with SideBySide(4, Reporter(out), work) as runner:
        for job in jobs:
            runner.start(job)
        ended = {(done := runner.wait()).job.name: done for _ in jobs}
    assert {name: done.result for name, done in ended.items()} == {
        "waits": "waits done",
        "once": "once done",
        "dies": None,
        "fails": None,
    }
    assert isinstance(ended["fails"].error, UserError)
    assert str(ended["fails"].error) == "there is no such data"
    assert isinstance(ended["dies"].error, ray.exceptions.RayActorError)
    assert len(list(tmp_path.glob("once-*"))) == len(list(tmp_path.glob("dies-*"))) == 2
    assert "[waits] here" in out.getvalue()


def test_what_still_runs_is_ended_with_the_runner(ray_session, tmp_path):
    with SideBySide(1, Reporter(io.StringIO()), work) as runner:
        runner.start(Job("waits", {}, str(tmp_path)))
        while not (marks := list(tmp_path.glob("waits-*"))):
            pass
        pid = int(marks[0].name.partition("-")[2])
    for _ in range(600):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return

        time.sleep(0.1)
    raise AssertionError("the driver outlived its runner")
