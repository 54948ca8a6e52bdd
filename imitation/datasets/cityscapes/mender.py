"""What can be mended of Cityscapes' labels."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from imitation.common.settings import DataError
from imitation.data.records import Object
from imitation.datasets.cityscapes.labels import parse
from imitation.datasets.common.values import mapping, sequence
from imitation.datasets.mending.records import JsonSheet, Record, RecordMender, Row, Sheet

if TYPE_CHECKING:
    from imitation.datasets.cityscapes.reader import CityscapesReader

LISTS = ("objects", "ignore")


class CityscapesMender(RecordMender):
    """Label files of the set that is read, object by object. Its pictures of masks stay as they are."""

    dataset: CityscapesReader

    def sheets(self) -> Iterator[Sheet]:
        for name, listed in self.dataset._listed.items():
            for error in listed.strays:
                self.stray(error.where, error.what)
                self.remove(error.where)
            for frame_id, uri in listed.labels.items():
                yield _File(uri, frame_id, name, self.dataset)


class _File(JsonSheet):
    """A file of one picture's objects."""

    def __init__(self, uri: str, frame_id: str, name: str | None, dataset: CityscapesReader) -> None:
        self._fault: DataError | None = None
        try:
            super().__init__(uri)
            mapping(self.data, "it", uri)
        except DataError as error:
            self._fault = error
        except ValueError as error:
            self._fault = DataError(uri, f"not valid JSON: {error}")
        self._id, self._list, self._dataset, self._gone = frame_id, name, dataset, False

    def records(self) -> Iterator[Record]:
        record = Record(self.uri, "", (), lambda keep: None, self._drop, list=self._list, fault=self._fault)
        try:
            if self._fault is None:
                record.picture = self._dataset._image(self.uri, self._id)
                empty = self._read({name: [] for name in LISTS})
                record.size = empty.size
                record.resize = lambda width, height: self.data.update(imgWidth=width, imgHeight=height)
                record.rows = [
                    Row(f"{name[:6]} {place}", partial(self._objects, name, row))
                    for name in LISTS
                    for place, row in enumerate(sequence(self.data.get(name), name, self.uri))
                ]
                record.keep = self._keep
        except DataError as error:
            record.fault = error
        yield record

    def _read(self, rows: dict[str, Any]) -> Any:
        return parse({**self.data, **rows}, self._dataset.options.further, Counter(), self.uri)

    def _objects(self, name: str, row: Any) -> list[Object]:
        return list(self._read({one: [row] if one == name else [] for one in LISTS}).objects)

    def _keep(self, keep: Any) -> None:
        stays = iter(keep)
        for name in LISTS:
            if self.data.get(name):
                self.data[name] = [row for row in self.data[name] if next(stays)]

    def _drop(self) -> None:
        self._gone = True

    def files(self) -> Iterable[tuple[str, bytes | None]]:
        yield (
            self.uri,
            None if self._gone else json.dumps(self.data, ensure_ascii=False, indent=self.indent).encode(),
        )
