"""A program at the other end of a pipe: started, asked line by line, and ended with all that it started."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from imitation.common.settings import UserError
from imitation.common.texts import parse_json, shown, text_of
from imitation.common.wording import did_you_mean
from sim_actors.simulators.command.settings import CommandSettings

MAX_LINE = 1 << 28  # bytes of an answer
BYE_S, TERM_S = 2.0, 1.0  # to end by itself; after SIGTERM
_TAIL, _TAIL_LINE = 8, 300  # lines of stderr that are kept, and characters of each
# Waits for our end, however sudden, and then ends the program's process group.
_GUARD = """
import os, sys
group = int(sys.stdin.readline() or 0)
if group and not sys.stdin.read(1):
    os.killpg(group, 9)
"""


def missing(settings: CommandSettings) -> str | None:
    """Why the program cannot be started here, in a sentence; None if it can."""
    if settings.cwd is not None and not Path(settings.cwd).is_dir():
        return f"simulate.options.cwd: there is no folder {settings.cwd!r}"
    word, path = settings.command[0], _environment(settings).get("PATH", os.defpath)
    if "/" in word:
        file = Path(settings.cwd or ".") / word
        if file.is_file() and os.access(file, os.X_OK):
            return None
        why = "it may not be executed (chmod +x)" if file.is_file() else "there is no such file"
        return f"simulate.options.command: {word!r}: {why}, seen from {Path(settings.cwd or '.').resolve()}"
    if shutil.which(word, path=path) is not None:
        return None
    there = {entry for folder in path.split(os.pathsep) for entry in _listed(folder)}
    hint = did_you_mean(word, there, "give its full path, or install it")
    return f"simulate.options.command: there is no program {word!r} on the PATH ({path}); {hint}"


def _listed(folder: str) -> Sequence[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return ()


def _environment(settings: CommandSettings) -> dict[str, str]:
    return {**os.environ, **settings.env}


class Program:
    """The running program. What it does wrong is a UserError with its own last words; it is ended then."""

    def __init__(self, settings: CommandSettings) -> None:
        if why := missing(settings):
            raise UserError(why)
        self.who = f"the program {shown(' '.join(settings.command))}"
        self._said: deque[str] = deque(maxlen=_TAIL)
        self._unread = bytearray()
        pipe, null = subprocess.PIPE, subprocess.DEVNULL
        guard = [sys.executable, "-I", "-S", "-c", _GUARD]
        self._guard = subprocess.Popen(guard, stdin=pipe, stdout=null, stderr=null, start_new_session=True)
        environment = _environment(settings)
        # A relative path is looked for from cwd on every system, and a name on the program's own PATH.
        word = settings.command[0]
        found = shutil.which(word, path=environment.get("PATH", os.defpath)) if "/" not in word else None
        program = found or str((Path(settings.cwd or ".") / word).resolve())
        try:
            self._process = subprocess.Popen(
                settings.command, executable=program, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0,
                cwd=settings.cwd, env=environment, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            self._let_go()
            raise UserError(f"{self.who} cannot be started: {error.strerror or error}") from None
        assert self._guard.stdin is not None
        self._guard.stdin.write(f"{self._process.pid}\n".encode())
        self._guard.stdin.flush()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        """Its process id, which is its process group's too."""
        return self._process.pid

    def ask(self, question: Mapping[str, Any], seconds: float | None = None) -> Any:
        """The answer to a question, an object of JSON.

        Raises UserError where none comes, within `seconds` if they are given, or because the program ended;
        and where it is no such object. The program is gone then.
        """
        try:
            self._send(question)
            line = self._line(None if seconds is None else time.monotonic() + seconds)
            return self._object(line, str(question["ask"]))
        except BaseException:  # Ctrl-C, too: what would be answered next belongs to this question
            self.close(polite=False)
            raise

    def close(self, polite: bool = True) -> None:
        """Ends the program: by "bye" and the end of its stdin, else by signals. Safe to call twice."""
        process = self._process
        if process.stdin is None or process.stdin.closed:
            return
        if polite and process.poll() is None:
            with contextlib.suppress(OSError):
                self._send({"ask": "bye"})
        with contextlib.suppress(OSError):
            process.stdin.close()
        if polite and not self._gone(BYE_S):
            self._signal(signal.SIGTERM)
            self._gone(TERM_S)
        self._signal(signal.SIGKILL)
        process.wait()
        self._listener.join(TERM_S)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        self._let_go()

    def _send(self, question: Mapping[str, Any]) -> None:
        line = json.dumps(question, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        data = memoryview(line.encode() + b"\n")
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it ended; reading says how
            while data:
                data = data[self._process.stdin.write(data) or 0 :]

    def _line(self, deadline: float | None) -> bytes:
        """The next line of its stdout, without the end of the line."""
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        with selectors.DefaultSelector() as ready:
            ready.register(descriptor, selectors.EVENT_READ)
            searched = 0
            while (end := self._unread.find(b"\n", searched)) < 0:
                searched = len(self._unread)
                if searched > MAX_LINE:
                    raise UserError(f"{self.who}: a line of its stdout is longer than {MAX_LINE:,} bytes")
                left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
                if not ready.select(left):
                    raise UserError(
                        f"{self.who}: no answer in time (simulate.options.hello_timeout_s){self._words()}"
                    )
                more = os.read(descriptor, 1 << 20)
                if not more:
                    raise UserError(self._ending())
                self._unread += more
        line = bytes(self._unread[:end])
        del self._unread[: end + 1]
        return line.removesuffix(b"\r")

    def _object(self, line: bytes, asked: str) -> Any:
        try:
            found = parse_json(text_of(line, "its answer"), "its answer")
            if isinstance(found, dict):
                return found
        except UserError:
            pass
        raise UserError(
            f"{self.who}: asked {asked!r}, it wrote a line to stdout that is no JSON object: "
            f"{shown(line[:400].decode(errors='replace'))}. Stdout is for answers alone, one line each: "
            f"write logs to stderr (print(..., file=sys.stderr), console.error, >&2){self._words()}"
        )

    def _ending(self) -> str:
        """That its stdout ended, in words."""
        if not self._gone(TERM_S):
            how = "closed its stdout and went on"
        elif (status := self._process.returncode) < 0:
            name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
            how = f"died of {name}" + ("; was there enough memory?" if name == "SIGKILL" else "")
        else:
            how = f"ended with exit status {status}"
        half = f" in the middle of a line ({shown(self._unread[:400].decode(errors='replace'))})"
        return f"{self.who} {how}, without an answer{half if self._unread else ''}{self._words()}"

    def _words(self) -> str:
        """Its last words, for the end of a sentence."""
        if self._process.poll() is not None:
            self._listener.join(0.5)  # its last lines may not be read yet
        # In one line: of an error of several, the last alone is shown here and there.
        said = " | ".join(self._said)
        return f"; the last it wrote to stderr: {said}" if said else "; it wrote nothing to stderr"

    def _listen(self) -> None:
        """Keeps its last lines of stderr: a pipe that nobody reads would hold it up."""
        assert self._process.stderr is not None
        line = b""
        with contextlib.suppress(OSError, ValueError):  # closed
            while more := self._process.stderr.read(1 << 16):
                *whole, line = (line + more).split(b"\n")
                self._said.extend(filter(None, map(_readable, whole)))
                line = line[: 4 * _TAIL_LINE]
        if last := _readable(line):
            self._said.append(last)

    def _gone(self, seconds: float) -> bool:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _let_go(self) -> None:
        """Ends the guard, which has nothing left to end."""
        assert self._guard.stdin is not None
        with contextlib.suppress(OSError):
            self._guard.stdin.write(b"x" if hasattr(self, "_process") else b"0\n")
            self._guard.stdin.close()
        self._guard.wait()


def _readable(line: bytes) -> str:
    return line[: 4 * _TAIL_LINE].decode(errors="replace").rstrip()[:_TAIL_LINE]
