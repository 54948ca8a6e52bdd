"""Pascal VOC's folders: an XML file of boxes beside each image.

Format: Everingham et al., "The Pascal Visual Object Classes (VOC) challenge", IJCV 2010, and the development
kit. `Annotations/*.xml`, `JPEGImages/`, and lists of names in `ImageSets/Main/{train,val,test}.txt`; where
there are none, frames are cut by seed. The root may be the folder above (`VOCdevkit/VOC2012`). Exports that
put .xml files and images into one folder (LabelImg, Roboflow), or into `train`, `valid` and `test`, are read
as well.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import NamedTuple

from imitation.common import storage
from imitation.common.settings import DataError, UserError
from imitation.common.texts import shown
from imitation.data.images import SUFFIXES, size_of_file
from imitation.data.records import Frame
from imitation.data.splits import LISTS
from imitation.datasets.base import DatasetReader
from imitation.datasets.common.json_text import beginning_of
from imitation.datasets.common.own_names import own_folders
from imitation.datasets.common.paths import inside, list_name, refuse_link
from imitation.datasets.common.roles import Splits
from imitation.datasets.common.validation import FrameChecker
from imitation.datasets.voc.labels import VocLabels, listed_names, named, parse_voc, voc_text
from imitation.datasets.voc.mender import VocMender

ANNOTATIONS, IMAGES, MAIN = "Annotations", "JPEGImages", ("ImageSets", "Main")


class _Listed(NamedTuple):
    """One list: annotation files by frame id, the folder of their images, and what belongs to no frame."""

    labels: dict[str, str]
    label_dir: str
    image_dir: str
    strays: list[DataError]


class VocReader(DatasetReader):
    """A Pascal VOC folder (see the module). A frame's id is its annotation file's name without the ending;
    `difficult` objects are ignored. Boxes are around what is visible."""

    kind = "voc"
    name = "Pascal VOC"
    title = "Pascal VOC folder"
    Mender = VocMender
    convention = "visible"

    @classmethod
    def signs(cls, root: str) -> str | None:
        if not storage.is_folder(root):
            return None
        kits = [root, storage.join(root, "VOCdevkit"), *storage.list_folders(root)]
        folder = next((f for f in kits if storage.is_folder(f) and (_is_voc(f) or _has_labels(f))), None)
        return folder and f"{ANNOTATIONS} or .xml files in {folder}"

    @cached_property
    def _folder(self) -> str:
        """The folder that holds `Annotations`, or the root."""
        if _is_voc(self.root):
            return self.root
        nearer = storage.list_folders(self.root)
        kits = [folder for folder in nearer if storage.name_of(folder) == "VOCdevkit"]
        below = [f for f in (*nearer, *(f for kit in kits for f in storage.list_folders(kit))) if _is_voc(f)]
        if len(below) > 1:
            names = ", ".join(storage.name_of(f) for f in below[:5])
            raise UserError(f"{self.root}: holds several VOC folders ({names}); name one as data.root")
        return below[0] if below else self.root

    @cached_property
    def _listed(self) -> dict[str | None, _Listed]:
        folder = self._folder
        if storage.is_folder(place := storage.join(folder, ANNOTATIONS)):
            every = _below(place, storage.join(folder, IMAGES))
            named: dict[str | None, _Listed] = dict(self._lists(every).items())
            return named or {None: every}
        found: dict[str | None, _Listed] = {}
        for below in storage.list_folders(folder):
            name = list_name(storage.name_of(below))
            if name in LISTS and (one := _below(below, below)).labels:
                found[name] = one
        if found:
            return found
        if (one := _below(folder, folder)).labels:
            return {None: one}
        own = own_folders(folder, ".xml")
        if own is not None and "/" not in own.labels:
            return {None: _below(storage.join(folder, own.labels), storage.join(folder, own.images))}
        raise UserError(
            f"{folder}: no folder {ANNOTATIONS}, and no .xml file here or in train, valid or test: not "
            "Pascal VOC"
            + (f"; put {own.labels}/ into {ANNOTATIONS}, {own.images}/ into {IMAGES}" if own else "")
        )

    def _lists(self, every: _Listed) -> dict[str, _Listed]:
        """By `ImageSets/Main/{train,val,test}.txt`; `trainval` and a class's own lists are left aside."""
        main = storage.join(self._folder, *MAIN)
        files = storage.list_files(main, ".txt") if storage.is_folder(main) else []
        lists: dict[str, _Listed] = {}
        for uri in files:
            name = list_name(storage.name_of(uri)[:-4])
            if name not in LISTS:
                continue
            refuse_link(uri, main, self.root)
            chosen: dict[str, str] = {}
            strays: list[DataError] = []
            for line, word in listed_names(storage.read_text(uri)):
                frame_id = named(word, every.labels)
                if frame_id in every.labels:
                    chosen[frame_id] = every.labels[frame_id]
                else:
                    what = f"{shown(frame_id)} has no {ANNOTATIONS}/{frame_id[:80]}.xml"
                    strays.append(DataError(f"{uri}:{line}", what))
            if chosen or strays:
                lists[name] = _Listed(chosen, every.label_dir, every.image_dir, strays)
        return lists

    def _cut(self) -> Splits:
        found = {name: dict.fromkeys(listed.labels) for name, listed in self._listed.items()}
        return self._by_lists_or_seed(found, self._folder)

    def _frame(self, split: str, frame_id: str, check: FrameChecker) -> Frame:
        listed = self._listed[self._list_of(split)]
        label = listed.labels[frame_id]
        refuse_link(label, listed.label_dir, self.root)
        said = parse_voc(voc_text(label), label, self.bad_row)
        image = self._image(listed.image_dir, frame_id, said, label)
        refuse_link(image, listed.image_dir, self.root)
        width, height = said.size or size_of_file(image)
        frame = Frame(frame_id, width, height, said.objects, image_uri=image)
        return check.passed(frame, label)

    @staticmethod
    def _image(folder: str, frame_id: str, said: VocLabels, where: str) -> str:
        """The image of that stem, else the one that the annotation names."""
        for suffix in SUFFIXES:
            for spelled in (suffix, suffix.upper()):
                if storage.exists(uri := storage.join(folder, frame_id + spelled)):
                    return uri
        if said.filename:
            uri = inside(folder, said.filename, where)
            if storage.exists(uri):
                return uri
        named = f", nor {shown(said.filename)}, which it names" if said.filename else ""
        raise DataError(where, f"its image is not there: {folder} has no {frame_id}.jpg{named}")


def _is_voc(folder: str) -> bool:
    return storage.is_folder(storage.join(folder, ANNOTATIONS))


def _has_labels(folder: str) -> bool:
    """Whether the first .xml file there is an annotation of VOC's; other tools write such files too."""
    return any(re.search(rb"<annotation[\s>]", beginning_of(uri)) for uri in _xml_files(folder)[:1])


def _xml_files(folder: str) -> list[str]:
    return [uri for uri in storage.list_files(folder) if uri.lower().endswith(".xml")]


def _below(labels: str, images: str) -> _Listed:
    """The annotation files of a folder."""
    files = {storage.name_of(uri)[:-4]: uri for uri in reversed(_xml_files(labels))}
    if not storage.is_folder(images):
        beside = storage.join(storage.parent(labels), "images")
        images = beside if storage.is_folder(beside) else labels
    return _Listed(files, labels, images, [])
