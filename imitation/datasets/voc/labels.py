"""An annotation file of Pascal VOC: its image's name and size, and its objects."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from imitation.common import storage
from imitation.common.settings import DataError
from imitation.common.texts import shown, text_of
from imitation.data.images import SUFFIXES
from imitation.data.records import Box, Object
from imitation.datasets.common.left_out import BOXES, CATEGORIES, NUMBERS, refuse

SIDES = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True)
class VocLabels:
    """What an annotation file says: the image's file name ("" where it names none), its size in px (None
    where it gives none, or 0), and the objects."""

    filename: str
    size: tuple[int, int] | None
    objects: tuple[Object, ...]


ENCODINGS = re.compile(
    r"utf-?8|us-ascii|iso-8859-\d+|latin-?1|(windows-|cp)125\d|gbk|gb2312|gb18030|big5|shift_jis|euc-(jp|kr)"
)
_SAID = re.compile(rb"\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([\w.-]{1,20})[\"']")


def voc_text(uri: str) -> str:
    """The text of an annotation, in the encoding that it declares. Raises `DataError` as `read_data_text`."""
    with storage.data_errors(uri, "annotation"):
        data = storage.read_bytes(uri)
    said = _SAID.match(data)
    name = said[1].decode().lower() if said else "utf-8"
    if name in ("utf-8", "utf8", "utf-16") or not ENCODINGS.fullmatch(name):
        return text_of(data, uri)
    try:
        return data.decode(name)
    except UnicodeDecodeError as error:
        raise DataError(
            uri, f"is no text of the encoding {name}, which it declares: {error.reason}"
        ) from None


def parse_voc(text: str, where: str, bad: Callable[[DataError], None] = refuse) -> VocLabels:
    """Reads an annotation. Boxes count pixels from 1 and hold both ends (VOC's development kit), so that xmin
    1, xmax 10 are the first ten pixels: (0, 10) here. `difficult` objects are ignored, as VOC's scores do.

    `bad` gets the `DataError` of a bad object, which names it by number, and raises it or goes on without.
    Raises `DataError` for a document type, which annotations have no use for and hostile files hide
    expansions in.
    """
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise DataError(where, "declares a document type or entities, which are not read")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise DataError(where, f"is no XML: {error}") from None
    if root.tag != "annotation":
        raise DataError(where, f"is <{shown(root.tag)[1:-1]}>, not VOC's <annotation>")
    objects = []
    for number, node in enumerate(root.iter("object"), start=1):
        try:
            objects.append(object_of(node, f"{where}: object {number}"))
        except DataError as error:
            bad(error)
    return VocLabels((root.findtext("filename") or "").strip(), _size(root, where), tuple(objects))


def _size(root: Element, where: str) -> tuple[int, int] | None:
    node = root.find("size")
    if node is None:
        return None
    width, height = (_number(node.findtext(side), f"{where}: size", side) for side in ("width", "height"))
    if width != int(width) or height != int(height) or width < 0 or height < 0:
        raise DataError(where, f"the size is {width:g}x{height:g} px, no whole numbers")
    return (int(width), int(height)) if width and height else None


def object_of(node: Element, where: str) -> Object:
    """An <object>. Raises `DataError`."""
    category = (node.findtext("name") or "").strip()
    if not category:
        raise DataError(where, "has no name", CATEGORIES)
    box = node.find("bndbox")
    if box is None:
        raise DataError(where, f"{shown(category)[1:-1]}: has no bndbox", BOXES)
    x1, y1, x2, y2 = (_number(box.findtext(side), where, side) for side in SIDES)
    return Object(
        category,
        Box(x1 - 1, y1 - 1, x2, y2),
        ignore=_flag(node, "difficult"),
    )


def _flag(node: Element, name: str) -> bool:
    return (node.findtext(name) or "0").strip().lower() in ("1", "true", "yes")


def _number(text: str | None, where: str, name: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        raise DataError(where, f"{name} is {shown(text)}, not a number", NUMBERS) from None
    if not math.isfinite(value):
        raise DataError(where, f"{name} is {value}, not a finite number", NUMBERS)
    return value


def named(word: str, known: Container[str]) -> str:
    """The frame that a word of a list names: some write the image's file there, with its ending or folder."""
    if word in known:
        return word
    stem = word.replace("\\", "/").rpartition("/")[2]
    without, dot, ending = stem.rpartition(".")
    return without if (dot + ending).lower() in (*SUFFIXES, ".xml") and without in known else word


def listed_names(text: str) -> Iterator[tuple[int, str]]:
    """The image names of a list of `ImageSets/Main`, each with its line: the first word; the flag behind it
    (of a class's own list: -1, 0, 1) is left to those."""
    for number, line in enumerate(text.splitlines(), start=1):
        if words := line.split():
            yield number, words[0]
