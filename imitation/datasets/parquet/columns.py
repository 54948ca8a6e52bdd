"""Columns of Parquet files in the data contract's types, row by row where they are not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from imitation.common import storage
from imitation.common.formats.safe_loading import refuse_pickles
from imitation.common.settings import DataError
from imitation.data.records import CONDITIONS_TYPE, SCHEMA, conditions_from_row, conditions_to_row

REQUIRED = tuple(field.name for field in SCHEMA if not field.nullable)
# What pyarrow raises about bytes, types and values that it cannot take (ArrowInvalid is a ValueError).
_REFUSED = (
    *(pa.ArrowException, OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError),
    MemoryError,  # a length that cannot be
)


@contextmanager
def readable(where: str) -> Iterator[None]:
    """Turns what pyarrow raises about a file's content into a `DataError` that names it."""
    try:
        yield
    except _REFUSED as error:
        what = f"not a readable Parquet file; it may be cut short: {_brief(error)}"
        raise DataError(where, what) from error


@contextmanager
def open_parquet(uri: str, **options: Any) -> Iterator[pq.ParquetFile]:
    """A Parquet file; `options` are `pyarrow.parquet.ParquetFile`'s. Raises `DataError` naming it if it is
    not there, may not be read or is none, `StorageError` when the storage itself fails."""
    with ExitStack() as stack:
        with storage.data_errors(uri, "file"):
            source = stack.enter_context(storage.open_input(uri))
        with readable(uri):
            file = pq.ParquetFile(source, **options)
            schema = file.schema_arrow
        refuse_pickles(schema, uri)
        yield file


def _nullable(kind: pa.DataType) -> pa.DataType:
    """The type with every field nullable: nulls are looked for by row, to name the row."""
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(child.name, _nullable(child.type)) for child in kind])
    if pa.types.is_list(kind):
        return pa.list_(_nullable(kind.value_type))
    return kind


COLUMNS = {field.name: pa.field(field.name, _nullable(field.type)) for field in SCHEMA}


def _brief(text: object) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= 160 else line[:150] + " ..."


def conform(table: pa.Table, names: Sequence[str], file: str) -> pa.Table:
    """The named columns cast to the contract's types; nullable ones that are missing become nulls. Raises
    `DataError` for a column of another type, or with a value that is none of the contract's."""
    columns = []
    for name in names:
        expected = COLUMNS[name]
        if name not in table.column_names:
            columns.append(pa.chunked_array([pa.nulls(len(table), expected.type)]))
            continue
        try:
            columns.append(_cast(table.column(name), expected))
        except _REFUSED as error:
            kind = table.schema.types[table.column_names.index(name)]
            raise DataError(
                file,
                f"column {name!r} is {_brief(kind)}; expected {_brief(expected.type)} ({_brief(error)})",
            ) from error
    return pa.table(columns, schema=pa.schema([COLUMNS[name] for name in names]))


def _cast(column: pa.ChunkedArray, expected: pa.Field) -> pa.ChunkedArray:
    if expected.name == "conditions" and (pa.types.is_struct(column.type) or _is_pairs(column.type)):
        column = pa.chunked_array([_as_conditions(column)])
    elif pa.types.is_integer(expected.type) and is_text(column.type):
        raise TypeError("text is no number")
    column = column.cast(expected.type)
    try:
        column.validate(full=True)  # a cast takes any bytes for text
    except pa.ArrowInvalid as error:
        raise ValueError("it holds bytes that are not UTF-8 text") from error
    return column


def rows_of(
    table: pa.Table, names: Sequence[str], uri: str, numbers: Sequence[int]
) -> list[dict[str, Any] | DataError]:
    """Each row as plain values, or what is wrong with it; `numbers` are the rows' own in the file."""
    try:
        return conform(table, names, uri).to_pylist()
    except DataError as error:
        if len(table) <= 1:
            return [DataError(f"{uri}: row {number}", error.what) for number in numbers]
    half = len(table) // 2
    # copies, since a slice of lists is validated with what lies beside it
    parts = (table.take(np.arange(half)), table.take(np.arange(half, len(table))))
    return [
        row
        for part, own in zip(parts, (numbers[:half], numbers[half:]))
        for row in rows_of(part, names, uri, own)
    ]


def is_text(kind: pa.DataType) -> bool:
    """Whether it is one of Arrow's types of text."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def conform_all(table: pa.Table, names: Sequence[str], uri: str, first_row: int = 0) -> pa.Table:
    """As `conform`, but the `DataError` names the first row that is wrong; `first_row` is the table's own in
    the file."""
    try:
        return conform(table, names, uri)
    except DataError:
        for row in rows_of(table, names, uri, range(first_row, first_row + len(table))):
            if isinstance(row, DataError):
                raise row from None
        raise


def _is_pairs(kind: pa.DataType) -> bool:
    """A list of (key, value) structs: what a map becomes in tools that have none."""
    if pa.types.is_map(kind) or not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        return False
    return pa.types.is_struct(kind.value_type) and [f.name for f in kind.value_type] == ["key", "value"]


def _as_conditions(column: pa.ChunkedArray) -> pa.Array:
    """Conditions as a struct or as (key, value) pairs, as other tools write them, in the contract's type. A
    map, which older versions wrote, needs none of this: Arrow casts it."""
    plain = column.to_pylist()
    if _is_pairs(column.type):
        plain = [None if row is None else {pair["key"]: pair["value"] for pair in row} for row in plain]
    rows = (conditions_from_row(row) for row in plain)
    named = (None if row is None else {name: str(value) for name, value in row.items()} for row in rows)
    return pa.array([conditions_to_row(row) for row in named], CONDITIONS_TYPE)


def check_columns(file: pq.ParquetFile, uri: str, names: Sequence[str]) -> None:
    """Raises `DataError` for a file without what a frame needs, or whose `names` are of other types."""
    columns = file.schema_arrow.names
    for name in REQUIRED:
        if name not in columns:
            raise DataError(uri, f"has no column {name!r}; a frame needs {', '.join(REQUIRED)}")
    if "image" not in columns and "image_uri" not in columns:
        raise DataError(uri, "has neither a column 'image' nor 'image_uri'; one of them is needed")
    with readable(uri):
        empty = file.schema_arrow.empty_table()
    conform(empty, names, uri)
