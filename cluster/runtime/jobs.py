"""`imitate submit`: a command as a Ray job, by Ray's own client.

A job's id is made from what it works on, and a number: `run-kitti-2` is the second job of the run "kitti".
Submitting the same command again therefore finds the job that still runs, and follows it; where it has ended,
the next one continues the run.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cluster.runtime.ray_address import Cluster, NoAnswer, check_answers
from imitation.common.settings import UserError
from imitation.common.storage.errors import without_secrets

STOP_WAIT_S = 60
"""Seconds that a job has to commit and end when it is stopped; Ray's default of 3 may be too few."""
RECONNECTS = 5
CHATTY = (
    "ray.dashboard.modules.job.sdk",
    "ray.dashboard.modules.dashboard_sdk",
    "ray._private.runtime_env.packaging",
    "ray._private.runtime_env.working_dir",
)
POLL_S = 1.0
AGENT = "--dashboard_agent_command="
"""Begins the word of a raylet's command line that holds the command of its agent, interpreter first."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Submission:
    """What to run: the arguments of `imitate`; the `subject` after which its jobs are named; environment
    variables for the job."""

    words: tuple[str, ...]
    subject: str
    env: dict[str, str]

    def entrypoint(self, python: str) -> str:
        """The job's command line. Values of the environment are not in it."""
        return f"{shlex.quote(python)} {self._arguments}"

    def is_at_work_in(self, entrypoint: str) -> bool:
        """Whether that is this command's line, with whatever interpreter."""
        return entrypoint.endswith(f" {self._arguments}")

    @property
    def _arguments(self) -> str:
        return shlex.join(["-m", "cluster", *self.words])

    def runtime_env(self, folder: str) -> dict[str, Any]:
        return {
            "working_dir": folder,
            "env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_WAIT_S), **self.env},
        }


def subject_of(command: str, name: str | None = None) -> str:
    """The name of a job without its number, of letters, digits, dots, dashes and underscores."""
    return re.sub(r"[^\w.-]+", "-", f"{command}-{name}" if name else command)


def connect(address: str | None) -> Any:
    """Ray's client of the head at this address (its dashboard), or where Ray's own variables say.

    Raises UserError if no head answers there, or if it asks for another token.
    """
    if address is not None:
        os.environ["RAY_API_SERVER_ADDRESS"] = address if "://" in address else f"http://{address}"
    if {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys():
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    place = os.environ.get("RAY_API_SERVER_ADDRESS") or os.environ.get("RAY_ADDRESS") or "this machine"
    place = without_secrets(place)
    from ray.exceptions import AuthenticationError
    from ray.job_submission import JobSubmissionClient

    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        _check_ray_address()
        return JobSubmissionClient()
    except AuthenticationError as error:
        wrong = (
            "asks for another token" if "403" in str(error) or "invalid" in str(error) else "asks for a token"
        )
        raise UserError(
            f"the Ray head at {place} {wrong}: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN_PATH to "
            "the file with its token (on the head's machine, `ray get-auth-token` prints it)"
        ) from None
    except (OSError, RuntimeError, ValueError, NoAnswer) as error:  # requests' own are OSErrors
        reason = error.reason if isinstance(error, NoAnswer) else str(error).strip().splitlines()[0]
        raise UserError(
            f"no Ray head answers at {place} ({reason}). Name its dashboard, such as --address "
            "http://HEAD:8265; `ray start --head` starts one here"
        ) from None


def _check_ray_address() -> None:
    """RAY_ADDRESS may be HEAD:6379, which Ray asks for its dashboard; for ten minutes, if it is gone."""
    address = os.environ.get("RAY_ADDRESS")
    if "RAY_API_SERVER_ADDRESS" in os.environ or not address or address == "auto" or "://" in address:
        return
    check_answers(Cluster(address, "RAY_ADDRESS", "RAY_ADDRESS names it"), as_node=False)


def submit(client: Any, submission: Submission, folder: str) -> tuple[str, bool]:
    """Submits, unless a job of the same command is at work; its id, and whether it is a new one.

    Raises UserError if another command is at work on the same subject, or the job is refused.
    """
    pattern = re.compile(re.escape(submission.subject) + r"-(\d+)")
    last = 0
    for job in client.list_jobs():
        match = pattern.fullmatch(job.submission_id or "")
        if match is None:
            continue
        last = max(last, int(match[1]))
        if job.status.is_terminal():
            continue
        if submission.is_at_work_in(job.entrypoint):
            return job.submission_id, False
        raise UserError(
            f"job {job.submission_id} is still at work with other settings: {job.entrypoint}. Wait for it, "
            f"stop it (ray job stop {job.submission_id}), or choose another run.name"
        )
    try:
        job_id = client.submit_job(
            entrypoint=submission.entrypoint(head_python(client)),
            submission_id=f"{submission.subject}-{last + 1}",
            runtime_env=submission.runtime_env(folder),
        )
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[-1]
        if "413" in reason or "maximum size" in reason:
            reason += "; the current folder is too large to travel: name what may stay at home in .rayignore"
        raise UserError(f"the job was refused: {reason}") from None
    return job_id, True


def head_python(client: Any) -> str:
    """The interpreter that the head's Ray runs with, if its dashboard says so; else "python".

    A job's own PATH may find another one: `.venv/bin/ray start` does not put .venv/bin there.
    """
    try:
        nodes = _asked(client, "/api/v0/nodes")["result"]["result"]
        head = next(node for node in nodes if node["is_head_node"] and node["state"] == "ALIVE")
        words = _asked(client, f"/nodes/{head['node_id']}")["detail"]["cmdline"]
        command = next(word for word in words if word.startswith(AGENT))
        return shlex.split(command.removeprefix(AGENT))[0]
    except (OSError, RuntimeError, ValueError, LookupError, TypeError, StopIteration) as error:
        log.debug("the head does not tell which interpreter it runs with: %s", error)
        return "python"


def _asked(client: Any, path: str) -> Any:
    """The dashboard's answer to a request by the client, which has the token."""
    answer = client._do_request("GET", path)
    answer.raise_for_status()
    return answer.json()["data"]


def follow(client: Any, job_id: str, show: Callable[[str], None]) -> Any:
    """Shows the job's log, all of it, while it grows; returns the job's status once it has ended.

    Reconnects after a broken connection. Raises UserError if that fails.
    """
    log = _Log(show)
    failures = 0
    while True:
        before = log.shown
        try:
            asyncio.run(log.tail(client, job_id))
            status = client.get_job_status(job_id)
            if status.is_terminal():
                return status
        except (OSError, RuntimeError) as error:  # aiohttp's and requests' own are OSErrors
            failures = failures + 1 if log.shown == before else 1
            if failures > RECONNECTS:
                reason = str(error).strip().splitlines()[0]
                raise UserError(
                    f"the connection to the head is lost ({reason}); job {job_id} may well "
                    "go on: the same command follows it again"
                ) from None
        time.sleep(POLL_S)


@dataclass
class _Log:
    """What has been shown of a log; Ray sends all of it again at every connection."""

    show: Callable[[str], None]
    shown: int = 0  # characters

    async def tail(self, client: Any, job_id: str) -> None:
        received = 0
        async for text in client.tail_job_logs(job_id):
            received += len(text)
            if received > self.shown:
                self.show(text[max(0, len(text) - (received - self.shown)) :])
                self.shown = received


def show_log(text: str) -> None:
    """To standard output, at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


def passed_on(names: Sequence[str]) -> dict[str, str]:
    """The named variables of this environment. Raises UserError for one that is not set."""
    for name in names:
        if name not in os.environ:
            hint = "write its name alone, its value is taken from the environment; " if "=" in name else ""
            raise UserError(f"--env {name.partition('=')[0]}: {hint}there is no such variable here")
    return {name: os.environ[name] for name in names}
