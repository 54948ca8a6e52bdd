"""Who holds a run, found out by looking, and how its driver ended: with real processes that are killed."""

import fcntl
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from cluster.runtime.signals import PutOff
from cluster.workspace.driven import DRIVER, driven, read_driven
from cluster.workspace.holder import Looker
from cluster.workspace.lock import LEASE, Lease, RunLock
from imitation.common.settings import UserError

ROOT = Path(__file__).resolve().parents[3]
HOLDER = """
import sys
from cluster.workspace.driven import driven
from cluster.workspace.lock import RunLock
with RunLock(sys.argv[1]), driven(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_held_run_is_seen_and_a_killed_driver_leaves_no_end(tmp_path):
    looker = Looker()
    assert looker.held(str(tmp_path)) is False
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert child.stdout.readline() == b"held\n"
        assert looker.held(str(tmp_path)) is True
        with pytest.raises(UserError, match="is in use by process"), RunLock(str(tmp_path)):
            pass
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    assert looker.held(str(tmp_path)) is False
    told = read_driven(str(tmp_path))
    assert told.how is None
    assert told.ended is None


def test_a_driver_waits_for_who_only_looks(tmp_path, monkeypatch):
    lock = tmp_path / ".lock"
    lock.touch()
    looking = lock.open("rb")
    fcntl.flock(looking, fcntl.LOCK_SH)
    monkeypatch.setattr("cluster.workspace.lock.time.sleep", lambda seconds: looking.close())
    with RunLock(str(tmp_path)):
        assert Looker().held(str(tmp_path)) is True
    assert looking.closed


class Beats:
    """A lease that somebody elsewhere writes, on a clock of our own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now = folder, 0.0
        self.lease = replace(Lease.own(), host="elsewhere", pid=1)
        self.write()

    def write(self) -> None:
        (self.folder / LEASE).write_text(json.dumps(asdict(self.lease)))

    def beat(self, seconds: float) -> None:
        """It counts on while the time passes."""
        self.now += seconds
        self.lease = replace(self.lease, count=self.lease.count + 1)
        self.write()

    def silence(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def lease(tmp_path, monkeypatch) -> Beats:
    monkeypatch.setattr("cluster.workspace.holder.on_own_disk", lambda path: False)
    return Beats(tmp_path)


def test_a_lease_is_alive_while_its_count_goes_on(lease, tmp_path):
    looker = Looker(beat_s=3, patience=8, clock=lambda: lease.now)
    uri = str(tmp_path)
    assert looker.held(uri) is None, "one look cannot tell"
    lease.beat(3)
    assert looker.held(uri) is True
    lease.silence(20)
    assert looker.held(uri) is True, "a driver would wait as long"
    lease.silence(4)
    assert looker.held(uri) is False
    lease.beat(3)
    assert looker.held(uri) is True, "it was suspended"


def test_settled_waits_no_longer_than_it_takes(lease, tmp_path):
    looker = Looker(beat_s=3, patience=8, clock=lambda: lease.now)
    assert looker.settled([str(tmp_path)], sleep=lease.beat) == {str(tmp_path): True}
    assert lease.now == 3
    looker = Looker(beat_s=3, patience=8, clock=lambda: lease.now)
    lease.now = 0
    assert looker.settled([str(tmp_path)], sleep=lease.silence) == {str(tmp_path): False}
    assert lease.now == 24


def test_what_is_no_lease_holds_nothing(lease, tmp_path):
    (tmp_path / LEASE).write_text("{}")
    assert Looker().held(str(tmp_path)) is False
    (tmp_path / LEASE).unlink()
    assert Looker().held(str(tmp_path)) is False


@pytest.mark.parametrize(
    ("error", "how", "reason"),
    [
        (None, "finished", None),
        (KeyboardInterrupt(), "stopped", None),
        (PutOff("out of time"), "stopped", "out of time"),
        (UserError("the\nbucket is gone"), "failed", "the bucket is gone"),
        (ValueError("odd"), "failed", "ValueError: odd"),
        (ZeroDivisionError(), "failed", "ZeroDivisionError: ZeroDivisionError"),
        (UserError("s3://key:secret@bucket/x is away"), "failed", "s3://bucket/x is away"),
    ],
)
def test_how_a_driver_ended_stands_in_the_folder(tmp_path, error, how, reason):
    def drive():
        with driven(str(tmp_path)):
            if error is not None:
                raise error

    if error is None:
        drive()
    else:
        with pytest.raises(type(error)):
            drive()
    told = read_driven(str(tmp_path))
    assert (told.how, told.reason) == (how, reason)
    assert told.started <= told.ended


def test_the_end_of_a_driver_that_lost_its_run_is_not_written(tmp_path):
    def taken():
        raise UserError("taken by another")

    with driven(str(tmp_path), taken):
        (tmp_path / DRIVER).write_text(
            '{"started": "the other\'s", "ended": null, "how": null, "reason": null}'
        )
    assert read_driven(str(tmp_path)).started == "the other's"


def test_an_end_that_cannot_be_understood_is_none(tmp_path):
    assert read_driven(str(tmp_path)) is None
    (tmp_path / DRIVER).write_text("[1")
    assert read_driven(str(tmp_path)) is None
