"""What can be mended of Open Images' tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from imitation.common import storage
from imitation.common.settings import DataError
from imitation.data.records import Object
from imitation.datasets.mending.records import Record, RecordMender, Row, Sheet

if TYPE_CHECKING:
    from imitation.datasets.openimages.reader import OpenImagesReader

CORNERS = ("XMin", "YMin", "XMax", "YMax")


class OpenImagesMender(RecordMender):
    """Rows of boxes of the pictures on the disk; all other lines stay as they are."""

    dataset: OpenImagesReader

    def sheets(self) -> Iterator[Sheet]:
        for name, uris in self.dataset._tables.items():
            yield _Tables(name, uris, self.dataset)


@dataclass
class _Line:
    """A row of a table: which, the physical lines that it takes, its columns now and as they were."""

    table: int
    start: int
    end: int
    said: dict[str, str]
    was: dict[str, str]
    gone: bool = False

    def drop(self) -> None:
        self.gone = True


class _Tables(Sheet):
    """The tables of one list."""

    def __init__(self, name: str | None, uris: Sequence[str], dataset: OpenImagesReader) -> None:
        self.uri, self._uris, self._list, self._dataset = uris[0], uris, name, dataset
        self._texts: list[list[str]] = []
        self._columns: list[list[str]] = []
        self._lines: list[_Line] = []

    def records(self) -> Iterator[Record]:
        pictures = self._dataset._on_disk(self._list)
        rows: dict[str, list[_Line]] = {}
        for table, uri in enumerate(self._uris):
            text = storage.read_bytes(uri).decode("utf-8", "surrogateescape")
            self._texts.append(list(io.StringIO(text, newline="")))
            for line in self._read(table):
                self._lines.append(line)
                where = f"{uri}:{line.start + 1}"
                if len(line.said) != len(self._columns[table]):
                    fault = DataError(where, f"is no row of {len(self._columns[table])} columns")
                    yield Record(where, "", (), lambda keep: None, line.drop, fault=fault, stray=True)
                elif line.said["ImageID"] in pictures:
                    rows.setdefault(line.said["ImageID"], []).append(line)
        for image, lines in rows.items():
            where = f"{self.uri}: image {image}"
            drop = partial(_drop_all, lines)
            record = Record(where, "", (), partial(_keep, lines), drop, list=self._list, shares=True)
            try:
                record.picture = self._dataset._image(self._list, pictures[image], where)
                record.rows = [
                    Row(
                        f"{self._uris[one.table]}:{one.start + 1}",
                        partial(self._object, one),
                        (one.said, CORNERS),
                    )
                    for one in lines
                ]
            except DataError as error:
                record.fault = error
            yield record

    def _read(self, table: int) -> Iterator[_Line]:
        reader = csv.reader(self._texts[table])
        header = next(reader)
        header[0] = header[0].removeprefix("\ufeff")
        self._columns.append(header)
        before = reader.line_num
        for values in reader:
            if values:
                said = dict(zip(header, values)) if len(values) == len(header) else {}
                yield _Line(table, before, reader.line_num, said, dict(said))
            before = reader.line_num

    def _object(self, line: _Line) -> list[Object]:
        return [self._dataset._object(line.said, f"{self._uris[line.table]}:{line.start + 1}")]

    def files(self) -> Iterable[tuple[str, bytes | None]]:
        for table, uri in enumerate(self._uris):
            changed = [
                line for line in self._lines if line.table == table and (line.gone or line.said != line.was)
            ]
            if not changed:
                continue
            texts = list(self._texts[table])
            for line in changed:
                ending = texts[line.end - 1][len(texts[line.end - 1].rstrip("\r\n")) :]
                texts[line.start : line.end] = [""] * (line.end - line.start)
                if not line.gone:
                    sink = io.StringIO()
                    csv.writer(sink, lineterminator=ending).writerow(line.said.values())
                    texts[line.start] = sink.getvalue()
            yield uri, "".join(texts).encode("utf-8", "surrogateescape")


def _keep(lines: Sequence[_Line], keep: Sequence[bool]) -> None:
    for line, stays in zip(lines, keep, strict=True):
        line.gone = line.gone or not stays


def _drop_all(lines: Sequence[_Line]) -> None:
    for line in lines:
        line.drop()
