"""COCO annotation files, read as a stream into arrays of some tens of bytes an annotation."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import ijson
import numpy as np
import pyarrow as pa

from imitation.common.settings import DataError
from imitation.common.texts import ShallowJson, shown
from imitation.data.records import Object
from imitation.datasets.coco.masks import box_of_mask
from imitation.datasets.coco.text import WithoutOddNumbers, bbox_fault, four_numbers, is_crowd, whole
from imitation.datasets.common.json_text import NO_JSON, items, open_text
from imitation.datasets.common.left_out import BOXES, CATEGORIES, RANGES
from imitation.datasets.common.paths import outside_reason
from imitation.datasets.common.validation import Fault

EXTRA = "imitation"
_FRAME_EXTRAS = ("frame_id", "sequence", "camera", "conditions", "origin")
_OBJECT_EXTRAS = tuple(name for name in Object.__slots__ if name not in ("category", "ignore"))
FIRST_TEXT = -(2**62)  # numbers from here on stand for ids that are texts
LONGEST_ID = 500
MAX_STRAYS = 100  # annotations of no frame that are named one by one; the rest is counted


@dataclass
class CocoIndex:
    """One annotation file, as arrays. Annotations are sorted by image; those of image i are
    `starts[i]:starts[i + 1]`.

    ids int64 (I,) (of an image whose id is a text a number near `FIRST_TEXT`, with the text in `texts`);
    names: the I file names; sizes int32 (I, 2) px, 0 where the file does not say;
    boxes float64 (A, 4) px, x, y, width, height; categories int32 (A,), into `category_names`; crowd
    bool (A,); extras and image_extras: JSON of (A,) and (I,) rows' own fields, null where there are none.
    `faults` say why an image is left out, `bad_rows` why one of its annotations is, `strays` what belongs to
    no image.
    """

    uri: str
    ids: np.ndarray
    names: list[str]
    sizes: np.ndarray
    starts: np.ndarray
    boxes: np.ndarray
    categories: np.ndarray
    crowd: np.ndarray
    category_names: list[str]
    category_ids: dict[int, str]
    extras: pa.BinaryArray
    image_extras: pa.BinaryArray
    faults: dict[int, DataError] = field(default_factory=dict)
    strays: list[DataError] = field(default_factory=list)
    texts: dict[int, str] = field(default_factory=dict)
    bad_rows: dict[int, list[DataError]] = field(default_factory=dict)

    def key(self, row: int) -> int | str:
        """An image's id as the file has it."""
        number = int(self.ids[row])
        return self.texts.get(number, number)

    @property
    def nbytes(self) -> int:
        """Bytes of the annotations' arrays."""
        arrays = (self.starts, self.boxes, self.categories, self.crowd, self.extras)
        return sum(int(values.nbytes) for values in arrays)


def read_coco(uri: str) -> CocoIndex:
    """Reads an annotation file as a stream.

    Raises `DataError` where it is not JSON (with the reason and place) or not COCO's instances. Faults of
    single images and annotations are not raised: see `CocoIndex`.
    """
    try:
        return _read(_File(uri))
    except DataError as error:
        if error.what.startswith(NO_JSON) and _needs_mending(uri):
            return _read(_File(uri, mended=True))
        raise


def _read(file: _File) -> CocoIndex:
    return _Annotations(file, _read_categories(file), _read_images(file)).read()


class _File(NamedTuple):
    """An annotation file; `mended`: it holds numbers that JSON lacks, or that are too large."""

    uri: str
    mended: bool = False

    def items(self, key: str, new: bool = False) -> Iterator[Any]:
        """The members of a top-level list, one at a time. `new`: its nesting has not been checked."""
        with open_text(self.uri) as source:
            text: Any = WithoutOddNumbers(source) if self.mended else source
            yield from items(ShallowJson(text, self.uri) if new else text, f"{key}.item", self.uri)

    def has_list(self, key: str) -> bool:
        """Whether there is such a top-level list, if only an empty one."""
        with open_text(self.uri) as source:
            text: Any = WithoutOddNumbers(source) if self.mended else source
            return any(place == key and event == "start_array" for place, event, _ in ijson.parse(text))


def _needs_mending(uri: str) -> bool:
    with open_text(uri) as source:
        mended = WithoutOddNumbers(source)
        while not mended.changes and mended.read(1 << 20):
            pass
        return mended.changes > 0


@dataclass
class _Categories:
    names: list[str] = field(default_factory=list)
    places: dict[int, int] = field(default_factory=dict)
    double: dict[int, str] = field(default_factory=dict)
    strays: list[DataError] = field(default_factory=list)


def _read_categories(file: _File) -> _Categories:
    uri, categories = file.uri, _Categories()
    for place, row in enumerate(file.items("categories", new=True)):
        key, name = _id(row), row.get("name") if isinstance(row, dict) else None
        if key is None or not isinstance(name, str) or not name:
            what = f"category number {place} has no whole-number id or no name: {shown(row)}"
            categories.strays.append(DataError(uri, what))
            continue
        if key not in categories.places:
            categories.places[key] = len(categories.names)
            categories.names.append(name)
        elif categories.names[categories.places[key]] != name:
            categories.double[key] = f"{shown(categories.names[categories.places[key]])} and {shown(name)}"
    if not categories.names:
        if categories.strays:
            raise categories.strays[0]
        raise DataError(
            uri,
            "has no list of 'categories': not COCO annotations (a results file has none; give the labels)",
        )
    return categories


@dataclass
class _Images:
    ids: array[int] = field(default_factory=lambda: array("q"))
    names: list[str] = field(default_factory=list)
    sizes: array[int] = field(default_factory=lambda: array("i"))
    extras: list[bytes | None] = field(default_factory=list)
    places: dict[int | str, int] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)
    faults: dict[int, DataError] = field(default_factory=dict)
    strays: list[DataError] = field(default_factory=list)


def _read_images(file: _File) -> _Images:
    uri, images = file.uri, _Images()
    places = images.places
    by_name: dict[str, int | str] = {}
    for number, row in enumerate(file.items("images")):
        key = image_key(_get(row, "id"))
        if key is None:
            what = f"image number {number} has no id (a whole number, or a text): {shown(row)}"
            images.strays.append(DataError(uri, what))
            continue
        where, name = f"{uri}: image id {shown(key)}", row.get("file_name")
        if key in places:
            # The labels of the two cannot be told apart.
            what = f"the id stands twice: {shown(images.names[places[key]])} and {shown(name)}"
            images.faults[places[key]] = DataError(where, what)
            continue
        index = places[key] = len(images.names)
        size = tuple(_size(row.get(side)) for side in ("width", "height"))
        if isinstance(key, str):
            images.texts[FIRST_TEXT + index] = key
        images.ids.append(FIRST_TEXT + index if isinstance(key, str) else key)
        images.names.append(name if isinstance(name, str) else "")
        images.extras.append(_extra(row, _FRAME_EXTRAS))
        images.sizes.extend(0 if side is None else side for side in size)
        if reason := outside_reason(name):
            images.faults[index] = DataError(where, f"file_name {shown(name)} {reason}")
        elif None in size:
            sides = f"{shown(row.get('width'))} x {shown(row.get('height'))}"
            images.faults[index] = DataError(where, f"the size is {sides}, not two whole numbers above 0")
        elif (other := by_name.setdefault(name, key)) != key:
            what = f"file_name {shown(name)} already belongs to image id {shown(other)}"
            images.faults[index] = DataError(where, what)
    if not images.names and not images.strays:
        raise DataError(uri, "has no list of 'images', or an empty one: not COCO annotations")
    return images


class _Annotations:
    """Collects the annotations of a file whose images and categories are known."""

    def __init__(self, file: _File, categories: _Categories, images: _Images) -> None:
        self._file, self._uri, self._categories, self._images = file, file.uri, categories, images
        self._owners = array("i")
        self._boxes, self._classes, self._crowd = array("d"), array("i"), array("b")
        self._extras: list[bytes | None] = []
        self._bad_rows: dict[int, list[DataError]] = {}
        self._strays = 0

    def read(self) -> CocoIndex:
        images, number = self._images, -1
        for number, row in enumerate(self._file.items("annotations")):
            self._add(number, row)
        if number < 0 and not self._file.has_list("annotations"):
            # a file without labels would teach that there is nothing to see in any of its images
            what = "has no list of 'annotations', so its images are not labelled; write an empty list if "
            images.strays.append(DataError(self._uri, what + "there is nothing to find in them"))
        if self._strays > MAX_STRAYS:
            what = f"{self._strays - MAX_STRAYS} more annotations belong to no image"
            images.strays.append(DataError(self._uri, what))
        owners = np.array(self._owners, dtype=np.int32)
        order = np.argsort(owners, kind="stable")
        return CocoIndex(
            uri=self._uri,
            ids=np.array(images.ids, dtype=np.int64),
            names=images.names,
            sizes=np.array(images.sizes, dtype=np.int32).reshape(-1, 2),
            starts=np.searchsorted(owners[order], np.arange(len(images.names) + 1)).astype(np.int64),
            boxes=np.array(self._boxes, dtype=np.float64).reshape(-1, 4)[order],
            categories=np.array(self._classes, dtype=np.int32)[order],
            crowd=np.array(self._crowd, dtype=np.int8)[order].astype(bool),
            category_names=self._categories.names,
            category_ids={
                key: self._categories.names[place] for key, place in self._categories.places.items()
            },
            extras=_packed([self._extras[i] for i in order] if any(self._extras) else [], len(order)),
            image_extras=_packed(images.extras, len(images.extras)),
            faults=images.faults,
            strays=[*self._categories.strays, *images.strays],
            texts=images.texts,
            bad_rows=self._bad_rows,
        )

    def _add(self, number: int, row: Any) -> None:
        key = _id(row)
        where = f"{self._uri}: annotation " + (f"number {number}" if key is None else f"id {key}")
        image = image_key(_get(row, "image_id"))
        owner = None if image is None else self._images.places.get(image)
        if owner is None:
            self._strays += 1
            if self._strays <= MAX_STRAYS:
                image = shown(_get(row, "image_id") if isinstance(row, dict) else row)
                self._images.strays.append(DataError(where, f"its image_id {image} is no image of the file"))
            return
        box, category = four_numbers(row.get("bbox")), whole(row.get("category_id"))
        if not box and row.get("segmentation"):
            box = box_of_mask(row["segmentation"])
        crowd = [is_crowd(row.get(name)) for name in ("iscrowd", "ignore")]
        fault = self._fault(box, category, row)
        if not fault and None in crowd:
            fault = Fault(f"its iscrowd is {shown(row.get('iscrowd'))}, not 0 or 1", RANGES)
        if fault:
            self._bad_rows.setdefault(owner, []).append(fault.of(where))
            return
        assert category is not None
        self._owners.append(owner)
        self._boxes.extend(box)
        self._classes.append(self._categories.places[category])
        self._crowd.append(any(crowd))
        self._extras.append(_extra(row, _OBJECT_EXTRAS))

    def _fault(self, box: Any, category: int | None, row: dict[str, Any]) -> Fault | None:
        if category is None or category not in self._categories.places:
            said = f"its category_id {shown(row.get('category_id'))} is no category of the file"
            return Fault(said, CATEGORIES)
        if category in self._categories.double:
            said = f"its category_id {category} stands for {self._categories.double[category]}"
            return Fault(said, CATEGORIES)
        if not box and row.get("segmentation"):
            said = f"it has no bbox, and its segmentation {shown(row['segmentation'])} gives none"
            return Fault(said, BOXES)
        if fault := bbox_fault(box):
            return Fault(f"its {fault}", BOXES)
        if not (math.isfinite(box[0] + box[2]) and math.isfinite(box[1] + box[3])):
            return Fault(f"its bbox {shown(box)} ends beyond what is finite", BOXES)
        return None


def _extra(row: dict[str, Any], names: Sequence[str]) -> bytes | None:
    """The row's fields beyond COCO's, as JSON."""
    extras = row.get(EXTRA)
    chosen = {name: extras[name] for name in names if name in extras} if isinstance(extras, dict) else {}
    return json.dumps(chosen).encode() if chosen else None


def _packed(values: list[bytes | None], count: int) -> pa.BinaryArray:
    return pa.array(values, pa.binary()) if values else pa.nulls(count, pa.binary())


def unpacked(values: pa.BinaryArray, row: int) -> dict[str, Any]:
    """The fields that a row was given beyond COCO's own; none where it was given none."""
    text = values[row].as_py()
    return {} if text is None else dict(json.loads(text))


def _get(row: Any, key: str) -> Any:
    return row.get(key) if isinstance(row, dict) else None


def image_key(value: Any) -> int | str | None:
    """An image's id: a whole number, however it is written, or a text."""
    if (number := whole(value)) is not None:
        return number
    return value if isinstance(value, str) and 0 < len(value) <= LONGEST_ID else None


def _id(row: Any) -> int | None:
    return whole(_get(row, "id"))


def _size(value: Any) -> int | None:
    """A side in px; 0 where none is given, None where it is impossible."""
    if value is None:
        return 0
    side = whole(value)
    return side if side is not None and 0 < side < 2**31 else None
