"""SIGTERM means what Ctrl-C means: `ray job stop`, Kubernetes and batch systems send it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived. Whatever cleans up on Ctrl-C cleans up on this."""


def _raise(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not cut the cleaning up short
    raise Terminated


@contextmanager
def terminable() -> Iterator[None]:
    """Inside the block the first SIGTERM raises `Terminated` in the main thread; later ones are ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _raise)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def handlers_kept() -> Iterator[None]:
    """For `ray.init`, which puts a handler of its own (`sys.exit(15)`) in the place of ours."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: Any = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit as error:
        if before is not _raise or error.code != signal.SIGTERM:
            raise
        raise Terminated from None
    finally:
        if before is _raise:
            signal.signal(signal.SIGTERM, before)
