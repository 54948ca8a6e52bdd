"""What a run says of itself: progress lines in a log, and how much memory it took."""

import fcntl
import io
import logging
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from cluster.observability.callbacks import Watch
from cluster.observability.console import Pace, Reporter
from cluster.observability.memory import PeakMemory, process_tree_mb
from cluster.simulation.work_queue import PoolCounts

ROOT = Path(__file__).resolve().parents[3]


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def lines_of(total: float | None, reports: list[tuple[float, float]], restored: float = 0) -> list[str]:
    """What a log gets of a stage with these reports: (seconds since its start, how much is done)."""
    out, clock = io.StringIO(), Clock()
    with Reporter(out, clock).bar("training", total) as bar:
        bar.restored(restored)
        for after, done in reports:
            clock.now = 1000.0 + after
            bar.update(done, "loss 1.0")
    assert "\x1b" not in out.getvalue(), "no terminal codes in a log"
    return out.getvalue().splitlines()


def test_a_log_gets_a_line_a_quarter_and_one_at_the_end():
    lines = lines_of(100, [(float(done), done) for done in range(1, 101)])
    assert lines == [
        "  training: 25/100, 1.0/s, 1 min 15 s left, loss 1.0",
        "  training: 50/100, 1.0/s, 50 s left, loss 1.0",
        "  training: 75/100, 1.0/s, 25 s left, loss 1.0",
        "training: done in 1 min 40 s (100/100, 1.0/s, loss 1.0)",
    ]


def test_a_stage_of_a_moment_gets_one_line():
    assert lines_of(6, [(0.1 * done, done) for done in range(1, 7)]) == [
        "training: done in 1 s (6/6, 10.0/s, loss 1.0)"
    ]


def test_a_long_stage_does_not_fill_the_log():
    lines = lines_of(36_000, [(float(done), done) for done in range(1, 36_001)])
    assert 30 < len(lines) < 80, "of ten hours with a report each second"


def test_what_was_done_before_is_no_measure_of_what_is_to_come():
    lines = lines_of(150, [(60.0 + step - 100, step) for step in range(101, 151)])
    assert lines[0].startswith("  training: 101/150, loss"), "nothing is known of the rate yet"
    assert lines[1] == "  training: 113/150, 1.0/s, 37 s left, loss 1.0"


def test_the_rate_of_a_whole_stage_is_of_what_was_done_in_it_by_the_time_it_took():
    resumed = lines_of(150, [(5.0 + step - 100, step) for step in range(101, 151)], restored=100)
    assert resumed[-1] == "training: done in 55 s (150/150, 0.9/s, loss 1.0)"
    burst = lines_of(240, [(54.96, 32.0), (54.97, 120.0), (55.0, 240.0)])
    assert burst == [
        "  training: 32/240, loss 1.0",
        "training: done in 55 s (240/240, 4.4/s, loss 1.0)",
    ]
    assert lines_of(240, [], restored=240) == ["training: done in 0 s (240/240)"]


def test_a_rendering_that_continues_counts_what_it_renders_itself():
    out, clock = io.StringIO(), Clock()
    pool = SimpleNamespace(totals=PoolCounts(), pids=list)
    with Watch(Reporter(out, clock)).rendering("rendering", 24, pool) as progress:
        progress(20)
        for done in range(21, 25):
            clock.now += 5.0
            progress(done)
    assert out.getvalue().splitlines()[-1] == "rendering: done in 20 s (24/24, 0.2/s)"


def test_a_total_that_nobody_knows():
    assert lines_of(None, [(float(t), 2 * t) for t in range(1, 41)]) == [
        "  training: 60, 2.0/s, loss 1.0",
        "training: done in 40 s (80, 2.0/s, loss 1.0)",
    ]


def test_slow_units_are_counted_by_the_minute():
    assert lines_of(10, [(40.0 * done, done) for done in range(1, 4)])[1:] == [
        "  training: 2/10, 1.5/min, 5 min 20 s left, loss 1.0",
        "  training: 3/10, 1.5/min, 4 min 40 s left, loss 1.0",
        "training: done in 2 min 00 s (3/10, 1.5/min, loss 1.0)",
    ]


def test_a_stage_where_nothing_moves_says_so():
    out, clock = io.StringIO(), Clock()
    with Reporter(out, clock).bar("evaluating", 48):
        clock.now += 31
        deadline = time.monotonic() + 20
        while not out.getvalue() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert out.getvalue() == "  evaluating: 0/48\n"


def test_a_pace_that_stalls_slows_down():
    clock = Clock()
    pace = Pace(100, clock)
    for done in range(11):
        pace.update(done)
        clock.now += 1
    assert pace.rate == pytest.approx(1.0)
    clock.now += 39
    assert pace.rate == pytest.approx(10 / 40)
    assert pace.left_s == pytest.approx(90 * 4)


def test_the_rate_is_that_of_the_last_two_minutes():
    clock = Clock()
    pace = Pace(1e6, clock)
    done = 0
    for speed in (1, 50):
        for _ in range(300):
            done += speed
            pace.update(done)
            clock.now += 1
    assert pace.rate == pytest.approx(50, rel=0.02)


def test_where_nothing_moves_there_is_no_rate_and_no_end():
    clock = Clock()
    pace = Pace(100, clock)
    for _ in range(30):
        pace.update(7)
        clock.now += 1
    assert (pace.rate, pace.left_s) == (None, None)
    pace.update(8)
    assert pace.rate == pytest.approx(1 / 30, rel=0.1)
    assert pace.left_s == pytest.approx(92 * 30, rel=0.1)


BARS = """
import sys, threading, time
from cluster.observability.console import Reporter
reporter = Reporter()

def work(name, total):
    with reporter.bar(name, total) as bar:
        for done in range(1, 6):
            bar.update(100 + done, "loss [b]1.0[/b]")
            time.sleep(0.3)
            if done == 3:
                reporter.say("a line between")

stages = ("training its twin of another seed", 150), ("b", None)
threads = [threading.Thread(target=work, args=stage) for stage in stages]
for thread in threads: thread.start()
for thread in threads: thread.join()
with reporter.bar("outer", 1):
    with reporter.bar("inner", 1) as bar:
        bar.update(1)
"""


def on_terminal(columns: int, **environment: str) -> Callable[[], tuple[str, list[str]]]:
    """Starts `BARS` on a terminal of that width. Called, it gives what was written, as it came, and its lines
    without the codes."""
    control, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    known = {"TERM": "xterm-256color", "COLORTERM": ""} | environment
    kept = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS", "LINES")}
    child = subprocess.Popen(
        [sys.executable, "-c", BARS], stderr=terminal, stdin=terminal, stdout=subprocess.DEVNULL,
        env=kept | known, cwd=ROOT,
    )  # fmt: skip
    os.close(terminal)

    def written() -> tuple[str, list[str]]:
        raw = b""
        while True:
            try:
                data = os.read(control, 65536)
            except OSError:  # the terminal is closed
                break
            if not data:
                break
            raw += data
        os.close(control)
        assert child.wait(60) == 0, raw.decode()
        plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", raw.decode())
        return raw.decode(), [line.rstrip() for line in re.split(r"[\r\n]+", plain) if line.strip()]

    return written


WIDTHS = [40, 66, 80, 120]


@pytest.fixture(scope="module")
def of_widths() -> dict[int, tuple[str, list[str]]]:
    """They take two seconds each, in which they mostly sleep: at the same time."""
    started = {columns: on_terminal(columns) for columns in WIDTHS}
    return {columns: written() for columns, written in started.items()}


@pytest.mark.parametrize("columns", WIDTHS)
def test_a_bar_has_rate_and_time_left_and_takes_one_line(columns, of_widths):
    _, lines = of_widths[columns]
    # the line of a stage that is done may be broken between words
    bars = [line for line in lines if "/150" in line and "done in" not in line and line[:2] != "  "]
    assert all(len(line) <= columns for line in bars)
    assert all(line.startswith("training its") for line in bars), "a bar that is too long wraps"
    assert any(re.search(r"10\d/150.* \d+ s left", line) for line in bars)
    assert any(re.search(r"\d\.\d/s", line) for line in bars) == (columns >= 60)
    assert any("\N{BOX DRAWINGS HEAVY HORIZONTAL}" in line for line in bars) == (columns >= 72)
    assert any("loss [b]1.0[/b]" in line for line in bars) == (columns >= 110)
    assert lines.count("a line between") == 2
    assert [line.split(":")[0] for line in lines if "done in" in line][-2:] == ["inner", "outer"]


def test_no_color_and_dumb_terminals_are_heeded():
    started = on_terminal(100), on_terminal(100, NO_COLOR="1"), on_terminal(100, TERM="dumb")
    (coloured, _), (plain, _), (dumb, lines) = (written() for written in started)
    colour = re.compile(r"\x1b\[[\d;]*3\d[\d;]*m")
    assert colour.search(coloured)
    assert not colour.search(plain)
    assert "\x1b" not in dumb
    assert [line for line in lines if "done in" in line][-1].startswith("outer: done")


def test_no_bars_in_a_pipe_whatever_the_environment_says():
    told = subprocess.run(
        [sys.executable, "-c", BARS], capture_output=True, text=True, cwd=ROOT, check=True,
        env=os.environ | {"FORCE_COLOR": "1", "TTY_COMPATIBLE": "1"},
    )  # fmt: skip
    assert "\x1b" not in told.stderr
    assert told.stdout == ""


def test_what_is_logged_comes_as_a_line():
    out = io.StringIO()
    reporter = Reporter(out)
    with reporter.logs("cluster"):
        logging.getLogger("cluster.simulation.pool").warning("scene %s hung\n  twice", "s1")
        logging.getLogger("cluster.simulation.pool").warning(
            "s2 raised: Traceback:\n  File x\n    y\nValueError: z"
        )
        logging.getLogger("cluster.simulation.pool").info("nobody asked")
    logging.getLogger("cluster.simulation.pool").warning("not ours any more")
    assert out.getvalue() == "scene s1 hung twice\ns2 raised: Traceback: ... ValueError: z\n"


def test_a_stage_that_fails_is_not_said_to_be_done():
    out = io.StringIO()
    with pytest.raises(RuntimeError), Reporter(out).bar("training", 1):
        raise RuntimeError
    assert "done" not in out.getvalue()


def test_markup_in_a_message_is_left_alone():
    out = io.StringIO()
    Reporter(out).say("frame [red]x[/red]: bad")
    assert out.getvalue() == "frame [red]x[/red]: bad\n"


def test_the_memory_of_children_counts():
    before = process_tree_mb(os.getpid())
    code = "import sys; held = bytearray(200 << 20); print('ready', flush=True); sys.stdin.read()"
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout.readline() == "ready\n"
        memory = PeakMemory()
        memory.run_begins()
        memory.run_ends()
        held = process_tree_mb(os.getpid()) - before
    finally:
        child.kill()
        child.communicate()
    assert 190 < held < 300
    assert memory.peak_mb > before + 190
