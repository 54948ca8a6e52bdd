"""What goes wrong with files, in a sentence for people and without secrets."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from imitation.common.settings import DataError, UserError

REASONS = {
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


LONGEST = 300  # characters of a path in a message


# "://user:password@"; a password may hold a slash (AWS's do), and then ":8080/" is a port
_USER = re.compile(r"://(?:[^/@\s'\"]*@|[^/@\s'\"]*:(?!\d+(?:[/?#]|$))[^@\s'\"]*@)")


class StorageError(UserError):
    """A file that cannot be read or written. `errno` is the system's number, None if it gave none."""

    def __init__(self, action: str, uri: str, what: str, number: int | None = None) -> None:
        super().__init__(f"cannot {action} {without_secrets(uri)[:LONGEST]}: {what[: 2 * LONGEST]}")
        self.action, self.uri, self.what, self.errno = action, uri, what, number

    def __reduce__(self) -> tuple[type, tuple[str, str, str, int | None]]:
        return type(self), (self.action, self.uri, self.what, self.errno)


def without_secrets(uri: str) -> str:
    """A text without the users and passwords that stand before the hosts of its URIs, for messages."""
    return _USER.sub("://", uri)


@contextmanager
def explained(action: str, uri: str) -> Iterator[None]:
    """Turns what the file system raises into a `StorageError`."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise explain(action, uri, error) from error


def explain(action: str, uri: str, error: Exception) -> StorageError:
    number = getattr(error, "errno", None)
    if number is None:  # fsspec's often have none; pyarrow gives S3's refusals none
        denied = isinstance(error, PermissionError) or "ACCESS_DENIED" in str(error)
        missing = isinstance(error, FileNotFoundError)
        wrong = isinstance(error, pa.ArrowInvalid)  # a path that can be none
        if "Not a regular file" in str(error):  # a bucket
            number = errno.EISDIR
        else:
            number = errno.EACCES if denied else errno.ENOENT if missing else errno.EINVAL if wrong else None
    return StorageError(action, uri, REASONS.get(number or 0, str(error)), number)


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
        raise DataError(repr(uri[:LONGEST]), f"is no path of the {what}: it has a zero byte")
    try:
        yield
    except StorageError as error:
        if error.errno not in _UNAVAILABLE:
            raise
        raise DataError(uri[:LONGEST], f"the {what} cannot be read: {error.what[:LONGEST]}") from error
    except DataError:
        raise
    except (UserError, ValueError) as error:
        raise DataError(uri[:LONGEST], f"is no path of the {what}: {str(error)[:LONGEST]}") from error
