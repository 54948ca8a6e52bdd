"""KITTI object folders: read, write, splits.

Layout and columns: the object development kit of Geiger, Lenz and Urtasun, "Are we ready for
autonomous driving? The KITTI vision benchmark suite", CVPR 2012. A label line has 15 columns: type,
truncated, occluded, alpha, box (x1, y1, x2, y2 px), height, width, length (m), location (x, y, z m of
the bottom centre), rotation_y.

KITTI's camera coordinates are those of its camera 0; the left colour camera of `image_2` stands
inv(K) @ P2[:, 3] away (6 cm). The reader adds that to every location, so that `Frame.camera`
projects a cuboid without a fourth column; the writer takes it off again.

KITTI's occlusion is a level (0 visible, 1 partly, 2 largely occluded, 3 unknown), not a share: it is
kept as `occlusion_level`, and `occlusion` stays None. Boxes reach behind occluders but are cut at the
image's edge, so `amodal_box` is known only where `truncation` is 0.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from imitation.common import storage
from imitation.common.settings import DataError, UserError
from imitation.common.texts import lines_of, shown
from imitation.data.images import size_of_file
from imitation.data.records import Box, Camera, Cuboid, Frame, Object
from imitation.datasets.common.paths import list_name, refuse_link
from imitation.datasets.common.validation import FrameChecker, Problems, handled, object_fault

CATEGORIES = (
    "Car",
    "Van",
    "Truck",
    "Pedestrian",
    "Person_sitting",
    "Cyclist",
    "Tram",
    "Misc",
    "DontCare",
)
DONT_CARE = "DontCare"
SUFFIXES = (".png", ".jpg", ".jpeg")
COLUMNS = 15


@dataclass(frozen=True)
class KittiFolder:
    """Where a folder's files lie, by frame name. `doubles` are frames with two images: the second.

    `root` and the three folders may be symbolic links. Links of single files are followed only to what lies
    below their folder or the root in truth (see `paths.refuse_link`).
    """

    root: str

    labels: Mapping[str, str]
    calibs: Mapping[str, str]
    images: Mapping[str, str]
    label_dir: str
    calib_dir: str
    image_dir: str
    doubles: Mapping[str, str]

    def names(self) -> list[str]:
        return sorted({*self.labels, *self.images})


def _training_root(root: str) -> str:
    root = storage.absolute(root)
    for candidate in (storage.join(root, "training"), root):
        if storage.is_folder(storage.join(candidate, "label_2")):
            return candidate
    reason = (
        "has no label_2 folder, nor has its training folder" if storage.exists(root) else "does not exist"
    )
    raise UserError(f"{root}: {reason}; give a KITTI object folder (training/image_2, label_2, calib)")


def open_kitti(root: str) -> KittiFolder:
    """Lists a KITTI object folder (`root` or `root/training`). Raises `UserError` if it is none."""
    base = _training_root(root)
    doubles: dict[str, str] = {}

    def files(name: str, *suffixes: str) -> dict[str, str]:
        folder = storage.join(base, name)
        if not storage.is_folder(folder):
            raise UserError(f"{folder}: there is no such folder; a KITTI object folder needs it")
        found: dict[str, str] = {}
        for uri in storage.list_files(folder):
            stem, dot, suffix = storage.name_of(uri).rpartition(".")
            if (dot + suffix).lower() in suffixes and found.setdefault(stem, uri) != uri:
                doubles[stem] = uri
        return found

    return KittiFolder(
        root=storage.absolute(root),
        labels=files("label_2", ".txt"),
        calibs=files("calib", ".txt"),
        images=files("image_2", *SUFFIXES),
        label_dir=storage.join(base, "label_2"),
        calib_dir=storage.join(base, "calib"),
        image_dir=storage.join(base, "image_2"),
        doubles=doubles,
    )


def read_kitti(
    root: str,
    names: Sequence[str] | None = None,
    problems: Problems | None = None,
    known: Iterable[str] | None = None,
    scores: bool = False,
    folder: KittiFolder | None = None,
    sequences: Mapping[str, str] | None = None,
) -> Iterator[Frame]:
    """Streams the frames of a KITTI object folder (`root` or `root/training`), pixels not read.

    `names` are frame names ("000008") in the order wanted; None takes every label and image, sorted.
    `known` are the types allowed (None: KITTI's nine). `scores` allows a 16th column, which is
    dropped. `folder` and `sequences` are the root's, where they are known already. Raises `DataError`
    with file and line for a bad frame, or hands it to `problems` and leaves the frame out; `UserError` if
    this is no KITTI folder.
    """
    folder = open_kitti(root) if folder is None else folder
    categories = frozenset(CATEGORIES if known is None else known)
    sequences = kitti_sequences(root) if sequences is None else sequences
    check = FrameChecker()
    read = partial(_read_frame, folder, sequences, categories, scores, check)
    wanted = folder.names() if names is None else names
    yield from handled((partial(read, name) for name in wanted), problems)


def kitti_names(root: str) -> list[str]:
    """The names of all frames that have a label or an image, sorted. Raises `UserError`."""
    return open_kitti(root).names()


def _read_frame(
    folder: KittiFolder,
    sequences: Mapping[str, str],
    known: frozenset[str],
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
    calib = _found(folder.calibs, name, folder.calib_dir, f"{name}.txt", "calibration")
    if other := folder.doubles.get(name):
        raise DataError(other, f"{storage.name_of(image)} is the same frame; keep one")
    places = (folder.image_dir, folder.label_dir, folder.calib_dir)
    for uri, place in zip((image, label, calib), places):
        refuse_link(uri, place, folder.root)
    width, height = size_of_file(image)
    camera, shift = camera_of(read_projection(calib), calib)
    objects = parse_labels(storage.read_data_text(label, "label file"), label, shift, known, scores)
    for line, obj in objects:
        if fault := object_fault(obj, width, height):
            raise DataError(f"{label}:{line}", f"{obj.category}: {fault}")
    frame = Frame(
        frame_id=name,
        width=width,
        height=height,
        objects=tuple(obj for _, obj in objects),
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


def read_projection(uri: str) -> np.ndarray:
    """`P2` of a KITTI calibration file, float64 (3, 4). Raises `DataError` with the line."""
    for number, line in enumerate(lines_of(storage.read_data_text(uri, "calibration")), start=1):
        key, colon, rest = line.partition(":")
        if colon and key.strip() == "P2":
            values = [_number(v, f"{uri}:{number}", "P2") for v in rest.split()]
            if len(values) != 12:
                raise DataError(f"{uri}:{number}", f"P2 has {len(values)} numbers; 12 are needed")
            return np.array(values).reshape(3, 4)
    raise DataError(uri, "has no line P2 (the left colour camera's projection)")


def camera_of(projection: np.ndarray, where: str) -> tuple[Camera, np.ndarray]:
    """The pinhole camera of a (3, 4) projection, and inv(K) @ P[:, 3], m (3,): what has to be added to
    a location. Raises `DataError` for a projection with skew or without focal length."""
    k = projection[:, :3]
    if k[0, 0] <= 0 or k[1, 1] <= 0 or any((k[0, 1], k[1, 0], k[2, 0], k[2, 1])) or k[2, 2] != 1:
        raise DataError(
            where, f"P2 is not a pinhole camera without skew (fx 0 cx; 0 fy cy; 0 0 1): {k.tolist()}"
        )
    camera = Camera(fx=float(k[0, 0]), fy=float(k[1, 1]), cx=float(k[0, 2]), cy=float(k[1, 2]))
    return camera, np.linalg.solve(k, projection[:, 3])


def parse_labels(
    text: str,
    where: str,
    shift: np.ndarray | None = None,
    known: frozenset[str] = frozenset(CATEGORIES),
    scores: bool = False,
) -> list[tuple[int, Object]]:
    """The objects of a label file, each with its line number (from 1); empty lines are passed over.

    `shift` (3,), m, is added to every location. Raises `DataError` with file and line.
    """
    offset = np.zeros(3) if shift is None else shift
    return [
        (number, _parse_line(line.split(), f"{where}:{number}", offset, known, scores))
        for number, line in enumerate(lines_of(text), start=1)
        if line.strip()
    ]


def _cut(text: str) -> str:
    """A number as it stands in the file, without end or quotation marks."""
    return shown(text)[1:-1]


def _number(text: str, where: str, column: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise DataError(where, f"{column} is {shown(text)}, not a number") from None
    if not math.isfinite(value):
        raise DataError(where, f"{column} is {_cut(text)}, not a finite number")
    return value


_NAMES = (
    *("truncated", "occluded", "alpha", "box x1", "box y1", "box x2", "box y2"),
    *("height", "width", "length", "x", "y", "z", "rotation_y", "score"),
)


def _parse_line(
    columns: list[str], where: str, shift: np.ndarray, known: frozenset[str], scores: bool
) -> Object:
    if len(columns) != COLUMNS and not (scores and len(columns) == COLUMNS + 1):
        hint = " (a result file with scores?)" if len(columns) == COLUMNS + 1 else ""
        raise DataError(where, f"{len(columns)} columns instead of {COLUMNS}{hint}")
    category = columns[0]
    if category not in known:
        raise DataError(where, f"unknown type {shown(category)}; known are {', '.join(sorted(known))}")
    values = [_number(text, where, name) for text, name in zip(columns[1:], _NAMES)]
    truncated, occluded, alpha, x1, y1, x2, y2 = values[:7]
    if occluded not in (-1, 0, 1, 2, 3):
        raise DataError(where, f"occluded is {_cut(columns[2])}, not a level of -1, 0, 1, 2, 3")
    truncation = None if truncated == -1 else truncated
    box = Box(x1, y1, x2, y2)
    return Object(
        category=category,
        box=box,
        amodal_box=box if truncation == 0 else None,
        truncation=truncation,
        ignore=category == DONT_CARE,
        cuboid=_cuboid(values[7:14], shift),
        alpha=None if alpha == -10 else alpha,
        occlusion_level=None if occluded == -1 else int(occluded),
    )


def _cuboid(values: list[float], shift: np.ndarray) -> Cuboid | None:
    """Height, width, length, x, y, z, yaw as KITTI writes them; None for its "unknown" values."""
    height, width, length, x, y, z, yaw = values
    if height == width == length == -1 or x == y == z == -1000:
        return None
    dx, dy, dz = (float(v) for v in shift)
    return Cuboid(x + dx, y + dy, z + dz, length=length, width=width, height=height, yaw=yaw)


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
            raise UserError(f"{uri}:{number}: {_cut(name)} already stands on line {names[name]}; remove one")
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


def write_kitti(
    frames: Iterable[Frame], root: str, projections: Mapping[str, np.ndarray] | None = None
) -> int:
    """Writes `root/training/label_2`, `calib` and, for frames that hold their image's bytes, `image_2`.

    Numbers get two decimals, as in KITTI's own labels; what is unknown gets KITTI's -1, -10 and -1000,
    and an `ignore` object becomes DontCare. `projections` are the `P2` (3, 4) of frames by frame_id, as
    `read_projection` gives them; without one the calibration is the frame's camera with a fourth
    column of zeros. Only `P2` is written. Returns the number of frames. Raises `UserError` for a frame
    that KITTI's layout cannot hold.
    """
    base = make_folders(root)
    count = 0
    for count, frame in enumerate(frames, start=1):  # noqa: B007 (the last count is the result)
        if not re.fullmatch(r"[\w-][\w.-]*", frame.frame_id):
            raise UserError(f"frame {frame.frame_id!r}: its id cannot be a file name; rename the frame")
        texts = texts_of(frame, (projections or {}).get(frame.frame_id))
        put_frame(base, frame.frame_id, texts, frame.image)
    return count


class KittiTexts(NamedTuple):
    """A frame's label file and its calibration file."""

    labels: bytes
    calib: bytes


def texts_of(frame: Frame, projection: np.ndarray | None = None) -> KittiTexts:
    """A frame's labels and calibration as `write_kitti` writes them. Raises `UserError` as it does."""
    if projection is None:
        projection = _projection(frame)
    _, shift = camera_of(projection, f"frame {frame.frame_id}")
    labels = "".join(format_label(obj, shift) + "\n" for obj in frame.objects)
    calib = "P2: " + " ".join(repr(float(v)) for v in projection.ravel()) + "\n"
    return KittiTexts(labels.encode(), calib.encode())


def make_folders(root: str) -> str:
    """Makes the folders of a KITTI object folder; returns its `training`."""
    base = storage.join(storage.absolute(root), "training")
    for folder in ("label_2", "calib", "image_2"):
        storage.make_folder(storage.join(base, folder))
    return base


def put_frame(base: str, name: str, texts: KittiTexts, image: bytes | None) -> None:
    """Writes a frame's files below `training`, the image if there is one (JPEG or PNG)."""
    files = {("label_2", ".txt"): texts.labels, ("calib", ".txt"): texts.calib}
    if image is not None:
        files[("image_2", ".png" if image.startswith(b"\x89PNG") else ".jpg")] = image
    for (folder, suffix), data in files.items():
        storage.write_bytes_atomic(storage.join(base, folder, name + suffix), data)


def _projection(frame: Frame) -> np.ndarray:
    if frame.camera is None:
        raise UserError(f"frame {frame.frame_id}: has no camera, which KITTI's calibration needs")
    c = frame.camera
    return np.array([[c.fx, 0, c.cx, 0], [0, c.fy, c.cy, 0], [0, 0, 1, 0]], dtype=np.float64)


def format_label(obj: Object, shift: np.ndarray | None = None) -> str:
    """One label line, 15 columns; `shift` (3,), m, is taken off the location.

    Raises `UserError` for a category with a blank in it.
    """
    category = DONT_CARE if obj.ignore else obj.category
    if not category or re.search(r"\s", category):
        raise UserError(f"category {category!r}: a KITTI label needs one word; map it to one")
    two: Callable[[float], str] = "{:.2f}".format
    columns = [
        category,
        "-1" if obj.truncation is None else two(obj.truncation),
        "-1" if obj.occlusion_level is None else str(obj.occlusion_level),
        "-10" if obj.alpha is None else two(obj.alpha),
        *map(two, obj.box),
    ]
    if obj.cuboid is None:
        return " ".join([*columns, "-1 -1 -1 -1000 -1000 -1000 -10"])
    dx, dy, dz = np.zeros(3) if shift is None else shift
    c = replace(obj.cuboid, x=obj.cuboid.x - dx, y=obj.cuboid.y - dy, z=obj.cuboid.z - dz)
    return " ".join([*columns, *map(two, (c.height, c.width, c.length, c.x, c.y, c.z, c.yaw))])
