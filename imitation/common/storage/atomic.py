"""Writes that are whole or not there: a reader sees the old file or all of the new one."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, cast

from imitation.common.settings import UserError
from imitation.common.storage.errors import explain, explained
from imitation.common.storage.files import (
    FIRST_CONTACT_S,
    SPOOL_BYTES,
    UNFINISHED,
    attempted,
    delete,
    make_folder,
    read_bytes,
)
from imitation.common.storage.retry import PatientWriter, at_most
from imitation.common.storage.uris import is_local, join, parent, resolve


@contextmanager
def open_atomic(uri: str) -> Iterator[IO[bytes]]:
    """A binary file to write; the target appears, whole, when the block ends without an exception.

    Makes the folder. An exception leaves whatever was there before untouched, and nothing beside it.
    Raises `StorageError` (full disk, permission denied, ...).
    """
    fs, path = resolve(uri)
    if fs.type_name == "local":
        with _local_atomic(uri, path) as sink:
            yield sink
        return
    with tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES) as spool:
        with _write_errors(uri):
            yield spool
        make_folder(parent(uri))

        def put() -> None:
            spool.seek(0)
            with fs.open_output_stream(path, compression=None) as sink:
                shutil.copyfileobj(spool, sink, 8 << 20)

        attempted("write", uri, put)


@contextmanager
def _write_errors(uri: str) -> Iterator[None]:
    """Explains a failed write; errors that name another file (from the caller's block) pass as they are."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        raise explain("write", uri, error) from error


@contextmanager
def _local_atomic(uri: str, path: str) -> Iterator[IO[bytes]]:
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.{uuid.uuid4().hex[:8]}.tmp")
    with explained("write", uri):
        if os.path.isdir(path):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        sink = PatientWriter(uri, temporary, _create)
    try:
        with _write_errors(uri), sink:
            yield cast(IO[bytes], sink)
            sink.settle()
        attempted("write", uri, _Rename(temporary, path, sink.kept))
    except BaseException:  # Ctrl-C too must leave no temporary file
        with suppress(OSError):
            os.unlink(temporary)
        raise


class _Rename:
    """Gives the finished file its name; a server that went away may have done so before it could answer."""

    def __init__(self, temporary: str, path: str, size: int) -> None:
        self.temporary, self.path, self.size = temporary, path, size
        self.failed = False

    def __call__(self) -> None:
        try:
            os.replace(self.temporary, self.path)
        except FileNotFoundError:
            if not (self.failed and os.path.isfile(self.path) and os.path.getsize(self.path) == self.size):
                raise
        except OSError:
            self.failed = True
            raise
        _sync_folder(os.path.dirname(self.path))


def _create(path: str) -> IO[bytes]:
    return open(path, "xb")


def _sync_folder(folder: str) -> None:
    """Makes a rename last through a power cut; some file systems cannot, and say so with EINVAL."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(handle)


def clear_unfinished(uri: str) -> None:
    """Deletes what writers that were killed have left in a local folder and below: unfinished files, of no
    use to anybody. Only for a folder that nobody else writes to. An object store is left as it is: there,
    nothing unfinished is to be seen."""
    if not is_local(uri):
        return
    for folder, _, names in os.walk(resolve(uri)[1]):
        for name in filter(UNFINISHED.fullmatch, names):
            with suppress(OSError):
                os.unlink(os.path.join(folder, name))


def write_bytes_atomic(uri: str, data: bytes) -> None:
    """Writes a file whole or not at all. Raises `StorageError`."""
    with open_atomic(uri) as sink:
        sink.write(data)


def write_json(uri: str, value: Any) -> None:
    """Writes a value as indented JSON, atomically. NaN and infinity are refused (they are not JSON)."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes_atomic(uri, (text + "\n").encode("utf-8"))


def check_writable(uri: str) -> None:
    """Makes the folder, writes a small file there, reads it back and deletes it.

    For the start of a run: an unwritable place is found before any work is done, and an address at which
    nobody answers is not waited for. Raises `UserError` that names the place and the reason.
    """
    probe = join(uri, f".probe-{uuid.uuid4().hex[:8]}")
    with at_most(FIRST_CONTACT_S):
        write_bytes_atomic(probe, b"probe")
        try:
            if read_bytes(probe) != b"probe":
                raise UserError(
                    f"{uri}: what is written there is not what is read back; choose another place"
                )
        finally:
            delete(probe)
