"""What can be mended of BDD100K data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from imitation.common.settings import DataError
from imitation.common.texts import shown
from imitation.data.records import Object
from imitation.datasets.common.values import mapping, sequence
from imitation.datasets.mending.records import JsonSheet, Listing, Record, RecordMender, Row, Sheet, kept_of

if TYPE_CHECKING:
    from imitation.datasets.bdd100k.reader import Bdd100kReader

SIDES = ("x1", "y1", "x2", "y2")


class Bdd100kMender(RecordMender):
    """Labels of frames, corner by corner; what has no box2d stays."""

    dataset: Bdd100kReader

    def sheets(self) -> Iterator[Sheet]:
        for name, uris in self.dataset._files.items():
            for uri in uris:
                yield _File(uri, name, self.dataset)


class _File(JsonSheet):
    def __init__(self, uri: str, name: str | None, dataset: Bdd100kReader) -> None:
        super().__init__(uri)
        self._list, self._dataset = name, dataset
        rows = self.data["frames"] if isinstance(self.data, dict) else self.data
        self._frames = Listing(rows)

    def records(self) -> Iterator[Record]:
        for number, said in enumerate(self._frames.rows):
            where = f"{self.uri}: frame number {number}"
            record = Record(where, "", (), lambda keep: None, self._frames.drop(number), list=self._list)
            try:
                row = mapping(said, "it", where)
                image = self._dataset.image_of(row, where)
                record.picture = self._dataset._image(self._list, image, where)
                labels = row.get("labels")
                sequence(labels, "labels", where)
                record.rows = [
                    Row(
                        f"image {shown(image)}: label {place}",
                        partial(self._objects, label, where),
                        _corners(label),
                    )
                    for place, label in enumerate(labels or ())
                ]
                record.keep = partial(kept_of, labels or [])
            except DataError as error:
                record.fault = error
            yield record

    def _objects(self, label: Any, where: str) -> list[Object]:
        found = self._dataset.object_of(mapping(label, "it", where), where)
        return [] if found is None else [found]

    def files(self) -> Iterable[tuple[str, bytes | None]]:
        self._frames.settle()
        return super().files()


def _corners(label: Any) -> tuple[Any, tuple[str, ...]] | None:
    box = label.get("box2d") if isinstance(label, dict) else None
    return (box, SIDES) if isinstance(box, dict) else None
