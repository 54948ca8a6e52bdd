"""COCO's detection annotations: JSON files beside folders of images.

Format: Lin et al., "Microsoft COCO: common objects in context", ECCV 2014, and the site's data format
page. A box is x, y, width, height in px, of what is visible of the object; `iscrowd` regions are
neither to be found nor false to find. Segmentations (polygons or run lengths) are passed over.

Layouts: `annotations/instances_{train,val}*.json` with image folders of the same ending (COCO's own);
`{train,valid,test}/_annotations.coco.json` beside the images (Roboflow's), or `labels.json` there; one JSON
file with images beside it, in `images/` or in `data/` (FiftyOne's).

What `imitation.datasets.coco.writer` puts under the key `imitation` of images and annotations, beyond COCO's
own fields, is read back.

A file is read as a stream into arrays of some fifty bytes an annotation (`CocoIndex`); pixels are not
read. What is wrong with an annotation leaves its frame out: without it the frame's labels would lie.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import pyarrow as pa
from pydantic import Field

from imitation.common import storage
from imitation.common.settings import DataError, Settings, UserError
from imitation.common.texts import shown
from imitation.data.images import size_of_file
from imitation.data.records import (
    OBJECT_TYPE,
    SCHEMA,
    Frame,
    Object,
    conditions_from_row,
    conditions_to_row,
    frame_from_row,
    object_from_row,
)
from imitation.data.splits import LISTS, SplitSettings
from imitation.datasets.base import DatasetReader
from imitation.datasets.coco.index import EXTRA, CocoIndex, read_coco, unpacked
from imitation.datasets.coco.mender import CocoMender
from imitation.datasets.coco.misread import refuse_other_boxes
from imitation.datasets.coco.writer import CocoWriter
from imitation.datasets.common.box_forms import BOX_FORMS, BoxForm, box_of
from imitation.datasets.common.json_text import BEGINNING, beginning_of, has_keys
from imitation.datasets.common.paths import image_places, inside, list_name
from imitation.datasets.common.roles import Splits, same_list
from imitation.datasets.common.validation import FrameChecker
from imitation.datasets.numbering import Numbering

FRAME_KINDS = {field.name: field.type for field in SCHEMA}
OBJECT_KINDS = {field.name: field.type for field in OBJECT_TYPE}
ROBOFLOW = "_annotations.coco.json"
IN_FOLDERS = (ROBOFLOW, "labels.json", "annotations.json")
_NAMED = re.compile(r"(?:.*[_-])?(train|training|minival|val|valid|validation|mine|stop|test)[_-]?\d*")


class CocoOptions(Settings):
    """What can be set of COCO data alone."""

    boxes: BoxForm = Field("xywh", description=BOX_FORMS)


class CocoReader(DatasetReader):
    """COCO annotations (see the module for the layouts). Splits are the files' names where there are
    several (see `assign_roles`), else cut by seed. A frame's id is its image's, which a results file
    names it by; where several files use the same ids, the list's name stands before it (`val_12`). An
    export of ours has the ids of its frames."""

    Options = CocoOptions
    options: CocoOptions
    kind = "coco"
    name = "COCO"
    title = "COCO annotations"
    Writer = CocoWriter
    Mender = CocoMender
    convention = "visible"

    @classmethod
    def signs(cls, root: str) -> str | None:
        if not storage.is_folder(root):
            return storage.name_of(root) if root.endswith(".json") and _is_coco(root) else None
        try:
            files = cls(root, SplitSettings())._files.values()
        except UserError:
            return None
        found = [storage.relative(uri, root) for uri in files if _is_coco(uri)]
        return ", ".join(found[:3]) if found else None

    @cached_property
    def _files(self) -> dict[str | None, str]:
        """List name -> annotation file; None alone for a single file."""
        if not storage.is_folder(self.root):
            return {None: self.root}
        for found in (_in_folders(self.root), _instances(self.root)):
            if found:
                return found
        places = [self.root, storage.join(self.root, "annotations")]
        files = [
            f for place in places if storage.is_folder(place) for f in storage.list_files(place, ".json")
        ]
        if len(files) == 1:
            return {None: files[0]}
        listed = ", ".join(storage.name_of(file) for file in files[:5]) or "no .json file"
        raise UserError(
            f"{self.root}: found {listed}; COCO annotations are annotations/instances_train*.json and "
            f"instances_val*.json, or {{train,valid}}/{ROBOFLOW}, or one JSON file (name it as data.root)"
        )

    @cached_property
    def _listed(self) -> dict[str | None, CocoIndex]:
        listed = {name: read_coco(uri) for name, uri in self._files.items()}
        if self.options.boxes == "xywh":
            for index in listed.values():
                refuse_other_boxes(index)
        return listed

    @cached_property
    def _folders(self) -> dict[str | None, str]:
        """List name -> the folder that its file names count from."""
        return {name: self._folder_of(name, index) for name, index in self._listed.items()}

    def _folder_of(self, name: str | None, index: CocoIndex, called: Sequence[str] = ()) -> str:
        """The folder that file names count from, by those of the index or what they are `called`."""
        here = storage.parent(index.uri)
        stem = storage.name_of(index.uri).removesuffix(".json")
        # longer ones no file system has, nor can be asked for
        names = [
            name
            for name in called or index.names
            if all(len(part.encode("utf-8", "replace")) < 256 for part in name.split("/"))
        ]
        return image_places(self.root, here, [name or "", stem.rpartition("_")[2]], names)

    @cached_property
    def _rows(self) -> dict[str, tuple[str | None, int]]:
        """frame_id -> its list and its image there."""
        places = [(name, row) for name, index in self._listed.items() for row in range(len(index.names))]
        own = [unpacked(self._listed[name].image_extras, row).get("frame_id") for name, row in places]
        if all(isinstance(i, str) and i for i in own) and len(set(own)) == len(own):
            return dict(zip(own, places))  # type: ignore[arg-type]
        ids = [self._listed[name].key(row) for name, row in places]
        alike = len(set(ids)) < len(ids)
        return {f"{place[0]}_{key}" if alike else str(key): place for key, place in zip(ids, places)}

    def image_ids(self, split: str) -> dict[str, int | str]:
        """frame_id -> image_id of a split: by what a results file names a frame."""
        places = ((name, self._rows[name]) for name in self.splits()[split])
        return {frame_id: self._listed[name].key(row) for frame_id, (name, row) in places}

    def image_names(self, split: str) -> dict[int | str, str]:
        """image_id -> file name, of a split's images."""
        places = (self._rows[name] for name in self.splits()[split])
        return {self._listed[name].key(row): self._listed[name].names[row] for name, row in places}

    def category_ids(self, split: str) -> dict[int, str]:
        """category_id -> name, in the annotation file of a split."""
        return self._listed[self._list_of(split)].category_ids

    def numbering(self) -> Numbering | None:
        """The categories' ids; where files disagree, those of the first."""
        numbers: dict[str, int] = {}
        for index in self._listed.values():
            for number, name in index.category_ids.items():
                if number >= 0 and number not in numbers.values():
                    numbers.setdefault(name, number)
        return Numbering(self.kind, numbers)

    def _cut(self) -> Splits:
        by_list: dict[str | None, dict[str, str | None]] = {name: {} for name in self._listed}
        for frame_id, (name, row) in self._rows.items():
            by_list[name][frame_id] = self._sequence(name, row)
        splits = self._by_lists_or_seed(by_list, self.root)
        if None not in by_list:
            self._refuse_shared_images()
        return splits

    def _sequence(self, name: str | None, row: int) -> str | None:
        sequence = unpacked(self._listed[name].image_extras, row).get("sequence")
        return sequence if isinstance(sequence, str) else None

    def _refuse_shared_images(self) -> None:
        """An image that is in two lists under two ids escapes the check of ids."""
        seen: dict[tuple[str, str], str] = {}
        for name, index in self._listed.items():
            for file_name in index.names:
                other = seen.setdefault((self._folders[name], file_name), str(name))
                if other != name and {other, name} != {"train", "mine"}:
                    both = f"the image {shown(file_name)} is in the lists {other!r} and {name!r}"
                    raise UserError(
                        f"{self.root}: {both}; what decides or is reported must not be trained on: remove "
                        "it from one of the two"
                    )

    def _frame(self, split: str, frame_id: str, check: FrameChecker) -> Frame:
        name, row = self._rows[frame_id]
        index = self._listed[name]
        if row in index.faults:
            raise index.faults[row]
        for error in index.bad_rows.get(row, ()):
            self.bad_row(error)
        where = f"{index.uri}: image id {shown(index.key(row))}"
        image = inside(self._folders[name], index.names[row], where)
        width, height = (int(v) for v in index.sizes[row])
        if not (width and height):
            width, height = size_of_file(image)
        size = {"frame_id": frame_id, "width": width, "height": height, "image_uri": image}
        try:
            extras = _typed(unpacked(index.image_extras, row), FRAME_KINDS, where)
            members = range(int(index.starts[row]), int(index.starts[row + 1]))
            frame = replace(
                frame_from_row(extras | size),
                objects=tuple(_object(index, i, where, self.options.boxes, width, height) for i in members),
            )
            return check.passed(frame, where)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            if isinstance(error, DataError):
                raise
            what = f"what stands under {EXTRA!r} is no frame of ours: {shown(error)}"
            raise DataError(where, what) from error


def _is_coco(uri: str) -> bool:
    """Whether one of a file's first keys is COCO's; its end is not looked for."""
    beginning = beginning_of(uri)
    keys = ["images", "annotations"]
    if len(beginning) >= BEGINNING // 2:  # of a small file all can be seen
        keys += ["categories", "info", "licenses"]
    return beginning.startswith(b"{") and any(has_keys(beginning, key) for key in keys)


def _typed(
    extras: dict[str, Any], kinds: Mapping[str, pa.DataType], where: str, of: str = ""
) -> dict[str, Any]:
    """Fields of ours, as they are. Raises `DataError` for one that the contract could not hold."""
    for name, value in extras.items():
        try:
            row = conditions_to_row(conditions_from_row(value)) if name == "conditions" else value
            fits = _same(row, pa.array([row], kinds[name])[0].as_py()) and (name != "box" or row is not None)
        except (pa.ArrowException, TypeError, ValueError, AttributeError, OverflowError):
            fits = False
        if not fits:
            raise DataError(where, f"the {name} under {EXTRA!r}{of} is {shown(value)}, which it cannot be")
    return extras


def _same(value: Any, held: Any) -> bool:
    """Whether a column holds the value as it is: Arrow cuts 1.5 to 1 without a word."""
    if isinstance(value, dict) and isinstance(held, dict):
        return all(name not in held or held[name] == one for name, one in value.items())
    return bool(value == held)


def _object(index: CocoIndex, row: int, where: str, written: BoxForm, width: int, height: int) -> Object:
    category, ignore = index.category_names[index.categories[row]], bool(index.crowd[row])
    box = box_of(index.boxes[row].tolist(), written, width, height)
    if not (extras := unpacked(index.extras, row)):
        return Object(category, box, ignore=ignore)
    extras = _typed(extras, OBJECT_KINDS, where, f" of bbox {index.boxes[row].tolist()}")
    return object_from_row({"box": box._asdict()} | extras | {"category": category, "ignore": ignore})


def _in_folders(root: str) -> dict[str | None, str]:
    """The annotation files of folders that are named after a list."""
    files: dict[str | None, str] = {}
    for folder in storage.list_folders(root):
        name = list_name(storage.name_of(folder))
        uris = [uri for file in IN_FOLDERS if storage.exists(uri := storage.join(folder, file))]
        if name in LISTS and uris:
            if name in files:
                raise UserError(same_list(uris[0], storage.parent(files[name]), name))
            files[name] = uris[0]
    return files


def _instances(root: str) -> dict[str | None, str]:
    """The files of `annotations/` or of the root that are named after a list; `instances_*` before others."""
    for folder in (storage.join(root, "annotations"), root):
        if not storage.is_folder(folder):
            continue
        uris = storage.list_files(folder, ".json")
        chosen = [uri for uri in uris if storage.name_of(uri).startswith("instances_")] or uris
        files: dict[str | None, str] = {}
        for uri in chosen:
            match = _NAMED.fullmatch(storage.name_of(uri).removesuffix(".json"))
            if match is None:
                continue
            name = list_name(match[1])
            if name in files:
                raise UserError(same_list(uri, files[name], name))
            files[name] = uri
        if len(files) > 1:
            return files
    return {}
