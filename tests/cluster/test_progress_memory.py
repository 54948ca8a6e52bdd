"""What a run says of itself: progress lines in a log, and how much memory it took."""

import io
import os
import subprocess
import sys

import pytest

from cluster.memory import PeakMemory, process_tree_mb
from cluster.progress import Reporter


def test_a_log_gets_a_line_a_quarter_and_one_at_the_end():
    out = io.StringIO()
    with Reporter(out).stage("training", 100) as bar:
        for done in range(1, 101):
            bar.update(done, "loss 1.0")
    lines = out.getvalue().splitlines()
    assert [line.split(":")[1].split("/")[0].strip() for line in lines[:-1]] == ["25", "50", "75", "100"]
    assert all("loss 1.0" in line for line in lines[:-1])
    assert lines[-1].startswith("training: done in")
    assert "\x1b" not in out.getvalue(), "no terminal codes in a log"


def test_a_stage_that_fails_is_not_said_to_be_done():
    out = io.StringIO()
    with pytest.raises(RuntimeError), Reporter(out).stage("training", 1):
        raise RuntimeError
    assert "done" not in out.getvalue()


def test_markup_in_a_message_is_left_alone():
    out = io.StringIO()
    Reporter(out).say("frame [red]x[/red]: bad")
    assert out.getvalue() == "frame [red]x[/red]: bad\n"


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="reads Linux's /proc")
def test_the_memory_of_children_counts():
    before = process_tree_mb(os.getpid())
    code = "import sys; held = bytearray(200 << 20); print('ready', flush=True); sys.stdin.read()"
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout.readline() == "ready\n"
        with PeakMemory() as memory:
            pass
        held = process_tree_mb(os.getpid()) - before
    finally:
        child.kill()
        child.communicate()
    assert 190 < held < 300
    assert memory.peak_mb > before + 190
