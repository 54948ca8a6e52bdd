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
