"""Hugging Face's datasets of boxes.

Format: the documentation of `datasets` (ImageFolder with metadata, Parquet, features) and its guide to object
detection. Two layouts. Parquet files, `data/train-00000-of-00002.parquet` or in folders called as lists, have
a column `image` with bytes (and a path). Or pictures lie beside a `metadata.jsonl` (or `metadata.parquet`),
which names each as `file_name`, in the root or in `train/`, `validation/`, `test/`.

A row's boxes stand under `objects`: lists side by side (`{"bbox": [...], "category": [...]}`) or a list of
objects. Categories are names, or numbers whose names the dataset's features give (`ClassLabel`), else are
called by their number. A box is x, y, width, height in px, as in the guide; other forms are found out and
named, and read with `data.options.boxes`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np
from pydantic import Field

from imitation.common import storage
from imitation.common.settings import DataError, Settings, UserError
from imitation.common.texts import shown
from imitation.data.images import image_size, size_of_file
from imitation.data.records import Frame, Object
from imitation.datasets.base import DatasetReader
from imitation.datasets.common.box_forms import BOX_FORMS, BoxForm, box_of, misread_boxes
from imitation.datasets.common.left_out import refuse
from imitation.datasets.common.paths import inside
from imitation.datasets.common.roles import Splits, test_as_val
from imitation.datasets.common.stored import id_of
from imitation.datasets.common.validation import FrameChecker, Problems, handled
from imitation.datasets.common.values import side
from imitation.datasets.huggingface.features import CATEGORIES, class_names
from imitation.datasets.huggingface.objects import (
    BOXES,
    CONDITIONS,
    CROWD,
    OBJECTS,
    boxes_of,
    conditions_of,
    holds_boxes,
)
from imitation.datasets.huggingface.parts import METADATA, Part, find_parts, open_part, rows_of
from imitation.datasets.numbering import Numbering

SAVED = ("dataset_dict.json", "state.json")  # of what `save_to_disk` wrote, which the reader tells to convert
LOOKED_AT = 32  # rows by which boxes that are misread are found out


class HuggingFaceOptions(Settings):
    """What can be set of Hugging Face's datasets alone."""

    boxes: BoxForm = Field("xywh", description=BOX_FORMS)
    objects: str | None = Field(
        None, description="the column that holds the boxes; null: objects, annotations, ..., or a row's own"
    )
    category: str | None = Field(
        None, description="what every object is called where the dataset has no categories"
    )
    sequence: str | None = Field(None, description="the column that says a row's drive or video")


@dataclass
class _Listed:
    """The frames of one list: id -> part and row; and what belongs to none."""

    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    strays: list[DataError] = field(default_factory=list)


class HuggingFaceReader(DatasetReader):
    """A Hugging Face dataset (see the module). `root` is its folder, or one Parquet or metadata file. Splits
    are those of its file names, with `test` as `val` where there is none; else cut by seed. A frame's id is
    its `image_id` where each has its own, its picture's name beside metadata, else its row's number."""

    kind = "huggingface"
    name = "Hugging Face"
    title = "Hugging Face dataset"
    convention = "visible"
    Options = HuggingFaceOptions
    options: HuggingFaceOptions

    @classmethod
    def signs(cls, root: str) -> str | None:
        known = root.endswith((".parquet", "metadata.jsonl"))
        for uri in find_parts(root)[:1] if storage.is_folder(root) or known else ():
            try:
                part = open_part(uri, root)
            except DataError:
                return None
            ours = "frame_id" in part.columns
            if not ours and _image_column(part.columns) and holds_boxes(part.columns):
                return f"{_image_column(part.columns)} and boxes in {storage.name_of(uri)}"
        return None

    @classmethod
    def hints(cls, root: str) -> str | None:
        names = (name for name in SAVED if storage.is_folder(root))
        return next((name for name in names if storage.exists(storage.join(root, name))), None)

    @cached_property
    def _opened(self) -> tuple[list[Part], list[DataError]]:
        parts: list[Part] = []
        faults: list[DataError] = []
        for uri in find_parts(self.root):
            try:
                part = open_part(uri, self.root)
                self._refuse_other_columns(part)
                parts.append(part)
            except DataError as error:
                faults.append(error)
        if not parts and faults:
            raise faults[0]
        if not parts:
            raise UserError(
                f"{self.root}: no {' or '.join(METADATA)} beside images, and no .parquet file here, in data/ "
                "or in train/, validation/, test/: not a Hugging Face dataset (what save_to_disk wrote is "
                "Arrow: write it with to_parquet)"
            )
        return parts, faults

    def _refuse_other_columns(self, part: Part) -> None:
        has = shown(list(part.columns[:12]))
        if not _image_column(part.columns):
            raise DataError(part.uri, f"has no column image or file_name; it has {has}")
        if self.options.objects is not None and self.options.objects not in part.columns:
            raise DataError(part.uri, f"has no column {self.options.objects!r} (data.options.objects); {has}")
        if self.options.objects is None and not holds_boxes(part.columns):
            what = f"has no column of boxes ({', '.join(OBJECTS)} or {', '.join(BOXES)}); it has {has}"
            raise DataError(part.uri, f"{what}; name it as data.options.objects")

    @property
    def _parts(self) -> list[Part]:
        return self._opened[0]

    @cached_property
    def _classes(self) -> dict[str, list[str]]:
        root = self.root if storage.is_folder(self.root) else storage.parent(self.root)
        folders = list(dict.fromkeys([root, storage.parent(root), *(part.folder for part in self._parts)]))
        return class_names(self._parts[0].schema, folders)

    def numbering(self) -> Numbering | None:
        names = next((self._classes[name] for name in CATEGORIES if name in self._classes), None)
        return None if names is None else Numbering("yolo", {name: i for i, name in enumerate(names)})

    @cached_property
    def _listed(self) -> dict[str | None, _Listed]:
        lists = {part.list for part in self._parts}
        named = len(lists) > 1 and None not in lists
        taken = test_as_val(lists)
        found: dict[str | None, _Listed] = {}
        for place, part in enumerate(self._parts):
            listed = found.setdefault(taken[part.list] if named else None, _Listed())
            try:
                for row, frame_id in self._ids(part, len(listed.places)):
                    if frame_id in listed.places:
                        other = listed.places[frame_id]
                        where = self._parts[other[0]].where(other[1])
                        what = f"{shown(frame_id)} already stands in {where}; remove one"
                        listed.strays.append(DataError(part.where(row), what))
                        continue
                    listed.places[frame_id] = (place, row)
            except DataError as error:
                listed.strays.append(error)
        next(iter(found.values())).strays.extend(self._opened[1])
        return found

    def _ids(self, part: Part, before: int) -> Iterator[tuple[int, str]]:
        """Each row's number and its frame's id."""
        if "file_name" in part.columns and "image" not in part.columns:
            for row, said in rows_of(part, ["file_name"]):
                name = None if isinstance(said, DataError) else said.get("file_name")
                if isinstance(name, str) and name:
                    yield row, id_of(name)
                else:
                    yield row, f"row {row}"  # reading says what is wrong with it
            return
        own: list[str] = []
        if "image_id" in part.columns:
            own = [
                str(said.get("image_id"))
                for _, said in rows_of(part, ["image_id"])
                if isinstance(said, Mapping)
            ]
        if self._own_ids and len(own) == part.rows:
            yield from enumerate(own)
        else:
            yield from ((row, f"{before + row:06d}") for row in range(part.rows))

    @cached_property
    def _own_ids(self) -> bool:
        """Whether each row has an `image_id` of its own."""
        seen: set[str] = set()
        for part in self._parts:
            if "image_id" not in part.columns:
                return False
            own = [
                said.get("image_id") for _, said in rows_of(part, ["image_id"]) if isinstance(said, Mapping)
            ]
            known = {str(one) for one in own if isinstance(one, int | str) and one != ""}
            if len(known) < len(own) or known & seen:
                return False
            seen |= known
        return True

    @cached_property
    def _rows(self) -> dict[str, tuple[int, int]]:
        """frame_id -> part and row."""
        every = [(name, i, at) for name, listed in self._listed.items() for i, at in listed.places.items()]
        alike = len({i for _, i, _ in every}) < len(every)
        return {f"{name}_{i}" if alike else i: at for name, i, at in every}

    def _cut(self) -> Splits:
        self._refuse_other_boxes()
        by_list: dict[str | None, dict[str, str | None]] = {name: {} for name in self._listed}
        names = {at: name for name, listed in self._listed.items() for at in listed.places.values()}
        drives = self._drives()
        for frame_id, at in self._rows.items():
            by_list[names[at]][frame_id] = drives.get(at)
        return self._by_lists_or_seed(by_list, self.root)

    def _drives(self) -> dict[tuple[int, int], str]:
        column, found = self.options.sequence, dict[tuple[int, int], str]()
        if column is None:
            return found
        for place, part in enumerate(self._parts):
            if column not in part.columns:
                raise UserError(f"{part.uri}: has no column {column!r} (data.options.sequence)")
            for row, said in rows_of(part, [column]):
                if isinstance(said, Mapping) and said.get(column) is not None:
                    found[(place, row)] = str(said[column])
        return found

    def _refuse_other_boxes(self) -> None:
        if self.options.boxes != "xywh":
            return
        part = self._parts[0]
        boxes: list[Sequence[float]] = []
        sizes: list[tuple[int, int]] = []
        for row, said in rows_of(part, part.columns, range(min(part.rows, LOOKED_AT))):
            try:
                if isinstance(said, DataError):
                    continue
                four = [box for box, _, _ in self._boxes(said, part.where(row))]
                size = self._picture(part, said, part.where(row))[2:]
            except (DataError, storage.StorageError):
                continue  # told where the row is read
            boxes += four
            sizes += [size] * len(four)
        if boxes and (told := misread_boxes(np.array(boxes), np.array(sizes))):
            raise DataError(part.uri, told)

    def chunks(self, split: str, size: int) -> Iterator[list[str]]:
        for chunk in super().chunks(split, size):
            yield from _by_part(chunk, self._rows).values()

    def place_of(self, split: str, frame: Frame) -> str:
        place, row = self._rows[frame.frame_id]
        return frame.image_uri or self._parts[place].where(row)

    def _read(self, split: str, wanted: Sequence[str], problems: Problems | None) -> Iterator[Frame]:
        check = FrameChecker(self.bad_row)
        for place, names in _by_part(wanted, self._rows).items():
            part, ids = self._parts[place], {self._rows[name][1]: name for name in names}
            drive = {self.options.sequence} if self.options.sequence else set()
            columns = {*self._columns(part), *drive}
            try:
                for row, said in rows_of(part, columns, ids):
                    make = partial(self._row, part, row, said, ids[row], check)
                    yield from handled([make], problems)
            except DataError as error:
                if problems is None:
                    raise
                problems(error)

    def _columns(self, part: Part) -> list[str]:
        wanted = ("image", "file_name", "width", "height", *CONDITIONS, *BOXES, *CATEGORIES, *CROWD)
        column = self.options.objects or next((name for name in OBJECTS if name in part.columns), None)
        return [name for name in part.columns if name in wanted or name == column]

    def _row(
        self, part: Part, row: int, said: Mapping[str, Any] | DataError, frame_id: str, check: FrameChecker
    ) -> Frame:
        if isinstance(said, DataError):
            raise said
        where = part.where(row)
        image, uri, width, height = self._picture(part, said, where)
        objects = [
            Object(category, box_of(four, self.options.boxes, width, height), ignore=ignore)
            for four, category, ignore in self._boxes(said, where, check.bad)
        ]
        drive = said.get(self.options.sequence) if self.options.sequence else None
        frame = Frame(
            frame_id,
            width,
            height,
            tuple(objects),
            sequence=None if drive is None else str(drive),
            image=image,
            image_uri=uri,
            conditions=conditions_of(said, self._classes),
        )
        return check.passed(frame, where)

    def _boxes(
        self, said: Mapping[str, Any], where: str, bad: Problems = refuse
    ) -> Iterator[tuple[list[float], str, bool]]:
        return boxes_of(said, self.options.objects, self._classes, self.options.category, where, bad)

    def _picture(
        self, part: Part, said: Mapping[str, Any], where: str
    ) -> tuple[bytes | None, str | None, int, int]:
        """A row's image as bytes or as a place, and its size, px: what the row says, else the picture."""
        image: Any = said.get("image")
        name: Any = said.get("file_name")
        if isinstance(image, Mapping):
            image, name = image.get("bytes"), image.get("path")
        elif isinstance(image, str):
            image, name = None, image
        width, height = (side(said.get(what), what, where) for what in ("width", "height"))
        if isinstance(image, bytes):
            if not (width and height):
                width, height = image_size(image, where)
            return image, None, width, height
        if not isinstance(name, str) or not name:
            raise DataError(where, f"has no image (bytes, or the path of a file): {shown(name or image)}")
        uri = inside(part.folder, name, where)
        return None, uri, *((width, height) if width and height else size_of_file(uri))


def _image_column(columns: Sequence[str]) -> str | None:
    return next((name for name in ("image", "file_name") if name in columns), None)


def _by_part(names: Sequence[str], rows: Mapping[str, tuple[int, int]]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for name in names:
        found.setdefault(rows[name][0], []).append(name)
    return found
