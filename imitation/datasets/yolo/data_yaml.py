"""A YOLO dataset's data.yaml: its classes, and where the images of each list lie."""

from __future__ import annotations

import os
from typing import Any

from imitation.common import storage
from imitation.common.settings import UserError
from imitation.common.texts import shown
from imitation.data.splits import LISTS
from imitation.datasets.common.paths import inside, list_name, outside_reason
from imitation.datasets.yolo.labels import YoloClasses

YAML_NAMES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")


def load_yaml(uri: str) -> dict[str, Any]:
    data = storage.read_yaml(uri)
    if not isinstance(data, dict):
        raise UserError(f"{uri}: expected names, train and val, found {shown(data)}")
    return data


def classes_of(said: dict[str, Any], uri: str) -> YoloClasses:
    names = said.get("names")
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names:
        raise UserError(f"{uri}: 'names' is missing, or is no list of the classes' names")
    names = {
        int(key) if isinstance(key, str) and key.isdecimal() else key: name for key, name in names.items()
    }
    for number, name in names.items():
        if isinstance(name, bool):
            what = f"{number}: {str(name).lower()}, as YAML reads yes, no, on and off"
            raise UserError(f"{uri}: 'names' has {what}; put the class's name in quotation marks")
        if not isinstance(number, int) or number < 0 or not _is_name(name):
            pair = f"{shown(number)}: {shown(name)}"
            raise UserError(f"{uri}: 'names' has {pair}; expected a whole number and a name")
    count = said.get("nc")
    if count is not None and count != len(names):
        raise UserError(f"{uri}: 'nc' is {shown(count)}, but 'names' has {len(names)}")
    shape = said.get("kpt_shape") or [0, 0]
    if not (isinstance(shape, list) and len(shape) == 2 and all(isinstance(v, int) for v in shape)):
        raise UserError(f"{uri}: 'kpt_shape' is {shown(shape)}; expected [keypoints, numbers each]")
    return YoloClasses({number: str(name) for number, name in names.items()}, shape[0] * shape[1])


def _is_name(name: Any) -> bool:
    """YAML reads 3 as another thing than text."""
    return isinstance(name, str | int | float) and bool(str(name).strip())


def places_of(said: dict[str, Any], name: str, folder: str, uri: str) -> list[str]:
    """The folders or list files that data.yaml gives for a list, inside the dataset's folder."""
    values = said[name] if isinstance(said[name], list) else [said[name]]
    return [_place(said, value, f"{uri}: {name}", folder) for value in values]


def _elsewhere(said: dict[str, Any], value: str, folder: str) -> str | None:
    """An absolute path of another machine without what it begins with, which was the dataset's folder there:
    the shortest beginning that all such paths of the file share and behind which each is there; or None."""
    lists = [value for key, value in said.items() if key in LISTS or list_name(str(key).lower()) in LISTS]
    every = [str(one) for value in lists for one in (value if isinstance(value, list) else [value]) if one]
    plain = {one.replace("\\", "/").rstrip("/") for one in every}
    absolute = [one for one in plain if "absolute" in (outside_reason(one) or "")]
    parts = value.split("/")
    if value not in absolute:
        return None
    for start in range(1, len(parts)):
        before = "/".join(parts[:start]) + "/"
        ends = [one.removeprefix(before) for one in absolute if one.startswith(before)]
        there = (not outside_reason(end) and storage.exists(storage.join(folder, end)) for end in ends)
        if len(ends) == len(absolute) and all(there):
            return value.removeprefix(before)
    return None


def _place(said: dict[str, Any], value: Any, where: str, folder: str) -> str:
    if not isinstance(value, str):
        raise UserError(f"{where} is {shown(value)}; expected a folder or a list of images")
    # Roboflow writes "../train/images" into the dataset's own folder; `path` is where its writer kept it.
    plain = value.replace("\\", "/").rstrip("/")
    below = plain
    while below.startswith(("../", "./")):
        below = below.partition("/")[2]
    tried = [
        _normal(said.get("path"), plain, folder),
        _normal(None, plain, folder),
        _normal(None, below, folder),
    ]
    for place in tried:
        if place is not None and storage.exists(place):
            _refuse_link(place, folder, where)
            return place
    if (rest := _elsewhere(said, plain, folder)) is not None:
        _refuse_link(place := storage.join(folder, rest), folder, where)
        return place
    raise UserError(
        f"{where} is {shown(value)}: there is no such place in {folder}; paths out of the dataset's folder "
        "are not followed; where there is no such list, take the line out"
    )


def _normal(base: Any, value: str, folder: str) -> str | None:
    """A path of data.yaml made absolute, if it lies in the dataset's folder."""
    if "://" in folder:
        outside = value.startswith("/") or ".." in value.split("/")
        return None if outside else storage.join(folder, value)
    start = os.path.join(folder, base) if isinstance(base, str) else folder
    place = os.path.normpath(os.path.join(start, value))
    return place if f"{place}/".startswith(folder.rstrip("/") + "/") else None


def _refuse_link(place: str, folder: str, where: str) -> None:
    """A list file that is a link out of the folder; a folder may be one, its owner put it there."""
    if storage.is_local(place) and not storage.is_folder(place):
        inside(folder, place.removeprefix(folder).strip("/"), where)
