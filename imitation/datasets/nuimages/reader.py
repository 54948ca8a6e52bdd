"""nuImages: 2D boxes on single images, in nuScenes' tables.

Format: its schema, and the development kit of nuScenes. The root holds `samples/` and folders of tables,
`v1.0-train` and `v1.0-val` (these are the lists), or `v1.0-mini`; or is one of these. Boxes are those of
`object_ann`, around what is visible; `surface_ann` and the frames between are not read. A drive's log is its
sequence; the camera and the location are conditions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from imitation.common import storage
from imitation.common.settings import DataError, UserError
from imitation.common.texts import shown
from imitation.data.records import Box, Object
from imitation.datasets.common.stored import Entry, LooseObjects, StoredReader, id_of
from imitation.datasets.common.values import numbers, side, word
from imitation.datasets.nuimages.mender import NuImagesMender
from imitation.datasets.nuscenes.tables import CATEGORIES, Tables, camera_of, find_tables, linked

LISTS = {"v1.0-train": "train", "v1.0-val": "val"}


class NuImagesReader(StoredReader):
    """nuImages (see the module)."""

    kind = "nuimages"
    name = "nuImages"
    title = "nuImages tables"
    Mender = NuImagesMender
    categories = CATEGORIES

    @classmethod
    def signs(cls, root: str) -> str | None:
        found = [name for name, folder in find_tables(root).items() if Tables(folder).has("object_ann")]
        return f"object_ann.json in {', '.join(found)}" if found else None

    @cached_property
    def _versions(self) -> dict[str | None, Tables]:
        found = {name: Tables(folder) for name, folder in find_tables(self.root).items()}
        found = {name: tables for name, tables in found.items() if tables.has("object_ann")}
        lists = {LISTS[name]: tables for name, tables in found.items() if name in LISTS}
        if len(lists) > 1:
            return dict(lists.items())
        if len(found) == 1:
            return {None: next(iter(found.values()))}
        if found:
            raise UserError(f"{self.root}: holds {', '.join(found)}; name one of these folders as data.root")
        raise UserError(
            f"{self.root}: no folder of nuImages' tables (v1.0-mini, v1.0-train, v1.0-val) with an "
            "object_ann.json"
        )

    @staticmethod
    def object_of(said: Mapping[str, Any], categories: Mapping[str, str], where: str) -> Object:
        """What a row of object_ann means. Raises `DataError`."""
        return Object(linked(categories, said, "category_token", where), box_of(said, where))

    def _where(self, name: str | None) -> str:
        return self._versions[name].uri("sample_data")

    def _image_folders(self, name: str | None) -> Iterable[str]:
        folder = self._versions[name].folder
        return [self.root if folder != self.root else storage.parent(self.root)]

    def of_version(self, name: str | None) -> Iterator[Entry | DataError]:
        """What the tables of a list hold."""
        return _of_version(self._versions[name], name)

    def _entries(self) -> Iterator[Entry | DataError]:
        for name, tables in self._versions.items():
            try:
                yield from _of_version(tables, name)
            except DataError as error:
                yield error


def box_of(said: Mapping[str, Any], where: str) -> Box:
    """The box of a row of object_ann. Raises `DataError`."""
    return Box(*numbers(said.get("bbox"), 4, "bbox", where))


def _of_version(tables: Tables, of: str | None) -> Iterator[Entry | DataError]:
    strays: list[DataError] = []
    cameras = tables.cameras(strays.append)
    logs = tables.each("log", lambda said, where: (said.get("logfile"), said.get("location")), strays.append)
    samples = tables.each(
        "sample", lambda said, where: (said.get("key_camera_token"), said, where), strays.append
    )
    keys = {token: (said, where) for token, said, where in samples.values() if isinstance(token, str)}
    entries: dict[str, Entry] = {}
    for where, said in tables.rows("sample_data", strays.append):
        if said["token"] in keys:
            sample, told = keys[said["token"]]

            def entry(said: Mapping[str, Any] = said, where: str = where) -> Entry:
                sensor = camera_of(cameras, said, where)
                drive, place = linked(logs, sample, "log_token", told)  # noqa: B023
                return Entry(
                    word(said.get("filename"), "filename", where),
                    size=(side(said.get("width"), "width", where), side(said.get("height"), "height", where)),
                    list=of,
                    frame_id=id_of(str(said.get("filename")).rpartition("/")[2]),
                    sequence=drive if isinstance(drive, str) else None,
                    conditions={"camera": sensor.channel} | ({"location": str(place)} if place else {}),
                    camera=sensor.camera,
                )

            try:
                entries[said["token"]] = entry()
            except DataError as error:
                entries[said["token"]] = Entry(str(said.get("filename")), list=of, fault=error)
    yield from _with_objects(tables, entries, strays)
    yield from strays


def _with_objects(
    tables: Tables, entries: dict[str, Entry], strays: list[DataError]
) -> Iterator[Entry | DataError]:
    """The entries with their objects, which stand in any order; `strays` get what is no row."""
    categories = tables.names("category", "name", strays.append)
    rows = {token: row for row, token in enumerate(entries)}
    every = list(entries.values())
    loose = LooseObjects()
    for where, said in tables.rows("object_ann", strays.append):
        if (owner := rows.get(str(said.get("sample_data_token")))) is None:
            what = f"its sample_data_token {shown(said.get('sample_data_token'))} is no annotated image"
            yield DataError(where, what)
            continue
        try:
            name = linked(categories, said, "category_token", where)
            loose.add(owner, Object(name, box_of(said, where)))
        except DataError as error:
            every[owner].bad_rows = [*every[owner].bad_rows, error]
    for entry, objects in zip(every, loose.by_owner(len(every))):
        entry.objects = objects
        yield entry
