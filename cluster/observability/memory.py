"""How much memory a run takes: the most that its processes held together."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from cluster.observability.callbacks import Broken, Callback
from cluster.runtime.periodic import meanwhile

if TYPE_CHECKING:
    import psutil

INTERVAL_S = 2.0


def _tree(root: int) -> list[psutil.Process]:
    """The processes below a process."""
    import psutil

    return psutil.Process(root).children(recursive=True)


def process_tree_mb(root: int) -> float:
    """Private resident memory of a process and all its descendants, MiB: without what they share."""
    import psutil

    total = 0
    for process in (psutil.Process(root), *_tree(root)):
        with suppress(psutil.Error):  # it has ended meanwhile
            usage = process.memory_info()
            total += usage.rss - getattr(usage, "shared", 0)  # macOS does not tell what is shared
    return total / (1 << 20)


def descendants(root: int) -> dict[int, str]:
    """The processes below a process by id, with their command lines."""
    import psutil

    commands = {}
    for process in _tree(root):
        with suppress(psutil.Error):
            commands[process.pid] = " ".join(process.cmdline()).strip()
    return commands


class PeakMemory(Callback):
    """Samples the memory of this process and its descendants (a Ray started here included) from a run's
    begin to its end; `peak_mb` is the most so far, None before."""

    def __init__(self) -> None:
        self.peak_mb: float | None = None
        self._sampling = ExitStack()

    def run_begins(self) -> None:
        self._sample()
        self._sampling.enter_context(meanwhile(self._sample, INTERVAL_S, "peak-memory"))

    def run_ends(self, broken: Broken | None = None) -> None:
        self._sampling.close()

    def _sample(self) -> None:
        self.peak_mb = round(max(self.peak_mb or 0.0, process_tree_mb(os.getpid())), 1)
