"""KITTI object folders: where their files lie, their frames, their lists and drives."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from imitation.common import storage
from imitation.common.settings import DataError, UserError
from imitation.common.texts import lines_of, shown
from imitation.data.images import SUFFIXES, size_of_file
from imitation.data.records import Frame
from imitation.datasets.common.left_out import refuse
from imitation.datasets.common.own_names import own_folders
from imitation.datasets.common.paths import list_name, refuse_link
from imitation.datasets.common.validation import FrameChecker, Problems, handled, object_fault
from imitation.datasets.kitti.labels import CATEGORIES, camera_of, parse_labels, read_projection
from imitation.datasets.kitti.text import ROW_LENGTHS

LOOKED_AT = 20  # label files of which one has to hold a row, to tell whose they are
LAYOUTS = (("label_2", "image_2"), ("labels", "images"))
"""Folders of labels and images: KITTI's own, and that of TAO, DIGITS and Isaac, whose types are anybody's."""


@dataclass(frozen=True)
class KittiFolder:
    """Where a folder's files lie, by frame name. `doubles` are frames with two images: the second. Where
    there is no folder `calib`, frames have no camera.

    `root` and the three folders may be symbolic links. Links of single files are followed only to what lies
    below their folder or the root in truth (see `paths.refuse_link`).
    """

    root: str

    labels: Mapping[str, str]
    calibs: Mapping[str, str]
    images: Mapping[str, str]
    label_dir: str
    calib_dir: str | None
    image_dir: str
    doubles: Mapping[str, str]

    @property
    def own(self) -> bool:
        """Whether the folders are called as KITTI's own, so that its nine types are all that there are."""
        return storage.name_of(self.label_dir) == LAYOUTS[0][0]

    def names(self) -> list[str]:
        return sorted({*self.labels, *self.images})


def _layout(root: str) -> tuple[str, str, str]:
    """The folder that the others lie in, and what those of labels and images are called."""
    root = storage.absolute(root)
    for labels, images in LAYOUTS:
        for candidate in (storage.join(root, "training"), root):
            if storage.is_folder(storage.join(candidate, labels)):
                return candidate, labels, images
    reason = (
        "has no label_2 folder, nor has its training folder" if storage.exists(root) else "does not exist"
    )
    if (found := own_folders(root)) is not None and len(found.words) in ROW_LENGTHS:
        reason += (
            f", but {found.labels}/ has rows of {len(found.words)} columns and {found.images}/ has their "
            "pictures: call the two labels and images (links to them will do)"
        )
    raise UserError(
        f"{root}: {reason}; give a KITTI object folder (training/image_2, label_2, calib), or one with "
        "images and labels, as TAO and Isaac write it"
    )


def kitti_signs(root: str) -> str | None:
    """KITTI's own folders, or rows of its label format in those of other tools."""
    if not storage.is_folder(root):
        return None
    for base in (storage.join(root, "training"), root):
        for labels, images in LAYOUTS:
            folder = storage.join(base, labels)
            if not (storage.is_folder(folder) and storage.is_folder(storage.join(base, images))):
                continue
            if labels == LAYOUTS[0][0]:
                return f"{labels} and {images} in {base}"
            for uri in storage.list_files(folder, ".txt")[:LOOKED_AT]:
                words = next((line.split() for line in lines_of(storage.read_text(uri)) if line.strip()), [])
                if len(words) in ROW_LENGTHS:
                    return f"rows of {len(words)} columns in {folder}"
    return None


def open_kitti(root: str) -> KittiFolder:
    """Lists a KITTI object folder (`root` or `root/training`). Raises `UserError` if it is none."""
    base, labels, images = _layout(root)
    doubles: dict[str, str] = {}

    def files(name: str, *suffixes: str) -> dict[str, str]:
        folder = storage.join(base, name)
        if not storage.is_folder(folder):
            raise UserError(f"{folder}: there is no such folder; a KITTI object folder needs it")
        by_stem: dict[str, str] = {}
        for uri in storage.list_files(folder):
            stem, dot, suffix = storage.name_of(uri).rpartition(".")
            if (dot + suffix).lower() in suffixes and by_stem.setdefault(stem, uri) != uri:
                doubles[stem] = uri
        return by_stem

    calib_dir = storage.join(base, "calib")
    calibrated = storage.is_folder(calib_dir)
    return KittiFolder(
        root=storage.absolute(root),
        labels=files(labels, ".txt"),
        calibs=files("calib", ".txt") if calibrated else {},
        images=files(images, *SUFFIXES),
        label_dir=storage.join(base, labels),
        calib_dir=calib_dir if calibrated else None,
        image_dir=storage.join(base, images),
        doubles=doubles,
    )


def read_kitti(
    root: str,
    names: Sequence[str] | None = None,
    problems: Problems | None = None,
    known: Iterable[str] | Literal["any"] | None = None,
    scores: bool = False,
    folder: KittiFolder | None = None,
    sequences: Mapping[str, str] | None = None,
    bad: Problems = refuse,
) -> Iterator[Frame]:
    """Streams the frames of a KITTI object folder (`root` or `root/training`), pixels not read.

    `names` are frame names ("000008") in the order wanted; None takes every label and image, sorted.
    `known` are the types allowed (None: KITTI's nine, or any where the folders are not called as KITTI's own;
    the same folders may hold scores). `scores` allows a 16th column, which is
    dropped. `folder` and `sequences` are the root's, where they are known already. `bad` gets each bad line
    of labels, and raises it or goes on without. Raises `DataError` with file and line for a bad frame, or
    hands it to `problems` and leaves the frame out; `UserError` if this is no KITTI folder.
    """
    folder = open_kitti(root) if folder is None else folder
    if known == "any" or (known is None and not folder.own):
        categories = None
    else:
        categories = frozenset(CATEGORIES if known is None else known)
    scores = scores or not folder.own
    sequences = kitti_sequences(root) if sequences is None else sequences
    check = FrameChecker(bad)
    read = partial(_read_frame, folder, sequences, categories, scores, check)
    wanted = folder.names() if names is None else names
    yield from handled((partial(read, name) for name in wanted), problems)


def _read_frame(
    folder: KittiFolder,
    sequences: Mapping[str, str],
    known: frozenset[str] | None,
    scores: bool,
    check: FrameChecker,
    name: str,
) -> Frame:
    if name not in folder.images and name not in folder.labels and (listed := _listed_at(folder.root, name)):
        raise DataError(
            listed, f"there is neither an image nor a label file of frame {shown(name)}; remove it"
        )
    image = _found(folder.images, name, folder.image_dir, f"{name}.png or .jpg", "image")
    label = _found(folder.labels, name, folder.label_dir, f"{name}.txt", "label file")
    if other := folder.doubles.get(name):
        raise DataError(other, f"{storage.name_of(image)} is the same frame; keep one")
    for uri, place in ((image, folder.image_dir), (label, folder.label_dir)):
        refuse_link(uri, place, folder.root)
    width, height = size_of_file(image)
    camera, shift = None, None
    if folder.calib_dir is not None:
        calib = _found(folder.calibs, name, folder.calib_dir, f"{name}.txt", "calibration")
        refuse_link(calib, folder.calib_dir, folder.root)
        camera, shift = camera_of(read_projection(calib), calib, width)
    text = storage.read_data_text(label, "label file")
    objects = []
    for where, obj in parse_labels(text, label, shift, known, scores, check.bad):
        if fault := object_fault(obj, width, height):
            check.bad(fault.of(where, obj.category))
        else:
            objects.append(obj)
    frame = Frame(
        frame_id=name,
        width=width,
        height=height,
        objects=tuple(objects),
        sequence=sequences.get(name),
        image_uri=image,
        camera=camera,
    )
    check(frame, label)
    return frame


def _found(files: Mapping[str, str], name: str, folder: str, expected: str, what: str) -> str:
    if name not in files:
        if not re.fullmatch(r"[\w.-]{1,80}", name):  # a list may say anything
            raise DataError(folder, f"frame {shown(name)} has no {what}: no file is called so")
        raise DataError(storage.join(folder, expected), f"frame {name} has no {what}: the file is missing")
    return files[name]


def kitti_splits(root: str) -> dict[str, list[str]] | None:
    """The lists of `ImageSets` (train, val, trainval, ...) as frame names; None if there is no such folder.

    KITTI's own `test.txt` counts the unlabelled frames of `testing/`, whose names are those of training
    frames: a test list that shares names with another list is left out.
    Raises `UserError` with file and line for a name that stands twice in a list.
    """
    base = storage.absolute(root)
    folder = storage.join(base, "ImageSets")
    if not storage.is_folder(folder):
        return None
    lists = {
        list_name(storage.name_of(uri)[:-4]): _read_list(uri, base)
        for uri in storage.list_files(folder, ".txt")
    }
    others = {name for split, names in lists.items() if split != "test" for name in names}
    if not others.isdisjoint(lists.get("test", ())):
        del lists["test"]
    return lists or None


def _read_list(uri: str, root: str) -> list[str]:
    refuse_link(uri, storage.parent(uri), root)
    names: dict[str, int] = {}
    for number, line in enumerate(lines_of(storage.read_text(uri)), start=1):
        name = line.strip()
        if name in names:
            fault = f"{shown(name)[1:-1]} already stands on line {names[name]}"
            raise UserError(f"{uri}:{number}: {fault}; remove one")
        if name:
            names[name] = number
    return list(names)


def _listed_at(root: str, name: str) -> str | None:
    """The list and line that name a frame, for messages."""
    folder = storage.join(root, "ImageSets")
    for uri in storage.list_files(folder, ".txt") if storage.is_folder(folder) else ():
        for number, line in enumerate(lines_of(storage.read_text(uri)), start=1):
            if line.strip() == name:
                return f"{uri}:{number}"
    return None


def kitti_sequences(root: str) -> dict[str, str]:
    """Frame name -> drive ("2011_09_26_drive_0005_sync"), from the development kit's `mapping` folder
    (`train_mapping.txt`, `train_rand.txt`) if there is one, else empty.

    Frame n is the line of the mapping that the n-th number (from 1) of `train_rand.txt` names.
    """
    folder = storage.join(storage.absolute(root), "mapping")
    mapping, rand = (storage.join(folder, name) for name in ("train_mapping.txt", "train_rand.txt"))
    if not (storage.exists(mapping) and storage.exists(rand)):
        return {}
    for uri in (mapping, rand):
        refuse_link(uri, folder, root)
    drives = [line.split() for line in lines_of(storage.read_text(mapping)) if line.strip()]
    for number, columns in enumerate(drives, start=1):
        if len(columns) != 3:
            raise UserError(f"{mapping}:{number}: {len(columns)} columns instead of 3 (date, drive, frame)")
    order = [text for text in re.split(r"[,\s]+", storage.read_text(rand)) if text]
    for place, text in enumerate(order, start=1):
        if not (text.isdecimal() and len(text) < 10 and 1 <= int(text) <= len(drives)):
            what = f"number {place} is {shown(text)}, not a line of {mapping} (1-{len(drives)})"
            raise UserError(f"{rand}: {what}")
    return {f"{frame:06d}": drives[int(text) - 1][1] for frame, text in enumerate(order)}
