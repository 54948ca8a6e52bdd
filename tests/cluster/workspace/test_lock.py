"""One driver a run folder: by processes that are killed, on local storage, and on an object store."""

import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.runtime.signals import terminable
from cluster.workspace.lock import LEASE, RunLock, on_own_disk
from cluster.workspace.run_folder import Workspace
from imitation.common import storage
from imitation.common.settings import UserError

ROOT = Path(__file__).resolve().parents[3]
BEAT = 0.05  # seconds; a real one is 3
PATIENCE = 200  # beats: longer than a slow machine's hiccups
GONE = 20  # beats after which a holder that is really gone counts as dead


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """An S3 endpoint on loopback, and its credentials in the environment."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # or a failure's report has every request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "some")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "thing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}").create_bucket(Bucket="locks")
        yield f"127.0.0.1:{port}"
    server.stop()


@pytest.fixture(params=["folder", "bucket"])
def place(request, tmp_path) -> str:
    """A run's folder on local storage, or in a bucket."""
    if request.param == "folder":
        return str(tmp_path / "run")
    endpoint = request.getfixturevalue("endpoint")
    return f"s3://locks/{tmp_path.name}?endpoint_override={endpoint}&scheme=http"


def lock(place: str, patience: int = PATIENCE) -> RunLock:
    return RunLock(place, beat_s=BEAT, patience=patience, leased=True)


def lease(place: str) -> dict:
    return json.loads(storage.read_bytes(storage.join(place, LEASE)))


def from_elsewhere(place: str, **changes: object) -> None:
    """Makes the lease that lies there one of another machine."""
    told = {"nonce": "theirs", "count": 3, "host": "far-away", "machine": "other", "pid": 7, "job": None}
    storage.write_json(storage.join(place, LEASE), told | changes)


class OtherMachine(RunLock):
    """A lock whose holder seems to be on another machine: neither flock nor process ids tell of it."""

    def __init__(self, place: str, name: str, patience: int = PATIENCE) -> None:
        super().__init__(place, beat_s=BEAT, patience=patience, leased=True)
        self.path = None
        self._own = replace(self._own, host=name, machine=name)


@pytest.fixture
def holder(place) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the run."""
    code = textwrap.dedent(f"""
        import time
        from cluster.workspace.lock import RunLock
        from cluster.runtime.signals import terminable
        with terminable(), RunLock({place!r}, beat_s={BEAT}, patience={PATIENCE}, leased=True):
            print("held", flush=True)
            time.sleep(600)
    """)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_a_second_driver_is_refused_by_the_holders_name(place, holder):
    for second in (lock(place), OtherMachine(place, "elsewhere")):
        with pytest.raises(UserError, match=f"in use by process {holder.pid} on "), second:
            pass
    assert lease(place)["pid"] == holder.pid, "who is refused leaves the lease alone"


def test_a_killed_driver_of_this_machine_is_not_waited_for(place, holder, monkeypatch):
    holder.kill()
    holder.wait()
    monkeypatch.setattr(RunLock, "_watch", lambda self, found: pytest.fail("it is known to be dead"))
    with lock(place):
        assert lease(place)["pid"] == os.getpid()
    assert not storage.exists(storage.join(place, LEASE)), "a driver that ends leaves no lease"


def test_a_killed_driver_of_another_machine_counts_as_dead_when_it_counts_no_more(place, holder):
    holder.kill()
    holder.wait()
    with OtherMachine(place, "elsewhere", GONE):
        assert lease(place)["host"] == "elsewhere"


def test_clocks_do_not_matter(place):
    """Nothing in a lease is a time: one that stands still is dead, whatever the clocks say."""
    storage.make_folder(place)
    from_elsewhere(place)
    assert set(lease(place)) == {"nonce", "count", "host", "machine", "pid", "job"}
    if storage.is_local(place):
        far_future = 4_000_000_000
        os.utime(storage.join(place, LEASE), (far_future, far_future))
    with lock(place, patience=3):
        assert lease(place)["pid"] == os.getpid()


def test_of_many_that_come_at_once_one_stays(place):
    storage.make_folder(place)
    entered, refused, everybody = [], [], threading.Barrier(5)
    done = threading.Event()

    def drive(name: str) -> None:
        everybody.wait()
        try:
            with OtherMachine(place, name):
                entered.append(name)
                done.wait(60)
        except UserError as error:
            refused.append(str(error))
        if len(refused) == 4:
            done.set()

    drivers = [threading.Thread(target=drive, args=(f"machine-{i}",)) for i in range(5)]
    for driver in drivers:
        driver.start()
    for driver in drivers:
        driver.join()
    assert len(entered) == 1
    assert len(refused) == 4
    assert all(f"in use by process {os.getpid()} on machine-" in sentence for sentence in refused)


def keep_taking(place: str) -> None:
    """For a minute: what is written between a holder's look and its own writing is written over."""
    for _ in range(600):
        from_elsewhere(place)
        threading.Event().wait(2 * BEAT)


def test_a_driver_whose_run_was_taken_stops(place):
    with pytest.raises(UserError, match="was taken by process 7 on far-away"), terminable(), lock(place):
        keep_taking(place)
    assert lease(place)["nonce"] == "theirs", "the taker keeps its lease"


def test_nothing_is_committed_once_a_run_was_taken(place, monkeypatch):
    monkeypatch.setattr(RunLock, "_beat", lambda self: None)  # its thread has not looked yet
    with pytest.raises(UserError, match="was taken by process 7 on far-away"), lock(place) as held:  # noqa: PT012
        workspace = Workspace(place, check=held.check)
        workspace.stage("before", lambda: {})
        from_elsewhere(place)
        workspace.stage("after", lambda: {})
    assert storage.exists(workspace.path("stage-before.json"))
    assert not storage.exists(workspace.path("stage-after.json"))


def test_storage_that_is_away_for_a_while_costs_nothing(place, monkeypatch):
    with lock(place) as held:

        def away(uri):
            raise storage.StorageError("read", uri, "no route to host")

        with monkeypatch.context() as patch:
            patch.setattr(storage, "read_bytes", away)
            patch.setattr(storage, "write_json", lambda uri, value: away(uri))
            threading.Event().wait(10 * BEAT)
        before = lease(place)["count"]
        while lease(place)["count"] < before + 2:
            threading.Event().wait(BEAT)
        held.check()


def test_a_suspended_driver_that_wakes_stops(place, holder):
    os.kill(holder.pid, signal.SIGSTOP)
    with OtherMachine(place, "elsewhere", GONE):
        os.kill(holder.pid, signal.SIGCONT)
        assert holder.wait(60) != 0
    assert not storage.exists(storage.join(place, LEASE))


def test_the_machines_own_disks_need_no_lease(tmp_path):
    if not on_own_disk(tmp_path):
        pytest.skip("the temporary folder lies on no disk of this machine")
    with RunLock(str(tmp_path)):
        assert not (tmp_path / LEASE).exists()
    assert not on_own_disk(tmp_path / "nothing")
    assert not on_own_disk(Path("/proc/self")), "a kind of file system that we do not know"
