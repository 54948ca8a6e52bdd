"""Processes that a driver has left behind, wherever they hang: they are known by a variable of their
environment, which every child inherits."""

import time
import uuid
from contextlib import suppress
from pathlib import Path

MARK = "IMITATION_TEST_MARK"


def mark() -> dict[str, str]:
    """The variable for a driver's environment."""
    return {MARK: uuid.uuid4().hex}


def marked(env: dict[str, str]) -> dict[int, str]:
    """The living processes with this mark, and their command lines."""
    wanted = f"{MARK}={env[MARK]}".encode()
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if wanted in (process / "environ").read_bytes().split(b"\0"):
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                found[int(process.name)] = command.strip()[:200]
    return found


def left(env: dict[str, str], patience_s: float = 15.0) -> dict[int, str]:
    """Those that are still there after a while."""
    until = time.monotonic() + patience_s
    while (found := marked(env)) and time.monotonic() < until:
        time.sleep(0.2)
    return found
