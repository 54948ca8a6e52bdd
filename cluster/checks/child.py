"""A contract tried in a process of its own, which may hang or die without harm.

The child gets the configuration on standard input, and says on a pipe of its own what it is about to try and
what came of it. So a hang or a death is told with the step in which it happened. What else it prints is kept,
and its end is shown where the process died. It ends with this process.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from typing import IO, Any

from cluster.config.parse import parse
from cluster.config.schema import Config
from imitation.common.contracts import Finding, Found, Step, carried_out

START_S = 180.0  # s for the child to import what it needs, on a slow machine with cold caches
POLL_S, LAST_S = 0.2, 5.0
SHOWN = 400  # characters of what a child that died had printed last
_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from cluster.checks.child import main; main()"
)


def in_child(about: str, config: Config, **options: Any) -> Iterator[Finding]:
    """The findings of `cluster.checks.<about>.contract(config, **options)`, as they come; a step that
    takes too long or kills the process is a problem."""
    read, write = os.pipe()
    with tempfile.TemporaryFile() as printed:
        child = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, json.dumps(sys.path), about, str(write)],
            stdin=subprocess.PIPE,
            stdout=printed,
            stderr=printed,
            pass_fds=(write,),
            start_new_session=True,  # Ctrl-C is ours to handle; and what it started ends with it
        )
        os.close(write)
        try:
            assert child.stdin is not None
            yield from _followed(
                about, child, child.stdin, read, {"config": config.plain(), "options": options}, printed
            )
        finally:
            os.close(read)
            _end(child)


class Deadline:
    """So many seconds from now, from `start` on."""

    def __init__(self, seconds: float) -> None:
        self.start(seconds)

    def start(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    @property
    def left_s(self) -> float:
        return self._at - time.monotonic()


def _followed(
    about: str,
    child: subprocess.Popen[bytes],
    stdin: IO[bytes],
    read: int,
    job: dict[str, Any],
    printed: IO[bytes],
) -> Iterator[Finding]:
    with suppress(BrokenPipeError):  # it died at once, which is told below
        stdin.write(json.dumps(job).encode() + b"\n")
        stdin.flush()  # and left open: where it ends, so does the child
    tried, seconds = "starting a process for it", START_S
    deadline, ended = Deadline(seconds), False
    for line in _lines(read, child, deadline):
        if line is None:
            yield Finding(about, tried, "problem", f"{about}: no answer within {seconds:.0f} s: {tried}")
            return
        event = json.loads(line)
        if event["kind"] == "end":
            ended = True
        elif event["kind"] == "step":
            tried, seconds = event["what"], event["seconds"]
            deadline.start(seconds)
        else:
            yield Finding(**event["finding"])
    if not ended:
        yield Finding(
            about, tried, "problem", f"{about}: {_death(child)} while {tried} was tried{_said(printed)}"
        )


def _lines(read: int, child: subprocess.Popen[bytes], deadline: Deadline) -> Iterator[bytes | None]:
    """Lines of the pipe until it is closed or the child has ended; None, and no more, where none came in
    time."""
    rest = b""
    while True:
        gone = _status(child) is not None  # asked before the pipe, so that nothing it wrote is missed
        ready, _, _ = select.select([read], [], [], 0.0 if gone else min(POLL_S, max(0.0, deadline.left_s)))
        if ready:
            data = os.read(read, 1 << 16)
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            yield from lines
        elif gone:  # something that it started may hold the pipe open
            return
        elif deadline.left_s <= 0:
            yield None
            return


def _status(child: subprocess.Popen[bytes]) -> int | None:
    """The child's exit status (below 0: the signal), None while it lives. It stays unreaped: its number, and
    its group's, must not become another's before they are killed."""
    if not hasattr(os, "waitid"):  # macOS before Python 3.13
        return child.poll()
    ended = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    if ended is None:
        return None
    return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status


def _death(child: subprocess.Popen[bytes]) -> str:
    until = time.monotonic() + LAST_S  # the pipe is closed a moment before the process has ended
    while (status := _status(child)) is None and time.monotonic() < until:
        time.sleep(0.01)
    if status is None:
        return "its process closed its connection"
    if status < 0:
        return f"its process died of {signal.Signals(-status).name}"
    return f"its process ended with exit status {status}"


def _said(printed: IO[bytes]) -> str:
    printed.seek(0)
    text = " ".join(printed.read().decode(errors="replace").split())
    return f"; it had printed: {text[-SHOWN:]}" if text else ""


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kills what is left of the child and of the processes that it started."""
    with suppress(ProcessLookupError, PermissionError):  # nothing of its group is left
        os.killpg(child.pid, signal.SIGKILL)
    if child.stdin is not None:
        with suppress(BrokenPipeError):  # it never read what it was told
            child.stdin.close()
    child.wait()


# --- the child's side


def main() -> None:
    """`-c` program: sys.path, what to try, the pipe's number."""
    about, pipe = sys.argv[2], int(sys.argv[3])
    os.set_inheritable(pipe, False)
    job = json.loads(sys.stdin.buffer.readline())

    def watch() -> None:
        sys.stdin.buffer.read()  # returns when the parent has gone, however it went
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()

    def send(event: dict[str, Any]) -> None:
        os.write(pipe, json.dumps(event).encode() + b"\n")

    def events() -> Iterator[Step | Found]:
        module = importlib.import_module(f"cluster.checks.{about}")
        for event in module.contract(parse(job["config"]), **job["options"]):
            if isinstance(event, Step):
                send({"kind": "step"} | asdict(event))
            yield event

    for finding in carried_out(about, events()):
        send({"kind": "finding", "finding": finding.to_json()})
    send({"kind": "end"})
    os._exit(0)  # threads and atexit hooks of somebody's own code have nothing to add
