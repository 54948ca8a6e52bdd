"""Readers of label files that tell of many images: each is read once, as a stream, into arrays of some forty
bytes an object; pixels are not read.

A layout says which `Entry`s its files hold (`StoredReader._entries`) and where their images lie; the rest is
here. What is wrong with an object leaves its frame out: without it the frame's labels would lie.
"""

from __future__ import annotations

from abc import abstractmethod
from array import array
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from imitation.common.settings import DataError, UserError
from imitation.common.texts import shown
from imitation.data.images import size_of_file
from imitation.data.records import Box, Camera, Frame, Object
from imitation.data.splits import LISTS
from imitation.datasets.base import DatasetReader
from imitation.datasets.common.paths import TRIED, inside, list_name, place_with
from imitation.datasets.common.roles import Splits, test_as_val
from imitation.datasets.common.validation import FrameChecker

MAX_STRAYS = 100  # problems of no frame that are named one by one; the rest is counted
T = TypeVar("T", bound=Hashable)


@dataclass
class Entry:
    """What a label file says of one image: the image's file as it is named there, its objects, its size in
    px (0: not said), and the dataset's own list that it is of. With `shares` the boxes are shares of the
    image's width and height, not px. `fault`: why its frame is left out; `bad_rows`: why objects are."""

    image: str
    objects: Sequence[Object] = ()
    size: tuple[int, int] = (0, 0)
    list: str | None = None
    frame_id: str | None = None
    sequence: str | None = None
    conditions: dict[str, str] | None = None
    camera: Camera | None = None
    shares: bool = False
    fault: DataError | None = None
    bad_rows: Sequence[DataError] = ()


def entry_or_fault(image: str, make: Callable[[], Entry]) -> Entry:
    """What `make` makes; of what it raises an entry without objects, which says why."""
    try:
        return make()
    except DataError as error:
        return Entry(image, fault=error)


class _Words(Generic[T]):
    """Values that repeat, each kept once; by numbers."""

    def __init__(self) -> None:
        self.values: list[T] = []
        self._numbers: dict[T, int] = {}

    def number(self, value: T) -> int:
        if (found := self._numbers.get(value)) is None:
            found = self._numbers[value] = len(self.values)
            self.values.append(value)
        return found


class PackedObjects:
    """Objects as arrays: category, box, whether ignored, level of occlusion; some forty bytes each."""

    def __init__(self) -> None:
        self._names: _Words[str] = _Words()
        self._boxes, self._categories = array("d"), array("i")
        self._ignore, self._levels = array("b"), array("b")

    def __len__(self) -> int:
        return len(self._categories)

    def add(self, obj: Object) -> None:
        self._boxes.extend(obj.box)
        self._categories.append(self._names.number(obj.category))
        self._ignore.append(obj.ignore)
        self._levels.append(-1 if obj.occlusion_level is None else obj.occlusion_level)

    def get(self, i: int, across: float = 1, down: float = 1) -> Object:
        """One of them, its box stretched by the two factors."""
        x1, y1, x2, y2 = self._boxes[4 * i : 4 * i + 4]
        level = self._levels[i]
        return Object(
            self._names.values[self._categories[i]],
            Box(x1 * across, y1 * down, x2 * across, y2 * down),
            ignore=bool(self._ignore[i]),
            occlusion_level=None if level < 0 else level,
        )


class LooseObjects:
    """Objects of a table of their own, which stand there in any order: each is added with its image's number,
    and they come back image by image."""

    def __init__(self) -> None:
        self._owners = array("i")
        self._objects = PackedObjects()

    def add(self, owner: int, obj: Object) -> None:
        self._owners.append(owner)
        self._objects.add(obj)

    def by_owner(self, count: int) -> Iterator[list[Object]]:
        """The objects of each of so many images."""
        owners = np.array(self._owners, dtype=np.int32)
        order = np.argsort(owners, kind="stable")
        starts = np.searchsorted(owners[order], np.arange(count + 1)).tolist()
        for start, end in pairwise(starts):
            yield [self._objects.get(i) for i in order[start:end].tolist()]


class FrameStore:
    """Entries as arrays, in the order in which they came; `entry` gives one back."""

    def __init__(self) -> None:
        self.images: list[str] = []
        self.faults: dict[int, DataError] = {}
        self.bad_rows: dict[int, Sequence[DataError]] = {}
        self._ids: dict[int, str] = {}  # of those whose id is not that of their image
        self._sizes, self._shares = array("i"), array("b")
        self._places: _Words[tuple[Any, ...]] = _Words()  # list, sequence, conditions and camera
        self._at = array("i")
        self._starts = array("q", [0])
        self._objects = PackedObjects()

    def __len__(self) -> int:
        return len(self.images)

    def add(self, entry: Entry) -> None:
        row = len(self.images)
        self.images.append(entry.image)
        if entry.frame_id is not None and entry.frame_id != id_of(entry.image):
            self._ids[row] = entry.frame_id
        if entry.fault is not None:
            self.faults[row] = entry.fault
        if entry.bad_rows:
            self.bad_rows[row] = entry.bad_rows
        self._sizes.extend(entry.size)
        self._shares.append(entry.shares)
        conditions = None if entry.conditions is None else tuple(sorted(entry.conditions.items()))
        self._at.append(self._places.number((entry.list, entry.sequence, conditions, entry.camera)))
        for obj in entry.objects if entry.fault is None else ():
            self._objects.add(obj)
        self._starts.append(len(self._objects))

    def id_of(self, row: int) -> str:
        return self._ids.get(row) or id_of(self.images[row])

    def list_of(self, row: int) -> str | None:
        found: str | None = self._places.values[self._at[row]][0]
        return found

    def sequence_of(self, row: int) -> str | None:
        found: str | None = self._places.values[self._at[row]][1]
        return found

    def size_of(self, row: int) -> tuple[int, int]:
        return self._sizes[2 * row], self._sizes[2 * row + 1]

    def camera_of(self, row: int) -> Camera | None:
        found: Camera | None = self._places.values[self._at[row]][3]
        return found

    def conditions_of(self, row: int) -> dict[str, str] | None:
        conditions = self._places.values[self._at[row]][2]
        return None if conditions is None else dict(conditions)

    def objects_of(self, row: int, width: int, height: int) -> Iterator[Object]:
        """The objects of an image of that size, px."""
        across, down = (width, height) if self._shares[row] else (1, 1)
        for i in range(self._starts[row], self._starts[row + 1]):
            yield self._objects.get(i, across, down)


def id_of(image: str) -> str:
    """A frame's id: its image's path without the ending, folders joined by "_"."""
    stem, dot, ending = image.rpartition(".")
    return (stem if dot and "/" not in ending else image).replace("\\", "/").strip("/").replace("/", "_")


@dataclass
class _Listed:
    """The frames of one list by their ids, each with its row in the store, and what belongs to no frame."""

    rows: dict[str, int] = field(default_factory=dict)
    strays: list[DataError] = field(default_factory=list)


class _Found(NamedTuple):
    store: FrameStore
    lists: dict[str | None, _Listed]


class StoredReader(DatasetReader):
    """A dataset whose labels stand in a few files (see the module). Splits are the lists that the entries
    name (see `assign_roles`) where each names one and there are several, else they are cut by seed. A frame's
    id is its image's path without the ending, folders joined by "_"; where lists use the same ids the list's
    name stands before it."""

    convention = "visible"

    @abstractmethod
    def _entries(self) -> Iterator[Entry | DataError]:
        """What the label files hold, in their order; a `DataError` is a problem of no frame. Raises
        `UserError` where there is no such file."""

    @abstractmethod
    def _image_folders(self, name: str | None) -> Iterable[str]:
        """The folders, likeliest first, that the images of an entry's list may lie in: the first that has one
        of its first images is taken, and the first of all where none has."""

    def _where(self, name: str | None) -> str:
        """What a message names before an image: the list's label file."""
        return self.root

    @cached_property
    def _found(self) -> _Found:
        store = FrameStore()
        strays: list[DataError] = []
        more = 0
        for entry in self._entries():
            if isinstance(entry, Entry):
                store.add(entry)
            elif len(strays) < MAX_STRAYS:
                strays.append(entry)
            else:
                more += 1
        if more:
            strays.append(DataError(self.root, f"{more:,} more labels belong to no image"))
        names = {store.list_of(row) for row in range(len(store))}
        named = len(names) > 1 and None not in names
        taken = test_as_val(names)
        lists: dict[str | None, _Listed] = {}
        for row in range(len(store)):
            listed = lists.setdefault(taken[store.list_of(row)] if named else None, _Listed())
            frame_id = store.id_of(row)
            if (other := listed.rows.setdefault(frame_id, row)) != row:
                # the labels of the two cannot be told apart
                where = f"{self._where(store.list_of(row))}: image {shown(store.images[row])}"
                store.faults[other] = DataError(where, f"stands there twice (as {shown(frame_id)})")
        lists = lists or {None: _Listed()}
        next(iter(lists.values())).strays.extend(strays)
        return _Found(store, lists)

    @property
    def _listed(self) -> dict[str | None, _Listed]:
        return self._found.lists

    @cached_property
    def _folders(self) -> dict[str | None, str]:
        """An entry's list -> the folder that its images' names count from."""
        store = self._found.store
        images: dict[str | None, list[str]] = {}
        for row, image in enumerate(store.images):
            few = images.setdefault(store.list_of(row), [])
            if len(few) < TRIED:
                few.append(image)
        places = {name: list(self._image_folders(name)) for name in images}
        return {name: place_with(places[name], few) or places[name][0] for name, few in images.items()}

    @cached_property
    def _rows(self) -> dict[str, tuple[str | None, int]]:
        """frame_id -> its list and its row in the store."""
        every = [(i, name, row) for name, listed in self._listed.items() for i, row in listed.rows.items()]
        alike = len({i for i, _, _ in every}) < len(every)
        return {f"{name}_{i}" if alike else i: (name, row) for i, name, row in every}

    def _cut(self) -> Splits:
        by_list: dict[str | None, dict[str, str | None]] = {name: {} for name in self._listed}
        for frame_id, (name, row) in self._rows.items():
            by_list[name][frame_id] = self._found.store.sequence_of(row)
        if not self._rows:
            strays = [stray for listed in self._listed.values() for stray in listed.strays]
            raise strays[0] if strays else UserError(f"{self.root}: its label files tell of no image")
        splits = self._by_lists_or_seed(by_list, self.root)
        if len(by_list) > 1:
            self._refuse_shared_images()
        return splits

    def _refuse_shared_images(self) -> None:
        """An image of two lists would be trained on and judged by."""
        seen: dict[tuple[str, str], str | None] = {}
        for name, row in self._rows.values():
            image = self._found.store.images[row]
            folder = self._folders[self._found.store.list_of(row)]
            if (other := seen.setdefault((folder, image), name)) != name:
                what = f"the image {shown(image)} is in the lists {other!r} and {name!r}"
                raise UserError(f"{self.root}: {what}; remove it from one of the two")

    def _frame(self, split: str, frame_id: str, check: FrameChecker) -> Frame:
        store, row = self._found.store, self._rows[frame_id][1]
        if row in store.faults:
            raise store.faults[row]
        for error in store.bad_rows.get(row, ()):
            self.bad_row(error)
        where = f"{self._where(store.list_of(row))}: image {shown(store.images[row])}"
        image = self._image(store.list_of(row), store.images[row], where)
        width, height = store.size_of(row)
        if not (width and height):
            width, height = size_of_file(image)
        frame = Frame(
            frame_id,
            width,
            height,
            tuple(store.objects_of(row, width, height)),
            sequence=store.sequence_of(row),
            image_uri=image,
            camera=store.camera_of(row),
            conditions=store.conditions_of(row),
        )
        return check.passed(frame, where)

    def _image(self, name: str | None, image: str, where: str) -> str:
        """Where an image lies. Raises `DataError` for a path that leads out of the list's folder."""
        return inside(self._folders[name], image, where)


def list_called(word: str | None) -> str | None:
    """The list that a word means ("Validation": val); None where it means none."""
    name = list_name((word or "").strip().lower())
    return name if name in LISTS else None
