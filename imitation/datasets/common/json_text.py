"""JSON that may be large: its members as a stream, without byte order mark, nested no deeper than allowed."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import ijson

from imitation.common.settings import DataError
from imitation.common.texts import Readable, ShallowJson

NO_JSON = "not valid JSON"
BEGINNING = 1 << 16  # bytes by which a file's kind is told


@contextmanager
def open_text(uri: str) -> Iterator[BinaryIO]:
    """A file open to read, behind its byte order mark if it has one. Raises `StorageError`."""
    from imitation.common import storage  # costs pyarrow, which the scores do without

    with storage.open_input(uri) as source:
        if source.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
            source.seek(0)
        yield source


def beginning_of(uri: str) -> bytes:
    """A file's first bytes, without byte order mark and white space; none of one that cannot be read."""
    from imitation.common import storage

    try:
        with open_text(uri) as source:
            return source.read(BEGINNING).lstrip()
    except storage.StorageError:
        return b""


def has_keys(text: bytes, *keys: str) -> bool:
    """Whether each of the words stands there as a key of JSON."""
    return all(re.search(rb'"%s"\s*:' % re.escape(key.encode()), text) for key in keys)


def items(text: Readable, place: str, uri: str) -> Iterator[Any]:
    """The members at a place of a JSON text ("images.item"), one at a time. Raises `DataError` naming the
    file where it is not JSON."""
    with _told(uri):
        yield from ijson.items(text, place, use_float=True)


def members(uri: str, place: str) -> Iterator[Any]:
    """`items` of a file that nobody has looked at: it may be nested at most 100 deep."""
    with open_text(uri) as source:
        yield from items(ShallowJson(source, uri), place, uri)


def pairs(uri: str, place: str) -> Iterator[tuple[str, Any]]:
    """Keys and values of an object in a file's JSON, one at a time. Raises as `members` does."""
    with open_text(uri) as source, _told(uri):
        yield from ijson.kvitems(ShallowJson(source, uri), place, use_float=True)


@contextmanager
def _told(uri: str) -> Iterator[None]:
    try:
        yield
    except (ijson.JSONError, UnicodeDecodeError, RecursionError) as error:
        said = error.args[0] if error.args else ""  # ijson gives bytes where they are not UTF-8
        detail = said.decode("utf-8", "backslashreplace") if isinstance(said, bytes) else str(error)
        line = " ".join(detail.split())
        brief = line if len(line) <= 160 else line[:150] + " ..."
        raise DataError(uri, f"{NO_JSON}; is it cut short? {brief}") from error
