"""Storage that is away for a while: which errors pass, and how long they are waited for.

A shared folder's server restarts, an object store answers 503, a mount vanishes and comes back. An operation
that fails so is tried again, ever more seldom, until it works or the patience is at its end. What only a
person can mend (permission denied, a full disk, a file that is not there) is never waited for.

Waiting is here, in each operation, and not around a stage that would be done again: a blip would cost an
evaluation all its rows and a training the steps since its checkpoint; workers read and write by themselves,
and so do the lock and the trackers, outside of any stage. And pyarrow tries S3 again, but for seconds, and
knows nothing of a mount that has vanished, in whose place a stage that begins again would make empty folders.
"""

from __future__ import annotations

import errno
import io
import logging
import math
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import IO, Any, TypeVar

T = TypeVar("T")

log = logging.getLogger("imitation.common.storage")

VARIABLE = "IMITATION_STORAGE_PATIENCE_S"
"""The environment variable that tells every process of a run how long to wait, s."""
PATIENCE_S = 300.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 10.0
CHUNK = 16 << 20  # bytes of a file being written that are kept in memory until they are on the disk

TRANSIENT = frozenset(
    getattr(errno, name)
    for name in (
        *("EIO", "ESTALE", "ETIMEDOUT", "EAGAIN", "EINTR", "ENOTCONN", "ECONNREFUSED", "ECONNRESET"),
        *("ECONNABORTED", "EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETUNREACH", "ENETRESET", "EPIPE"),
        *("EREMOTEIO", "ESHUTDOWN", "ECOMM", "ENOLINK", "EPROTO"),
    )
    if hasattr(errno, name)
)
_PERMANENT_TEXT = re.compile(r"ACCESS_DENIED|NO_SUCH_|INVALID_|SIGNATURE|HTTP status 4(?!08|29)", re.I)
_TRANSIENT_TEXT = re.compile(
    r"NETWORK_CONNECTION|INTERNAL_FAILURE|SERVICE_UNAVAILABLE|SLOW_DOWN|REQUEST_TIMEOUT|THROTTL|"
    r"HTTP status (5\d\d|408|429)|curlCode: (6|7|18|28|35|52|55|56)\b|InternalError|ServiceUnavailable|"
    r"RequestTimeout|Retry policy exhausted|timed out|timeout|connection (reset|refused|aborted|closed)|"
    r"could not connect|temporarily unavailable",
    re.I,
)
_TRANSIENT_TYPES = re.compile(r"Connection|Timeout|Disconnected|IncompleteRead|ServiceUnavailable")

MOST_ROOTS = 10_000

_roots: set[str] = set()
_remembering = False
_lock = threading.Lock()
_away_since: float | None = None
_limit: ContextVar[float] = ContextVar("storage patience", default=math.inf)


def allow(seconds: float) -> None:
    """Sets the patience of this process and of those that it starts from now on."""
    os.environ[VARIABLE] = str(seconds)


def patience_s() -> float:
    """How long a failure that may pass is waited for, here and now, s."""
    return min(_limit.get(), float(os.environ.get(VARIABLE, PATIENCE_S)))


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Less patience in a block."""
    token = _limit.set(seconds)
    try:
        yield
    finally:
        _limit.reset(token)


def expect(path: str) -> None:
    """From now on the local folder `path` is known to exist: if it is missing, its file system is away, and
    what lies in it is not said to be missing, nor is a folder made in its place."""
    _roots.add(os.path.abspath(path))


def remember_folders() -> None:
    """From now on, `expect` in this process each folder that a local file was opened in: for workers, which
    do not know the folders of their data beforehand."""
    global _remembering  # noqa: PLW0603 (workers are told once)
    _remembering = True


def opened(path: str) -> None:
    """Tells that the local file `path` could be opened; see `remember_folders`."""
    if _remembering and len(_roots) < MOST_ROOTS:
        _roots.add(os.path.dirname(path))


def forget(path: str) -> None:
    """What is deleted on purpose is no longer expected: the folder `path` and those in it."""
    _roots.difference_update([root for root in _roots if root == path or root.startswith(path + "/")])


def root_is_away(path: str) -> bool:
    """Whether a local path lies in a folder that is known to exist, and now does not."""
    return any((path == root or path.startswith(root + "/")) and not os.path.exists(root) for root in _roots)


def refuse_if_away(path: str) -> None:
    """Raises FileNotFoundError where `root_is_away`: what seems missing is away, and may come back."""
    if root_is_away(path):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


def is_transient(error: BaseException, path: str = "") -> bool:
    """Whether what a file system raised may pass by itself. `path`: the local path, if it is one."""
    number = getattr(error, "errno", None)
    if number in TRANSIENT or isinstance(error, (ConnectionError, TimeoutError)):
        return True
    if number in (errno.ENOENT, errno.ENOTDIR):
        return bool(path) and root_is_away(path)
    if number is not None or isinstance(error, (FileNotFoundError, PermissionError)):
        return False
    text = str(error)
    if _PERMANENT_TEXT.search(text):
        return False
    return bool(_TRANSIENT_TEXT.search(text) or _TRANSIENT_TYPES.search(type(error).__name__))


def patiently(uri: str, attempt: Callable[[], T], path: str = "") -> T:
    """What `attempt` returns; tried again while what it raises may pass, for `patience_s()` in all. Then, and
    at once for any other error, the error goes on. `uri` is what is named on the log, once an outage."""
    try:
        return attempt()
    except Exception as error:
        if not is_transient(error, path):
            raise
        return _wait(uri, attempt, path, error)


def _wait(uri: str, attempt: Callable[[], T], path: str, error: Exception) -> T:
    began, pause, patience = time.monotonic(), FIRST_PAUSE_S, patience_s()
    _say_away(uri, error, patience)
    while True:
        left = patience - (time.monotonic() - began)
        if left <= 0:
            raise error
        time.sleep(min(pause, left))
        pause = min(2 * pause, LONGEST_PAUSE_S)
        try:
            result = attempt()
        except Exception as again:
            if not is_transient(again, path):
                raise
            error = again
            continue
        _say_back(uri)
        return result


def _say_away(uri: str, error: Exception, patience: float) -> None:
    global _away_since  # noqa: PLW0603 (an outage is the process's, whoever meets it)
    with _lock:
        if _away_since is not None:
            return
        _away_since = time.monotonic()
    why = " ".join(str(error).split()) or type(error).__name__
    log.warning("storage: %s: %s; trying again for up to %g s", _shown(uri), why[:300], patience)


def _say_back(uri: str) -> None:
    global _away_since
    with _lock:
        if _away_since is None:
            return
        seconds, _away_since = time.monotonic() - _away_since, None
    log.warning("storage: %s is back after %.1f s", _shown(uri), seconds)


def _shown(uri: str) -> str:
    return re.sub(r"://[^/@]*@", "://", uri)[:300]


class PatientReader(io.RawIOBase):
    """A file open for random access that is opened anew where reading failed for a while. `opener` gives a
    fresh handle (pyarrow's NativeFile)."""

    def __init__(self, uri: str, opener: Callable[[], Any], path: str = "") -> None:
        super().__init__()
        self._uri, self._opener, self._path = uri, opener, path
        self._file: Any = opener()
        self._at = 0
        self._size: int | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def size(self) -> int:
        """Bytes of the file."""
        if self._size is None:
            self._size = int(self._patiently(lambda file: file.size()))
        return self._size

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self.size() if whence == 2 else 0)[whence]
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        count = None if size is None or size < 0 else size

        def attempt(file: Any) -> bytes:
            file.seek(self._at)
            return file.read() if count is None else file.read(count)

        data: bytes = self._patiently(attempt)
        self._at += len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._drop()
        super().close()

    def _patiently(self, act: Callable[[Any], T]) -> T:
        def attempt() -> T:
            if self._file is None:
                self._file = self._opener()
            try:
                return act(self._file)
            except Exception:  # whatever it was, the next try opens anew
                self._drop()
                raise

        return patiently(self._uri, attempt, self._path)

    def _drop(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(Exception):
                file.close()


class PatientWriter(io.RawIOBase):
    """A new local file that goes on where writing failed for a while.

    What is not yet on the disk (after an fsync, which alone tells) stays in memory, at most `CHUNK` bytes of
    it, and is written again to a file opened anew: a handle that has failed once cannot be trusted.
    """

    def __init__(self, uri: str, path: str, create: Callable[[str], IO[bytes]]) -> None:
        super().__init__()
        self._uri, self._path, self._create = uri, path, create
        self._file: IO[bytes] | None = None
        self._pending = bytearray()
        self.kept = 0  # bytes on the disk
        patiently(uri, self._open, path)

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.kept + len(self._pending)

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        for start in range(0, len(view), CHUNK):
            self._pending += view[start : start + CHUNK]
            if len(self._pending) >= CHUNK:
                self.settle()
        return len(view)

    def settle(self) -> None:
        """Brings all that was written to the disk."""
        patiently(self._uri, self._settle, self._path)

    def close(self) -> None:
        self._drop()
        super().close()

    def _settle(self) -> None:
        if self._file is None:
            self._open()
        file = self._file
        assert file is not None
        try:
            if self._pending:
                file.write(self._pending)
            file.flush()
            os.fsync(file.fileno())
        except BaseException:  # after any error, and Ctrl-C, the file is not to be trusted
            self._drop()
            raise
        self.kept += len(self._pending)
        self._pending.clear()

    def _open(self) -> None:
        refuse_if_away(self._path)
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        if not self.kept and not os.path.exists(self._path):
            self._file = self._create(self._path)
            return
        self._file = open(self._path, "r+b")  # noqa: SIM115 (closed by `_drop`)
        size = os.fstat(self._file.fileno()).st_size
        if size < self.kept:
            raise OSError(f"{self.kept} bytes were written, {size} are there: the storage has lost some")
        self._file.truncate(self.kept)
        self._file.seek(self.kept)

    def _drop(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                file.close()
