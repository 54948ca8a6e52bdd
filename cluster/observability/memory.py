"""How much memory a run takes: the most that its processes held together."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import TracebackType

INTERVAL_S = 2.0


def process_tree_mb(root: int) -> float:
    """Private resident memory of a process and all its descendants, MiB, from /proc (Linux)."""
    parents: dict[int, int] = {}
    private: dict[int, float] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = dict(
                line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line
            )
        except OSError:  # it has ended meanwhile
            continue
        pid = int(folder.name)
        parents[pid] = int(status["PPid"])
        private[pid] = int(status.get("RssAnon", "0 kB").split()[0]) / 1024
    total = 0.0
    for pid, size in private.items():
        ancestor = pid
        while ancestor not in (root, 0, 1) and ancestor in parents:
            ancestor = parents[ancestor]
        if ancestor == root:
            total += size
    return total


def descendants(root: int) -> dict[int, str]:
    """The processes below a process by id, with their command lines (Linux)."""
    parents: dict[int, int] = {}
    commands: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text()
            commands[int(folder.name)] = (
                (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            )
        except OSError:  # it has ended meanwhile
            continue
        parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
    found = {}
    for pid, command in commands.items():
        ancestor = parents.get(pid, 0)
        while ancestor not in (root, 0, 1) and ancestor in parents:
            ancestor = parents[ancestor]
        if ancestor == root:
            found[pid] = command
    return found


class PeakMemory:
    """Samples the memory of this process and its descendants (a Ray started here included) while it is
    entered. `peak_mb` is None where /proc does not exist or nothing was sampled yet."""

    def __init__(self) -> None:
        self.peak_mb: float | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="peak-memory", daemon=True)

    def __enter__(self) -> PeakMemory:
        if Path("/proc/self/status").exists():
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _sample(self) -> None:
        while True:
            self.peak_mb = round(max(self.peak_mb or 0.0, process_tree_mb(os.getpid())), 1)
            if self._stop.wait(INTERVAL_S):
                return
