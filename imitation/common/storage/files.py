"""Files on any storage: local paths, file://, s3:// and the others that pyarrow.fs or fsspec know.

Writes are atomic: a reader sees the old file or the whole new one, never a part. Locally that is a
temporary name beside the target, fsync, then a rename; on an object store the object is made ready
first and sent in one put. Storage that is away for a while is waited for (`imitation.common.storage.retry`).
Every failure that stays is a `StorageError`, a sentence for people.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.fs as pafs

from imitation.common.settings import DataError, UserError
from imitation.common.storage.errors import (
    REASONS,
    StorageError,
    data_errors,
    explained,
)
from imitation.common.storage.retry import (
    PatientReader,
    forget,
    opened,
    patiently,
    refuse_if_away,
)
from imitation.common.storage.uris import is_local, join, resolve
from imitation.common.texts import parse_json, parse_yaml, text_of

T = TypeVar("T")

SPOOL_BYTES = 64 << 20  # an object being made ready for a put goes to disk beyond this
FIRST_CONTACT_S = 5.0  # patience with storage that has not answered yet
OBJECT_STORES = ("s3", "gcs", "abfs")  # folders need not be made there


UNFINISHED = re.compile(r"\..+\.[0-9a-f]{8}\.tmp|\.probe-[0-9a-f]{8}")


def attempted(action: str, uri: str, attempt: Callable[[], T]) -> T:
    """What `attempt` returns, or a `StorageError`; what may pass by itself is waited for."""
    with explained(action, uri):
        return patiently(uri, attempt, _local_path(uri))


def _local_path(uri: str) -> str:
    return resolve(uri)[1] if is_local(uri) else ""


def _info(uri: str) -> pafs.FileInfo:
    fs, path = resolve(uri)

    def attempt() -> pafs.FileInfo:
        info = fs.get_file_info([path])[0]
        if info.type == pafs.FileType.NotFound and fs.type_name == "local":
            refuse_if_away(path)
        return info

    return attempted("read", uri, attempt)


def exists(uri: str) -> bool:
    """Whether there is a file or a folder."""
    return _info(uri).type != pafs.FileType.NotFound


def is_folder(uri: str) -> bool:
    return _info(uri).type == pafs.FileType.Directory


def size_of(uri: str) -> int:
    """Bytes in a file. Raises `StorageError` if it is missing or a folder."""
    info = _info(uri)
    if info.type != pafs.FileType.File:
        number = errno.EISDIR if info.type == pafs.FileType.Directory else errno.ENOENT
        raise StorageError("read", uri, REASONS[number], number)
    return info.size


def list_files(uri: str, suffix: str = "", recursive: bool = False, hidden: str = ".") -> list[str]:
    """The files in a folder, as sorted paths or URIs of the same kind. Names that begin with one of the
    characters of `hidden` are left out (unfinished writes begin with a dot), and so is what lies in
    folders of such names. Raises `StorageError` if the folder is missing."""
    return [
        join(uri, name)
        for name, kind in _entries(uri, recursive)
        if kind == pafs.FileType.File
        and name.endswith(suffix)
        and not any(part.startswith(tuple(hidden)) for part in name.split("/"))
    ]


def list_no_files(uri: str, suffix: str) -> list[str]:
    """What is called like a file and is none (a folder, a link to nothing, a pipe), as `list_files` does."""
    fs, path = resolve(uri)
    local = fs.type_name == "local"  # pyarrow does not tell of links to nothing
    return [
        join(uri, name)
        for name, kind in (sorted(_escaped_entries(path, False)) if local else _entries(uri, False))
        if kind != pafs.FileType.File and name.endswith(suffix) and not name.startswith(".")
    ]


def _entries(uri: str, recursive: bool) -> list[tuple[str, pafs.FileType]]:
    """What lies in a folder, sorted: paths counted from it, and what they are."""
    fs, path = resolve(uri)

    def attempt() -> list[tuple[str, pafs.FileType]]:
        try:
            infos = fs.get_file_info(pafs.FileSelector(path, recursive=recursive))
            return sorted((info.path[len(path) :].strip("/"), info.type) for info in infos)
        except (UnicodeDecodeError, OSError):
            # pyarrow gives a folder up for one name that is not UTF-8, or one link that cannot be followed
            if fs.type_name != "local" or not os.path.isdir(path) or not os.access(path, os.R_OK | os.X_OK):
                raise
            return sorted(_escaped_entries(path, recursive))

    return attempted("list", uri, attempt)


def _escaped_entries(path: str, recursive: bool) -> Iterator[tuple[str, pafs.FileType]]:
    """As `_entries`, each byte that is not UTF-8 as "\\xe9": such a file is listed, and cannot be opened."""
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            whole = os.path.join(folder, name)
            kind = pafs.FileType.File if os.path.isfile(whole) else pafs.FileType.NotFound
            yield (
                printable(os.path.relpath(whole, path)),
                pafs.FileType.Directory if os.path.isdir(whole) else kind,
            )
        if not recursive:
            return


def printable(name: str) -> str:
    """A file's name as Python has it from the system, with bytes that are not UTF-8 as "\\xe9"."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def list_folders(uri: str) -> list[str]:
    """The folders directly in a folder, sorted, as paths or URIs of the same kind."""
    fs, path = resolve(uri)
    infos = attempted("list", uri, lambda: fs.get_file_info(pafs.FileSelector(path)))
    return [join(uri, info.base_name) for info in sorted(infos, key=lambda i: i.path) if not info.is_file]


def make_folder(uri: str) -> None:
    """Makes a folder and those above it. On an object store there is nothing to make."""
    fs, path = resolve(uri)
    if fs.type_name not in OBJECT_STORES:
        attempted("make folder", uri, lambda: _make(fs, path))


def _make(fs: pafs.FileSystem, path: str) -> None:
    if fs.type_name == "local":  # not under the place where it is mounted
        refuse_if_away(path)
    fs.create_dir(path, recursive=True)


def delete(uri: str) -> None:
    """Deletes a file, or a folder and all in it; does nothing if there is none."""
    fs, path = resolve(uri)

    def attempt() -> None:
        kind = fs.get_file_info([path])[0].type
        if kind == pafs.FileType.Directory:
            forget(path)
            fs.delete_dir(path)
        elif kind != pafs.FileType.NotFound:
            fs.delete_file(path)
        elif fs.type_name == "local":
            refuse_if_away(path)

    attempted("delete", uri, attempt)


@contextmanager
def open_input(uri: str) -> Iterator[pa.NativeFile]:
    """A file open for random access, as a binary file object. Raises `StorageError`."""
    reader = attempted("read", uri, lambda: PatientReader(uri, lambda: _opened(uri), _local_path(uri)))
    with closing(reader), pa.PythonFile(reader, mode="r") as source:
        yield source


def _opened(uri: str) -> pa.NativeFile:
    fs, path = resolve(uri)
    if fs.type_name == "local" and os.path.exists(path) and not os.path.isfile(path):
        # a folder opens, and then fails to read; a pipe that nobody writes to would be waited for
        number = errno.EISDIR if os.path.isdir(path) else errno.ESPIPE
        raise OSError(number, os.strerror(number))
    source = fs.open_input_file(path)
    if fs.type_name == "local":
        opened(path)
    return source


def read_bytes(uri: str) -> bytes:
    """All of a file. Raises `StorageError` that says why it cannot be read."""

    def attempt() -> bytes:
        with _opened(uri) as source:
            return source.read()

    return attempted("read", uri, attempt)


def read_text(uri: str) -> str:
    """All of a UTF-8 file, without a byte order mark. Raises `UserError` with the line that is not UTF-8."""
    try:
        return text_of(read_bytes(uri), uri)
    except DataError as error:  # one bad frame could be left out; a list or a configuration cannot
        raise UserError(str(error)) from None


def read_data_text(uri: str, what: str) -> str:
    """The text of one frame's file (`what` it is, in a word). Raises `DataError` if it is not there, may not
    be read or is not UTF-8; `StorageError` when the storage itself fails."""
    with data_errors(uri, what):
        return text_of(read_bytes(uri), uri)


def read_json(uri: str) -> Any:
    """A JSON file's value. Raises `UserError` with the line where it is not JSON."""
    return parse_json(read_text(uri), uri)


def read_yaml(uri: str) -> Any:
    """A YAML file's value, read safely. Raises `UserError` with the line where it is not YAML."""
    return parse_yaml(read_text(uri), uri)
