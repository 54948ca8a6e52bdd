"""JSON that may be large: its members as a stream, without byte order mark, nested no deeper than allowed."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import ijson

from imitation.common.settings import DataError
from imitation.common.texts import UTF_16, Readable, ShallowJson

NO_JSON = "not valid JSON"
BEGINNING = 1 << 16  # bytes by which a file's kind is told


@contextmanager
def open_text(uri: str) -> Iterator[BinaryIO]:
    """A file open to read, behind its byte order mark if it has one; of UTF-16 the same as UTF-8. Raises
    `StorageError`."""
    from imitation.common import storage  # costs pyarrow, which the scores do without

    with storage.open_input(uri) as source:
        mark = source.read(len(codecs.BOM_UTF8))
        if mark != codecs.BOM_UTF8:
            source.seek(0)
        if mark.startswith(UTF_16):
            yield io.BufferedReader(_Recoded(source, uri))
        else:
            yield source


class _Recoded(io.RawIOBase):
    """UTF-16 as UTF-8, as a stream. Raises `DataError`; it has no places to come back to."""

    def __init__(self, source: BinaryIO, uri: str) -> None:
        self._source, self._uri, self._held = source, uri, b""
        self._decoder = codecs.getincrementaldecoder("utf-16")()

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        raise DataError(self._uri, "is UTF-16, whose lines cannot be found again; save it as UTF-8")

    def readinto(self, buffer: Any) -> int:
        block = b"?"
        while block and not self._held:
            block = self._source.read(BEGINNING)
            try:
                self._held = self._decoder.decode(block, not block).encode()
            except UnicodeError as error:
                raise DataError(self._uri, f"not UTF-16 text, as it begins: {error}") from None
        count = min(len(buffer), len(self._held))
        buffer[:count], self._held = self._held[:count], self._held[count:]
        return count


def beginning_of(uri: str) -> bytes:
    """A file's first bytes, without byte order mark and white space; none of one that cannot be read."""
    from imitation.common import storage

    try:
        with open_text(uri) as source:
            return source.read(BEGINNING).lstrip()
    except (storage.StorageError, DataError):
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
        hint = "save it as UTF-8:" if "UTF8" in line or "utf-8" in line else "is it cut short?"
        raise DataError(uri, f"{NO_JSON}; {hint} {brief}") from error
