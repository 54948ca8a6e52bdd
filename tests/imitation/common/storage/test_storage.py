"""Atomic writes, listing and clear errors, on the local disk and on fsspec's memory file system."""

import errno
import os
import pickle
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imitation.common import storage
from imitation.common.settings import DataError, UserError
from imitation.common.storage import atomic, files


@pytest.fixture(params=["local", "file", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "local":
        return str(tmp_path / "runs")
    return f"file://{tmp_path}/runs" if request.param == "file" else f"memory://{tmp_path.name}/runs"


def test_write_read_list_and_delete(folder: str) -> None:
    storage.write_bytes_atomic(storage.join(folder, "b.bin"), b"\x00two")
    storage.write_bytes_atomic(storage.join(folder, "sub", "a.bin"), b"one")
    storage.write_json(storage.join(folder, "c.json"), {"mAP": 0.5, "name": "né"})
    assert storage.read_bytes(storage.join(folder, "b.bin")) == b"\x00two"
    assert storage.read_json(storage.join(folder, "c.json")) == {"mAP": 0.5, "name": "né"}
    assert storage.list_files(folder) == [storage.join(folder, n) for n in ("b.bin", "c.json")]
    assert storage.list_files(folder, ".bin", recursive=True) == [
        storage.join(folder, n) for n in ("b.bin", "sub/a.bin")
    ]
    assert storage.list_folders(folder) == [storage.join(folder, "sub")]
    assert storage.is_folder(folder)
    assert not storage.is_folder(storage.join(folder, "b.bin"))
    assert storage.size_of(storage.join(folder, "b.bin")) == 4
    storage.delete(storage.join(folder, "b.bin"))
    assert not storage.exists(storage.join(folder, "b.bin"))
    storage.delete(folder)
    assert not storage.exists(folder)
    storage.delete(folder)  # nothing there: nothing to do


def test_overwrite_replaces_the_whole_file(folder: str) -> None:
    uri = storage.join(folder, "x")
    storage.write_bytes_atomic(uri, b"a long first version")
    storage.write_bytes_atomic(uri, b"short")
    assert storage.read_bytes(uri) == b"short"


def test_a_block_that_raises_leaves_the_old_file_and_nothing_beside_it(folder: str) -> None:
    uri = storage.join(folder, "x")
    storage.write_bytes_atomic(uri, b"old")

    def write_half() -> None:
        with storage.open_atomic(uri) as sink:
            sink.write(b"half of the ne")
            raise RuntimeError("midway")

    with pytest.raises(RuntimeError, match="midway"):
        write_half()
    assert storage.read_bytes(uri) == b"old"
    if storage.is_local(folder):
        assert os.listdir(storage.resolve(folder)[1]) == ["x"]


def test_target_is_absent_until_the_block_ends(folder: str) -> None:
    uri = storage.join(folder, "x")
    with storage.open_atomic(uri) as sink:
        sink.write(b"data")
        assert not storage.exists(uri)
        assert not storage.exists(folder) or storage.list_files(folder) == []  # the unfinished one is hidden
    assert storage.read_bytes(uri) == b"data"


def test_local_data_reaches_the_disk_before_the_name_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    fsync, rename = os.fsync, os.replace

    def record_fsync(handle: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else f"{os.fstat(handle).st_size} bytes"
        calls.append(kind)
        fsync(handle)

    def record_replace(source: str, target: str) -> None:
        calls.append("rename")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "replace", record_replace)
    storage.write_bytes_atomic(str(tmp_path / "x"), b"12345")
    assert calls == ["5 bytes", "rename", "folder"]


def test_written_files_have_the_usual_rights(tmp_path: Path) -> None:
    storage.write_bytes_atomic(str(tmp_path / "x"), b"")
    (tmp_path / "y").write_bytes(b"")
    assert (tmp_path / "x").stat().st_mode == (tmp_path / "y").stat().st_mode


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """/dev/full gives the kernel's own ENOSPC."""
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full on this system")
    target = tmp_path / "frames.parquet"
    target.write_bytes(b"old")
    monkeypatch.setattr(atomic, "_create", lambda path: open("/dev/full", "wb"))  # noqa: SIM115
    with pytest.raises(storage.StorageError, match=r"frames\.parquet: the disk is full") as caught:
        storage.write_bytes_atomic(str(target), b"x" * 100_000)
    assert caught.value.errno == errno.ENOSPC
    assert target.read_bytes() == b"old"


@contextmanager
def _without_rights(folder: Path) -> Iterator[None]:
    """The folder cannot be written: as a plain user if we are root, for whom rights do not count."""
    folder.chmod(0o500)
    root = os.geteuid() == 0
    try:
        if root:
            os.seteuid(65534)
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o700)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Nobody writes to it, so that reading would never end."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(storage.StorageError, match="it is a pipe or a device, not a file"):
        storage.read_bytes(str(tmp_path / "pipe"))
    with pytest.raises(DataError, match="the image cannot be read"), storage.data_errors("pipe", "image"):
        storage.read_bytes(str(tmp_path / "pipe"))


def test_permission_denied(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    with _without_rights(folder), pytest.raises(UserError, match="permission denied") as caught:
        storage.check_writable(str(folder / "runs"))
    assert str(folder) in str(caught.value)


def test_storage_path_under_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="a part of the path is a file, not a folder"):
        storage.check_writable(str(tmp_path / "file" / "runs"))
    with pytest.raises(UserError, match="cannot write"):
        storage.check_writable(str(tmp_path / "file"))


def test_check_writable_leaves_an_empty_folder(folder: str) -> None:
    storage.check_writable(folder)
    if storage.is_local(folder):
        assert os.listdir(storage.resolve(folder)[1]) == []


def test_missing_file_and_folder_are_named(folder: str) -> None:
    missing = storage.join(folder, "none.bin")
    for read in (storage.read_bytes, storage.size_of):
        with pytest.raises(storage.StorageError, match="no such file") as caught:
            read(missing)
        assert missing in str(caught.value)
    with pytest.raises(storage.StorageError, match="cannot list"):
        storage.list_files(missing)


def test_reading_or_writing_a_folder(tmp_path: Path) -> None:
    for act in (storage.read_bytes, storage.size_of, lambda uri: storage.write_bytes_atomic(uri, b"")):
        with pytest.raises(storage.StorageError, match="it is a folder"):
            act(str(tmp_path))


def test_unknown_scheme() -> None:
    with pytest.raises(UserError, match="nosuch://bucket/x"):
        storage.resolve("nosuch://bucket/x")


def test_bad_json_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{\n"a": 1,\n]')
    with pytest.raises(UserError, match=r"x\.json:3: not valid JSON"):
        storage.read_json(str(tmp_path / "x.json"))
    (tmp_path / "y.json").write_bytes(b"\xfe")
    with pytest.raises(UserError, match=r"y\.json:1: not UTF-8 text"):
        storage.read_json(str(tmp_path / "y.json"))
    with pytest.raises(ValueError, match="JSON compliant"):
        storage.write_json(str(tmp_path / "z.json"), {"mAP": float("nan")})


def test_texts_have_no_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"\xef\xbb\xbf{}")
    assert storage.read_text(str(path)) == storage.read_data_text(str(path), "label") == "{}"
    assert storage.read_json(str(path)) == storage.read_yaml(str(path)) == {}
    path.write_bytes(b"[" * 5000)
    for read in (storage.read_json, storage.read_yaml):
        with pytest.raises(UserError, match="nested too deeply"):
            read(str(path))


def test_a_frames_file_that_is_wrong_is_wrong_with_the_data(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"a\n\xff")
    with pytest.raises(DataError, match=r"x:2: not UTF-8 text"):
        storage.read_data_text(str(tmp_path / "x"), "label")
    for name in ("missing", ".", "y" * 300, "x/y", "a\0b"):
        with pytest.raises(DataError, match="label"):
            storage.read_data_text(str(tmp_path / name), "label")


def test_that_the_storage_fails_is_not_the_datas_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(uri: str) -> bytes:
        raise storage.StorageError("read", uri, "the disk is broken", errno.EIO)

    monkeypatch.setattr(files, "read_bytes", fail)
    with pytest.raises(storage.StorageError, match="the disk is broken"):
        storage.read_data_text("x", "label")


def test_a_folder_with_an_impossible_entry_is_listed_all_the_same(tmp_path: Path) -> None:
    folder = str(tmp_path)
    (tmp_path / "a.txt").touch()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/b.txt").touch()
    (tmp_path / "d.txt").mkdir()
    os.mkfifo(tmp_path / "p.txt")
    (tmp_path / "nowhere.txt").symlink_to("missing")
    plain = [f"{folder}/{name}" for name in ("d.txt", "nowhere.txt", "p.txt")]
    assert storage.list_files(folder, ".txt", recursive=True) == [f"{folder}/a.txt", f"{folder}/sub/b.txt"]
    assert storage.list_no_files(folder, ".txt") == plain
    (tmp_path / "loop.txt").symlink_to("loop.txt")
    (tmp_path / "far.txt").symlink_to("x" * 300)
    (tmp_path / os.fsdecode(b"caf\xe9.txt")).touch()
    found = [f"{folder}/{name}" for name in ("a.txt", r"caf\xe9.txt", "sub/b.txt")]
    assert storage.list_files(folder, ".txt", recursive=True) == found
    assert set(storage.list_no_files(folder, ".txt")) == {*plain, f"{folder}/loop.txt", f"{folder}/far.txt"}


@pytest.mark.parametrize(
    ("uri", "inside", "above", "name"),
    [
        ("runs/default", "runs/default/a/b", "runs", "default"),
        ("/x?y", "/x?y/a/b", "/", "x?y"),
        ("s3://bucket/p?region=eu", "s3://bucket/p/a/b?region=eu", "s3://bucket?region=eu", "p"),
        ("memory://m/p/", "memory://m/p/a/b", "memory://m", "p"),
        ("here", "here/a/b", ".", "here"),
    ],
)
def test_paths(uri: str, inside: str, above: str, name: str) -> None:
    assert storage.join(uri, "a", "b") == inside
    assert storage.parent(uri) == above
    assert storage.name_of(uri) == name


def test_what_lies_beside_a_file() -> None:
    bucket = "s3://bucket/p?region=eu"
    assert storage.beside(bucket, "image/0.png") == "s3://bucket/p/image/0.png?region=eu"
    for whole in ("/data/0.png", "s3://other/0.png"):
        assert storage.beside(bucket, whole) == whole


def test_secrets_do_not_reach_messages() -> None:
    error = storage.StorageError("read", "s3://key:secret@bucket/x", "no such file")
    assert str(error) == "cannot read s3://bucket/x: no such file"
    with pytest.raises(UserError) as caught:
        storage.resolve("nosuch://key:secret@bucket/x")
    assert "secret" not in str(caught.value)


def test_relative_paths_and_home_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/someone")
    assert storage.absolute("a/b") == str(tmp_path / "a" / "b")
    assert storage.absolute("~/runs") == "/home/someone/runs"
    assert storage.absolute("s3://b/x") == "s3://b/x"


def test_errors_survive_pickling() -> None:
    error = storage.StorageError("write", "s3://b/x", "the disk is full", errno.ENOSPC)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (str(copy), copy.uri, copy.errno) == (str(error), "s3://b/x", errno.ENOSPC)
