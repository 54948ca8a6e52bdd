"""What can be mended of Label Studio's JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from imitation.common.settings import DataError
from imitation.common.texts import shown
from imitation.data.records import Object
from imitation.datasets.common.values import mapping, side
from imitation.datasets.mending.records import JsonSheet, Listing, Record, RecordMender, Row, Sheet

if TYPE_CHECKING:
    from imitation.datasets.labelstudio.reader import LabelStudioReader

SIZE = ("original_width", "original_height")


class LabelStudioMender(RecordMender):
    """Tasks and the regions of the annotation that counts; what nobody annotated stays."""

    dataset: LabelStudioReader

    def sheets(self) -> Iterator[Sheet]:
        yield _File(self.dataset)


class _File(JsonSheet):
    def __init__(self, dataset: LabelStudioReader) -> None:
        super().__init__(dataset._file)
        self._dataset = dataset
        self._tasks = Listing(self.data)

    def records(self) -> Iterator[Record]:
        for number, task in enumerate(self._tasks.rows):
            key = task.get("id", number) if isinstance(task, dict) else number
            where = f"{self.uri}: task {shown(key)}"
            record = Record(where, "", (), lambda keep: None, self._tasks.drop(number), shares=True)
            try:
                image = self._dataset.picture_of(mapping(task, "it", where), where)
                record.picture = self._dataset._image(None, image, where)
                if (regions := self._dataset._regions(task, where)) is None:
                    continue
                record.rows = [
                    Row(f"task {shown(key)}: region {at}", partial(self._objects, region, where))
                    for at, region in enumerate(regions)
                ]
                record.keep = partial(_keep, task, regions)
                record.size = _size(regions, where)
                record.resize = partial(_resize, regions)
            except DataError as error:
                record.fault = error
            yield record

    def _objects(self, region: Any, where: str) -> list[Object]:
        return self._dataset._objects(mapping(region, "it", where), where)

    def files(self) -> Iterable[tuple[str, bytes | None]]:
        self._tasks.settle()
        return super().files()


def _size(regions: Sequence[Any], where: str) -> tuple[int, int]:
    """The size that the first region gives which gives one, px."""
    for region in regions:
        said = mapping(region, "it", where)
        if all(found := (side(said.get(SIZE[0]), SIZE[0], where), side(said.get(SIZE[1]), SIZE[1], where))):
            return found
    return 0, 0


def _resize(regions: Sequence[Any], width: int, height: int) -> None:
    for region in regions:
        if all(name in region for name in SIZE):
            region.update(zip(SIZE, (width, height)))


def _keep(task: dict[str, Any], regions: Sequence[Any], keep: Sequence[bool]) -> None:
    """Takes regions out of the lists that hold them: an annotation's result, or JSON_MIN's own."""
    gone = {id(region) for region, stays in zip(regions, keep, strict=True) if not stays}
    annotations = task.get("annotations", task.get("completions"))
    holders = [one.get("result") for one in annotations or () if isinstance(one, dict)] or list(task.values())
    for rows in holders:
        if isinstance(rows, list):
            rows[:] = [row for row in rows if id(row) not in gone]
