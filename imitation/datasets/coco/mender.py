"""What can be mended of COCO data."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from imitation.common import storage
from imitation.common.settings import DataError
from imitation.common.texts import shown
from imitation.data.records import Box, Object
from imitation.datasets.coco.index import CocoIndex, image_key, read_coco
from imitation.datasets.coco.masks import box_of_mask
from imitation.datasets.coco.misread import layout_of_boxes
from imitation.datasets.coco.text import bbox_fault, four_numbers, is_crowd, is_finite, whole
from imitation.datasets.common.left_out import BOXES, CATEGORIES, DOUBLES, NO_AREA, RANGES
from imitation.datasets.common.paths import inside, outside_reason, tail_in
from imitation.datasets.common.validation import object_fault
from imitation.datasets.mending.mender import JUDGING, LEAK, LEAST_ROWS, Mender
from imitation.datasets.mending.sizes import SIZED, fits

if TYPE_CHECKING:
    from imitation.datasets.coco.reader import CocoReader

CROWD = "iscrowd written as 0 or 1"
NUMBERS = "ids written as whole numbers"
NEW_IDS = "annotations given ids of their own"
OF_MASK = "boxes taken from the segmentation"
BOXED = "boxes written as corner and size in px"
RELATIVE = "paths that lead elsewhere written from the folder of the pictures"
FOUR = "boxes written as four numbers"
BY_NAME = "images that annotations name by their file given by their id"
CATEGORY_BY_NAME = "categories that annotations name given by their id"
TURNED = "boxes with a negative size written from their other corner"
NAMED = "file names spelled as on the disk"
NO_IMAGE = "left out: images that cannot be used, with their annotations"
NO_OWNER = "left out: annotations of no image"
NO_CATEGORY = "left out: categories without id or name, or that stand twice"

Row = dict[str, Any]


class CocoMender(Mender):
    """Annotation files row by row, and pictures. A file with anything wrong is written anew as a whole."""

    dataset: CocoReader

    def look(self) -> None:
        files = [_File(self, name, uri) for name, uri in self.dataset._files.items()]
        for file in files:
            file.mend_images()
        pictures = {str(file.name): list(file.pictures) for file in files}
        judged = {picture for name in JUDGING for picture in pictures.get(name, ())}
        twins = set(self.twins(pictures))
        for file in files:
            if len(files) > 1 and file.name not in JUDGING:
                for picture in [p for p in file.pictures if p in judged or p in twins]:
                    file.forget(picture, LEAK)
            file.mend_annotations()
            if file.changed:
                self.put(file.uri, json.dumps(file.data, ensure_ascii=False).encode())


class _File:
    """One annotation file, as it is and as it becomes."""

    def __init__(self, mender: CocoMender, name: str | None, uri: str) -> None:
        self.mender, self.name, self.uri = mender, name, uri
        self._index: CocoIndex = read_coco(uri)  # which says what is no COCO at all
        called = [text.replace("\\", "/").rpartition("/")[2] for text in self._index.names]
        nowhere = bool(called) and all(map(outside_reason, self._index.names))
        self.folder = mender.dataset._folder_of(name, self._index, called if nowhere else ())
        self.data: Row = json.loads(storage.read_text(uri))
        self.pictures: dict[str, int | str] = {}  # -> the image's id
        self._sizes: dict[int | str, tuple[int, int]] = {}
        self._forgotten: set[int | str] = set()
        self._said = 0

    @property
    def changed(self) -> bool:
        return self._said > 0

    def _say(self, where: str, what: str, before: Any = None, after: Any = None) -> None:
        self._said += 1
        self.mender.changes.add(self.mender.name(self.uri), where, what, before, after)

    def forget(self, picture: str, what: str) -> None:
        """Takes an image out of the file."""
        key = self.pictures.pop(picture)
        self._sizes.pop(key)
        self._say(f"image id {shown(key)}", what, picture)
        self._forgotten.add(key)

    def mend_images(self) -> None:
        """Keeps the images that can be used, each with a number or text of its own as id, a file that is
        there, and that file's size."""
        rows = list(self._images())
        labelled = {picture: _size(row) for row, picture in rows}
        boxes = self._boxes_of({row["id"] for row, _ in rows})
        fine = {one.uri: one for one in self.mender.pictures(labelled.items(), {})}
        kept = []
        for row, picture in rows:
            where, key = f"image id {shown(row['id'])}", row["id"]
            if (found := fine.get(picture)) is None:  # that was said of the picture
                self._said += 1
                continue
            assert found.size is not None
            said = labelled[picture]
            if said is not None and said != found.size:
                if not fits(said, found.size, boxes.get(key, [])):
                    what = f"it is {found.size[0]}x{found.size[1]} px, but labelled as {said}"
                    self._say(where, NO_IMAGE, what)
                    self.mender.lose(f"{self.uri}: {where}", what)
                    self.mender.remove(picture)
                    continue
                self._say(where, SIZED, said, found.size)
                row["width"], row["height"] = found.size
            kept.append(row)
            self.pictures[picture] = key
            self._sizes[key] = found.size
        self.data["images"] = kept

    def _images(self) -> Iterator[tuple[Row, str]]:
        """The images of which all is sound but perhaps the picture."""
        rows = self.data["images"]
        times = Counter(image_key(row.get("id")) if isinstance(row, dict) else None for row in rows)
        names: set[str] = set()
        for number, row in enumerate(rows):
            key = image_key(row.get("id")) if isinstance(row, dict) else None
            where = f"image number {number}" if key is None else f"image id {shown(key)}"
            if key is None or times[key] > 1:
                self._say(where, NO_IMAGE, "it has no id" if key is None else "its id stands twice")
                continue
            try:
                self._relative(row, where)
                picture = inside(self.folder, row.get("file_name"), where)
                if any(_size(row, side) is False for side in ("width", "height")):
                    raise DataError(where, f"its size is {row.get('width')} x {row.get('height')}")
            except DataError as error:
                self._say(where, NO_IMAGE, error.what)
                self.mender.lose(f"{self.uri}: {where}", error.what, more=1)
                continue
            if picture != storage.join(self.folder, row["file_name"].replace("\\", "/")):
                new = picture.removeprefix(self.folder).lstrip("/")
                self._say(where, NAMED, row["file_name"], new)
                row["file_name"] = new
            if picture in names:
                self._say(where, NO_IMAGE, f"{row['file_name']} already belongs to another image")
                continue
            names.add(picture)
            self._number(row, "id", key, where)
            yield row, picture

    @cached_property
    def _elsewhere(self) -> dict[str, str]:
        """Paths that lead elsewhere -> their last parts that are there; of two that end alike neither."""
        found: dict[str, str] = {}
        for name in filter(outside_reason, self._index.names):
            if (tail := tail_in(self.folder, name)) is not None:
                found[name] = tail
        times = Counter([*found.values(), *self._index.names])
        return {name: tail for name, tail in found.items() if times[tail] == 1}

    @cached_property
    def _by_name(self) -> dict[str, int | str]:
        """The images' ids by file name, with folders and ending and without, where only one is called so."""
        found: dict[str, set[int | str]] = {}
        for place, name in enumerate(self._index.names):
            last = name.replace("\\", "/").rpartition("/")[2]
            for called in (name, last, last.rpartition(".")[0]):
                found.setdefault(called, set()).add(self._index.key(place))
        return {called: next(iter(keys)) for called, keys in found.items() if called and len(keys) == 1}

    def _relative(self, row: Row, where: str) -> None:
        """Of a path that leads elsewhere, the last parts that are there."""
        name = row.get("file_name")
        if isinstance(name, str) and (tail := self._elsewhere.get(name)) is not None:
            self._say(where, RELATIVE, name, tail)
            row["file_name"] = tail

    def _number(self, row: Row, name: str, key: int | str, where: str) -> None:
        """Writes an id as the number that it is."""
        if type(row[name]) is not type(key):
            self._say(where, NUMBERS, f"{name} {row[name]!r}", key)
            row[name] = key

    def _boxes_of(self, keys: set[int | str]) -> dict[int | str, list[Box]]:
        index, found = self._index, {}
        for place in range(len(index.names)):
            if (key := index.key(place)) in keys:
                four = index.boxes[index.starts[place] : index.starts[place + 1]].tolist()
                found[key] = [Box(x, y, x + w, y + h) for x, y, w, h in four]
        return found

    def mend_annotations(self) -> None:
        self.data["images"] = [row for row in self.data["images"] if row["id"] not in self._forgotten]
        names = self._categories()
        options = self.mender.dataset.options.boxes
        layout = layout_of_boxes(self._index) if options == "xywh" else options
        kept: list[Row] = []
        seen: dict[int | str, list[Object]] = {}
        listed = {self._index.key(place) for place in range(len(self._index.names))}
        for number, row in enumerate(self.data.get("annotations") or ()):
            self.mender.rows += 1
            said = row.get("id") if isinstance(row, dict) else None
            where = f"annotation number {number}" if said is None else f"annotation id {shown(said)}"
            owner = image_key(row.get("image_id")) if isinstance(row, dict) else None
            if isinstance(owner, str) and owner not in listed and owner in self._by_name:
                self._say(where, BY_NAME, owner, self._by_name[owner])
                owner = row["image_id"] = self._by_name[owner]
            if owner is None or owner not in self._sizes:
                self._said += 1
                if owner is None or owner not in listed:
                    self._say(where, NO_OWNER, row)
                continue
            if (why := self._mend(row, owner, names, layout, seen.setdefault(owner, []), where)) is not None:
                self._say(where, f"left out: {why}", row)
                self.mender.bad_rows += why not in (NO_AREA, DOUBLES)
                continue
            kept.append(row)
        if (count := len(self.data.get("annotations") or ())) >= LEAST_ROWS and not kept:
            self.mender.refuse(
                f"none of the {count:,} annotations of {self.mender.name(self.uri)} can be kept"
            )
        self._ids(kept)
        if "annotations" in self.data:
            self.data["annotations"] = kept

    def _categories(self) -> dict[int, str]:
        """The categories by id, ids that stand for two of them apart."""
        names: dict[int, str] = {}
        kept: list[Row] = []
        double: set[int] = set()
        for number, row in enumerate(self.data["categories"]):
            key, name = (whole(row.get("id")), row.get("name")) if isinstance(row, dict) else (None, None)
            where = f"category number {number}"
            if key is None or not isinstance(name, str) or not name or key in names:
                if key is not None and key in names and names[key] != name:
                    double.add(key)
                self._say(where, NO_CATEGORY, row)
                continue
            names[key] = name
            self._number(row, "id", key, where)
            kept.append(row)
        self.data["categories"] = kept
        return {key: name for key, name in names.items() if key not in double}

    def _mend(
        self,
        row: Row,
        owner: int | str,
        names: dict[int, str],
        layout: str,
        seen: list[Object],
        where: str,
    ) -> str | None:
        """Sets an annotation right; why it is left out, where it cannot be."""
        self._number(row, "image_id", owner, where)
        category = whole(row.get("category_id"))
        if category is None and (of := _only_key(names, row.get("category_id"))) is not None:
            self._say(where, CATEGORY_BY_NAME, row["category_id"], of)
            category = row["category_id"] = of
        if category is None or category not in names:
            return CATEGORIES
        self._number(row, "category_id", category, where)
        if (numbers := four_numbers(row.get("bbox"))) != row.get("bbox"):
            self._say(where, FOUR, row["bbox"], numbers)
            row["bbox"] = numbers
        if not row.get("bbox") and row.get("segmentation"):
            if (of_mask := box_of_mask(row["segmentation"])) is None:
                return BOXES
            self._say(where, OF_MASK, row.get("bbox"), of_mask)
            row["bbox"] = of_mask
        elif layout != "xywh" and not bbox_fault(row.get("bbox")):
            new = _as_sizes(row["bbox"], layout, *self._sizes[owner])
            self._say(where, f"{BOXED} (they were {layout})", row["bbox"], new)
            row["bbox"] = new
        box: Any = row.get("bbox")
        if (turned := _turned(box, *self._sizes[owner])) is not None:
            self._say(where, TURNED, box, turned)
            box = row["bbox"] = turned
        if bbox_fault(box):
            return BOXES
        crowd = {name: is_crowd(row[name]) for name in ("iscrowd", "ignore") if name in row}
        if None in crowd.values():
            return RANGES
        for name, value in crowd.items():
            if type(row[name]) not in (int, bool):
                self._say(where, CROWD, row[name], int(bool(value)))
                row[name] = int(bool(value))
        corner = Box(box[0], box[1], box[0] + box[2], box[1] + box[3])
        obj = Object(names[category], corner, ignore=any(crowd.values()))
        if fault := object_fault(obj, *self._sizes[owner]):
            return fault.reason
        if not corner.area:
            return NO_AREA
        if obj in seen and "imitation" not in row:
            return DOUBLES
        seen.append(obj)
        return None

    def _ids(self, rows: list[Row]) -> None:
        """Gives those annotations an id that have none, or one that another has."""
        used: set[int] = set()
        lacking = []
        for row in rows:
            if (key := whole(row.get("id"))) is None or key in used:
                lacking.append(row)
                continue
            used.add(key)
            if type(row["id"]) is not int:
                self._number(row, "id", key, f"annotation id {shown(row['id'])}")
        number = max(used, default=0)
        for row in lacking:
            number += 1
            self._say(f"annotation id {number}", NEW_IDS, row.get("id"), number)
            row["id"] = number


def _size(row: Row, side: str | None = None) -> Any:
    """The size that an image gives, px; None where it gives none. Of one side: False for what is none."""
    if side is not None:
        value = row.get(side)
        number = whole(value)
        return None if value is None else number if number is not None and 0 < number < 2**31 else False
    width, height = _size(row, "width"), _size(row, "height")
    return (width, height) if width and height else None


def _only_key(names: dict[int, str], said: Any) -> int | None:
    """The id of the one category of a name."""
    keys = [key for key, name in names.items() if name == said]
    return keys[0] if len(keys) == 1 else None


def _turned(box: Any, width: int, height: int) -> list[float] | None:
    """A box that was drawn from another than its left upper corner, from that one: x, y, width, height; None
    for one that is right, or lies out of its image all the same."""
    if not isinstance(box, list) or len(box) != 4 or not all(map(is_finite, box)) or min(box[2:]) >= 0:
        return None
    x, y, across, down = box
    x, y, across, down = x + min(across, 0), y + min(down, 0), abs(across), abs(down)
    return [x, y, across, down] if min(x, y) >= 0 and x + across <= width and y + down <= height else None


def _as_sizes(box: list[float], layout: str, width: int, height: int) -> list[float]:
    """A box of another layout as x, y, width, height in px."""
    if layout.endswith("shares"):
        box = [value * scale for value, scale in zip(box, (width, height, width, height))]
    x, y, right, bottom = box
    return [x, y, right - x, bottom - y] if layout.startswith("xyxy") else [x, y, right, bottom]
