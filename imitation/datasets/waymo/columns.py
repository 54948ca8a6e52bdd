"""Columns of Waymo's Parquet components as plain values, and what they may be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from imitation.common.settings import DataError
from imitation.common.texts import shown
from imitation.datasets.parquet.columns import is_text, open_parquet, readable
from imitation.datasets.waymo.settings import CAMERAS

SEGMENT, TIME, CAMERA = "key.segment_context_name", "key.frame_timestamp_micros", "key.camera_name"
CAMERA_ID, LASER_ID = "key.camera_object_id", "key.laser_object_id"

Key = tuple[int, str]
"""Timestamp (microseconds) and camera name."""


class Kind(NamedTuple):
    """What a column has to hold, in words, and whether a type (a dictionary's values) is that."""

    said: str
    fits: Callable[[pa.DataType], bool]


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def _is_bytes(kind: pa.DataType) -> bool:
    types = pa.types
    return types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind)


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


NUMBER = Kind("numbers", _is_number)
NUMBERS = Kind("lists of numbers", lambda kind: _is_list(kind) and _is_number(kind.value_type))
TEXT = Kind("text", is_text)
NAME = Kind("text or whole numbers", lambda kind: is_text(kind) or pa.types.is_integer(kind))
BYTES = Kind("bytes", _is_bytes)
KEYS = {SEGMENT: TEXT, TIME: NUMBER, CAMERA: NAME}


def read_columns(
    uri: str, needed: Mapping[str, Kind], optional: Mapping[str, Kind] | None = None
) -> dict[str, list[Any]]:
    """Columns as lists, in that order; those of `optional` that are missing are left out. Text that is not
    UTF-8 comes as bytes. Raises `DataError` for a file that cannot be read, for a missing column, and for
    one of another kind."""
    with open_parquet(uri) as file:
        there = {k: kind for k, kind in (optional or {}).items() if k in file.schema_arrow.names}
        check_columns(file, {**needed, **there}, uri)
        with readable(uri):
            return plain(file.read(columns=[*needed, *there], use_threads=False), [*needed, *there])


def check_columns(file: pq.ParquetFile, kinds: Mapping[str, Kind], uri: str) -> None:
    """Raises `DataError` for a file without those columns, or with others in their names."""
    schema = file.schema_arrow
    if missing := [name for name in kinds if name not in schema.names]:
        raise DataError(uri, f"has no column {', '.join(missing)}; it has {shown(schema.names[:12])}")
    for name, expected in kinds.items():
        found = schema.types[schema.names.index(name)]
        kind = found.value_type if pa.types.is_dictionary(found) else found
        if not (expected.fits(kind) or pa.types.is_null(kind)):  # a null is told with its row
            raise DataError(uri, f"column {name} is {shown(str(found))[1:-1]}; expected {expected.said}")


def plain(table: pa.Table, names: Sequence[str]) -> dict[str, list[Any]]:
    """The named columns as lists; text that is not UTF-8 stays bytes."""
    return {name: _values(table.column(name)) for name in names}


def _values(column: pa.ChunkedArray) -> list[Any]:
    try:
        return column.to_pylist()
    except UnicodeDecodeError:
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        return [_text(value) for value in column.cast(pa.large_binary()).to_pylist()]


def _text(value: bytes | None) -> str | bytes | None:
    try:
        return None if value is None else value.decode("utf-8")
    except UnicodeDecodeError:
        return value


def frame_key(segment: Any, time: Any, camera: Any, where: str) -> tuple[str, Key]:
    """The segment and key of a row. Raises `DataError`."""
    if not isinstance(segment, str) or not segment or "/" in segment:
        raise DataError(where, f"{SEGMENT} is {shown(segment)}, not a segment's name")
    return segment, key_of(time, camera, where)


def key_of(time: Any, camera: Any, where: str) -> Key:
    return whole(time, TIME, where), camera_name(camera, where)


def whole(value: Any, column: str, where: str) -> int:
    """A number without a fraction. Raises `DataError`."""
    try:
        if isinstance(value, int | float) and value == int(value):
            return int(value)
    except (ValueError, OverflowError):  # NaN, infinity
        pass
    raise DataError(where, f"{column} is {shown(value)}, not a whole number")


def camera_name(value: Any, where: str) -> str:
    """The camera's name from a number (1 to 5), its digits, or the name itself. Raises `DataError`."""
    return named(value, ("UNKNOWN", *CAMERAS), CAMERA, where, first=1)


def named(value: Any, names: Sequence[str], column: str, where: str, first: int = 0) -> str:
    """One of the `names` from itself, its place or the digits of its place. Raises `DataError`."""
    text = str(value)
    if text in names[first:]:
        return text
    if not (len(text) < 3 and text.isdecimal() and first <= int(text) < len(names)):
        known = ", ".join(names[first:])
        raise DataError(where, f"{column} is {shown(value)}; known are {known} and their numbers")
    return names[int(text)]


def object_id(value: Any, column: str, where: str) -> str:
    """An object's id. Raises `DataError` for null and for bytes that are no text."""
    if value is None or isinstance(value, bytes):
        raise DataError(where, f"{column} is {shown(value)}, not the id of an object")
    return str(value)
