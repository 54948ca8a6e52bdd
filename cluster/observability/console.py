"""Progress by stage: bars on a terminal, plain lines in a job's log."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from imitation.common.text_table import fitted
from imitation.common.wording import duration

WINDOW_S = 120.0  # the rate is that of the last two minutes
LINE_S = 30.0  # between a log's lines at first; later a tenth of the time that the stage has taken
SPAN_S = 1.0  # reports closer together than this (blocks of rows arrive in bursts) are no measure
QUARTER_S = 5.0  # a quarter more is worth a line, but not more often than this
FACTS = 38  # columns that "12345/12345  12.3/s  12 min 30 s left" takes
NARROW, MEDIUM, WIDE = (
    60,
    72,
    110,
)  # columns of a terminal from which the rate, the bar and the note are shown


class Pace:
    """How fast a stage goes, from what was done in the last two minutes. Not rich's own speed: that knows
    nothing of a stage whose units take minutes (their reports drop out of its window), and keeps its rate
    while nothing moves.

    The first report is where the counting begins: what was done before it, by an earlier driver or
    while processes were starting, is no measure of what is to come. `restored` is what an earlier driver
    had done.
    """

    def __init__(self, total: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.total, self.clock = total, clock
        self.done, self.restored, self.note = 0.0, 0.0, ""
        self.start = clock()
        self._reports: deque[tuple[float, float]] = deque()  # (when, how much), one a second at most

    def update(self, done: float, note: str = "") -> None:
        now = self.clock()
        self.done, self.note = done, note
        if len(self._reports) > 1 and now - self._reports[-2][0] < 1.0:
            self._reports[-1] = (now, done)
        else:
            self._reports.append((now, done))
        while len(self._reports) > 2 and now - self._reports[0][0] > WINDOW_S:
            self._reports.popleft()

    @property
    def rate(self) -> float | None:
        """Units a second; None before there are two reports apart, and where nothing moves."""
        if len(self._reports) < 2:
            return None
        since, before = self._reports[0]
        until, after = self._reports[-1]
        # a silence longer than all that went before is part of the pace, too
        waited = max(until - since, self.clock() - until)
        return (after - before) / waited if waited >= SPAN_S and after > before else None

    @property
    def mean(self) -> float | None:
        """Units a second of the whole stage: what was done in it, by the time that it took."""
        took, done = self.clock() - self.start, self.done - self.restored
        return done / took if took > 0 and done > 0 else None

    @property
    def left_s(self) -> float | None:
        """Seconds to the end at this rate; None where that is not known."""
        if self.total is None or self.rate is None or self.done >= self.total:
            return None
        return (self.total - self.done) / self.rate

    def text(self) -> str:
        """How much is done: "5/8", or "5" of an unknown total."""
        return f"{self.done:.0f}" if self.total is None else f"{self.done:.0f}/{self.total:.0f}"


def rate_text(rate: float | None) -> str:
    """Units a second, or a minute where that reads better; nothing if it is not known."""
    if rate is None:
        return ""
    if rate < 0.1:
        return f"{60 * rate:.1f}/min"
    return f"{rate:.1f}/s" if rate < 100 else f"{rate:,.0f}/s"


class Bar:
    """One stage's progress. `update` takes how much is done so far, and a short note; `restored` how much an
    earlier driver had done of it."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace

    def restored(self, done: float) -> None:
        self.pace.restored = done
        if done:
            self.update(done)

    def update(self, done: float, note: str = "") -> None:
        self.pace.update(done, note)


class _RichBar(Bar):
    def __init__(self, pace: Pace, progress: Progress, title: str) -> None:
        super().__init__(pace)
        self.progress = progress
        self.task = progress.add_task(title, total=pace.total, note="", pace=pace)

    def update(self, done: float, note: str = "") -> None:
        super().update(done, note)
        self.progress.update(self.task, completed=done, note=note)


class _LineBar(Bar):
    """Lines as time goes by. One that is due comes even if nothing moves: a log that stands still does
    not tell a slow stage from a dead driver."""

    def __init__(self, pace: Pace, say: Callable[[str], None], title: str) -> None:
        super().__init__(pace)
        self.say, self.title = say, title
        self.start = self.last = pace.clock()
        self.quarter = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._remind, name="progress", daemon=True)
        self._thread.start()

    def update(self, done: float, note: str = "") -> None:
        with self._lock:
            super().update(done, note)
            total = self.pace.total
            quarter = int(4 * done / total) if total else 0
            more = quarter > self.quarter and done != total  # the end has a line of its own
            since = self.pace.clock() - self.last
            if since >= self._interval() or (more and since >= QUARTER_S):
                self._line()

    def _interval(self) -> float:
        return max(LINE_S, 0.1 * (self.pace.clock() - self.start))

    def _remind(self) -> None:
        while not self._ended.wait(1.0):
            with self._lock:
                if self.pace.clock() - self.last >= self._interval():
                    self._line()

    def _line(self) -> None:
        pace = self.pace
        self.last = pace.clock()
        if pace.total:
            self.quarter = max(self.quarter, int(4 * pace.done / pace.total))
        left = "" if pace.left_s is None else f"{duration(pace.left_s, padded=True)} left"
        facts = [text for text in (rate_text(pace.rate), left, pace.note) if text]
        self.say(f"  {self.title}: " + ", ".join([pace.text(), *facts]))

    def end(self) -> None:
        self._ended.set()
        self._thread.join()


class _Title(ProgressColumn):
    """The stage's name, cut to a width, so that a bar never takes two lines."""

    def __init__(self, width: int) -> None:
        super().__init__(Column(no_wrap=True))
        self.width = width

    def render(self, task: Task) -> Text:
        title = Text(task.description)
        title.truncate(self.width, overflow="ellipsis")
        return title


class _Facts(ProgressColumn):
    """How much, how fast, how long yet, from a `Pace`."""

    max_refresh = 0.5

    def __init__(self, with_rate: bool) -> None:
        super().__init__(Column(no_wrap=True))
        self.with_rate = with_rate

    def render(self, task: Task) -> Text:
        pace: Pace = task.fields["pace"]
        left = "" if pace.left_s is None else f"{duration(pace.left_s, padded=True)} left"
        rate = rate_text(pace.rate) if self.with_rate else ""
        return Text("  ".join(text for text in (pace.text(), rate, left) if text))


class Reporter:
    """Says what goes on: `say` for lines, `stage` for bars. Everything goes to standard error, so that
    a command's results on standard output stay clean.

    Stages may be nested, and may run in several threads: their bars stand below each other. Bars are
    for a terminal alone, whatever FORCE_COLOR says; `NO_COLOR` and `TERM=dumb` are heeded.
    """

    def __init__(self, out: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.out, self.clock = out or sys.stderr, clock
        self.live = self.out.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
        self.console = Console(file=self.out, highlight=False, force_terminal=self.live)
        self._lock = threading.Lock()
        self._progress: Progress | None = None
        self._open = 0

    def say(self, text: str) -> None:
        shown = fitted(text, self.console.width) if self.live else text  # a log has a line for a line
        self.console.print(shown, markup=False, soft_wrap=True)

    @contextmanager
    def bar(self, title: str, total: float | None) -> Iterator[Bar]:
        """A bar over `total` units of work (None: unknown), gone when it ends; one line says how long it
        took."""
        start = self.clock()
        pace = Pace(total, self.clock)
        if self.live:
            with self._progressing() as progress:
                shown = _RichBar(pace, progress, title)
                try:
                    yield shown
                finally:
                    progress.remove_task(shown.task)
        else:
            lines = _LineBar(pace, self.say, title)
            try:
                yield lines
            finally:
                lines.end()
        took = f"{title}: done in {duration(self.clock() - start, padded=True)}"
        facts = [text for text in (pace.text() if pace.done else "", rate_text(pace.mean), pace.note) if text]
        self.say(f"{took} ({', '.join(facts)})" if facts else took)

    @contextmanager
    def _progressing(self) -> Iterator[Progress]:
        """The one live display of this terminal, started by the first stage and ended by the last."""
        with self._lock:
            if self._progress is None:
                self._progress = Progress(
                    *_columns(self.console.width), console=self.console, transient=True, refresh_per_second=4
                )
                self._progress.start()
            self._open += 1
            progress = self._progress
        try:
            yield progress
        finally:
            with self._lock:
                self._open -= 1
                if not self._open:
                    self._progress = None
                    progress.stop()

    @contextmanager
    def logs(self, *names: str) -> Iterator[None]:
        """What these loggers say, as lines between the bars."""
        handler = _Lines(self.say)
        loggers = [logging.getLogger(name) for name in names]
        before = [logger.propagate for logger in loggers]
        for logger in loggers:
            logger.addHandler(handler)
            logger.propagate = False
        try:
            yield
        finally:
            for logger, propagate in zip(loggers, before, strict=True):
                logger.removeHandler(handler)
                logger.propagate = propagate


class _Lines(logging.Handler):
    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self.say = say

    def emit(self, record: logging.LogRecord) -> None:
        lines = [" ".join(line.split()) for line in record.getMessage().splitlines() if line.strip()]
        # of a traceback the last line tells what it was
        self.say(" ".join(lines) if len(lines) < 3 else f"{lines[0]} ... {lines[-1]}")


def _columns(width: int) -> list[ProgressColumn]:
    """What there is room for."""
    facts = _Facts(with_rate=width >= NARROW)
    if width < NARROW:
        return [_Title(width - FACTS // 2 - 2), facts]
    if width < MEDIUM:
        return [_Title(width - FACTS), facts]
    if width < WIDE:
        return [_Title(width - FACTS - 12), BarColumn(bar_width=10), facts]
    note = TextColumn("{task.fields[note]}", markup=False, table_column=Column(no_wrap=True))
    return [_Title(44), BarColumn(bar_width=20), facts, note]
