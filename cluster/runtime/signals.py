"""SIGTERM means what Ctrl-C means: `ray job stop`, Kubernetes and batch systems send it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

AGAIN_S = 0.05


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived. Whatever cleans up on Ctrl-C cleans up on this."""


class PutOff(Exception):
    """Ends a run between two cycles at a limit of its caller's, such as compare.max_hours; no fault of the
    run, which can be continued."""


class _State:
    terminated = False  # SIGTERM has arrived inside the present `terminable` block


def is_terminated(stop: KeyboardInterrupt) -> bool:
    """Whether SIGTERM caused it: while it waits, Ray raises a KeyboardInterrupt for any signal."""
    return isinstance(stop, Terminated) or _State.terminated


def _raise(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not interrupt the clean-up
    _State.terminated = True
    raise Terminated


@contextmanager
def terminable() -> Iterator[None]:
    """Inside the block the first SIGTERM raises `Terminated` in the main thread; later ones are ignored.

    A stop that arrives where Python cannot raise, in a finalizer, is not lost: it comes again."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _State.terminated = False
    before = signal.signal(signal.SIGTERM, _raise)
    hook, sys.unraisablehook = sys.unraisablehook, _again
    try:
        yield
    finally:
        sys.unraisablehook = hook
        signal.signal(signal.SIGTERM, before)


def _again(unraisable: Any) -> None:
    """Sends a stop once more that was swallowed in a finalizer; a moment later, when that has ended."""
    if not issubclass(unraisable.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)
        return
    number = signal.SIGTERM if issubclass(unraisable.exc_type, Terminated) else signal.SIGINT
    if number == signal.SIGTERM:
        signal.signal(signal.SIGTERM, _raise)
    timer = threading.Timer(AGAIN_S, os.kill, (os.getpid(), number))
    timer.daemon = True
    timer.start()


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
