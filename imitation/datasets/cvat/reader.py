"""CVAT's own export, "CVAT for images 1.1": an annotations.xml beside `images/`.

Format: CVAT's documentation of its XML format. An <image> has a name, a size and its shapes. A <box> may have
a rotation (degrees, clockwise about its centre); polygons, ellipses and masks become the boxes around them;
polylines, points, cuboids, skeletons and tags are passed over, and counted. An `occluded` shape is level 1.
Of a project's export the subsets (Train, Validation, Test) are lists, with images in `images/SUBSET/`.

Its exports as COCO, YOLO or Pascal VOC are those kinds; "CVAT for video" is refused: export the
task for images. The file is read as a stream. A document type is refused: hostile files hide expansions in
one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import NoReturn
from xml.etree import ElementTree

from imitation.common import storage
from imitation.common.settings import DataError, UserError
from imitation.common.texts import shown
from imitation.data.records import Box, Object
from imitation.datasets.common.json_text import beginning_of, open_text
from imitation.datasets.common.paths import refuse_link
from imitation.datasets.common.stored import Entry, StoredReader, list_called
from imitation.datasets.common.values import TURNED, around, flag, number, side, turned, word
from imitation.datasets.cvat.mender import CvatMender

FILE = "annotations.xml"
BLOCK = 1 << 16
DEEPEST = 50
_SHAPES = ("box", "polygon", "ellipse", "mask")
_PASSED = ("polyline", "points", "cuboid", "skeleton", "tag")
Shape = tuple[str, Mapping[str, str]]


class CvatReader(StoredReader):
    """A folder with CVAT's annotations.xml (see the module), or that file."""

    kind = "cvat"
    name = "CVAT"
    title = "CVAT for images"
    Mender = CvatMender

    @classmethod
    def signs(cls, root: str) -> str | None:
        files = _files(root)
        found = [uri for uri in files if b"<annotations" in beginning_of(uri)]
        return f"<annotations> in {storage.name_of(found[0])}" if found else None

    @cached_property
    def _files(self) -> list[str]:
        if files := _files(self.root):
            return files
        raise UserError(f"{self.root}: no {FILE}: not an export of CVAT for images")

    def _where(self, name: str | None) -> str:
        return self._files[0] if len(self._files) == 1 else self.root

    def _image_folders(self, name: str | None) -> Iterable[str]:
        for folder in dict.fromkeys(storage.parent(uri) for uri in self._files):
            images = storage.join(folder, "images")
            if storage.is_folder(images):
                yield from (
                    f for f in storage.list_folders(images) if list_called(storage.name_of(f)) == name
                )
            yield from (images, folder)

    @staticmethod
    def images_of(uri: str) -> Iterator[tuple[Mapping[str, str], list[Shape]]]:
        """Each image's attributes and its shapes. Raises `DataError` where the file is no XML of CVAT's."""
        return _images(uri)

    @staticmethod
    def objects_of(tag: str, shape: Mapping[str, str], where: str) -> list[Object]:
        """What a shape means; nothing for one that is passed over. Raises `DataError`."""
        return [_object(tag, shape, where, Counter())] if tag in _SHAPES else []

    def _entries(self) -> Iterator[Entry | DataError]:
        for uri in self._files:
            try:
                refuse_link(uri, storage.parent(uri), self.root)
                for said, shapes in _images(uri):
                    yield self._entry(said, shapes, uri)
            except DataError as error:
                yield error

    def _entry(self, said: Mapping[str, str], shapes: list[Shape], uri: str) -> Entry | DataError:
        try:
            image = word(said.get("name"), "its name", f"{uri}: image id {shown(said.get('id'))}")
        except DataError as error:
            return error
        of = list_called(said.get("subset"))
        where = f"{uri}: image {shown(image)}"
        objects: list[Object] = []
        bad_rows: list[DataError] = []
        for place, (tag, shape) in enumerate(shapes):
            try:
                if tag in _SHAPES:
                    objects.append(_object(tag, shape, f"{where}: {tag} {place}", self.left_out))
                else:
                    self.left_out[f"CVAT's shapes of the kind {tag}"] += 1
            except DataError as error:
                bad_rows.append(error)
        try:
            size = side(said.get("width"), "width", where), side(said.get("height"), "height", where)
        except DataError as error:
            return Entry(image, list=of, fault=error)
        return Entry(image, objects, size, list=of, bad_rows=bad_rows)


def _files(root: str) -> list[str]:
    if not storage.is_folder(root):
        return [root] if root.endswith(".xml") else []
    return [uri for f in (root, *storage.list_folders(root)) if storage.exists(uri := storage.join(f, FILE))]


def _object(tag: str, shape: Mapping[str, str], where: str, left_out: Counter[str]) -> Object:
    def value(name: str) -> float:
        return number(shape.get(name), name, where)

    label = word(shape.get("label"), "its label", where)
    angle = number(shape.get("rotation") or 0, "rotation", where)
    if tag == "box":
        x, y, width, height = value("xtl"), value("ytl"), value("xbr"), value("ybr")
        width, height = width - x, height - y
    elif tag == "ellipse":
        x, y, width, height = (
            value("cx") - value("rx"),
            value("cy") - value("ry"),
            2 * value("rx"),
            2 * value("ry"),
        )
    elif tag == "mask":
        x, y, width, height = value("left"), value("top"), value("width"), value("height")
    else:
        x, y, right, bottom = around(_points(shape.get("points"), where))
        width, height = right - x, bottom - y
    box = Box(x, y, x + width, y + height)
    if angle % 360:
        left_out[TURNED] += 1
        box = turned(x, y, width, height, angle, (x + width / 2, y + height / 2))
    return Object(label, box, occlusion_level=int(flag(shape.get("occluded"), "occluded", where)))


def _points(text: str | None, where: str) -> list[tuple[float, float]]:
    """ "x,y;x,y", px."""
    points = [pair.split(",") for pair in (text or "").split(";") if pair]
    if len(points) < 3 or any(len(pair) != 2 for pair in points):
        raise DataError(where, f"its points are {shown(text)}, not three pairs x,y or more")
    return [(number(x, "points", where), number(y, "points", where)) for x, y in points]


class _Target:
    """What the parser tells of: each image with its shapes, once it ends."""

    def __init__(self, uri: str) -> None:
        self.ended: list[tuple[Mapping[str, str], list[Shape]]] = []
        self._uri, self._deep = uri, 0
        self._image: tuple[Mapping[str, str], list[Shape]] | None = None

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._deep += 1
        if self._deep == 1 and tag != "annotations":
            raise DataError(self._uri, f"is <{shown(tag)[1:-1]}>, not CVAT's <annotations>")
        if self._deep > DEEPEST:
            raise DataError(self._uri, f"its XML is nested more than {DEEPEST} deep")
        if self._deep == 2 and tag == "track":
            raise DataError(
                self._uri, 'is "CVAT for video" (tracks); export the task as "CVAT for images 1.1"'
            )
        if self._deep == 2 and tag == "image":
            self._image = (attributes, [])
        elif self._deep == 3 and self._image is not None and tag in (*_SHAPES, *_PASSED):
            self._image[1].append((tag, attributes))

    def end(self, tag: str) -> None:
        self._deep -= 1
        if self._deep == 1 and self._image is not None:
            self.ended.append(self._image)
            self._image = None

    def doctype(self, name: str, public: str | None, system: str | None) -> NoReturn:
        raise DataError(self._uri, "declares a document type or entities, which are not read")

    def close(self) -> None:
        return


def _images(uri: str) -> Iterator[tuple[Mapping[str, str], list[Shape]]]:
    """Each image's attributes and its shapes. Raises `DataError` where the file is no XML of CVAT's."""
    target = _Target(uri)
    parser = ElementTree.XMLParser(target=target)
    with storage.data_errors(uri, "file"), open_text(uri) as source:
        while True:
            block = source.read(BLOCK)
            try:
                parser.feed(block) if block else parser.close()
            except (ElementTree.ParseError, ValueError) as error:
                yield from target.ended
                raise DataError(uri, f"is no XML; is it cut short? {error}") from None
            yield from target.ended
            target.ended = []
            if not block:
                return
