"""Open Images' boxes: CSV tables beside folders of images.

Format: Kuznetsova et al., "The Open Images dataset V4", IJCV 2020, and the site's description of its files
(V4 to V7). A table (`train-annotations-bbox.csv`, `oidv6-train-annotations-bbox.csv`, `validation-...`,
`test-...`) has a row a box: ImageID, LabelName, XMin, XMax, YMin, YMax as shares of the image, and flags.
`IsGroupOf` boxes (more than five instances in one) are ignored; what `IsOccluded` is level 1.
`class-descriptions-boxable.csv` names the labels (`/m/01g317,Person`). Images lie as `train/ID.jpg`,
`train/data/ID.jpg` (FiftyOne's) or `images/train/ID.jpg`.

Frames are the images that are on the disk and have a row: people keep a part of the nine million, and an
image without rows was not searched for boxes. Which classes an image was searched for is not the same for all
images: a class that has no box in one may be there.

Tables are read as streams; memory holds what is known of the images on the disk.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from imitation.common import storage
from imitation.common.settings import DataError, UserError
from imitation.data.images import SUFFIXES
from imitation.data.records import Box, Object
from imitation.datasets.common.json_text import beginning_of, open_text
from imitation.datasets.common.paths import list_name, refuse_link
from imitation.datasets.common.stored import Entry, LooseObjects, StoredReader
from imitation.datasets.common.values import flag, number
from imitation.datasets.openimages.mender import OpenImagesMender

COLUMNS = ("ImageID", "LabelName", "XMin", "XMax", "YMin", "YMax")
NAMES = re.compile(r".*class-descriptions.*\.csv|classes\.csv")
NOT_HERE = "boxes of Open Images' pictures that are not on the disk"
NO_ROW = "pictures without a row in Open Images' tables"
_LISTS = {"train": "train", "validation": "val", "val": "val", "test": "test"}


class OpenImagesReader(StoredReader):
    """Open Images (see the module)."""

    kind = "openimages"
    name = "Open Images"
    title = "Open Images tables"
    Mender = OpenImagesMender

    @classmethod
    def signs(cls, root: str) -> str | None:
        found = [uri for uris in _tables(root).values() for uri in uris]
        return f"boxes in {storage.name_of(found[0])}" if found else None

    @cached_property
    def _tables(self) -> dict[str | None, list[str]]:
        found = _tables(self.root)
        if not found:
            raise UserError(
                f"{self.root}: no table of boxes ({', '.join(COLUMNS[:3])}, ...) called "
                "train-annotations-bbox.csv or the like: not Open Images"
            )
        return found if len(found) > 1 else {None: next(iter(found.values()))}

    @property
    def _root(self) -> str:
        return self.root if storage.is_folder(self.root) else storage.parent(self.root)

    @cached_property
    def _names(self) -> dict[str, str]:
        """LabelName -> what it is called."""
        for folder in _folders(self._root):
            for uri in storage.list_files(folder, ".csv"):
                if NAMES.fullmatch(storage.name_of(uri)):
                    rows = csv.reader(io.StringIO(storage.read_text(uri)))
                    return {row[0]: row[1] for row in rows if len(row) > 1 and row[1]}
        return {}

    def _where(self, name: str | None) -> str:
        uris = self._tables.get(name) or [self.root]
        return uris[0]

    def _image_folders(self, name: str | None) -> Iterable[str]:
        return [self._root]

    def _on_disk(self, name: str | None) -> dict[str, str]:
        """ImageID -> the picture's path from the root, of a list's folders."""
        called = [word for word, of in _LISTS.items() if name in (of, None)]
        places = [(*parts,) for word in called for parts in ((word,), (word, "data"), ("images", word))]
        if name is None:
            places += [("images",), ("data",), ()]
        found: dict[str, str] = {}
        for parts in places:
            folder = storage.join(self._root, *parts)
            for uri in storage.list_files(folder) if storage.is_folder(folder) else ():
                stem, _, ending = storage.name_of(uri).rpartition(".")
                if f".{ending.lower()}" in SUFFIXES:
                    found.setdefault(stem, storage.relative(uri, self._root))
        return found

    def _entries(self) -> Iterator[Entry | DataError]:
        for name, uris in self._tables.items():
            pictures = self._on_disk(name)
            if not pictures:
                yield DataError(uris[0], f"none of its pictures lies in {name or 'train'}/ or images/")
                continue
            try:
                yield from self._of_list(name, uris, pictures)
            except DataError as error:
                yield error

    def _of_list(
        self, name: str | None, uris: list[str], pictures: dict[str, str]
    ) -> Iterator[Entry | DataError]:
        rows = {image: row for row, image in enumerate(pictures)}
        loose = LooseObjects()
        bad_rows: dict[int, list[DataError]] = {}
        searched: set[int] = set()
        for uri in uris:
            refuse_link(uri, storage.parent(uri), self._root)
            for where, said in _rows(uri):
                if isinstance(said, DataError):
                    yield said
                    continue
                if (owner := rows.get(said["ImageID"])) is None:
                    self.left_out[NOT_HERE] += 1
                    continue
                searched.add(owner)
                try:
                    loose.add(owner, self._object(said, where))
                except DataError as error:
                    bad_rows.setdefault(owner, []).append(error)
        if len(searched) < len(pictures):
            self.left_out[NO_ROW] += len(pictures) - len(searched)
        objects = loose.by_owner(len(pictures))
        for owner, ((image, place), held) in enumerate(zip(pictures.items(), objects)):
            if owner in searched:
                bad = bad_rows.get(owner, ())
                yield Entry(place, held, list=name, frame_id=image, shares=True, bad_rows=bad)

    def _object(self, said: Mapping[str, Any], where: str) -> Object:
        x1, x2, y1, y2 = (number(said[column], column, where) for column in COLUMNS[2:])
        group = flag(said.get("IsGroupOf"), "IsGroupOf", where)
        hidden = said.get("IsOccluded")
        level = None if hidden in (None, "", "-1") else int(flag(hidden, "IsOccluded", where))
        if not (label := said["LabelName"]):
            raise DataError(where, "LabelName is empty")
        name = self._names.get(label, label)
        return Object(name, Box(x1, y1, x2, y2), ignore=group, occlusion_level=level)


def _rows(uri: str) -> Iterator[tuple[str, dict[str, Any] | DataError]]:
    """Where each row stands, and its columns, or what is wrong with it as a row."""
    with storage.data_errors(uri, "table"), open_text(uri) as source:
        text = io.TextIOWrapper(source, encoding="utf-8", errors="replace", newline="")
        table = csv.DictReader(text)
        try:
            for said in table:
                where = f"{uri}:{table.line_num}"
                if any(said[column] is None for column in COLUMNS) or None in said:
                    yield where, DataError(where, f"is no row of {len(table.fieldnames or ())} columns")
                else:
                    yield where, said
        except csv.Error as error:  # a field without end
            raise DataError(f"{uri}:{table.line_num}", f"is no CSV: {error}") from None
        finally:
            text.detach()


def _folders(root: str) -> list[str]:
    """Where tables may lie: the root, and folders in it and in those."""
    if not storage.is_folder(root):
        return [storage.parent(root)]
    places = [root, *storage.list_folders(root)]
    return places + [
        below
        for folder in places[1:]
        for below in storage.list_folders(folder)
        if storage.name_of(below) in ("labels", "metadata")
    ]


def _tables(root: str) -> dict[str | None, list[str]]:
    """List -> its tables of boxes."""
    uris = [root] if root.endswith(".csv") else []
    if storage.is_folder(root):
        uris = [uri for folder in _folders(root) for uri in storage.list_files(folder, ".csv")]
    found: dict[str | None, list[str]] = {}
    for uri in uris:
        if not beginning_of(uri).startswith(b"ImageID,") or b"XMin" not in beginning_of(uri):
            continue
        words = re.split(r"[^a-z]+", storage.name_of(uri).lower())
        if storage.is_folder(root):
            words += storage.relative(uri, root).split("/")
        of = next((_LISTS[list_name(one)] for one in words if list_name(one) in _LISTS), None)
        found.setdefault(of, []).append(uri)
    return found
