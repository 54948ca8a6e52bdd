"""An object store whose address nobody answers at for a while: waited for (see test_patience.py)."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest

from imitation.common import storage
from imitation.common.storage import atomic, uris
from imitation.evaluation.detection_files import write_detections
from imitation.evaluation.detections import Detections, FrameDetections


class Line:
    """A TCP line to a server that can be cut and mended; what the server holds stays."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.open_ends: list[socket.socket] = []
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.mend()

    def mend(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def cut(self) -> None:
        for end in [self.listener, *self.open_ends]:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self.open_ends = []

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                ours, _ = listener.accept()
                theirs = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                return
            self.open_ends += [ours, theirs]
            for a, b in ((ours, theirs), (theirs, ours)):
                threading.Thread(target=self._pump, args=(a, b), daemon=True).start()

    def _pump(self, a: socket.socket, b: socket.socket) -> None:
        try:
            while data := a.recv(1 << 16):
                b.sendall(data)
        except OSError:
            pass
        finally:
            for end in (a, b):
                end.close()


SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def object_store() -> Iterator[int]:
    """The port of an S3 server on loopback, in a process of its own."""
    pytest.importorskip("moto.server")
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout is not None
    try:
        yield int(server.stdout.readline())
    finally:
        server.kill()
        server.wait()


def test_an_object_store_that_nobody_answers_for_is_waited_for(
    object_store: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    line = Line(object_store)
    # pyarrow's client tries again by itself for some 6 s; without that, outages here can be short
    fs = pafs.S3FileSystem(
        access_key="testing",
        secret_key="testing",
        scheme="http",
        endpoint_override=f"127.0.0.1:{line.port}",
        region="us-east-1",
        allow_bucket_creation=True,
        allow_delayed_open=True,
        retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=1),
    )
    monkeypatch.setattr(uris, "_resolve_uri", lambda uri: (fs, uri.removeprefix("s3://")))
    fs.create_dir("runs")
    bucket = "s3://runs/a"
    uri = storage.join(bucket, "detections.parquet")

    def mend_once_missed() -> None:
        until = time.monotonic() + 60
        while not caplog.records and time.monotonic() < until:
            time.sleep(0.05)
        line.mend()

    def while_away(act: Callable[[], Any]) -> Any:
        caplog.clear()
        line.cut()
        mender = threading.Thread(target=mend_once_missed)
        mender.start()
        try:
            return act()
        finally:
            mender.join()
            assert len(caplog.records) == 2, "it was away, and is back"

    rows = [FrameDetections(f"frame-{i}", "val", "main", 64, 48, Detections.empty()) for i in range(300)]
    write_detections(rows, storage.join(bucket, "warm-up"), ("car",))  # imports take their time, once
    storage.delete(storage.join(bucket, "warm-up"))
    assert while_away(lambda: write_detections(rows, uri, ("car",))) == 300
    assert while_away(lambda: storage.exists(uri)) is True
    assert while_away(lambda: storage.list_files(bucket)) == [uri]
    assert len(while_away(lambda: storage.read_bytes(uri))) == storage.size_of(uri)
    with storage.open_input(uri) as source:
        file = pq.ParquetFile(source)
        table = while_away(lambda: file.read(columns=["frame_id"]))
    assert table["frame_id"].to_pylist() == [f"frame-{i}" for i in range(300)]
    with pytest.raises(storage.StorageError, match="no such file"):
        storage.read_bytes(storage.join(bucket, "none"))  # at once
    line.cut()
    monkeypatch.setattr(atomic, "FIRST_CONTACT_S", 0.5)
    with pytest.raises(storage.StorageError, match="cannot write"):
        storage.check_writable(bucket)  # a wrong address is told at the start of a run, not after minutes
