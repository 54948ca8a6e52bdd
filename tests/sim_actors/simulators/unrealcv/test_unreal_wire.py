"""The protocol: our client and the published one against one server, faults of every kind, and leases."""

import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from imitation.common.settings import UserError
from sim_actors.simulators.unrealcv.client import Client, UnrealError
from sim_actors.simulators.unrealcv.leases import leased, missing
from sim_actors.simulators.unrealcv.settings import UnrealSettings
from tests.sim_actors.simulators.unrealcv.fake_level import MANIFEST
from tests.sim_actors.simulators.unrealcv.fake_unreal import FakeUnreal


def settings(*endpoints: str, **more: object) -> UnrealSettings:
    options = {"manifest": MANIFEST, "lease_timeout_s": 20.0, "request_timeout_s": 20.0} | more
    return UnrealSettings(endpoints=endpoints, **options)  # type: ignore[arg-type]


def connected(server: FakeUnreal, **more: object) -> Client:
    return leased(settings(server.endpoint, **more))


@pytest.fixture
def published():
    return pytest.importorskip("unrealcv")


COMMANDS = (
    "vget /unrealcv/version",
    "vget /unrealcv/commands",
    "vset /objects/spawn BP_Sedan_C one",
    "vset /object/one/location 100.5 -20.25 0.0000",
    "vget /object/one/location",
    "vset /object/one/color 51 0 255",
    "vset /object/two/color 51 0 255",
    "vset /object/one/location 1e3 0 0",
    "vget /objects",
    "vset /object/one/destroy",
)


def test_the_published_client_and_ours_hear_the_same(published):
    """Each command of ours, by UnrealCV's own client, on a server of its own."""
    with FakeUnreal() as server:
        client = connected(server)
        ours = [answer.decode() for answer in client.ask_all(COMMANDS, lenient=True)]
        client.close()
        assert client.greeting == "connected to Town10"
    with FakeUnreal() as server:
        other = published.Client(("127.0.0.1", server.port))
        assert other.connect()
        theirs = [other.request(command) for command in COMMANDS]
        other.disconnect()
    assert ours == theirs
    assert ours[2:5] == ["one", "ok", "100.500 -20.250 0.000"]
    assert ours[6] == "error Cannot find object"
    assert ours[7].startswith("error Can not find a handler"), "numbers have no exponents"


def test_the_published_client_sees_the_same_picture(published):
    from unrealcv.util import read_npy, read_png

    commands = ("vset /camera/0/size 64 48", "vset /camera/0/fov 60.0000", "vget /camera/0/location")
    with FakeUnreal() as server:
        client = connected(server)
        client.ask_all(commands)
        ours = [client.ask(f"vget /camera/0/{what}") for what in ("lit png", "depth npy")]
        client.close()
        other = published.Client(("127.0.0.1", server.port))
        assert other.connect()
        picture, depth = (other.request(f"vget /camera/0/{what}") for what in ("lit png", "depth npy"))
        other.disconnect()
    assert ours == [picture, depth]
    assert read_png(picture).shape == (48, 64, 4)
    assert read_npy(depth).shape == (48, 64)
    assert np.all(read_npy(depth) > 0)


def test_more_requests_than_a_tick_takes():
    with FakeUnreal() as server:
        client = connected(server)
        assert client.ask_all(["vget /unrealcv/version"] * 200) == [b"1.1.0"] * 200
        client.close()


def test_an_error_names_the_command():
    with FakeUnreal() as server:
        client = connected(server)
        with pytest.raises(UnrealError, match=r"127.0.0.1:\d+: 'vset /object/x/destroy': error Cannot find"):
            client.ask_all(["vget /objects", "vset /object/x/destroy"])
        with pytest.raises(UnrealError, match="the connection broke"):
            client.ask("vget /objects")  # what came next might have answered another question


def test_a_slow_engine_is_told_by_the_clock():
    with FakeUnreal(fault=lambda *_: True) as server:  # it never answers
        client = connected(server, request_timeout_s=0.2)
        with pytest.raises(
            UnrealError, match=r"no answer to 'vget /objects' within 0.2 s .*request_timeout_s"
        ):
            client.ask("vget /objects")


def test_an_engine_that_drips_is_no_faster_than_one_that_waits():
    def drip(connection: socket.socket, number: int, command: str) -> bool:
        for byte in struct.pack("<II", 0x9E2B83C1, 400):
            connection.sendall(bytes([byte]))
            time.sleep(0.05)
        return True

    with FakeUnreal(fault=drip) as server:
        client = connected(server, request_timeout_s=0.2)
        with pytest.raises(UnrealError, match="no answer to"):
            client.ask("vget /objects")


def hang_up(connection: socket.socket, number: int, command: str) -> bool:
    connection.shutdown(socket.SHUT_RDWR)
    return True


def garbage(connection: socket.socket, number: int, command: str) -> bool:
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    return True


def endless(connection: socket.socket, number: int, command: str) -> bool:
    connection.sendall(struct.pack("<II", 0x9E2B83C1, 0xFFFFFFFF))
    return True


def another(connection: socket.socket, number: int, command: str) -> bool:
    connection.sendall(struct.pack("<II", 0x9E2B83C1, 5) + b"77:ok")
    return True


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (hang_up, "closed the connection instead of answering 'vget /objects'|the connection broke"),
        (garbage, r"b'HTTP/1.1' begins no message of UnrealCV"),
        (endless, "announces an answer of 4,294,967,295 bytes"),
        (another, "asked 'vget /objects' as number 0, it answered b?'77'"),
    ],
)
def test_what_is_no_answer(fault, message):
    with FakeUnreal(fault=fault) as server:
        client = connected(server)
        with pytest.raises(UnrealError, match=message):
            client.ask("vget /objects")


def test_a_second_client_waits_without_a_greeting_and_is_told_so():
    with FakeUnreal() as server:
        first = connected(server)
        with pytest.raises(
            UserError, match=r"no Unreal .* is free within 0.3 s .*serves one client at a time"
        ):
            connected(server, lease_timeout_s=0.3)
        assert first.ask("vget /unrealcv/version") == b"1.1.0"
        first.close()
        connected(server).close()


def test_nobody_and_somebody_else_listen():
    with FakeUnreal(greeting=b"SSH-2.0-OpenSSH_9.6") as other, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(UserError) as caught:
            leased(settings(nobody, other.endpoint, lease_timeout_s=0.8))
        assert f"{nobody}: Connection refused" in str(caught.value)
        assert "it greets with 'SSH-2.0" in str(caught.value)
        assert missing([nobody, other.endpoint]) is None
        assert "no Unreal listens at simulate.options.endpoints" in str(missing([nobody]))
    # Not after a minute: it will never be one.
    with FakeUnreal(greeting=b"hello") as other, pytest.raises(UserError, match="greets with"):
        leased(settings(other.endpoint, lease_timeout_s=60))


def test_each_worker_holds_an_endpoint_of_its_own():
    with FakeUnreal() as one, FakeUnreal() as two:
        several = settings(one.endpoint, two.endpoint)
        first, second = leased(several), leased(several)
        assert {first.who, second.who} == {f"UnrealCV at {one.endpoint}", f"UnrealCV at {two.endpoint}"}
        with pytest.raises(UserError, match="lease_timeout_s"):
            leased(several.model_copy(update={"lease_timeout_s": 0.4}))
        second.close()
        third = leased(several)
        assert third.who == second.who
        first.close()
        third.close()


def test_no_two_hold_one_at_a_time():
    """Eight that want one of three endpoints, again and again."""
    held: dict[str, int] = {}
    worst: list[int] = []
    lock = threading.Lock()

    def worker(several: UnrealSettings) -> None:
        for _ in range(3):
            client = leased(several)
            with lock:
                held[client.who] = held.get(client.who, 0) + 1
                worst.append(held[client.who])
            client.ask("vget /unrealcv/version")
            with lock:
                held[client.who] -= 1
            client.close()

    with FakeUnreal() as one, FakeUnreal() as two, FakeUnreal() as three:
        several = settings(*(server.endpoint for server in (one, two, three)), lease_timeout_s=60.0)
        threads = [threading.Thread(target=worker, args=(several,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(worst) == 24
    assert max(worst) == 1


def test_the_lease_of_a_worker_that_is_killed_ends():
    """SIGKILL, as by the pool or for want of memory; in a process of its own, as on another machine."""
    code = (
        "import sys, time\n"
        "from sim_actors.simulators.unrealcv.leases import leased\n"
        "from sim_actors.simulators.unrealcv.settings import UnrealSettings\n"
        "client = leased(UnrealSettings(manifest='m', endpoints=(sys.argv[1],)))\n"
        "print('leased', flush=True)\n"
        "time.sleep(600)\n"
    )
    with FakeUnreal() as server:
        with subprocess.Popen(
            [sys.executable, "-c", code, server.endpoint], stdout=subprocess.PIPE, text=True
        ) as worker:
            assert worker.stdout.readline() == "leased\n"
            with pytest.raises(UserError, match="one client at a time"):
                connected(server, lease_timeout_s=0.2)
            os.kill(worker.pid, signal.SIGKILL)
        client = connected(server)
        assert client.ask("vget /unrealcv/version") == b"1.1.0"
        client.close()
