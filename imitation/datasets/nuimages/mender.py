"""What can be mended of nuImages' tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from imitation.common.settings import DataError
from imitation.common.texts import shown
from imitation.data.records import Object
from imitation.datasets.common.stored import Entry
from imitation.datasets.common.values import side, word
from imitation.datasets.mending.records import JsonFile, Record, RecordMender, Row, Sheet

if TYPE_CHECKING:
    from imitation.datasets.nuimages.reader import NuImagesReader
    from imitation.datasets.nuscenes.tables import Tables

NO_TOKEN = "it has no token"
NEEDED = ("object_ann", "sample_data", "sample", "category")
OPTIONAL = ("surface_ann",)


class NuImagesMender(RecordMender):
    """Rows of object_ann. An image that goes takes its sample along, with all that names it."""

    dataset: NuImagesReader

    def sheets(self) -> Iterator[Sheet]:
        for name, tables in self.dataset._versions.items():
            yield _Version(name, tables, self.dataset)


class _Version(Sheet):
    """The tables of one list."""

    def __init__(self, name: str | None, tables: Tables, dataset: NuImagesReader) -> None:
        self.uri, self._list, self._dataset = tables.uri("object_ann"), name, dataset
        names = (*NEEDED, *(one for one in OPTIONAL if tables.has(one)))
        self._tables = {one: JsonFile(tables.uri(one)) for one in names}

    def _rows(self, table: str) -> list[Any]:
        return [row for row in self._tables[table].data if _has_token(row)]

    def records(self) -> Iterator[Record]:
        for table in self._tables:
            for number, row in enumerate(self._tables[table].data):
                if not _has_token(row):
                    where = f"{self._tables[table].uri}: row {number}"
                    drop, fault = partial(self._remove, table, [row]), DataError(where, NO_TOKEN)
                    yield Record(where, "", (), lambda keep: None, drop, fault=fault, stray=True)
        every = self._dataset.of_version(self._list)
        faults = {entry.image: entry.fault for entry in every if isinstance(entry, Entry)}
        categories = {row["token"]: row.get("name") for row in self._rows("category")}
        keys = {str(row.get("key_camera_token")): row["token"] for row in self._rows("sample")}
        held: dict[str, list[Any]] = {
            row["token"]: [] for row in self._rows("sample_data") if row["token"] in keys
        }
        for row in self._rows("object_ann"):
            owner = row.get("sample_data_token")
            if isinstance(owner, str) and owner in held:
                held[owner].append(row)
                continue
            where = f"{self.uri}: {row['token']}"
            what = f"its sample_data_token {shown(owner)} is no annotated image"
            drop = partial(self._remove, "object_ann", [row])
            yield Record(where, "", (), lambda keep: None, drop, fault=DataError(where, what), stray=True)
        for row in self._rows("sample_data"):
            if row["token"] in keys:
                yield self._record(row, held[row["token"]], categories, keys[row["token"]], faults)

    def _record(
        self,
        row: dict[str, Any],
        rows: list[Any],
        categories: dict[str, str],
        sample: str,
        faults: dict[str, DataError | None],
    ) -> Record:
        where = f"{self._tables['sample_data'].uri}: {row['token']}"
        drop = partial(self._drop, row["token"], sample)
        record = Record(where, "", (), partial(self._keep, rows), drop, list=self._list)
        try:
            image = word(row.get("filename"), "filename", where)
            record.fault = faults.get(image)
            record.picture = self._dataset._image(self._list, image, where)
            record.size = side(row.get("width"), "width", where), side(row.get("height"), "height", where)
            record.resize = partial(self._resize, row)
            record.rows = [
                Row(str(one["token"]), partial(self._objects, one, categories), _corners(one)) for one in rows
            ]
        except DataError as error:
            record.fault = error
        return record

    def _objects(self, row: Any, categories: dict[str, str]) -> list[Object]:
        return [self._dataset.object_of(row, categories, row["token"])]

    def _keep(self, rows: list[Any], keep: Iterable[bool]) -> None:
        self._remove("object_ann", [row for row, stays in zip(rows, keep) if not stays])

    def _resize(self, row: dict[str, Any], width: int, height: int) -> None:
        row.update(width=width, height=height)

    def _drop(self, token: str, sample: str) -> None:
        self._remove("sample", [row for row in self._rows("sample") if row["token"] == sample])
        of = {row["token"] for row in self._rows("sample_data") if row.get("sample_token") == sample} | {
            token
        }
        self._remove("sample_data", [row for row in self._rows("sample_data") if row["token"] in of])
        for table in ("object_ann", "surface_ann"):
            if table in self._tables:
                rows = self._rows(table)
                self._remove(table, [row for row in rows if row.get("sample_data_token") in of])

    def _remove(self, table: str, rows: Iterable[Any]) -> None:
        if gone := {id(row) for row in rows}:
            data = self._tables[table].data
            data[:] = [row for row in data if id(row) not in gone]

    def files(self) -> Iterable[tuple[str, bytes | None]]:
        for sheet in self._tables.values():
            yield from sheet.files()


def _has_token(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("token"), str) and bool(row["token"])


def _corners(row: Any) -> tuple[Any, tuple[int, ...]] | None:
    box = row.get("bbox")
    return (box, (0, 1, 2, 3)) if isinstance(box, list) and len(box) == 4 else None
