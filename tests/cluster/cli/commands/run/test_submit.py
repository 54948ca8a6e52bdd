"""What `imitate submit` decides on its own: ids, following, what it refuses. Ray's client is a stand-in here;
tests/cluster/runtime/test_jobs.py has real ones."""

import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from ray.job_submission import JobStatus

from cluster.cli import main
from cluster.cli.commands.run.submit import checked
from cluster.config.parse import load_defaults
from cluster.run.storage_checks import check_lasting
from cluster.runtime import jobs, ray_address
from cluster.runtime.jobs import Submission, follow, passed_on, submit
from cluster.runtime.signals import Terminated
from imitation.common.settings import UserError

ROOT = Path(__file__).resolve().parents[5]
RUN = Submission(("run", "a.yaml", "run.name=kitti"), "run-kitti", {})


@dataclass
class Client:
    """The parts of Ray's JobSubmissionClient that we use, over jobs in memory."""

    jobs: list[SimpleNamespace] = field(default_factory=list)
    chunks: list[list[str | Exception]] = field(default_factory=list)
    envs: list[dict] = field(default_factory=list)
    answers: dict[str, dict] = field(default_factory=dict)

    def _do_request(self, method, endpoint):
        if endpoint not in self.answers:
            raise RuntimeError(f"{method} {endpoint}: 404")
        return SimpleNamespace(raise_for_status=lambda: None, json=lambda: {"data": self.answers[endpoint]})

    def list_jobs(self):
        return self.jobs

    def submit_job(self, entrypoint, submission_id, runtime_env):
        assert submission_id not in {job.submission_id for job in self.jobs}, "Ray refuses an id used before"
        self.add(submission_id, entrypoint)
        self.envs.append(runtime_env)
        return submission_id

    def add(self, job_id, entrypoint, status=JobStatus.RUNNING):
        self.jobs.append(SimpleNamespace(submission_id=job_id, entrypoint=entrypoint, status=status))

    async def tail_job_logs(self, job_id):
        for chunk in self.chunks.pop(0):
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk

    def get_job_status(self, job_id):
        return JobStatus.RUNNING if self.chunks else JobStatus.SUCCEEDED


def test_the_same_command_follows_a_job_that_runs_and_follows_up_one_that_has_ended():
    client = Client()
    client.add(None, "python other.py")
    client.add("run-kitti-small-7", RUN.entrypoint("python"))
    assert submit(client, RUN, ".") == ("run-kitti-1", True)
    assert submit(client, RUN, ".") == ("run-kitti-1", False)
    for ended in (JobStatus.STOPPED, JobStatus.FAILED, JobStatus.SUCCEEDED):
        client.jobs[-1].status = ended
        number = len(client.jobs) - 1
        assert submit(client, RUN, ".") == (f"run-kitti-{number}", True)


def test_other_settings_on_a_run_at_work_are_refused():
    client = Client()
    submit(client, RUN, ".")
    with pytest.raises(UserError, match="job run-kitti-1 is still at work with other settings"):
        submit(client, Submission((*RUN.words, "train.steps=9"), RUN.subject, {}), ".")


def nodes(*heads: bool) -> dict:
    found = [
        {"node_id": f"n{k}", "is_head_node": head, "state": "ALIVE" if head else "DEAD"}
        for k, head in enumerate(heads)
    ]
    return {"result": {"result": found}}


def raylet(agent: str) -> dict:
    return {
        "detail": {"cmdline": ["/x/raylet", "--node_id=1", f"--dashboard_agent_command={agent} -u /x/a.py"]}
    }


@pytest.mark.parametrize(
    ("answers", "python"),
    [
        (
            {"/api/v0/nodes": nodes(False, True), "/nodes/n1": raylet("/me/.venv/bin/python")},
            "/me/.venv/bin/python",
        ),
        ({"/api/v0/nodes": nodes(True), "/nodes/n0": raylet('"/my own/bin/python"')}, "'/my own/bin/python'"),
        ({"/api/v0/nodes": nodes(True), "/nodes/n0": {"detail": {}}}, "python"),
        ({"/api/v0/nodes": nodes(False)}, "python"),
        ({}, "python"),
    ],
)
def test_a_job_runs_with_the_interpreter_that_the_head_runs_with(answers, python):
    client = Client(answers=answers)
    submit(client, RUN, ".")
    assert client.jobs[0].entrypoint == f"{python} -m cluster run a.yaml run.name=kitti"
    client.answers = {}
    assert submit(client, RUN, ".") == ("run-kitti-1", False), "the same command, whatever runs it"


def test_a_head_that_is_gone_is_told_in_seconds(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        gone = f"127.0.0.1:{server.getsockname()[1]}"
    monkeypatch.setattr(ray_address, "REFUSED_S", 0.2)
    monkeypatch.setenv("RAY_ADDRESS", gone)
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS", raising=False)
    with pytest.raises(UserError, match=rf"no Ray head answers at {gone} \(connection refused\)"):
        jobs.connect(None)


def test_secrets_are_in_the_environment_alone(monkeypatch):
    monkeypatch.setenv("SECRET", "hush")
    client = Client()
    submit(client, Submission(RUN.words, RUN.subject, passed_on(["SECRET"])), "/here")
    (env,) = client.envs
    assert env["working_dir"] == "/here"
    assert env["env_vars"]["SECRET"] == "hush"
    assert "hush" not in client.jobs[0].entrypoint
    for words in (["NO_SUCH_THING"], ["SECRET=hush"]):
        with pytest.raises(UserError, match=f"--env {words[0].split('=')[0]}") as error:
            passed_on(words)
        assert "hush" not in str(error.value)


def test_a_broken_connection_shows_no_line_twice_and_loses_none(monkeypatch):
    monkeypatch.setattr(jobs, "POLL_S", 0.0)
    whole = ["one\n", "two\n", "three\n", "four\n"]
    client = Client(
        chunks=[["one\ntw", OSError("gone")], [whole[0]], ["one\ntwo\nth", RuntimeError("x")], whole]
    )
    shown: list[str] = []
    assert follow(client, "run-kitti-1", shown.append) == JobStatus.SUCCEEDED
    assert "".join(shown) == "".join(whole)


def test_a_connection_that_stays_broken_is_told(monkeypatch):
    monkeypatch.setattr(jobs, "POLL_S", 0.0)
    client = Client(chunks=[[OSError("no route")] for _ in range(100)])
    with pytest.raises(UserError, match=r"lost \(no route\); job run-kitti-1 may well go on"):
        follow(client, "run-kitti-1", print)


def test_a_command_is_checked_before_it_travels():
    storage = "run.storage=s3://bucket/runs"
    words, subject = checked(["ray_config.yaml"], [storage, "run.name=a"])
    assert words == ["run", "ray_config.yaml", storage, "run.name=a"]
    assert subject == "run-a"
    words, subject = checked(["report", "s3://bucket/runs/a"], [])
    assert (words, subject) == (["report", "s3://bucket/runs/a"], "report")
    with pytest.raises(UserError, match=r"the nearest is 'train\.steps'"):
        checked(["ray_config.yaml"], [storage, "train.step=1"])
    with pytest.raises(UserError, match="takes no settings"):
        checked(["report", "s3://bucket/runs/a"], ["train.steps=1"])
    with pytest.raises(UserError, match="cannot be submitted by a job"):
        checked(["submit", "ray_config.yaml"], [])
    with pytest.raises(UserError, match="from the current folder"):
        checked([str(ROOT / "ray_config.yaml")], [storage])


@pytest.mark.parametrize(("stop", "code"), [(KeyboardInterrupt(), 130), (Terminated(), 143)])
def test_ctrl_c_leaves_the_job_alone_and_says_how_to_go_on(monkeypatch, capsys, stop, code):
    client = Client()

    def interrupted(client, job_id, show):
        show("cycle 0: training: done in 3 s\n")
        raise stop

    monkeypatch.setattr(jobs, "connect", lambda address: client)
    monkeypatch.setattr(jobs, "follow", interrupted)
    assert main.main(["submit", "ray_config.yaml", "run.storage=s3://bucket/runs", "run.name=kitti"]) == code
    told = capsys.readouterr()
    assert told.out == "cycle 0: training: done in 3 s\n"
    assert "job run-kitti-1 goes on without us" in told.err
    assert "`ray job stop run-kitti-1` stops it" in told.err
    assert client.jobs[0].status == JobStatus.RUNNING


@pytest.mark.parametrize("place", ["runs", "./runs", "../runs"])
def test_a_jobs_results_do_not_go_to_a_folder_that_is_deleted_after_it(place):
    with pytest.raises(UserError, match=r"a temporary copy of what\s+was submitted"):
        check_lasting(load_defaults([f"run.storage={place}"]))


@pytest.mark.parametrize("place", ["/shared/runs", "~/runs", "s3://bucket/runs", "file:///shared/runs"])
def test_places_that_last(place):
    check_lasting(load_defaults([f"run.storage={place}"]))


def test_an_unreachable_head_is_one_sentence(capsys, monkeypatch):
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:9")
    assert main.main(["submit", "ray_config.yaml", "run.storage=s3://bucket/runs"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("imitate: no Ray head answers at http://127.0.0.1:9 (")
    assert len(said.strip().splitlines()) == 1


DRIVER = """
import os, signal, sys, time
from cluster.cli.commands.share import report as command
from cluster.cli.main import main

def report(args):
    try:
        print("ready", flush=True)
        time.sleep(100)
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        print("committed", flush=True)

command.report = report
sys.exit(main(["report", "x"]))
"""


def test_sigterm_cleans_up_as_ctrl_c_does_and_a_second_one_does_not_cut_it_short():
    pipe = subprocess.PIPE
    driver = subprocess.Popen([sys.executable, "-c", DRIVER], stdout=pipe, stderr=pipe, text=True, cwd=ROOT)
    assert driver.stdout is not None
    assert driver.stdout.readline() == "ready\n"
    os.kill(driver.pid, signal.SIGTERM)
    out, err = driver.communicate(timeout=100)
    assert (driver.returncode, out, err) == (143, "committed\n", "imitate: stopped\n")


def test_a_defect_ends_with_one_line_that_says_what_it_is(capsys, monkeypatch):
    from cluster.cli.commands.share import report as command

    def report(args):
        raise RuntimeError("the sky has fallen")

    monkeypatch.setattr(command, "report", report)
    assert main.main(["report", "x"]) == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert said[0].startswith("Traceback")
    assert said[-1] == "imitate: failed: RuntimeError: the sky has fallen"
