"""What can be mended of CVAT's XML."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from imitation.common import storage
from imitation.common.settings import DataError
from imitation.common.texts import shown
from imitation.datasets.common.stored import list_called
from imitation.datasets.common.values import side, word
from imitation.datasets.mending.records import Record, RecordMender, Row, Sheet

if TYPE_CHECKING:
    from imitation.datasets.cvat.reader import CvatReader

SIDES = ("xtl", "ytl", "xbr", "ybr")


class CvatMender(RecordMender):
    """Shapes of images; those that are passed over in reading stay."""

    dataset: CvatReader

    def sheets(self) -> Iterator[Sheet]:
        for uri in self.dataset._files:
            yield _File(uri, self.dataset)


class _File(Sheet):
    """An annotations.xml; what is changed is written anew as a whole, comments too."""

    def __init__(self, uri: str, dataset: CvatReader) -> None:
        self.uri, self._dataset = uri, dataset
        for _ in dataset.images_of(uri):  # refuses what is hostile, or no XML of CVAT's
            pass
        builder = ElementTree.TreeBuilder(insert_comments=True)
        text = storage.read_data_text(uri, "annotation file").lstrip("\ufeff")
        self._root = ElementTree.fromstring(text.encode(), ElementTree.XMLParser(target=builder))

    def records(self) -> Iterator[Record]:
        for image in self._root.findall("image"):
            where = f"{self.uri}: image {shown(image.get('name'))}"
            record = Record(where, "", (), lambda keep: None, partial(self._root.remove, image))
            try:
                name = word(image.get("name"), "its name", where)
                record.list = list_called(image.get("subset"))
                record.picture = self._dataset._image(record.list, name, where)
                shapes = [node for node in image if isinstance(node.tag, str)]
                record.rows = [
                    Row(
                        f"image {shown(name)}: {node.tag} {at}",
                        partial(self._dataset.objects_of, node.tag, node.attrib, where),
                        (node.attrib, SIDES) if node.tag == "box" and not node.get("rotation") else None,
                    )
                    for at, node in enumerate(shapes)
                ]
                record.keep = partial(_keep, image, shapes)
                record.size = (
                    side(image.get("width"), "width", where),
                    side(image.get("height"), "height", where),
                )
                record.resize = partial(_resize, image)
            except DataError as error:
                record.fault = error
            yield record

    def files(self) -> Iterable[tuple[str, bytes | None]]:
        yield self.uri, ElementTree.tostring(self._root, encoding="utf-8", xml_declaration=True)


def _keep(image: Element, shapes: Sequence[Element], keep: Sequence[bool]) -> None:
    for node, stays in zip(shapes, keep, strict=True):
        if not stays:
            image.remove(node)


def _resize(image: Element, width: int, height: int) -> None:
    image.set("width", str(width))
    image.set("height", str(height))
