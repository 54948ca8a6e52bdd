"""Label files that tell of many pictures, mended record by record: one way for all layouts of that kind.

A layout says what its label files hold (`Sheet`): records of pictures, the rows of objects in each, read as
its reader reads them, and how a file is written once rows, sizes or records are gone from it or changed. What
is wrong, and what becomes of it, is found here.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

from imitation.common import storage
from imitation.common.settings import DataError
from imitation.data.records import Box, Object
from imitation.datasets.common.box_forms import LEAVING
from imitation.datasets.common.left_out import DOUBLES, NO_AREA, OTHERS
from imitation.datasets.common.validation import object_fault
from imitation.datasets.mending.mender import JUDGING, LEAK, LEAST_ROWS, SWAPPED, Mender
from imitation.datasets.mending.pictures import Looked
from imitation.datasets.mending.sizes import SIZED, fits

RESCALED = 0.02  # by which the shapes of two sizes of one picture differ, where one is the other made smaller
NO_RECORD = "left out: records of no picture"
TWICE = "left out: records of a picture that stands twice"
OTHER_SIZE = "left out: pictures whose labels are for another size"


class Row(NamedTuple):
    """A row of an object: where it stands in the file, the objects that it means (none: it is of another
    kind, and stays; raises `DataError`), and, of a box that is written as two corners, what holds the four
    numbers, and the keys of x1, y1, x2 and y2 there."""

    where: str
    read: Callable[[], Sequence[Object]]
    corners: tuple[Any, Sequence[Any]] | None = None


@dataclass
class Record:
    """What a label file says of a picture: where that stands, the picture's file, its rows, its size (px;
    0: not said) and list; `shares`: boxes are shares of the size. `keep` gets whether each row stays,
    `resize` a new size, `drop` takes the record out. `fault`: why there is no such picture; `stray`: it is
    a row of no picture."""

    where: str
    picture: str
    rows: Sequence[Row]
    keep: Callable[[Sequence[bool]], None]
    drop: Callable[[], None]
    size: tuple[int, int] = (0, 0)
    resize: Callable[[int, int], None] | None = None
    list: str | None = None
    shares: bool = False
    fault: DataError | None = None
    stray: bool = False


class Sheet(ABC):
    """A label file, or several that belong together, as it is and as it becomes."""

    uri: str
    """The file that changes are told of."""

    @abstractmethod
    def records(self) -> Iterator[Record]:
        """All of its records. Raises `DataError` for a file that cannot be read."""

    @abstractmethod
    def files(self) -> Iterable[tuple[str, bytes | None]]:
        """The files that have changed, each with its new content; None: it goes."""


class JsonFile:
    """A file of JSON, read as a whole; where it has changed it is written anew, indented as it was."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._text = text = storage.read_data_text(uri, "label file").lstrip("\ufeff")
        self.data: Any = json.loads(text)
        lines = text.splitlines()
        indented = len(lines) > 1 and lines[0].strip() in ("[", "{")
        self.indent = len(lines[1]) - len(lines[1].lstrip()) if indented else None

    def files(self) -> Iterable[tuple[str, bytes | None]]:
        if json.loads(self._text) != self.data:
            yield self.uri, json.dumps(self.data, ensure_ascii=False, indent=self.indent).encode()


class JsonSheet(JsonFile, Sheet):
    """A label file of JSON."""


def kept_of(rows: list[Any], keep: Sequence[bool]) -> None:
    """Takes rows out of a list."""
    rows[:] = [row for row, stays in zip(rows, keep, strict=True) if stays]


class Listing:
    """A list whose members may go, while others hold their places in it."""

    def __init__(self, rows: list[Any]) -> None:
        self.rows, self._gone = rows, set[int]()

    def drop(self, place: int) -> Callable[[], None]:
        return partial(self._gone.add, place)

    def settle(self) -> None:
        self.rows[:] = [row for place, row in enumerate(self.rows) if place not in self._gone]
        self._gone.clear()


class RecordMender(Mender):
    """Mends what `sheets` gives: subclass it beside the reader."""

    @abstractmethod
    def sheets(self) -> Iterator[Sheet]:
        """The dataset's label files."""

    def look(self) -> None:
        held: list[tuple[Sheet, Record]] = []
        self._changed: dict[int, Sheet] = {}
        for sheet in self.sheets():
            self.use(sheet.uri)
            for record in sheet.records():
                if record.fault is None:
                    held.append((sheet, record))
                else:
                    self._out(sheet, record, NO_RECORD, record.fault.what)
                    if not record.stray:
                        self.lose(record.where, record.fault.what, more=1)
        held = self._once(held)
        held = [pair for pair in held if self._at_least_readable(pair)]
        held = list(self._usable(held))
        held = list(self._apart(held))
        self._order(held)
        for sheet, record in held:
            self._rows(sheet, record)
        for sheet in self._changed.values():
            for uri, content in sheet.files():
                if content is None:
                    self.remove(uri)
                else:
                    self.put(uri, content)

    def _out(self, sheet: Sheet, record: Record, what: str, why: str | None) -> None:
        record.drop()
        self._say(sheet, record.where, what, why)

    def _say(self, sheet: Sheet, where: str, what: str, before: Any = None, after: Any = None) -> None:
        self._changed[id(sheet)] = sheet
        place = where.removeprefix(sheet.uri).lstrip(": ")
        self.changes.add(self.name(sheet.uri), place, what, before, after)

    def _once(self, held: list[tuple[Sheet, Record]]) -> list[tuple[Sheet, Record]]:
        """Without further records of a picture: unless they are the same, nobody can tell which are right."""
        by_picture: dict[str, list[tuple[Sheet, Record]]] = {}
        for sheet, record in held:
            by_picture.setdefault(record.picture, []).append((sheet, record))
        kept = []
        for pairs in by_picture.values():
            first = pairs[0][1]
            said = [_read_all(record) for _, record in pairs] if len(pairs) > 1 else []
            alike = all(one == said[0] for one in said)
            other = {record.list for _, record in pairs} != {first.list}
            for number, (sheet, record) in enumerate(pairs):
                judges = record.list in JUDGING
                if len(pairs) == 1 or (other and judges and not _before(pairs, number)):
                    kept.append((sheet, record))
                elif other and any(one.list in JUDGING for _, one in pairs):
                    self._out(sheet, record, LEAK, record.picture)
                elif alike and number == 0:
                    kept.append((sheet, record))
                else:
                    self._out(sheet, record, TWICE, record.picture)
        order = {id(record): place for place, (_, record) in enumerate(held)}
        return sorted(kept, key=lambda pair: order[id(pair[1])])

    def _at_least_readable(self, pair: tuple[Sheet, Record]) -> bool:
        sheet, record = pair
        if (why := self.sound_file(record.picture, self.root)) is not None:
            self._out(sheet, record, NO_RECORD, why)
            return False
        return True

    def _usable(self, held: list[tuple[Sheet, Record]]) -> Iterator[tuple[Sheet, Record]]:
        """Those whose picture can be used, their sizes set right."""
        sizes = {record.picture: _said_size(record) for _, record in held}
        fine: dict[str, Looked] = {one.uri: one for one in self.pictures(sizes.items(), {})}
        for sheet, record in held:
            found = fine.get(record.picture)
            if found is None or found.size is None:  # counted as lost
                self._changed[id(sheet)] = sheet  # why was said of the picture
                record.drop()
                continue
            said = _said_size(record)
            if said is not None and said != found.size:
                if record.resize is None or not self._same(record, said, found.size):
                    size = "x".join(map(str, found.size))
                    what = f"it is {size} px, but labelled as {said[0]}x{said[1]}"
                    self._out(sheet, record, OTHER_SIZE, what)
                    self.lose(record.where, what)
                    self.new.pop(self.name(record.picture), None)
                    self.remove(record.picture)
                    continue
                self._say(sheet, record.where, SIZED, said, found.size)
                record.resize(*found.size)
            record.size = found.size
            yield sheet, record

    def _same(self, record: Record, said: tuple[int, int], found: tuple[int, int]) -> bool:
        if record.shares:  # which hold for a smaller copy, too
            return abs(said[0] * found[1] / (said[1] * found[0]) - 1) <= RESCALED
        return fits(said, found, [obj.box for obj in _read_all(record)])

    def _apart(self, held: list[tuple[Sheet, Record]]) -> Iterator[tuple[Sheet, Record]]:
        """Without pictures to train on that val or test has too, byte for byte."""
        lists: dict[str, list[str]] = {}
        for _, record in held:
            lists.setdefault(str(record.list), []).append(record.picture)
        twins = set(self.twins(lists)) if len(lists) > 1 else set()
        for sheet, record in held:
            if record.picture in twins and record.list not in JUDGING:
                self._out(sheet, record, LEAK, self.name(record.picture))
            else:
                yield sheet, record

    def _order(self, held: list[tuple[Sheet, Record]]) -> None:
        """Puts swapped corners in order; not where they are most of all: then they are no corners."""
        rows = [(sheet, row) for sheet, record in held for row in record.rows]
        swapped = [(sheet, row) for sheet, row in rows if row.corners is not None and _inverted(row)]
        if len(swapped) >= LEAST_ROWS and len(swapped) > LEAVING * len(rows):
            self.inverted = len(swapped)
            return
        for sheet, row in swapped:
            assert row.corners is not None
            box, (x1, y1, x2, y2) = row.corners
            before = [box[key] for key in (x1, y1, x2, y2)]
            for low, high in ((x1, x2), (y1, y2)):
                if float(box[high]) < float(box[low]):
                    box[low], box[high] = box[high], box[low]
            self._say(sheet, row.where, SWAPPED, before, [box[key] for key in (x1, y1, x2, y2)])

    def _rows(self, sheet: Sheet, record: Record) -> None:
        seen: dict[tuple[str, Box], list[Object]] = {}
        keep = []
        for row in record.rows:
            self.rows += 1
            reason, what = self._fault(record, row, seen)
            keep.append(reason is None)
            if reason is not None:
                self._say(sheet, row.where, f"left out: {reason}", what)
                self.bad_rows += reason not in (NO_AREA, DOUBLES)
        if not all(keep):
            record.keep(keep)

    def _fault(
        self, record: Record, row: Row, seen: dict[tuple[str, Box], list[Object]]
    ) -> tuple[str | None, str | None]:
        """Why a row is left out, in words that can be counted, and what it says; None where it stays."""
        try:
            objects = [_scaled(obj, record) for obj in row.read()]
        except DataError as error:
            return error.reason or OTHERS, error.what
        for obj in objects:
            if fault := object_fault(obj, *record.size):
                return fault.reason, fault.what
        if objects and not any(obj.box.area for obj in objects):
            return NO_AREA, str(tuple(objects[0].box))
        if objects and all(obj in seen.get((obj.category, obj.box), ()) for obj in objects):
            return DOUBLES, str(tuple(objects[0].box))
        for obj in objects:
            seen.setdefault((obj.category, obj.box), []).append(obj)
        return None, None


def _before(pairs: Sequence[tuple[Sheet, Record]], number: int) -> bool:
    """Whether a list that judges has had the picture already."""
    return any(record.list in JUDGING for _, record in pairs[:number])


def _said_size(record: Record) -> tuple[int, int] | None:
    return record.size if all(record.size) else None


def _read_all(record: Record) -> list[Object]:
    """The objects of all rows that can be read."""
    found: list[Object] = []
    for row in record.rows:
        try:
            found += row.read()
        except DataError:
            continue
    return found


def _inverted(row: Row) -> bool:
    try:
        return any(obj.box.x2 < obj.box.x1 or obj.box.y2 < obj.box.y1 for obj in row.read())
    except DataError:
        return False


def _scaled(obj: Object, record: Record) -> Object:
    """An object in px, as the reader makes it of shares."""
    if not record.shares:
        return obj
    (x1, y1, x2, y2), (width, height) = obj.box, record.size
    return replace(obj, box=Box(x1 * width, y1 * height, x2 * width, y2 * height))
