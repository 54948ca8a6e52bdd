"""YOLO folders: one text file of boxes an image.

Format: Ultralytics' detection data sets. A row is `class x y width height`, the box's centre and size as
shares of the image's. Rows of a segmentation (class, then the points of a polygon) become the box around
it; keypoints behind a box are passed over where `data.yaml` gives their `kpt_shape`. An image without a
label file, or with an empty one, has no objects. The label of `.../images/.../a.jpg` is
`.../labels/.../a.txt`; where no folder is called `images` it lies beside the image.

An .ndjson file beside the images, as Ultralytics exports it, takes the place of all text files
(`imitation.datasets.yolo.ndjson`).

`data.yaml` names the classes and the folders (or lists of images) `train`, `val` and `test`; without it
the folders are `images/{train,val,test}` (or the one folder `images`) and classes are called by their
number, unless `classes.txt` names them. Paths that lead out of the dataset's folder are not followed.
Symbolic links: the root and the folders of images and labels may be some; below them, a link of a single
file to inside the dataset is followed, one to outside and one of a folder are not.

An image with an EXIF orientation is meant upright, as YOLO's tools take it.
"""

from __future__ import annotations

import errno
import os
import re
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

from imitation.common import storage
from imitation.common.settings import DataError, UserError
from imitation.common.texts import lines_of, shown
from imitation.data import splits
from imitation.data.images import SUFFIXES, image_size, open_image
from imitation.data.records import Frame, Object
from imitation.datasets.base import DatasetReader
from imitation.datasets.common.own_names import own_folders
from imitation.datasets.common.paths import files_below, inside, list_name, refuse_link, tail_in
from imitation.datasets.common.roles import Splits
from imitation.datasets.common.validation import FrameChecker
from imitation.datasets.numbering import Numbering
from imitation.datasets.yolo.data_yaml import YAML_NAMES, classes_of, load_yaml, places_of
from imitation.datasets.yolo.labels import TOLERANCE, YoloClasses, label_of, parse_yolo
from imitation.datasets.yolo.mender import YoloMender
from imitation.datasets.yolo.ndjson import ENDING, NdjsonList, find_ndjson, read_ndjson
from imitation.datasets.yolo.writer import YoloWriter

LISTS = (*splits.LISTS, "valid")
UNREAD = (".gif", ".heic", ".heif", ".avif", ".jp2", ".jfif", ".dng", ".pfm", ".mpo")
DARKNET = ("obj.names", re.compile(r"obj_([a-z]+)_data"))
"""What CVAT's "YOLO 1.1" and Darknet have in place of a data.yaml: the classes, and folders of images with
their labels beside them."""


class _Listed(NamedTuple):
    """The folders of one list, its images by frame_id, their label files, and what belongs to no frame."""

    places: list[str]
    images: dict[str, str]
    labels: dict[str, str | None]
    faults: dict[str, DataError]
    strays: list[DataError]
    texts: dict[str, tuple[str, str]] | None = None  # of NDJSON: where the labels stand, and what they say


class YoloReader(DatasetReader):
    """A YOLO folder (`root` is the folder or its data.yaml). Splits are its lists (see `assign_roles`), or
    cut by seed where there is one list. A frame's id is its image's path without `images` and suffix, its
    folders joined by "_" (`images/train/a.jpg`: `train_a`)."""

    kind = "yolo"
    name = "YOLO"
    title = "YOLO folder"
    Writer = YoloWriter
    Mender = YoloMender
    convention = "visible"

    @classmethod
    def signs(cls, root: str) -> str | None:
        if not storage.is_folder(root):
            known = root.endswith((ENDING, *(name.partition(".")[2] for name in YAML_NAMES)))
            return f"{storage.name_of(root)}" if known else None
        for name in YAML_NAMES:
            if storage.exists(storage.join(root, name)):
                return name
        if (uri := find_ndjson(root)) is not None:
            return storage.name_of(uri)
        if storage.exists(storage.join(root, DARKNET[0])):
            return DARKNET[0]
        for name in ("", *LISTS):
            for images, labels in (
                (("images", name), ("labels", name)),
                ((name, "images"), (name, "labels")),
            ):
                places = [storage.join(root, *(part for part in parts if part)) for parts in (images, labels)]
                if all(map(storage.is_folder, places)) and _are_rows(places[1]):
                    return f"{'/'.join(part for part in labels if part)} with rows of YOLO's"
        return None

    @classmethod
    def hints(cls, root: str) -> str | None:
        found = own_folders(root)
        if found is None or len(found.words) < 5 or not _is_row(found.words):
            return None
        return f"rows of YOLO's in {found.labels}/, pictures in {found.images}/"

    @cached_property
    def _bases(self) -> dict[str, str]:
        """Lists of images -> what their paths begin with that is not the dataset's folder, but was its place
        elsewhere: that of the first such path of each, for all."""
        return {}

    @cached_property
    def _yaml(self) -> tuple[str | None, dict[str, Any]]:
        """The data.yaml and what it says; None and nothing without one."""
        if not storage.is_folder(self.root):
            return (None, {}) if self.root.endswith(ENDING) else (self.root, load_yaml(self.root))
        uri = next((u for n in YAML_NAMES if storage.exists(u := storage.join(self.root, n))), None)
        return uri, {} if uri is None else load_yaml(uri)

    @cached_property
    def _folder(self) -> str:
        return self.root if storage.is_folder(self.root) else storage.parent(self.root)

    @cached_property
    def _ndjson(self) -> tuple[YoloClasses, dict[str, NdjsonList]] | None:
        """What the .ndjson file says, where there is one in place of a data.yaml."""
        if storage.is_folder(self.root) and self._yaml[0] is not None:
            return None
        uri = find_ndjson(self.root)
        return None if uri is None else read_ndjson(uri)

    @cached_property
    def _classes(self) -> YoloClasses:
        if self._ndjson is not None:
            return self._ndjson[0]
        uri, said = self._yaml
        if uri is not None:
            return classes_of(said, uri)
        for names_file in ((DARKNET[0],), ("classes.txt",), ("labels", "classes.txt")):
            if storage.exists(place := storage.join(self._folder, *names_file)):
                names = [line.strip() for line in lines_of(storage.read_text(place)) if line.strip()]
                return YoloClasses(dict(enumerate(names)))
        return YoloClasses(None)

    @cached_property
    def _sources(self) -> dict[str | None, list[str]]:
        """List name -> folders of images, or files that list them; None alone where there is one list."""
        uri, said = self._yaml
        sources: dict[str | None, list[str]] = {}
        for key in (key for key in said if isinstance(key, str) and said[key]):
            if uri is not None and (name := list_name(key.lower())) in LISTS:  # CVAT writes Train
                sources.setdefault(name, []).extend(places_of(said, key, self._folder, uri))
        if sources:
            return {name: sources[name] for name in LISTS if name in sources}
        for name in LISTS:
            for parts in (("images", name), (name, "images")):
                if storage.is_folder(place := storage.join(self._folder, *parts)):
                    sources.setdefault(list_name(name), []).append(place)
        if sources:
            return sources
        if storage.is_folder(place := storage.join(self._folder, "images")):
            return {None: [place]}
        if storage.exists(storage.join(self._folder, DARKNET[0])):
            for folder in storage.list_folders(self._folder):
                if found := DARKNET[1].fullmatch(storage.name_of(folder).lower()):
                    sources.setdefault(list_name(found[1]), []).append(folder)
            sources = {name: places for name, places in sources.items() if name in LISTS}
            if sources:
                return sources if len(sources) > 1 else {None: next(iter(sources.values()))}
        raise UserError(
            f"{self._folder}: no data.yaml with train and val, and no folder images, images/train or "
            f"train/images{self._other_names()}"
        )

    def _other_names(self, otherwise: str = ": not a YOLO folder") -> str:
        """What to do about folders that are called otherwise; `otherwise` where there are none."""
        if (found := own_folders(self._folder)) is None or not _is_row(found.words):
            return otherwise
        return (
            f"; {found.labels}/ has labels of the pictures in {found.images}/: call them labels and images, "
            f"or let imitate inspect {self._folder} --fix OUT make a copy in which they are"
        )

    @cached_property
    def _listed(self) -> dict[str | None, _Listed]:
        if self._ndjson is not None:
            return {
                name: _Listed([], one.images, dict.fromkeys(one.images), one.faults, one.strays, one.texts)
                for name, one in self._ndjson[1].items()
            }
        real: dict[str, str] = {}
        return {name: self._list(places, real) for name, places in self._sources.items()}

    def _list(self, places: list[str], real: dict[str, str]) -> _Listed:
        """`real` is where images lie in truth, of all lists: a link makes no second frame of one."""
        listed = _Listed(places, {}, {}, {}, [])
        labels: dict[str, dict[str, str]] = {}
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
            listed.labels[frame_id] = labels[folder].get(label)
            used.add(label)
        if all(storage.is_folder(place) for place in places):  # a list of images may leave some out
            spare = (uri for known in labels.values() for label, uri in known.items() if label not in used)
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
            strays.extend(
                DataError(
                    uri, f"is a picture of a kind that is not read (of {', '.join(SUFFIXES)}); convert it"
                )
                for uri in files
                if uri.lower().endswith(UNREAD)
            )
            yield from (uri for uri in files if storage.name_of(uri).lower().endswith(SUFFIXES))
            return
        for number, line in enumerate(lines_of(storage.read_text(place)), start=1):
            if not (name := line.strip()):
                continue
            try:
                yield self.listed_image(name, place, f"{place}:{number}")
            except DataError as error:
                strays.append(error)

    def listed_image(self, name: str, place: str, where: str) -> str:
        """The image that a line of a list means; of a path of another machine, or counted from another
        folder, by its last parts. Raises `DataError`."""
        fault, uri = None, ""
        try:
            uri = inside(self._folder, self._relative(name, place), where)
        except DataError as error:
            fault = error
        if fault is None and (not storage.is_local(uri) or os.path.exists(storage.resolve(uri)[1])):
            return uri
        plain = name.replace("\\", "/")
        tail = None if place in self._bases else tail_in(self._folder, plain)
        if tail is not None and plain.endswith(tail):
            self._bases[place] = plain.removesuffix(tail)
        base = self._bases.get(place)
        if base is not None and plain.startswith(base):
            return inside(self._folder, plain.removeprefix(base), where)
        if fault is not None:
            raise fault
        return uri

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
                raise UserError(
                    f"{self._folder}: the list {name or 'images'} has no image ({', '.join(SUFFIXES)})"
                    + _other_files(listed.places)
                    + "".join(f"; {stray}" for stray in listed.strays[:1])
                )
        every = list(self._listed.values())
        if not any(listed.texts or any(listed.labels.values()) for listed in every):
            first = next(iter(every[0].images.values()))
            count = sum(len(one.images) for one in every)
            raise UserError(
                f"{self._folder}: none of its {count:,} images has a label file; the one of {first} was "
                f"looked for as {label_of(first, self._folder)} (images lie in a folder images, their labels "
                f"in labels beside it, or next to each other){self._other_names('')}"
            )
        found = {name: dict.fromkeys(listed.images) for name, listed in self._listed.items()}
        return self._by_lists_or_seed(found, self._folder)

    def _frame(self, split: str, frame_id: str, check: FrameChecker) -> Frame:
        listed = self._listed[self._list_of(split)]
        if frame_id in listed.faults:
            raise listed.faults[frame_id]
        image, label = listed.images[frame_id], listed.labels[frame_id]
        place = next((place for place in listed.places if image.startswith(f"{place}/")), None)
        refuse_link(image, place or storage.parent(image), self._folder)
        with open_image(image) as source:
            width, height = image_size(source, image)
        if label is not None:
            beside = (
                label_of(f"{place}/x.jpg", self._folder) if place else label
            )  # where the place's labels lie
            refuse_link(label, storage.parent(beside), self._folder)
        objects: tuple[Object, ...] = ()
        if listed.texts is not None:
            objects = self._objects(listed.texts[frame_id][1], listed.texts[frame_id][0], width, height)
        elif label is not None:
            objects = self._objects(storage.read_data_text(label, "label file"), label, width, height)
        frame = Frame(frame_id, width, height, objects, image_uri=image)
        return check.passed(frame, label or image)

    def _objects(self, text: str, where: str, width: int, height: int) -> tuple[Object, ...]:
        found = parse_yolo(text, where, self._classes, width, height, self.left_out, self.bad_row)
        return tuple(obj for _, obj in found)


def _is_row(words: list[str]) -> bool:
    """Whether words are a class and shares of 1, at most a little beyond."""
    try:
        shares = [float(word) for word in words[1:]]
    except ValueError:
        return False
    return words[0].isdecimal() and all(-TOLERANCE <= share <= 1 + TOLERANCE for share in shares)


def _are_rows(folder: str) -> bool:
    """Whether the first label that is found there has rows of numbers."""
    for uri in storage.list_files(folder, ".txt")[:20]:
        words = next((line.split() for line in lines_of(storage.read_text(uri)) if line.strip()), [])
        if words:
            return len(words) >= 5 and words[0].isdecimal()
    return False


def _other_files(places: list[str]) -> str:
    """What is there in place of images, and what to do about it."""
    folders = filter(storage.is_folder, places)
    endings = [os.path.splitext(uri)[1].lower() for folder in folders for uri in files_below(folder)[0]]
    others = Counter(ending for ending in endings if ending not in ("", ".txt", ".cache"))
    there = ", ".join(f"{count:,} {shown(ending)[1:-1]}" for ending, count in others.most_common(3))
    return f"; it has {there}, which are not read: convert them" if there else ""


def _label_files(folder: str) -> tuple[dict[str, str], set[str]]:
    """The label files of a folder by what they would be called with the ending .txt, and what is called like
    one and is none."""
    try:
        if not storage.is_folder(folder):
            return {}, set()
    except storage.StorageError as error:
        if error.errno == errno.ENAMETOOLONG:  # a list of images may say anything
            return {}, set()
        raise
    files = (uri for uri in reversed(storage.list_files(folder)) if uri.lower().endswith(".txt"))
    return {f"{uri[:-4]}.txt": uri for uri in files}, set(storage.list_no_files(folder, ".txt"))


def _real_place(image: str) -> str:
    return os.path.realpath(storage.resolve(image)[1]) if storage.is_local(image) else image
