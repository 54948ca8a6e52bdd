"""Ultralytics' NDJSON: one file of JSON lines beside the images, in place of a text file for each.

The first line (`"type": "dataset"`) names the classes, every other (`"type": "image"`) an image: its `file`,
its `split` and its `annotations`, rows of numbers as in YOLO's text files under `boxes` or `segments`.
Addresses (`url`) are not fetched: the image has to be there, beside the file, in `images/` or in
`images/<split>/`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from imitation.common import storage
from imitation.common.settings import DataError, UserError
from imitation.common.texts import lines_of, shown
from imitation.datasets.common.paths import inside, list_name, outside_reason
from imitation.datasets.yolo.data_yaml import classes_of
from imitation.datasets.yolo.labels import YoloClasses

ENDING = ".ndjson"


@dataclass
class NdjsonList:
    """One split: image files and YOLO's text of their labels by frame id (with the line that they stand in),
    and what belongs to no frame."""

    images: dict[str, str] = field(default_factory=dict)
    texts: dict[str, tuple[str, str]] = field(default_factory=dict)
    faults: dict[str, DataError] = field(default_factory=dict)
    strays: list[DataError] = field(default_factory=list)


def find_ndjson(root: str) -> str | None:
    """The one .ndjson file of a folder, or the root where it is one."""
    if not storage.is_folder(root):
        return root if root.endswith(ENDING) else None
    found = storage.list_files(root, ENDING)
    return found[0] if len(found) == 1 else None


def read_ndjson(uri: str) -> tuple[YoloClasses, dict[str, NdjsonList]]:
    """The classes and the lists of a file. Raises `UserError` where it names no classes; what is wrong with
    single lines is kept with their list."""
    classes: YoloClasses | None = None
    lists: dict[str, NdjsonList] = {}
    for where, row in _rows(uri):
        if isinstance(row, DataError):
            lists.setdefault("train", NdjsonList()).strays.append(row)
        elif row.get("type") == "dataset":
            classes = classes_of({"names": row.get("class_names")}, where)
        elif row.get("type") == "image":
            split = row.get("split")
            name = list_name(split) if isinstance(split, str) and split else "train"
            _add(lists.setdefault(name, NdjsonList()), row, where, storage.parent(uri), str(split))
    if classes is None:
        raise UserError(f'{uri}: no line says "type": "dataset" with class_names: not Ultralytics\' NDJSON')
    return classes, lists


def _rows(uri: str) -> Iterator[tuple[str, dict[str, Any] | DataError]]:
    for number, line in enumerate(lines_of(storage.read_text(uri)), start=1):
        where = f"{uri}:{number}"
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield where, DataError(where, f"is no JSON: {error}")
            continue
        yield where, row if isinstance(row, dict) else DataError(where, f"is {shown(row)}, not an object")


def _add(listed: NdjsonList, row: dict[str, Any], where: str, folder: str, split: str) -> None:
    name = row.get("file")
    if reason := outside_reason(name):
        listed.strays.append(DataError(where, f"file {shown(name)} {reason}"))
        return
    assert isinstance(name, str)
    frame_id = name.rpartition(".")[0].replace("/", "_")
    if frame_id in listed.images:
        listed.faults[frame_id] = DataError(where, f"file {shown(name)} already stands in the list; keep one")
        return
    places = [folder, storage.join(folder, "images"), storage.join(folder, "images", split)]
    try:
        uris = [inside(place, name, where) for place in places if storage.is_folder(place)]
    except DataError as error:
        listed.strays.append(error)
        return
    listed.images[frame_id] = next((uri for uri in uris if storage.exists(uri)), uris[0])
    labels = row.get("annotations") or {}
    rows = (
        [r for kind in ("boxes", "segments") for r in (labels.get(kind) or ())]
        if isinstance(labels, dict)
        else None
    )
    if rows is None or not all(isinstance(r, list) for r in rows):
        what = f"annotations {shown(labels)} are no lists of numbers under boxes or segments"
        listed.faults[frame_id] = DataError(where, what)
        return
    text = "\n".join(" ".join(str(value) for value in r) for r in rows)
    listed.texts[frame_id] = (where, text)
