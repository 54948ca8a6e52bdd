"""The process that talks with a CARLA server, seen from the one that asks it (desk.py is in it).

CARLA's client is C++: it aborts the process that it is in where a server answers what it does not expect.
Here that is a child; what becomes of it is told in a sentence.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import tempfile
from multiprocessing.connection import Connection
from typing import IO, Any

from imitation.common.settings import UserError
from sim_actors.simulators.carla.leases import Taken
from sim_actors.simulators.carla.settings import CarlaSettings
from sim_actors.simulators.guarded import how_it_ended

CLOSE_S = 4.0
"""How long a child may take to give the server's world back."""
_CHILD = """
import json, sys
sys.path[:] = json.loads(sys.argv[2])
from sim_actors.simulators.carla.desk import serve
serve()
"""
_LINES = 4  # of its last words


class Client:
    """A child with CARLA's client in it, for one endpoint. Whatever it cannot do is a UserError.

    With a `mark` it takes the server over, to stage scenes; else it only looks at it.
    """

    def __init__(self, settings: CarlaSettings, endpoint: str, version: str, mark: str | None = None) -> None:
        self.endpoint = endpoint
        ours, theirs = socket.socketpair()
        self._words: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by end()
        command = [sys.executable, "-P", "-c", _CHILD, str(theirs.fileno()), json.dumps(sys.path)]
        with theirs:
            self._child = subprocess.Popen(
                command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=self._words,
                stderr=self._words,
            )  # fmt: skip
        self._pipe = Connection(ours.detach())
        self._open = True
        self.ask("begin", settings, endpoint, version, mark)

    def ask(self, what: str, *arguments: Any, seconds: float | None = None) -> Any:
        """What the child answers. Raises UserError where it refuses, or cannot; it is gone where it broke, or
        did not answer within `seconds`."""
        if not self._open:
            raise RuntimeError("this client is closed; start another one")
        try:
            with contextlib.suppress(OSError):  # it died between two questions; the answer below says how
                self._pipe.send((what, arguments))
            if not self._pipe.poll(seconds):
                self.end()
                raise UserError(f"CARLA at {self.endpoint}: no answer within {seconds:g} s")
            kind, value = self._pipe.recv()
        except (EOFError, OSError):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(CLOSE_S)
            how = how_it_ended(self._child.poll())
            said = self._said()
            self.end()
            raise UserError(f"CARLA at {self.endpoint}: talking with it, {how}{said}") from None
        except BaseException:  # Ctrl-C, too: what is answered next belongs to this question
            self.end()
            raise
        if kind == "done":
            return value
        if kind in ("broken", "taken"):
            self.end()
        raise {"error": RuntimeError, "taken": Taken}.get(kind, UserError)(value)

    @property
    def alive(self) -> bool:
        """Whether it can still be asked."""
        return self._open

    def close(self) -> None:
        """Lets it give the server's world back, and ends it. Safe to call twice."""
        if self._open:
            with contextlib.suppress(UserError, RuntimeError):
                self.ask("end", seconds=CLOSE_S)
        self.end()

    def end(self) -> None:
        """Ends it at once. Safe to call twice."""
        if not self._open:
            return
        self._open = False
        self._pipe.close()
        with contextlib.suppress(ProcessLookupError):
            self._child.kill()
        self._child.wait()
        self._words.close()

    def _said(self) -> str:
        """Its last words, for the end of a sentence."""
        self._words.seek(0)
        lines = [line.strip() for line in self._words.read()[-4096:].decode(errors="replace").splitlines()]
        said = " | ".join([line for line in lines if line][-_LINES:])
        return f"; its last words: {said}" if said else "; it said nothing"
