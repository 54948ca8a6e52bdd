"""Ray's errors in a sentence for people: its own texts are pages long."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from imitation.common.settings import UserError

SOCKET_BYTES = 103 if sys.platform == "darwin" else 107  # of a Unix socket's path
SESSION_BYTES = len("/ray/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store")
LONGEST = 300  # characters of a reason
MEMORY = re.compile(r"node running low on memory|memory usage threshold")
USED = re.compile(r"([\d.]+)\s*GB(?: used)? / ([\d.]+)\s*GB")


def check_socket_room() -> None:
    """Raises UserError where the folder for temporary files is too long for Ray's sockets, or cannot be
    written."""
    heeded = ("RAY_TMPDIR", "TMPDIR") if sys.platform.startswith("linux") else ("RAY_TMPDIR",)
    name = next((name for name in heeded if os.environ.get(name)), None)
    folder = os.environ[name] if name else "/tmp"
    what = name or "the folder for temporary files"
    room = SOCKET_BYTES - SESSION_BYTES
    if len(os.fsencode(folder)) > room:
        raise UserError(
            f"{what} is {folder}, which is too long for Ray: its sockets' paths may have {SOCKET_BYTES} "
            f"bytes, which leaves {room} for it. Name a shorter one for Ray alone: RAY_TMPDIR=/tmp"
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(
            f"{what} is {folder}, where nothing can be written: name another one for Ray, such as "
            "RAY_TMPDIR=/tmp"
        )


def why_not_started(error: BaseException) -> str | None:
    """A sentence for an error that a second try cannot mend, else None."""
    if isinstance(error, OSError) and error.filename is not None:
        where = (
            Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else error.filename
        )
        return f"Ray cannot be started here: {where}: {error.strerror or error}"
    return None


def in_short(error: BaseException, longest: int = LONGEST) -> str:
    """Ray's message on one line, cut."""
    text = short_of_memory(error) or " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= longest else text[: longest - 1] + "…"


def short_of_memory(error: BaseException) -> str | None:
    """A sentence if Ray's memory monitor killed the process, else None. Of its own text, which lists all
    processes with their command lines, only the memory used is kept."""
    text = str(error)
    if not MEMORY.search(text):
        return None
    used = USED.search(text)
    much = f" ({used[1]} of {used[2]} GB used)" if used else ""
    return (
        f"Ray's memory monitor ended a process, because the machine was short of memory{much}: let less run "
        "at once (simulate.actors, evaluate.batch_size, train.cache_mb, train.batch_size), or end what else "
        "runs there"
    )


def cause(error: BaseException) -> BaseException:
    """The person's mistake that is wrapped in Ray's errors, else the error itself."""
    import ray

    # Ray raises a mistake from elsewhere as one of its own class and its own at once, its text a traceback
    mistakes = (inner for inner in wrapped(error) if isinstance(inner, UserError))
    return next((inner for inner in mistakes if not isinstance(inner, ray.exceptions.RayError)), error)


def wrapped(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and those that are wrapped in it."""
    if error is None:
        return
    yield error
    inner = (error.__cause__, getattr(error, "cause", None), getattr(error, "controller_failure", None))
    for each in (*inner, *getattr(error, "worker_failures", {}).values()):
        if isinstance(each, BaseException):
            yield from wrapped(each)
