"""What can be mended of FiftyOne's dataset folders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from imitation.common.settings import DataError
from imitation.common.texts import shown
from imitation.data.records import Object
from imitation.datasets.common.stored import id_of
from imitation.datasets.common.values import mapping, sequence, side, word
from imitation.datasets.mending.records import JsonSheet, Listing, Record, RecordMender, Row, Sheet, kept_of

if TYPE_CHECKING:
    from imitation.datasets.fiftyone.reader import FiftyOneReader


class FiftyOneMender(RecordMender):
    """Samples and labels; samples that nobody labelled stay as they are."""

    dataset: FiftyOneReader

    def sheets(self) -> Iterator[Sheet]:
        for name, uri in self.dataset._files.items():
            if uri.endswith("samples.json"):
                yield _Samples(uri, self.dataset)
            else:
                yield _Labels(uri, name, self.dataset)


class _Labels(JsonSheet):
    """A labels.json: the rows of each picture under its name."""

    def __init__(self, uri: str, name: str | None, dataset: FiftyOneReader) -> None:
        super().__init__(uri)
        self._list, self._dataset = name, dataset

    def records(self) -> Iterator[Record]:
        folder = self._dataset.pictures_beside(self.uri)
        classes = [str(name) for name in self.data.get("classes") or ()]
        for key, rows in list(self.data["labels"].items()):
            if rows is None:
                continue
            where = f"{self.uri}: {shown(key)}"
            drop = partial(self.data["labels"].pop, key)
            record = Record(where, "", (), lambda keep: None, drop, list=self._list, shares=True)
            try:
                if (image := folder.get(id_of(f"{key}.x"))) is None:
                    raise DataError(where, "there is no picture of this name in data/")
                record.picture = self._dataset._image(self._list, image, where)
                sequence(rows, "its labels", where)
                record.rows = [_row(self._dataset, row, classes, key, at) for at, row in enumerate(rows)]
                record.keep = partial(kept_of, rows)
            except DataError as error:
                record.fault = error
            yield record


class _Samples(JsonSheet):
    """A samples.json."""

    def __init__(self, uri: str, dataset: FiftyOneReader) -> None:
        super().__init__(uri)
        self._dataset, self._field = dataset, dataset.field_of(uri)
        self._samples = Listing(self.data["samples"])

    def records(self) -> Iterator[Record]:
        for number, row in enumerate(self._samples.rows):
            where = f"{self.uri}: sample {number}"
            record = Record(where, "", (), lambda keep: None, self._samples.drop(number), shares=True)
            try:
                said = mapping(row, "it", where)
                image = word(said.get("filepath"), "its filepath", where).replace("\\", "/")
                if said.get(self._field) is None:
                    continue
                record.list = self._dataset.list_of_sample(said, where)
                record.picture = self._dataset._image(record.list, image, where)
                labels = mapping(said[self._field], f"its {self._field}", where)
                rows = labels.get("detections")
                sequence(rows, "detections", where)
                record.rows = [_row(self._dataset, one, None, image, at) for at, one in enumerate(rows or ())]
                record.keep = partial(kept_of, rows or [])
                self._sized(record, said, where)
            except DataError as error:
                record.fault = error
            yield record

    @staticmethod
    def _sized(record: Record, said: Any, where: str) -> None:
        if isinstance(known := said.get("metadata"), dict):
            names = ("width", "height")
            record.size = (
                side(known.get(names[0]), names[0], where),
                side(known.get(names[1]), names[1], where),
            )
            record.resize = lambda width, height: known.update(width=width, height=height)

    def files(self) -> Iterable[tuple[str, bytes | None]]:
        self._samples.settle()
        return super().files()


def _row(dataset: FiftyOneReader, row: Any, classes: list[str] | None, image: str, place: int) -> Row:
    where = f"{shown(image)}: label {place}"

    def read() -> list[Object]:
        return [dataset.object_of(row, classes, where)]

    return Row(where, read)
