"""Files on any storage: local paths, file://, s3:// and the others that pyarrow.fs or fsspec know.

Writes are atomic: a reader sees the old file or the whole new one, never a part. Locally that is a
temporary name beside the target, fsync, then a rename; on an object store the object is made ready
first and sent in one put. Storage that is away for a while is waited for (`imitation.patience`). Every
failure that stays is a `StorageError`, a sentence for people.
"""

from __future__ import annotations

import errno
import json
import os
import posixpath
import re
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import lru_cache
from typing import IO, Any, TypeVar, cast

import pyarrow as pa
import pyarrow.fs as pafs

from imitation.patience import (
    PatientReader,
    PatientWriter,
    at_most,
    forget,
    opened,
    patiently,
    refuse_if_away,
)
from imitation.settings import DataError, UserError
from imitation.texts import parse_json, parse_yaml, text_of

T = TypeVar("T")

SPOOL_BYTES = 64 << 20  # an object being made ready for a put goes to disk beyond this
FIRST_CONTACT_S = 5.0  # patience with storage that has not answered yet
OBJECT_STORES = ("s3", "gcs", "abfs")  # folders need not be made there

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space, or choose another place",
    errno.EDQUOT: "the disk quota is used up; free some space, or choose another place",
    errno.EACCES: "permission denied; change the rights, or choose another place",
    errno.EPERM: "permission denied; change the rights, or choose another place",
    errno.EROFS: "the file system is read-only; choose another place",
    errno.ENOENT: "no such file or folder",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EISDIR: "it is a folder, not a file",
    errno.ESPIPE: "it is a pipe or a device, not a file",
}


_UNFINISHED = re.compile(r"\..+\.[0-9a-f]{8}\.tmp|\.probe-[0-9a-f]{8}")
_LONGEST = 300  # characters of a path in a message
# "://user:password@"; a password may hold a slash (AWS's do), and then ":8080/" is a port
_USER = re.compile(r"://(?:[^/@\s'\"]*@|[^/@\s'\"]*:(?!\d+(?:[/?#]|$))[^@\s'\"]*@)")


class StorageError(UserError):
    """A file that cannot be read or written. `errno` is the system's number, None if it gave none."""

    def __init__(self, action: str, uri: str, what: str, number: int | None = None) -> None:
        super().__init__(f"cannot {action} {without_secrets(uri)[:_LONGEST]}: {what[: 2 * _LONGEST]}")
        self.action, self.uri, self.what, self.errno = action, uri, what, number

    def __reduce__(self) -> tuple[type, tuple[str, str, str, int | None]]:
        return type(self), (self.action, self.uri, self.what, self.errno)


def without_secrets(uri: str) -> str:
    """A text without the users and passwords that stand before the hosts of its URIs, for messages."""
    return _USER.sub("://", uri)


@contextmanager
def _explained(action: str, uri: str) -> Iterator[None]:
    """Turns what the file system raises into a `StorageError`."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise _explain(action, uri, error) from error


def _patiently(action: str, uri: str, attempt: Callable[[], T]) -> T:
    """What `attempt` returns, or a `StorageError`; what may pass by itself is waited for."""
    with _explained(action, uri):
        return patiently(uri, attempt, _local_path(uri))


def _local_path(uri: str) -> str:
    return resolve(uri)[1] if is_local(uri) else ""


def _explain(action: str, uri: str, error: Exception) -> StorageError:
    number = getattr(error, "errno", None)
    if number is None:  # fsspec's often have none; pyarrow gives S3's refusals none
        denied = isinstance(error, PermissionError) or "ACCESS_DENIED" in str(error)
        missing = isinstance(error, FileNotFoundError)
        wrong = isinstance(error, pa.ArrowInvalid)  # a path that can be none
        if "Not a regular file" in str(error):  # a bucket
            number = errno.EISDIR
        else:
            number = errno.EACCES if denied else errno.ENOENT if missing else errno.EINVAL if wrong else None
    return StorageError(action, uri, _REASONS.get(number or 0, str(error)), number)


_UNAVAILABLE = (
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP),
    *(errno.EINVAL, errno.ESPIPE),
)


@contextmanager
def data_errors(uri: str, what: str) -> Iterator[None]:
    """For a file that a dataset speaks of (`what` it is, in a word): that it is not there, may not be read or
    that its path is none is wrong with the data, a `DataError`. That the storage itself fails stays a
    `StorageError`."""
    if "\0" in uri:
        raise DataError(repr(uri[:_LONGEST]), f"is no path of the {what}: it has a zero byte")
    try:
        yield
    except StorageError as error:
        if error.errno not in _UNAVAILABLE:
            raise
        raise DataError(uri[:_LONGEST], f"the {what} cannot be read: {error.what[:_LONGEST]}") from error
    except DataError:
        raise
    except (UserError, ValueError) as error:
        raise DataError(uri[:_LONGEST], f"is no path of the {what}: {str(error)[:_LONGEST]}") from error


def is_local(uri: str) -> bool:
    """Whether the path lies on this machine's own file system."""
    return "://" not in uri or uri.startswith("file://")


def resolve(uri: str) -> tuple[pafs.FileSystem, str]:
    """The file system of a path or URI, and the path inside it. A local path is made absolute.

    Raises `UserError` for a scheme that neither pyarrow nor fsspec can open.
    """
    if "://" not in uri:
        return pafs.LocalFileSystem(), os.path.abspath(os.path.expanduser(uri))
    return _resolve_uri(uri)


@lru_cache(maxsize=4096)  # opening an S3 file system asks the network for the bucket's region
def _resolve_uri(uri: str) -> tuple[pafs.FileSystem, str]:
    try:
        return patiently(uri, lambda: pafs.FileSystem.from_uri(_with_single_puts(uri)))
    except pa.ArrowInvalid as error:
        if "Unrecognized filesystem" not in str(error):
            raise UserError(f"{without_secrets(uri)}: not a path that can be opened: {error}") from error
    except OSError as error:
        raise _explain("open", uri, error) from error
    import fsspec

    try:
        fs, path = fsspec.core.url_to_fs(uri)
    except (ValueError, TypeError, ImportError, OSError) as error:
        raise UserError(f"{without_secrets(uri)}: no file system for it: {error}") from error
    return pafs.PyFileSystem(pafs.FSSpecHandler(fs)), path


def _with_single_puts(uri: str) -> str:
    """Lets pyarrow write a small S3 object with one request instead of a multipart upload's three."""
    if not uri.startswith("s3://") or "allow_delayed_open=" in uri:
        return uri
    return uri + ("&" if "?" in uri else "?") + "allow_delayed_open=true"


def absolute(uri: str) -> str:
    """The URI as it is, or the local path made absolute: the same file from any working folder."""
    return uri if "://" in uri else os.path.abspath(os.path.expanduser(uri))


def _split_query(uri: str) -> tuple[str, str]:
    """A URI's own part and its "?options" (pyarrow's s3://bucket/path?region=...); local paths have none."""
    path, mark, query = uri.partition("?") if "://" in uri else (uri, "", "")
    return path, mark + query


def join(uri: str, *parts: str) -> str:
    """The path or URI of something inside a folder; "?options" of a URI stay at its end."""
    path, query = _split_query(uri)
    return posixpath.join(path, *parts) + query


def suffixed(uri: str, suffix: str) -> str:
    """The same path or URI with something added to its last name."""
    path, query = _split_query(uri)
    return path.rstrip("/") + suffix + query


def relative(uri: str, folder: str) -> str:
    """A path or URI counted from a folder on the same storage, such as "data/train" or "../data"; options
    of a URI, which say how it is reached, do not count."""
    return posixpath.relpath(_split_query(uri)[0], _split_query(folder)[0])


def beside(folder: str, uri: str) -> str:
    """A path as it is if it is absolute or a URI, else counted from a folder."""
    return uri if "://" in uri or uri.startswith("/") else join(folder, uri)


def parent(uri: str) -> str:
    """The folder in which a file lies."""
    path, query = _split_query(uri)
    return (posixpath.dirname(path.rstrip("/")) or ".") + query


def name_of(uri: str) -> str:
    """The last part of a path or URI."""
    return posixpath.basename(_split_query(uri)[0].rstrip("/"))


def _info(uri: str) -> pafs.FileInfo:
    fs, path = resolve(uri)

    def attempt() -> pafs.FileInfo:
        info = fs.get_file_info([path])[0]
        if info.type == pafs.FileType.NotFound and fs.type_name == "local":
            refuse_if_away(path)
        return info

    return _patiently("read", uri, attempt)


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
        raise StorageError("read", uri, _REASONS[number], number)
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

    return _patiently("list", uri, attempt)


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
    infos = _patiently("list", uri, lambda: fs.get_file_info(pafs.FileSelector(path)))
    return [join(uri, info.base_name) for info in sorted(infos, key=lambda i: i.path) if not info.is_file]


def make_folder(uri: str) -> None:
    """Makes a folder and those above it. On an object store there is nothing to make."""
    fs, path = resolve(uri)
    if fs.type_name not in OBJECT_STORES:
        _patiently("make folder", uri, lambda: _make(fs, path))


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

    _patiently("delete", uri, attempt)


@contextmanager
def open_input(uri: str) -> Iterator[pa.NativeFile]:
    """A file open for random access, as a binary file object. Raises `StorageError`."""
    reader = _patiently("read", uri, lambda: PatientReader(uri, lambda: _opened(uri), _local_path(uri)))
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

    return _patiently("read", uri, attempt)


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

        _patiently("write", uri, put)


@contextmanager
def _write_errors(uri: str) -> Iterator[None]:
    """Explains a failed write; errors that name another file (from the caller's block) pass as they are."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        raise _explain("write", uri, error) from error


@contextmanager
def _local_atomic(uri: str, path: str) -> Iterator[IO[bytes]]:
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.{uuid.uuid4().hex[:8]}.tmp")
    with _explained("write", uri):
        if os.path.isdir(path):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        sink = PatientWriter(uri, temporary, _create)
    try:
        with _write_errors(uri), sink:
            yield cast(IO[bytes], sink)
            sink.settle()
        _patiently("write", uri, _Rename(temporary, path, sink.kept))
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
        for name in filter(_UNFINISHED.fullmatch, names):
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
