"""Jobs on real heads (`ray start --head`), with token authentication and without."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from imitation.report.run.record import read_summary

ROOT = Path(__file__).resolve().parents[3]
RAY = Path(sys.executable).with_name("ray")
TINY = [
    "world.train=12",
    "world.val=6",
    "world.test=6",
    "world.width=160",
    "world.height=64",
    "detector.backbone=resnet10",
    "detector.weights=null",
    "train.steps=8",
    "train.batch_size=4",
    "train.threads=1",
    "evaluate.threads=1",
    "loop.cycles=1",
    "loop.twin=false",
    "simulate.frames_per_file=2",
    "aggregation.synthetic_per_cycle=0.5",
    "report.gallery=2",
]
NOT_THERE = ["data.kind=kitti", "data.root=/not/there"]


@dataclass(frozen=True)
class Head:
    """A Ray head of our own: the address of its dashboard, and the environment that reaches it."""

    url: str
    env: dict[str, str]

    def ray(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command of `ray job`."""
        command = [str(RAY), "job", words[0], "--address", self.url, *words[1:]]
        return subprocess.run(
            command, env=self.env, capture_output=True, text=True, cwd=ROOT, timeout=500, check=False
        )

    def imitate(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cluster", "submit", "--address", self.url, *words]
        return subprocess.run(
            command, env=self.env | env, capture_output=True, text=True, cwd=ROOT, timeout=500, check=False
        )

    def ask(self, path: str) -> Any:
        """An answer of the head's REST API, which needs no process that imports Ray."""
        token = self.env.get("RAY_AUTH_TOKEN_PATH")
        headers = {"Authorization": f"Bearer {Path(token).read_text()}"} if token else {}
        answer = requests.get(f"{self.url}/api/{path}", headers=headers, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def alive(self) -> int:
        """How many nodes there are."""
        nodes = self.ask("v0/nodes")["data"]["result"]["result"]
        return sum(node["state"] == "ALIVE" for node in nodes)

    def status(self, job: str) -> str:
        return str(self.ask(f"jobs/{job}")["status"])

    def log(self, job: str) -> list[str]:
        """The lines of a job's log."""
        return [line for line in self.ask(f"jobs/{job}/logs")["logs"].splitlines() if line.strip()]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def descendants(pid: int) -> list[int]:
    """The processes that it started, theirs, and so on."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found[1:]


@contextmanager
def head(auth: dict[str, str], nodes: int = 1, on_path: bool = True) -> Iterator[Head]:
    """`ray start --head` on ports and with a folder of its own, on loopback; with more nodes than one, others
    join it (of no CPU: they answer questions). Each node has a folder of its own: in a shared one the second
    would unpack a job's working folder over the first's, from under the running job. Not `on_path`: its PATH
    is not that of an activated environment, as after `.venv/bin/ray start`."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")} | auth
    folders = [folder for folder in env["PATH"].split(os.pathsep) if Path(folder) != RAY.parent]
    env["PATH"] = os.pathsep.join([str(RAY.parent), *folders] if on_path else folders)
    env["RAY_USAGE_STATS_ENABLED"] = "0"
    folder = tempfile.mkdtemp(prefix="r-", dir="/tmp")  # a socket's path may have 107 characters
    dashboard = free_port()
    port = free_port()
    common = [str(RAY), "start", "--block", "--node-ip-address=127.0.0.1", "--dashboard-agent-listen-port=0"]
    common += ["--min-worker-port=0", "--max-worker-port=0", "--num-gpus=0"]
    common += ["--object-store-memory=150000000"]
    command = [*common, "--head", f"--port={port}", "--num-cpus=4", f"--temp-dir={folder}"]
    command += ["--include-dashboard=true", "--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}"]
    command += [f"--ray-client-server-port={free_port()}"]
    log = Path(folder, "head.log")

    def start(words: list[str]) -> subprocess.Popen[bytes]:
        with log.open("a") as out:
            return subprocess.Popen(words, env=env, stdout=out, stderr=out, start_new_session=True)

    process = start(command)
    others: list[subprocess.Popen[bytes]] = []
    there = Head(f"http://127.0.0.1:{dashboard}", env)
    try:
        deadline = time.monotonic() + 200
        while True:
            with suppress(requests.RequestException):
                there.ask("jobs/")
                break
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        join = [*common, f"--address=127.0.0.1:{port}", "--num-cpus=0"]
        others += [start([*join, f"--temp-dir={folder}/{node}"]) for node in range(1, nodes)]
        while there.alive() < nodes:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield there
    finally:
        for started in (*others, process):  # at once: by SIGTERM a head first drains for half a minute
            for ours in (*descendants(started.pid), started.pid):
                with suppress(ProcessLookupError):
                    os.kill(ours, signal.SIGKILL)
            started.wait()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def token(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("token") / "auth_token"
    path.write_text(secrets.token_hex(32))
    return path


@pytest.fixture(scope="module")
def guarded(token) -> Iterator[Head]:
    """A head that asks for its token."""
    with head({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}) as there:
        yield there


@pytest.fixture(scope="module")
def finished(guarded, tmp_path_factory) -> Path:
    """A run that was submitted, stopped in its middle and submitted again."""
    runs = tmp_path_factory.mktemp("runs")
    command = ["--working-dir", ".", "--", "python", "-m", "cluster", "run", "ray_config.yaml"]
    command += [f"run.storage={runs}", "run.name=job", *TINY]
    started = guarded.ray("submit", "--no-wait", "--submission-id", "first", *command)
    assert started.returncode == 0, started.stdout + started.stderr
    deadline = time.monotonic() + 400
    while not (runs / "job" / "cycle-000" / "stage-train-main.json").exists():
        assert guarded.status("first") in ("PENDING", "RUNNING"), guarded.log("first")
        assert time.monotonic() < deadline, guarded.log("first")
        time.sleep(0.1)
    stopped = guarded.ray("stop", "first")
    assert stopped.returncode == 0, stopped.stdout + stopped.stderr
    assert guarded.status("first") == "STOPPED"
    before = {file: file.stat().st_mtime_ns for file in (runs / "job").rglob("*.parquet")}
    before |= {file: file.stat().st_mtime_ns for file in (runs / "job").rglob("stage-*.json")}
    again = guarded.ray("submit", "--submission-id", "second", *command)
    assert again.returncode == 0, again.stdout + again.stderr
    assert {file: file.stat().st_mtime_ns for file in before} == before, "done twice"
    return runs


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_job_that_is_stopped_says_how_to_go_on_and_does(guarded, finished):
    assert guarded.log("first")[-1] == "imitate: stopped; the same command continues the run"
    said = guarded.log("second")
    assert any(line.startswith("continuing run") for line in said)
    assert any(line.startswith("cycle 1: simulating") for line in said), "progress goes to the job's log"
    assert not any("cycle 0: training: " in line for line in said), "what was committed is not done again"
    summary = read_summary(str(finished / "job" / "summary.json"))
    assert [cycle.synthetic_frames for cycle in summary.cycles] == [0, 6]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_job_that_fails_ends_with_its_reason(guarded, tmp_path):
    command = ["--", "python", "-m", "cluster", "run", "ray_config.yaml"]
    lost = guarded.ray("submit", "--submission-id", "lost", "--working-dir", ".", *command)
    assert lost.returncode == 1
    assert guarded.log("lost")[-1].startswith("imitate: run.storage is 'runs', a folder counted from where")
    failed = guarded.imitate("ray_config.yaml", f"run.storage={tmp_path}", "run.name=bad", *NOT_THERE)
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1] == "imitate: job run-bad-1 has failed"
    assert "/not/there" in failed.stdout.strip().splitlines()[-1]
    assert failed.stdout.strip().splitlines()[-1] == guarded.log("run-bad-1")[-1]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_without_the_right_token_nothing_is_submitted(guarded, token, tmp_path):
    words = ("ray_config.yaml", f"run.storage={tmp_path}")
    (tmp_path / "wrong").write_text(secrets.token_hex(32))
    none = guarded.imitate(*words, RAY_AUTH_MODE="disabled")
    assert (none.returncode, none.stdout) == (1, "")
    assert "asks for a token: set RAY_AUTH_MODE=token" in none.stderr
    wrong = guarded.imitate(*words, RAY_AUTH_TOKEN_PATH=str(tmp_path / "wrong"))
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "asks for another token" in wrong.stderr
    for said in (none, wrong):
        assert len(said.stderr.strip().splitlines()) == 1
        assert token.read_text() not in said.stderr


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(900)
def test_submit_follows_to_the_end_and_keeps_secrets_to_itself(finished):
    secret = secrets.token_hex(16)
    words = ["--env", "MY_SECRET", "ray_config.yaml", f"run.storage={finished}", "run.name=job", *TINY]
    with head({"RAY_AUTH_MODE": "disabled"}, nodes=2, on_path=False) as unguarded:
        done = unguarded.imitate(*words, MY_SECRET=secret)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "continuing run" in done.stdout
        assert "best detector: " in done.stdout
        assert done.stderr.splitlines() == [
            "imitate: job run-job-1 is submitted",
            "imitate: job run-job-1 has succeeded",
        ]
        assert secret not in done.stdout + "".join(unguarded.log("run-job-1"))
        again = unguarded.imitate("--no-wait", *words, MY_SECRET=secret)
        assert "imitate: job run-job-2 is submitted" in again.stderr
        unguarded.ray("stop", "run-job-2")
        apart = unguarded.imitate("ray_config.yaml", "run.storage=memory://runs", "run.name=apart", *TINY)
        assert apart.returncode == 1
        last = apart.stdout.strip().splitlines()[-1]
        assert last.startswith("imitate: run.storage is 'memory://runs', which does not reach every node: ")
        for file in finished.rglob("*"):
            assert not file.is_file() or secret.encode() not in file.read_bytes(), file
