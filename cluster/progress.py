"""Progress by stage: bars on a terminal, plain lines in a job's log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class Bar:
    """One stage's progress. `update` takes how much is done so far, and a short note."""

    def update(self, done: float, note: str = "") -> None:
        raise AssertionError("abstract")


class _RichBar(Bar):
    def __init__(self, progress: Progress, task: int) -> None:
        self.progress, self.task = progress, task

    def update(self, done: float, note: str = "") -> None:
        self.progress.update(self.task, completed=done, note=note)  # type: ignore[arg-type]


class _LineBar(Bar):
    """A line when a quarter more is done, or half a minute has passed."""

    def __init__(self, out: TextIO, title: str, total: float) -> None:
        self.out, self.title, self.total = out, title, total
        self.start = self.last = time.monotonic()
        self.quarter = 0

    def update(self, done: float, note: str = "") -> None:
        now = time.monotonic()
        quarter = int(4 * done / self.total) if self.total else 0
        if quarter <= self.quarter and now - self.last < 30:
            return
        self.quarter, self.last = max(quarter, self.quarter), now
        rate = done / max(now - self.start, 1e-9)
        left = f", {(self.total - done) / rate:.0f} s left" if rate > 0 and done < self.total else ""
        print(
            f"  {self.title}: {done:.0f}/{self.total:.0f} ({rate:.1f}/s{left}) {note}".rstrip(),
            file=self.out,
            flush=True,
        )


class Reporter:
    """Says what goes on: `say` for lines, `stage` for bars. Everything goes to standard error, so that
    a command's results on standard output stay clean."""

    def __init__(self, out: TextIO | None = None) -> None:
        self.out = out or sys.stderr
        self.console = Console(file=self.out, highlight=False)

    def say(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)

    @contextmanager
    def stage(self, title: str, total: float) -> Iterator[Bar]:
        """A bar over `total` units of work, gone when it ends; one line says how long it took."""
        start = time.monotonic()
        if self.console.is_terminal:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
            )
            with Progress(*columns, console=self.console, transient=True) as progress:
                yield _RichBar(progress, progress.add_task(title, total=total, note=""))
        else:
            yield _LineBar(self.out, title, total)
        self.say(f"{title}: done in {time.monotonic() - start:.0f} s")
