"""A simulator in a process of its own, without Ray: what it does there cannot take the caller along.

`GuardedHost` is used like `sim_actors.simulators.worker.SimulatorHost`, and gives the same answers. That a
simulator hangs, crashes or ends its process is an answer too, by the deadlines that the pool has.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from typing import Any

from sim_actors.simulators.deadlines import scene_limit
from sim_actors.simulators.registry import SimulatorSpec
from sim_actors.simulators.worker import Answer, SceneJob, SimulatorHost, Started

CLOSE_S = 5.0  # grace for a simulator to release what it holds
_PDEATHSIG = 1  # prctl(2)
_CHILD = """
import json, sys
sys.path[:] = json.loads(sys.argv[2])
from sim_actors.simulators.guarded import serve
serve()
"""


class GuardedHost:
    """One simulator in a child process; a context manager, at whose end the child is gone.

    A child that was killed or died is replaced with the next `render`, so that one bad scene costs no other.
    """

    def __init__(
        self, spec: SimulatorSpec, scene_timeout_s: float = 120.0, startup_timeout_s: float = 180.0
    ) -> None:
        self._spec = spec
        self._scene_s, self._startup_s = scene_timeout_s, startup_timeout_s
        self._child: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None
        self._first = True

    def __enter__(self) -> GuardedHost:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The child's process id, while there is one."""
        return None if self._child is None else self._child.pid

    def start(self) -> Started:
        """Starts the child and the simulator in it. That it does not start is a value, not an exception."""
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-P", "-c", _CHILD, str(theirs.fileno()), json.dumps(sys.path)]
        with theirs:
            # A session of its own: the terminal's Ctrl-C is for the caller, and what the simulator starts
            # (an engine, say) can be ended with it.
            self._child = subprocess.Popen(command, pass_fds=[theirs.fileno()], start_new_session=True)
        self._pipe, self._first = Connection(ours.detach()), True
        self._pipe.send(self._spec)
        answer = self._answer(self._startup_s)
        if isinstance(answer, Started):
            return answer
        late = f"not ready after {self._startup_s:g} s (simulate.startup_timeout_s)"
        why = late if answer is None else f"{answer} while the simulator started"
        return Started(socket.gethostname(), 0, "", error=f"simulator {self._spec.simulator!r}: {why}")

    def render(self, job: SceneJob) -> Answer:
        """Renders a job, by its deadline. Whatever the simulator does is an answer."""
        began = time.perf_counter()
        if self._pipe is None:
            started = self.start()
            if started.error is not None:
                return self._failed(job, started.error, began)
        assert self._pipe is not None
        limit = scene_limit(self._scene_s, self._startup_s, self._first, job.twice)
        with contextlib.suppress(OSError):  # it died between two scenes; the answer below says how
            self._pipe.send(job)
        answer = self._answer(limit.seconds)
        self._first = False
        if isinstance(answer, Answer):
            return answer
        who = f"simulator {self._spec.simulator!r}"
        if answer is None:
            return self._failed(job, f"{who}: {limit.overdue()}; its process was killed", began)
        return self._failed(job, f"{who}: {answer} while it rendered", began)

    def close(self) -> None:
        """Lets the simulator release what it holds, then ends the child. Safe to call twice."""
        if self._pipe is not None:
            with contextlib.suppress(OSError):
                self._pipe.send(None)
                self._answer(CLOSE_S)
        self._end(CLOSE_S)

    def _answer(self, seconds: float) -> Any:
        """What the child says within so many seconds; None where it says nothing, a sentence where it
        ended. In both cases there is no child any more."""
        assert self._pipe is not None
        try:
            if self._pipe.poll(seconds):
                return self._pipe.recv()
        except (EOFError, OSError):
            return how_it_ended(self._end(CLOSE_S))
        self._end(0.0)
        return None

    def _failed(self, job: SceneJob, error: str, began: float) -> Answer:
        return Answer(job.scene.scene_id, None, time.perf_counter() - began, 0.0, 0.0, error)

    def _end(self, grace_s: float) -> int | None:
        """The child's exit status, if it ends by itself within `grace_s`; else it is killed. With all that it
        started."""
        child, self._child = self._child, None
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            pipe.close()
        if child is None:
            return None
        try:
            status = child.wait(grace_s)
        except subprocess.TimeoutExpired:
            status = None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        return status


def how_it_ended(status: int | None) -> str:
    """How a process ended, in words."""
    if status is None:
        return "its process closed its connection"
    if status < 0:
        name = signal.Signals(-status).name if -status in set(signal.Signals) else str(-status)
        more = "; was there enough memory?" if name == "SIGKILL" else ""
        return f"its process died of {name}{more}"
    return f"its process ended with exit status {status} (os._exit or sys.exit, in it or in what it calls)"


def serve() -> None:
    """The child: a simulator's host behind a pipe. Ends with its caller."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL)
    pipe = Connection(int(sys.argv[1]))
    try:
        host = SimulatorHost(pipe.recv())
        pipe.send(host.start())
        while (job := pipe.recv()) is not None:
            pipe.send(host.render(job))
        host.close()
        pipe.send(None)
    except (EOFError, BrokenPipeError):  # the caller is gone
        pass
