"""Storage that goes away and comes back: waited for, said once, and nothing lost or written elsewhere."""

import errno
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imitation.common import storage
from imitation.common.storage import files, retry
from imitation.evaluation.detection_files import DetectionsWriter, read_detections
from imitation.evaluation.detections import Detections, FrameDetections


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(retry, "_roots", set())
    monkeypatch.setenv(retry.VARIABLE, "60")


def some_rows(first: int, end: int) -> list[FrameDetections]:
    return [
        FrameDetections(f"frame-{i}", "val", "main", 64, 48, Detections([[0, 0, 9, 9]], [0.5], [1]))
        for i in range(first, end)
    ]


class Failing:
    """A function that raises `errors` in turn, then does as it always did."""

    def __init__(self, real: Callable, *errors: Exception) -> None:
        self.real, self.errors = real, list(errors)

    def __call__(self, *args: object, **options: object) -> object:
        if self.errors:
            raise self.errors.pop(0)
        return self.real(*args, **options)


def io_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN])
def test_a_write_goes_on_after_errors_that_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, call: str, number: int
) -> None:
    failing = Failing(getattr(os, call), io_error(number), io_error(number), io_error(number))
    monkeypatch.setattr(os, call, failing)
    with caplog.at_level(logging.WARNING, "imitation.common.storage"):
        storage.write_bytes_atomic(str(tmp_path / "x"), b"whole")
    assert failing.errors == []
    assert (tmp_path / "x").read_bytes() == b"whole"
    assert os.listdir(tmp_path) == ["x"]
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2, "that it is away, and that it is back: once each"
    assert os.strerror(number) in said[0]
    assert "is back after" in said[1]


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ENOENT])
def test_what_a_person_must_mend_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    failing = Failing(os.fsync, io_error(number), io_error(number))
    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(storage.StorageError) as caught:
        storage.write_bytes_atomic(str(tmp_path / "x"), b"whole")
    assert caught.value.errno == number
    assert len(failing.errors) == 1, "tried once"
    assert os.listdir(tmp_path) == []


def test_patience_ends_with_a_sentence_and_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x").write_bytes(b"old")
    monkeypatch.setenv(retry.VARIABLE, "0.1")
    monkeypatch.setattr(os, "fsync", Failing(os.fsync, *(io_error(errno.EIO) for _ in range(1000))))
    with pytest.raises(storage.StorageError, match=r"cannot write .*x: .*Input/output error") as caught:
        storage.write_bytes_atomic(str(tmp_path / "x"), b"new")
    assert caught.value.errno == errno.EIO
    assert (tmp_path / "x").read_bytes() == b"old"


def test_what_a_failed_fsync_lost_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel drops dirty pages that it could not write and tells of it once: a file truncated behind
    the writer's back is what that leaves."""
    monkeypatch.setattr(retry, "CHUNK", 1000)
    real, lose = os.fsync, iter([False, True, False, True, True])

    def fsync(handle: int) -> None:
        if next(lose, False):
            os.ftruncate(handle, os.fstat(handle).st_size - 500)
            raise io_error(errno.EIO)
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    data = os.urandom(7777)
    with storage.open_atomic(str(tmp_path / "x")) as sink:
        for start in range(0, len(data), 333):
            sink.write(data[start : start + 333])
    assert (tmp_path / "x").read_bytes() == data


def test_a_file_that_lost_what_was_safe_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "CHUNK", 1000)
    real, calls = os.fsync, []

    def fsync(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 2:
            os.ftruncate(handle, 10)
            raise io_error(errno.EIO)
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(storage.StorageError, match="the storage has lost some"):
        storage.write_bytes_atomic(str(tmp_path / "x"), b"." * 3500)
    assert os.listdir(tmp_path) == []


def test_a_rename_that_was_done_before_the_server_went_away_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.replace

    def replace(source: str, target: str) -> None:
        real(source, target)
        monkeypatch.setattr(os, "replace", real)
        raise io_error(errno.ETIMEDOUT)

    monkeypatch.setattr(os, "replace", replace)
    storage.write_bytes_atomic(str(tmp_path / "x"), b"whole")
    assert (tmp_path / "x").read_bytes() == b"whole"
    assert os.listdir(tmp_path) == ["x"]


def test_reading_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = str(tmp_path / "detections.parquet")
    with DetectionsWriter(uri, ("car",)) as writer:
        for start in range(0, 600, 100):  # a row group each
            writer.write(some_rows(start, start + 100))
    opened: list[object] = []
    real = files._opened

    class Flaky:
        """Each handle fails at its second read, as one does whose server was restarted (ESTALE)."""

        def __init__(self) -> None:
            self.file, self.reads = real(uri), 0
            opened.append(self)

        def __getattr__(self, name: str) -> object:
            return getattr(self.file, name)

        def read(self, *size: int) -> bytes:
            self.reads += 1
            if self.reads % 2 == 0:
                raise io_error(errno.ESTALE)
            return self.file.read(*size)

    monkeypatch.setattr(files, "_opened", lambda uri: Flaky())
    assert [row.frame_id for row in read_detections(uri)] == [f"frame-{i}" for i in range(600)]
    assert len(opened) > 1


@contextmanager
def away(folder: Path, seconds: float) -> Iterator[None]:
    """The folder vanishes from its place for a while, as a mount does; what is under it then shows."""
    hidden = folder.with_name(folder.name + ".unmounted")
    folder.rename(hidden)

    def come_back() -> None:
        time.sleep(seconds)
        hidden.rename(folder)

    thread = threading.Thread(target=come_back)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def test_a_mount_that_vanishes_is_waited_for_and_nothing_is_written_in_its_place(tmp_path: Path) -> None:
    root = tmp_path / "share" / "run"
    storage.write_bytes_atomic(str(root / "a"), b"a")
    retry.expect(str(root))
    share = tmp_path / "share"
    acts: list[Callable[[], object]] = [
        lambda: storage.read_bytes(str(root / "a")),
        lambda: storage.exists(str(root / "a")),
        lambda: storage.list_files(str(root)),
        lambda: storage.size_of(str(root / "a")),
        lambda: storage.make_folder(str(root / "new")),
        lambda: storage.write_bytes_atomic(str(root / "deep" / "b"), b"b"),
        lambda: storage.delete(str(root / "a")),
    ]
    results = []
    for act in acts:
        with away(share, 0.15):
            results.append(act())
    assert results[:4] == [b"a", True, [str(root / "a")], 1]
    assert (root / "new").is_dir()
    assert (root / "deep" / "b").read_bytes() == b"b"
    assert not (root / "a").exists()
    with pytest.raises(storage.StorageError, match="no such file"):
        storage.read_bytes(str(root / "a"))  # at once: the folder is there, the file is not


def test_what_is_missing_in_a_folder_that_was_never_there_is_missing_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("it waits for what cannot come"))
    with pytest.raises(storage.StorageError, match="no such file"):
        storage.read_bytes(str(tmp_path / "nowhere" / "x"))
    assert not storage.exists(str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("When reading information for key 'a' in bucket 'b': AWS Error NETWORK_CONNECTION during HeadObject "
         "operation: curlCode: 7, Couldn't connect to server", True),
        ("AWS Error UNKNOWN (HTTP status 503) during PutObject operation: ", True),
        ("AWS Error SLOW_DOWN during GetObject operation: reduce your request rate", True),
        ("AWS Error INTERNAL_FAILURE during PutObject operation: ", True),
        ("AWS Error ACCESS_DENIED during HeadObject operation: No response body.", False),
        ("AWS Error NO_SUCH_BUCKET during PutObject operation: The bucket does not exist", False),
        ("AWS Error UNKNOWN (HTTP status 400) during PutObject operation: timeout in its text", False),
        ("Path does not exist 'b/a'", False),
    ],
)  # fmt: skip
def test_what_object_stores_say(text: str, passes: bool) -> None:
    assert retry.is_transient(OSError(text)) is passes
