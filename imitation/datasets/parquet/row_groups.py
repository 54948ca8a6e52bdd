"""Row groups of a Parquet file, each read without the rest of the footer.

A footer describes every column of every row group, about 7 kB a group in memory: 440 MB for a million frames
in groups of 16. A large one is therefore not kept. It is gone through once, to find where each group's
description begins; a group is then read by a small footer of that description alone.
The layout is Thrift's compact protocol (parquet-format, parquet.thrift: FileMetaData, RowGroup). Whatever
looks otherwise than expected is read by the whole footer.
"""

from __future__ import annotations

import re
import struct
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from imitation.common import storage
from imitation.common.settings import DataError
from imitation.datasets.parquet.columns import open_parquet, readable

LARGE = 4 << 20  # bytes of a footer that is not kept: 900 row groups of frames
WINDOW = 8 << 20  # bytes of a footer that are looked at together
BLOCK = 256  # row groups that are read together, one after another
KEPT = 256  # descriptions of single row groups that are kept, 7 kB each

MAGIC = b"PAR1"
_ROW_GROUPS = 4  # the field of FileMetaData
_NUM_ROWS = 3
_COLUMNS_FIELD = 0x19  # RowGroup's first field: a list
_VARINTS = (4, 5, 6)
_BOOLS = (1, 2)
_BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 3, 7, 8, 9, 10, 12


class RowGroups:
    """The row groups of one file. Safe for threads. Raises as `open_parquet`."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._cut = _cut(uri, LARGE)
        self._metadata: pq.FileMetaData | None = None
        if self._cut is None:
            with open_parquet(uri) as file:
                self._metadata = file.metadata
        self._kept: OrderedDict[int, pq.FileMetaData] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def is_cut(self) -> bool:
        """Whether the footer was too large to keep."""
        return self._cut is not None

    def __len__(self) -> int:
        if self._cut is not None:
            return len(self._cut.starts) - 1
        assert self._metadata is not None
        return self._metadata.num_row_groups

    @property
    def num_rows(self) -> int:
        """Rows of all groups, as the footer says."""
        if self._cut is not None:
            return self._cut.num_rows
        assert self._metadata is not None
        return self._metadata.num_rows

    @contextmanager
    def open(self, first: int, stop: int) -> Iterator[tuple[pq.ParquetFile, range]]:
        """A file that has row groups `first` to `stop`, and their numbers in it."""
        if self._cut is None:
            with open_parquet(self.uri, metadata=self._metadata) as file:
                yield file, range(first, stop)
            return
        with open_parquet(self.uri, metadata=self._described(self._cut, first, stop)) as file:
            yield file, range(stop - first)

    def blocks(self) -> Iterator[tuple[pq.ParquetFile, range]]:
        """All row groups in turn, some at a time, as `open` gives them. Raises `DataError` if their rows are
        not those that the footer says."""
        rows = 0
        for first in range(0, max(len(self), 1), BLOCK):
            with self.open(first, min(first + BLOCK, len(self))) as (file, numbers):
                rows += sum(file.metadata.row_group(number).num_rows for number in numbers)
                yield file, numbers
        if rows != self.num_rows:
            raise DataError(self.uri, f"its footer says {self.num_rows} rows, its row groups {rows}")

    def _described(self, cut: _Cut, first: int, stop: int) -> pq.FileMetaData:
        alone = stop == first + 1
        with self._lock:
            if alone and first in self._kept:
                self._kept.move_to_end(first)
                return self._kept[first]
        with storage.data_errors(self.uri, "file"), storage.open_input(self.uri) as source:
            source.seek(int(cut.starts[first]))
            groups = source.read(int(cut.starts[stop] - cut.starts[first]))
        footer = cut.head + _list_of_structs(stop - first) + groups + cut.tail
        small = MAGIC + footer + struct.pack("<I", len(footer)) + MAGIC
        with readable(self.uri):
            described = pq.read_metadata(pa.BufferReader(small))
        if alone:
            with self._lock:
                self._kept[first] = described
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
        return described


@dataclass(frozen=True)
class _Cut:
    """A footer: what stands before and behind its row groups, and where in the file each begins (and the last
    ends), int64 (G + 1,)."""

    head: bytes
    tail: bytes
    starts: np.ndarray
    num_rows: int


class _Odd(Exception):
    """Not as it was expected: the whole footer is read, and says what is wrong, if anything is."""


def _cut(uri: str, large: int) -> _Cut | None:
    """None for a footer that is small, or of a layout that is not known here."""
    with storage.data_errors(uri, "file"), storage.open_input(uri) as source:
        size = source.size()
        if size < 12:
            return None
        source.seek(size - 8)
        length, magic = struct.unpack("<I4s", source.read(8))
        if magic != MAGIC or length <= large or length > size - 12:
            return None
        try:
            return _found(source, size - 8 - length, size - 8)
        except (_Odd, IndexError):
            return None


def _found(source: pa.NativeFile, begin: int, end: int) -> _Cut:
    source.seek(begin)
    data = source.read(min(end - begin, WINDOW))
    num_rows, at = _to_row_groups(data)
    head = data[:at]
    count, kind, at = _list_header(data, at)
    if not count or kind != _STRUCT or data[at] != _COLUMNS_FIELD:
        raise _Odd
    # every group begins alike: with its columns, as many as the first has
    _, _, inside = _list_header(data, at + 1)
    if _skipped(data, at, _STRUCT) >= len(data):
        raise _Odd
    alike = re.compile(re.escape(data[at : inside + 1]))
    starts: list[int] = []
    place, overlap = begin + at, inside - at
    while place < end:
        source.seek(place)
        window = source.read(min(WINDOW, end - place))
        starts += [place + match.start() for match in alike.finditer(window)]
        if place + len(window) >= end:
            break
        place += len(window) - overlap
    if len(starts) != count:
        raise _Odd
    source.seek(starts[-1])
    rest = source.read(end - starts[-1])
    last = _skipped(rest, 0, _STRUCT)
    return _Cut(head, rest[last:], np.array([*starts, starts[-1] + last], dtype=np.int64), num_rows)


def _to_row_groups(data: bytes) -> tuple[int, int]:
    """The rows that FileMetaData says, and where its list of row groups begins."""
    at = field = num_rows = 0
    while True:
        head, at = data[at], at + 1
        if not head & 15 or not head >> 4:  # the end, or a field out of turn
            raise _Odd
        field += head >> 4
        if field == _ROW_GROUPS and head & 15 == _LIST:
            return num_rows, at
        if field == _NUM_ROWS:
            num_rows = _varint(data, at)[0] >> 1  # zigzag, and never negative
        at = _skipped(data, at, head & 15)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte, at = data[at], at + 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def _list_header(data: bytes, at: int) -> tuple[int, int, int]:
    """How many of which type, and where the first is."""
    head, at = data[at], at + 1
    count = head >> 4
    if count == 15:
        count, at = _varint(data, at)
    return count, head & 15, at


def _list_of_structs(count: int) -> bytes:
    if count < 15:
        return bytes([count << 4 | _STRUCT])
    coded = bytearray([15 << 4 | _STRUCT])
    while count > 127:
        coded.append(count & 127 | 128)
        count >>= 7
    return bytes(coded + bytes([count]))


def _skipped(data: bytes, at: int, kind: int) -> int:
    """Where a value ends."""
    if kind in _VARINTS:
        return _varint(data, at)[1]
    if kind in _BOOLS:  # a field's header holds it
        return at
    if kind == _BYTE:
        return at + 1
    if kind == _DOUBLE:
        return at + 8
    if kind == _BINARY:
        length, at = _varint(data, at)
        return at + length
    if kind in (_LIST, _SET):
        count, of, at = _list_header(data, at)
        for _ in range(count):
            at = at + 1 if of in _BOOLS else _skipped(data, at, of)
        return at
    if kind == _STRUCT:
        while head := data[at]:
            at += 1
            if not head >> 4:  # the field's number follows
                _, at = _varint(data, at)
            at = _skipped(data, at, head & 15)
        return at + 1
    raise _Odd
