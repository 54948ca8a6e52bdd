"""The files that hold a Hugging Face dataset's rows: Parquet, or a line of JSON each."""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, BinaryIO

import pyarrow as pa

from imitation.common import storage
from imitation.common.settings import DataError
from imitation.common.texts import shown
from imitation.datasets.common.json_text import open_text
from imitation.datasets.common.paths import refuse_link
from imitation.datasets.common.values import mapping
from imitation.datasets.parquet.columns import open_parquet, readable

BATCH = 8  # rows with images in memory at a time
LONGEST_LINE = 1 << 26  # bytes of a line of JSON
BLOCK = 1 << 20
METADATA = ("metadata.jsonl", "metadata.parquet")
_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "validation", "val", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}


@dataclass
class Part:
    """One file of rows: the list it is of, its columns, how many rows, and, of lines, where each begins and
    how long it is, bytes."""

    uri: str
    list: str | None
    columns: Sequence[str]
    rows: int
    offsets: array[int] = field(default_factory=lambda: array("q"))
    lengths: array[int] = field(default_factory=lambda: array("q"))
    numbers: array[int] = field(default_factory=lambda: array("q"))
    schema: pa.Schema | None = None

    @property
    def folder(self) -> str:
        return storage.parent(self.uri)

    def where(self, row: int) -> str:
        return f"{self.uri}:{self.numbers[row]}" if self.offsets else f"{self.uri}: row {row}"


def find_parts(root: str) -> list[str]:
    """The files of rows below a folder: metadata files beside images, else Parquet files (in the folder, in
    `data/`, in folders that are called as lists, or a configuration's)."""
    if not storage.is_folder(root):
        return [root]
    places = [root, *storage.list_folders(root)]
    for place in places[1:]:
        places += [below for below in storage.list_folders(place) if list_word(storage.name_of(below))]
    beside = [uri for p in places for name in METADATA if storage.exists(uri := storage.join(p, name))]
    if beside:
        return beside
    return [uri for place in places for uri in storage.list_files(place, ".parquet")]


def list_word(name: str) -> str | None:
    """The list that a file's or folder's name says ("train-00000-of-00003": train)."""
    return next((_WORDS[word] for word in re.split(r"[^a-z]+", name.lower()) if word in _WORDS), None)


def open_part(uri: str, root: str) -> Part:
    """What a file holds, without its images. Raises `DataError` where it cannot be read."""
    refuse_link(uri, storage.parent(uri), root)
    stem = storage.name_of(uri).rpartition(".")[0]
    of = list_word(stem) or (list_word(storage.name_of(storage.parent(uri))) if uri != root else None)
    if uri.endswith(".parquet"):
        with open_parquet(uri) as file:
            schema = file.schema_arrow
            return Part(uri, of, schema.names, file.metadata.num_rows, schema=schema)
    part = Part(uri, of, [], 0)
    columns: dict[str, None] = {}
    with storage.data_errors(uri, "file"), open_text(uri) as source:
        for number, start, line in _with_places(source, uri):
            if part.rows < BATCH:
                columns |= dict.fromkeys(_keys(line))
            part.offsets.append(start)
            part.lengths.append(len(line))
            part.numbers.append(number)
            part.rows += 1
    part.columns = list(columns)
    return part


def _with_places(source: BinaryIO, uri: str) -> Iterator[tuple[int, int, bytes]]:
    """The lines of a file that hold anything, each with its number (1 first) and where it begins, bytes."""
    number, start, held = 0, source.tell(), b""
    while True:
        block = source.read(BLOCK)
        *lines, held = (held + block).split(b"\n") if block else (held, b"")
        for line in lines:
            number += 1
            if line.strip():
                yield number, start, line
            start += len(line) + 1
        if not block:
            return
        if len(held) > LONGEST_LINE:
            raise DataError(uri, f"has a line of more than {LONGEST_LINE:,} bytes, which is not read")


def _keys(line: bytes) -> list[str]:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return []
    return list(said) if isinstance(said, dict) else []


def rows_of(
    part: Part, columns: Collection[str], wanted: Collection[int] | None = None
) -> Iterator[tuple[int, Mapping[str, Any] | DataError]]:
    """Rows (all, or those wanted) with their numbers, in the file's order: a few images are in memory. A row
    that is none is a `DataError`. Raises `DataError` where the file cannot be read."""
    if part.offsets:
        yield from _lines(part, range(part.rows) if wanted is None else sorted(wanted))
        return
    chosen = [name for name in part.columns if name in columns]
    with open_parquet(part.uri, buffer_size=1 << 20, pre_buffer=False) as file:
        start = 0
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            rows = range(start, start + count)
            keep = set(rows) if wanted is None else {row for row in wanted if row in rows}
            if keep:
                yield from islice(_of_group(file, group, chosen, start, keep, part), len(keep))
            start += count


def _of_group(
    file: Any, group: int, columns: Sequence[str], start: int, keep: set[int], part: Part
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    where = f"{part.uri} (row group {group})"
    with readable(where):
        batches = file.iter_batches(BATCH, row_groups=[group], columns=columns, use_threads=False)
    while True:
        with readable(where):
            batch = next(batches, None)
        if batch is None:
            return
        mask = [row in keep for row in range(start, start + batch.num_rows)]
        with readable(where):
            rows = batch.filter(pa.array(mask)).to_pylist()
        numbers = (row for row in range(start, start + batch.num_rows) if row in keep)
        yield from zip(numbers, rows)
        start += batch.num_rows


def _lines(part: Part, rows: Sequence[int]) -> Iterator[tuple[int, Mapping[str, Any] | DataError]]:
    with storage.data_errors(part.uri, "file"), storage.open_input(part.uri) as source:
        for row in rows:
            source.seek(part.offsets[row])
            line = source.read(part.lengths[row])
            try:
                yield row, mapping(_parsed(line, part.where(row)), "the line", part.where(row))
            except DataError as error:
                yield row, error


def _parsed(line: bytes, where: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:  # ValueError: no JSON, no UTF-8, or a number without end
        raise DataError(where, f"not valid JSON: {error if len(str(error)) < 160 else shown(line)}") from None
