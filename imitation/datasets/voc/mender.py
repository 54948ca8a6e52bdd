"""What can be mended of Pascal VOC data."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from imitation.common import storage
from imitation.common.settings import DataError
from imitation.data.records import Object
from imitation.datasets.common.left_out import DOUBLES, NO_AREA, OTHERS
from imitation.datasets.common.paths import list_name
from imitation.datasets.common.validation import object_fault
from imitation.datasets.mending.lists import mended_list
from imitation.datasets.mending.mender import JUDGING, LEAK, SWAPPED, Mender
from imitation.datasets.mending.pictures import Looked
from imitation.datasets.mending.sizes import SIZED, fits
from imitation.datasets.voc.labels import SIDES, VocLabels, named, object_of, parse_voc, voc_text

if TYPE_CHECKING:
    from imitation.datasets.voc.reader import VocReader

MISSING = "names of lists that no annotation has taken away"


class VocMender(Mender):
    """Annotations object by object, their image's size, lists, pictures."""

    dataset: VocReader

    def look(self) -> None:
        found: dict[str, tuple[str, str, VocLabels]] = {}  # picture -> frame, annotation, what it says
        lists: dict[str, list[str]] = {}
        seen: set[str] = set()
        for name, listed in self.dataset._listed.items():
            for frame_id, label in listed.labels.items():
                if label in seen:
                    lists.setdefault(str(name), []).extend(p for p, one in found.items() if one[1] == label)
                    continue
                seen.add(label)
                self.use(label)
                try:
                    self._refuse_link(label, listed.label_dir)
                    said = parse_voc(voc_text(label), label, _go_on)
                    picture = self.dataset._image(listed.image_dir, frame_id, said, label)
                    self._refuse_link(picture, listed.image_dir)
                except DataError as error:
                    self.remove(label)
                    self.stray(label, error.what)
                    self.lose(label, error.what, more=1)
                    continue
                found[picture] = frame_id, label, said
                lists.setdefault(str(name), []).append(picture)
        labels: dict[str, str | None] = {picture: label for picture, (_, label, _) in found.items()}
        for looked in self.pictures(((p, said.size) for p, (_, _, said) in found.items()), labels):
            self._annotation(looked, *found[looked.uri][1:])
        for picture in self.twins(lists):
            self.drop(picture, labels[picture], LEAK, what=LEAK)
        there = {frame_id for p, (frame_id, _, _) in found.items() if self.name(p) not in self.gone}
        self._lists(there, {frame_id for frame_id, _, _ in found.values()} - there)

    def _refuse_link(self, uri: str, folder: str) -> None:
        if (why := self.sound_file(uri, folder)) is not None:
            raise DataError(uri, why)

    def _annotation(self, looked: Looked, label: str, said: VocLabels) -> None:
        assert looked.size is not None
        root = ElementTree.fromstring(voc_text(label))
        before = len(self.changes)
        if said.size is not None and said.size != looked.size:
            if not fits(said.size, looked.size, [obj.box for obj in said.objects]):
                what = f"it is {looked.size[0]}x{looked.size[1]} px, but labelled as {said.size}"
                self.lose(looked.uri, what)
                self.drop(looked.uri, label, what)
                return
            self.changes.add(self.name(label), "size", SIZED, said.size, looked.size)
            size = root.find("size")
            for side, value in zip(("width", "height"), looked.size):
                node = None if size is None else size.find(side)
                if node is not None:
                    node.text = str(value)
        seen: list[Object] = []
        for number, (parent, node) in enumerate(_objects(root), start=1):
            self.rows += 1
            if (swapped := _swap(node)) is not None:
                self.changes.add(self.name(label), f"object {number}", SWAPPED, *swapped)
            if (why := self._why(node, looked.size, seen, label)) is not None:
                self.changes.add(self.name(label), f"object {number}", f"left out: {why}", _brief(node))
                parent.remove(node)
        if len(self.changes) > before:
            self.put(label, ElementTree.tostring(root, encoding="unicode").encode())

    def _why(self, node: Element, size: tuple[int, int], seen: list[Object], label: str) -> str | None:
        """Why an object is left out; None: it stays."""
        try:
            obj = object_of(node, label)
            if fault := object_fault(obj, *size):
                raise fault.of(label)
        except DataError as error:
            self.bad_rows += 1
            return error.reason or OTHERS
        if not obj.box.area:
            return NO_AREA
        if obj in seen:
            return DOUBLES
        seen.append(obj)
        return None

    def _lists(self, there: set[str], gone: set[str]) -> None:
        place = storage.join(self.dataset._folder, "ImageSets", "Main")
        if not storage.is_folder(place):
            return
        texts = {uri: storage.read_text(uri) for uri in storage.list_files(place, ".txt")}

        def split_of(uri: str) -> str:
            return list_name(storage.name_of(uri)[:-4])

        every = there | gone
        judged = {
            named(line.split()[0], every)
            for uri, text in texts.items()
            if split_of(uri) in JUDGING
            for line in text.splitlines()
            if line.strip()
        }
        for uri, text in texts.items():
            learns = split_of(uri) in ("train", "mine")

            def why(word: str, learns: bool = learns) -> str | None:
                word = named(word, every)
                if word not in there:
                    return None if word in gone else MISSING
                return LEAK if learns and word in judged else ""

            mended_list(self, uri, text, why)


def _go_on(error: DataError) -> None:
    """Objects are looked at one by one once the picture is known."""


def _objects(root: Element) -> list[tuple[Element, Element]]:
    return [(parent, node) for parent in root.iter() for node in parent if node.tag == "object"]


def _swap(node: Element) -> tuple[str, str] | None:
    """Puts the corners of an object in order: the four numbers before and after; None where they are."""
    box = node.find("bndbox")
    sides = [None if box is None else box.find(side) for side in SIDES]
    if any(side is None for side in sides):
        return None
    nodes = [side for side in sides if side is not None]
    texts = [(side.text or "").strip() for side in nodes]
    try:
        numbers = [float(text) for text in texts]
    except ValueError:
        return None
    new = list(texts)
    for first, second in ((0, 2), (1, 3)):
        if numbers[first] - 1 > numbers[second]:  # both ends count: xmin 5, xmax 4 is a box of nothing
            new[first], new[second] = texts[second], texts[first]
    if new == texts:
        return None
    for side, text in zip(nodes, new):
        side.text = text
    return " ".join(texts), " ".join(new)


def _brief(node: Element) -> str:
    return " ".join(ElementTree.tostring(node, encoding="unicode").split())
