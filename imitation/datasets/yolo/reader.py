"""YOLO folders: one text file of boxes an image.

Format: Ultralytics' detection data sets. A row is `class x y width height`, the box's centre and size as
shares of the image's. Rows of a segmentation (class, then the points of a polygon) become the box around
it; keypoints behind a box are passed over where `data.yaml` gives their `kpt_shape`. An image without a
label file, or with an empty one, has no objects. The label of `.../images/.../a.jpg` is
`.../labels/.../a.txt`; where no folder is called `images` it lies beside the image.

`data.yaml` names the classes and the folders (or lists of images) `train`, `val` and `test`; without it
the folders are `images/{train,val,test}` (or the one folder `images`) and classes are called by their
number, unless `classes.txt` names them. Paths that lead out of the dataset's folder are not followed.
Symbolic links: the root and the folders of images and labels may be some; below them, a link of a single
file to inside the dataset is followed, one to outside and one of a folder are not.

YOLO's tools turn an image by its EXIF orientation before they use it and this project does not, so an
image with one is refused.
"""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from imitation.common import storage
from imitation.common.settings import DataError, UserError
from imitation.common.texts import lines_of, shown
from imitation.data.images import exif_orientation, image_size, open_image
from imitation.data.records import Box, Frame, Object
from imitation.datasets.base import DatasetReader, Splits
from imitation.datasets.common.paths import files_below, inside, refuse_link
from imitation.datasets.common.validation import FrameChecker
from imitation.datasets.numbering import Numbering
from imitation.datasets.yolo.writer import YoloWriter

SUFFIXES = (".jpg", ".jpeg", ".png")
TOLERANCE = 1e-3  # by which a share may leave [0, 1]: tools round
YAML_NAMES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
LISTS = ("train", "val", "valid", "mine", "stop", "test")


@dataclass(frozen=True)
class YoloClasses:
    """Class number -> name; None: every number is its own name. `keypoints`: numbers behind each box."""

    names: dict[int, str] | None
    keypoints: int = 0

    def name(self, number: int) -> str | None:
        return str(number) if self.names is None else self.names.get(number)


class _Listed(NamedTuple):
    """The folders of one list, its images by frame_id, their label files, and what belongs to no frame."""

    places: list[str]
    images: dict[str, str]
    labels: dict[str, str | None]
    faults: dict[str, DataError]
    strays: list[DataError]


def parse_yolo(
    text: str, where: str, classes: YoloClasses, width: int, height: int
) -> list[tuple[int, Object]]:
    """The objects of a label file for an image of that size (px), each with its line (from 1).

    Raises `DataError` with file and line for a row that is no box or polygon, a class that there is not,
    and numbers that are not finite or not in [0, 1].
    """
    return [
        (number, _parse_row(line.split(), f"{where}:{number}", classes, width, height))
        for number, line in enumerate(lines_of(text), start=1)
        if line.strip()
    ]


def _parse_row(columns: list[str], where: str, classes: YoloClasses, width: int, height: int) -> Object:
    values = [_number(text, where, place) for place, text in enumerate(columns, start=1)]
    if values[0] != int(values[0]) or values[0] < 0:
        raise DataError(where, f"the class is {shown(columns[0])}, not a whole number from 0")
    name = classes.name(int(values[0]))
    if name is None:
        known = f"0 to {max(classes.names or [0])}" if classes.names else "none"
        raise DataError(where, f"there is no class {shown(columns[0])[1:-1]}; data.yaml names {known}")
    if len(values) == 5 + classes.keypoints:
        x, y, w, h = _shares(values[1:5], where)
        x, y, w, h = x * width, y * height, w * width, h * height
        box = Box(x - w / 2, y - h / 2, x + w / 2, y + h / 2)
    elif len(values) >= 7 and len(values) % 2 == 1 and not classes.keypoints:
        points = _shares(values[1:], where)
        xs, ys = [x * width for x in points[::2]], [y * height for y in points[1::2]]
        box = Box(min(xs), min(ys), max(xs), max(ys))
    else:
        hint = " (a prediction with its score?)" if len(values) == 6 else ""
        expected = f"{5 + classes.keypoints} (class, x, y, width, height" + (
            ", keypoints)" if classes.keypoints else "), or class and the points of a polygon"
        )
        raise DataError(where, f"{len(values)} columns{hint}; expected {expected}")
    return Object(category=name, box=box)


def _number(text: str, where: str, column: int) -> float:
    try:
        value = float(text)
    except ValueError:
        raise DataError(where, f"column {column} is {shown(text)}, not a number") from None
    if not math.isfinite(value):
        raise DataError(where, f"column {column} is {shown(text)[1:-1]}, not a finite number")
    return value


def _shares(values: list[float], where: str) -> list[float]:
    for column, value in enumerate(values, start=2):
        if not -TOLERANCE <= value <= 1 + TOLERANCE:
            raise DataError(
                where, f"column {column} is {value:g}, not in [0, 1]: YOLO's numbers are shares of the image"
            )
    return [min(max(value, 0.0), 1.0) for value in values]


class YoloReader(DatasetReader):
    """A YOLO folder (`root` is the folder or its data.yaml). Splits are its lists (see `assign_roles`), or
    cut by seed where there is one list. A frame's id is its image's path without `images` and suffix, its
    folders joined by "_" (`images/train/a.jpg`: `train_a`)."""

    kind = "yolo"
    name = "YOLO"
    title = "YOLO folder"
    Writer = YoloWriter
    convention = "visible"

    @cached_property
    def _yaml(self) -> tuple[str | None, dict[str, Any]]:
        """The data.yaml and what it says; None and nothing without one."""
        if not storage.is_folder(self.root):
            return self.root, _load_yaml(self.root)
        uri = next((u for n in YAML_NAMES if storage.exists(u := storage.join(self.root, n))), None)
        return uri, {} if uri is None else _load_yaml(uri)

    @cached_property
    def _folder(self) -> str:
        return self.root if storage.is_folder(self.root) else storage.parent(self.root)

    @cached_property
    def _classes(self) -> YoloClasses:
        uri, said = self._yaml
        if uri is not None:
            return _classes_of(said, uri)
        for folder in (self._folder, storage.join(self._folder, "labels")):
            if storage.exists(place := storage.join(folder, "classes.txt")):
                names = [line.strip() for line in lines_of(storage.read_text(place)) if line.strip()]
                return YoloClasses(dict(enumerate(names)))
        return YoloClasses(None)

    @cached_property
    def _sources(self) -> dict[str | None, list[str]]:
        """List name -> folders of images, or files that list them; None alone where there is one list."""
        uri, said = self._yaml
        if uri is not None and any(said.get(name) for name in LISTS):
            return {_list_name(n): _places(said, n, self._folder, uri) for n in LISTS if said.get(n)}
        found: dict[str | None, list[str]] = {}
        for name in LISTS:
            for parts in (("images", name), (name, "images")):
                if storage.is_folder(place := storage.join(self._folder, *parts)):
                    found.setdefault(_list_name(name), []).append(place)
        if found:
            return found
        if storage.is_folder(place := storage.join(self._folder, "images")):
            return {None: [place]}
        raise UserError(
            f"{self._folder}: no data.yaml with train and val, and no folder images, images/train or "
            "train/images: not a YOLO folder"
        )

    @cached_property
    def _listed(self) -> dict[str | None, _Listed]:
        real: dict[str, str] = {}
        return {name: self._list(places, real) for name, places in self._sources.items()}

    def _list(self, places: list[str], real: dict[str, str]) -> _Listed:
        """`real` is where images lie in truth, of all lists: a link makes no second frame of one."""
        listed = _Listed(places, {}, {}, {}, [])
        labels: dict[str, set[str]] = {}
        no_files: set[str] = set()
        used: set[str] = set()
        for image in (image for place in places for image in self._images(place, listed.strays)):
            label = label_of(image, self._folder)
            folder = storage.parent(label)
            if folder not in labels:
                labels[folder], bad = _label_files(folder)
                no_files |= bad
            frame_id = self._frame_id(image)
            if label in no_files:
                listed.faults[frame_id] = DataError(label, "the label is no file that can be read")
            if (first := real.setdefault(_real_place(image), image)) != image:
                listed.faults[frame_id] = DataError(image, f"is the same file as {first}; keep one")
            if frame_id in listed.images:
                other = listed.images[frame_id]
                if other != image:
                    what = f"{storage.name_of(other)} has the same label file or the same id; keep one"
                    listed.faults[frame_id] = DataError(image, what)
                continue
            listed.images[frame_id] = image
            listed.labels[frame_id] = label if label in labels[folder] else None
            used.add(label)
        if all(storage.is_folder(place) for place in places):  # a list of images may leave some out
            spare = {label for known in labels.values() for label in known} - used
            listed.strays.extend(
                DataError(label, "there is no image of this name")
                for label in sorted(spare)
                if "/labels/" in label and storage.name_of(label) != "classes.txt"
            )
        return listed

    def _images(self, place: str, strays: list[DataError]) -> Iterator[str]:
        if storage.is_folder(place):
            files, faults = files_below(place)
            strays.extend(faults)
            yield from (uri for uri in files if storage.name_of(uri).lower().endswith(SUFFIXES))
            return
        for number, line in enumerate(lines_of(storage.read_text(place)), start=1):
            if not (name := line.strip()):
                continue
            try:
                yield inside(self._folder, self._relative(name, place), f"{place}:{number}")
            except DataError as error:
                strays.append(error)

    def _relative(self, name: str, place: str) -> str:
        """A line of a list of images, counted from the dataset's folder: "./" is the list's own folder."""
        if not name.startswith("./"):
            return name
        own = storage.parent(place).removeprefix(self._folder).strip("/")
        return os.path.join(own, name[2:])

    def _frame_id(self, image: str) -> str:
        parts = image.removeprefix(self._folder).strip("/").split("/")
        if "images" in parts[:-1]:
            parts.remove("images")
        return "_".join([*parts[:-1], parts[-1].rpartition(".")[0]])

    def numbering(self) -> Numbering | None:
        if self._classes.names is None:
            return None
        numbers: dict[str, int] = {}
        for number, name in self._classes.names.items():
            numbers.setdefault(name, number)
        return Numbering(self.kind, numbers)

    def image_files(self) -> dict[str, str]:
        """frame_id -> image file, of all lists."""
        return {name: image for listed in self._listed.values() for name, image in listed.images.items()}

    def _cut(self) -> Splits:
        for name, listed in self._listed.items():
            if not listed.images:
                raise UserError(f"{self._folder}: the list {name or 'images'} has no .jpg or .png image")
        lists = {str(name): list(listed.images) for name, listed in self._listed.items()}
        if None in self._listed:
            return self._by_seed(dict.fromkeys(self._listed[None].images), self._folder)
        return self._by_lists(lists, {}, self._folder)

    def _frame(self, split: str, frame_id: str, check: FrameChecker) -> Frame:
        listed = self._listed[self._list_of(split)]
        if frame_id in listed.faults:
            raise listed.faults[frame_id]
        image, label = listed.images[frame_id], listed.labels[frame_id]
        place = next((place for place in listed.places if image.startswith(f"{place}/")), None)
        refuse_link(image, place or storage.parent(image), self._folder)
        with open_image(image) as source:
            width, height = image_size(source, image)
            source.seek(0)
            if (orientation := exif_orientation(source, image)) != 1:
                raise DataError(
                    image,
                    f"has the EXIF orientation {orientation}: YOLO's tools turn it, this project does not; "
                    "turn the pixels themselves and remove the tag (exiftran -a)",
                )
        if label is not None:
            beside = (
                label_of(f"{place}/x.jpg", self._folder) if place else label
            )  # where the place's labels lie
            refuse_link(label, storage.parent(beside), self._folder)
        objects = () if label is None else self._objects(label, width, height)
        frame = Frame(frame_id, width, height, objects, image_uri=image)
        check(frame, label or image)
        return frame

    def _objects(self, label: str, width: int, height: int) -> tuple[Object, ...]:
        text = storage.read_data_text(label, "label file")
        return tuple(obj for _, obj in parse_yolo(text, label, self._classes, width, height))


def _label_files(folder: str) -> tuple[set[str], set[str]]:
    """The label files of a folder, and what is called like one and is none."""
    try:
        if not storage.is_folder(folder):
            return set(), set()
    except storage.StorageError as error:
        if error.errno == errno.ENAMETOOLONG:  # a list of images may say anything
            return set(), set()
        raise
    return set(storage.list_files(folder, ".txt")), set(storage.list_no_files(folder, ".txt"))


def _real_place(image: str) -> str:
    return os.path.realpath(storage.resolve(image)[1]) if storage.is_local(image) else image


def label_of(image: str, folder: str) -> str:
    """The label file of an image of a dataset's folder: the last folder called `images` is called
    `labels`, the suffix .txt."""
    stem = image.removeprefix(folder).rpartition(".")[0]
    before, found, after = stem.rpartition("/images/")
    return folder + (f"{before}/labels/{after}" if found else stem) + ".txt"


def _list_name(name: str) -> str:
    return "val" if name == "valid" else name


def _load_yaml(uri: str) -> dict[str, Any]:
    data = storage.read_yaml(uri)
    if not isinstance(data, dict):
        raise UserError(f"{uri}: expected names, train and val, found {shown(data)}")
    return data


def _classes_of(said: dict[str, Any], uri: str) -> YoloClasses:
    names = said.get("names")
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names:
        raise UserError(f"{uri}: 'names' is missing, or is no list of the classes' names")
    for number, name in names.items():
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
    """YAML reads yes, no and 3 as other things than text."""
    return isinstance(name, str | int | float) and bool(str(name).strip())


def _places(said: dict[str, Any], name: str, folder: str, uri: str) -> list[str]:
    """The folders or list files that data.yaml gives for a list, inside the dataset's folder."""
    values = said[name] if isinstance(said[name], list) else [said[name]]
    return [_place(said.get("path"), value, f"{uri}: {name}", folder) for value in values]


def _place(base: Any, value: Any, where: str, folder: str) -> str:
    if not isinstance(value, str):
        raise UserError(f"{where} is {shown(value)}; expected a folder or a list of images")
    # Roboflow writes "../train/images" into the dataset's own folder; `path` is where its writer kept it.
    plain = value.replace("\\", "/").rstrip("/")
    below = plain
    while below.startswith(("../", "./")):
        below = below.partition("/")[2]
    tried = [_normal(base, plain, folder), _normal(None, plain, folder), _normal(None, below, folder)]
    for place in tried:
        if place is not None and storage.exists(place):
            _refuse_link(place, folder, where)
            return place
    raise UserError(
        f"{where} is {shown(value)}: there is no such place in {folder}; paths out of the dataset's folder "
        "are not followed"
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
