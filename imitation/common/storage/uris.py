"""Paths and URIs: their file systems, and their parts."""

from __future__ import annotations

import os
import posixpath
from functools import lru_cache

import pyarrow as pa
import pyarrow.fs as pafs

from imitation.common.settings import UserError
from imitation.common.storage.errors import explain, without_secrets
from imitation.common.storage.retry import patiently


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
        raise explain("open", uri, error) from error
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
