"""Which worker holds which server: CARLA lets in any number, and they would spoil each other's scenes.

On one machine a locked file is the lease: it ends with its process, however suddenly. Between machines it is
a mark in the server's world, an actor whose `role_name` names the holder's file (server.py): whoever has
locked that very file knows that who left the mark is dead; to anybody else the server is taken.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from imitation.common.settings import UserError

OURS = "imitation-training"
"""The `role_name` of all that is spawned here, by which what a dead worker left is found."""


class Taken(UserError):
    """Another worker holds the server; it may give it back."""


@contextlib.contextmanager
def held(endpoint: str) -> Iterator[str]:
    """Holds a server against all others on this machine; the mark to leave in its world. Raises Taken."""
    name = re.sub(r"[^\w.-]", "_", endpoint)
    path = Path(tempfile.gettempdir()) / f"imitation-carla-{os.getuid()}-{name}.lock"
    with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # ends with this process
        except BlockingIOError:
            raise Taken(f"CARLA at {endpoint}: another worker on this machine has it") from None
        if not (token := file.read().strip()):
            token = secrets.token_hex(8)
            file.write(token)
            file.flush()
        yield f"{OURS}@{socket.gethostname()}#{token}"


def is_mark(role_name: str) -> bool:
    """Whether an actor is the mark of a holder."""
    return role_name.startswith(f"{OURS}@")


def holder(mark: str) -> str:
    """On which machine a mark was made."""
    return mark.removeprefix(f"{OURS}@").rpartition("#")[0]


def same_lease(one: str, two: str) -> bool:
    """Whether two marks are of one file: only one process at a time can have made them."""
    return one.rpartition("#")[2] == two.rpartition("#")[2]
