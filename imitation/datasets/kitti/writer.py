"""Frames as a KITTI object folder can hold them, what it cannot counted, and its files.

`read_kitti` reads back what `texts_of` makes of them: numbers have two decimals, and an object whose
truncation is 0 has its box as amodal box, as everywhere in KITTI.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from imitation.common import storage
from imitation.common.settings import UserError
from imitation.data.records import OCCLUSIONS, Box, Camera, Cuboid, Frame, Object
from imitation.datasets.common.tally import Tally
from imitation.datasets.kitti.labels import (
    CATEGORIES,
    DONT_CARE,
    camera_of,
    format_label,
    parse_labels,
    read_projection,
)
from imitation.datasets.writing import FrameWriter

OTHER = "Misc"
_BY_CASE = {name.lower(): name for name in CATEGORIES if name != DONT_CARE}
_UNKNOWN = -1000.0  # KITTI's x, y and z of an object without cuboid


class KittiTexts(NamedTuple):
    """A frame's label file and its calibration file."""

    labels: bytes
    calib: bytes


class KittiWriter(FrameWriter):
    """`training/{image_2,label_2,calib}`, splits in `ImageSets/`. A frame that came from KITTI and was not
    changed goes out as the bytes that it was."""

    def write(self, splits: Sequence[str]) -> None:
        lists: dict[str, list[str]] = {split: [] for split in splits}
        folder = make_folders(self.out)
        for split in splits:
            for name, frame, uri in self.taken(split):
                lists[split].append(name)
                texts = original_texts(frame, uri)
                if texts is None:
                    texts = texts_of(replace(as_kitti(frame, self.tally), frame_id=name))
                    self.report.bare += 1
                else:
                    self.tally.drop_fields(frame, ("sequence", "conditions", "origin"))
                    self.report.as_they_were += 1
                put_frame(folder, name, texts, frame.image)
        if len(splits) > 1:  # a single list would have no validation frames beside it
            for split, names in lists.items():
                text = "".join(f"{name}\n" for name in names)
                storage.write_bytes_atomic(storage.join(self.out, "ImageSets", f"{split}.txt"), text.encode())


def as_kitti(frame: Frame, tally: Tally) -> Frame:
    """The frame in KITTI's terms: its nine categories, occlusion as a level, a camera.

    A category that differs from KITTI's in case alone takes its spelling, any other becomes Misc, that
    of an ignored object DontCare. A frame without camera gets a made-up one (focal length: the image's
    width; centre in the middle), because a KITTI folder needs a calibration.
    """
    tally.drop_fields(frame, ("sequence", "conditions", "origin"))
    camera = frame.camera
    if camera is None:
        tally.change("a made-up camera in", "frame")
        camera = Camera(float(frame.width), float(frame.width), frame.width / 2, frame.height / 2)
    if camera.height is not None or camera.pitch is not None:
        tally.drop("camera height and pitch of", "frame")
    return replace(
        frame,
        camera=replace(camera, height=None, pitch=None),
        objects=tuple(_as_kitti(obj, tally) for obj in frame.objects),
        sequence=None,
        conditions=None,
        origin=None,
    )


def _as_kitti(obj: Object, tally: Tally) -> Object:
    tally.drop_fields(obj, ("visible_box", "occlusion", "difficulty"))
    for name in _rounded_fields(obj):
        tally.change(f"to two decimals: {name} of", "object")
    truncation = None if obj.truncation is None else round(obj.truncation, 2)
    amodal = _rounded(obj.box) if truncation == 0 else None
    if obj.amodal_box is not None and (amodal is None or _rounded(obj.amodal_box) != amodal):
        tally.drop_fields(obj, ("amodal_box",))
    if obj.cuboid is not None and not _holds(obj.cuboid):
        tally.drop_fields(obj, ("cuboid",))
    return replace(
        obj,
        category=_category(obj, tally),
        visible_box=None,
        amodal_box=amodal,
        occlusion=None,
        occlusion_level=_level(obj, tally),
        difficulty=None,
        cuboid=obj.cuboid if obj.cuboid is not None and _holds(obj.cuboid) else None,
    )


def _rounded_fields(obj: Object) -> Iterator[str]:
    """What of an object two decimals cannot say; a cuboid that is dropped is not rounded."""
    if _rounded(obj.box) != obj.box:
        yield "boxes"
    for name, value in (("truncations", obj.truncation), ("observation angles", obj.alpha)):
        if value is not None and round(value, 2) != value:
            yield name
    if obj.cuboid is not None and _holds(obj.cuboid):
        values = (getattr(obj.cuboid, name) for name in Cuboid.__slots__)
        if any(round(value, 2) != value for value in values):
            yield "cuboids"


def _category(obj: Object, tally: Tally) -> str:
    if obj.ignore:
        if obj.category != DONT_CARE:
            tally.change(f"{obj.category} as {DONT_CARE} of", "ignore region")
        return DONT_CARE
    name = _BY_CASE.get(obj.category.lower(), OTHER)
    if name != obj.category:
        tally.change(f"{obj.category} as {name} of", "object")
    return name


def _level(obj: Object, tally: Tally) -> int | None:
    """KITTI's own level, else one from the share: 0 up to a tenth, 1 up to a half, 2."""
    if obj.occlusion_level in (0, 1, 2, 3):
        return obj.occlusion_level
    tally.drop_fields(obj, ("occlusion_level",))
    if obj.occlusion is None:
        return None
    tally.change("KITTI's occlusion level from the share of", "object")
    return int(np.digitize(obj.occlusion, OCCLUSIONS, right=True))


def _holds(cuboid: Cuboid) -> bool:
    """Whether a cuboid survives two decimals: no size of 0, and not where KITTI says "unknown"."""
    sizes = (cuboid.length, cuboid.width, cuboid.height)
    place = (cuboid.x, cuboid.y, cuboid.z)
    return all(round(v, 2) > 0 for v in sizes) and any(round(v, 2) != _UNKNOWN for v in place)


def _rounded(box: Box) -> Box:
    return Box(*(round(v, 2) for v in box))


def original_texts(frame: Frame, image_uri: str | None) -> KittiTexts | None:
    """The label and calibration files beside the image (`image_2/NAME.*`: `label_2/NAME.txt`,
    `calib/NAME.txt`), if the reader makes of them just this frame's objects and camera; else None.

    A label written from a frame would differ from KITTI's own by a shift of some cm, in camera 0's
    coordinates there, and by rounding: what came from KITTI unchanged goes out as the bytes that it was.
    """
    if image_uri is None or frame.camera is None:
        return None
    folder = storage.parent(image_uri)
    if storage.name_of(folder) != "image_2":
        return None
    base, stem = storage.parent(folder), storage.name_of(image_uri).rpartition(".")[0]
    label, calib = (storage.join(base, place, f"{stem}.txt") for place in ("label_2", "calib"))
    try:
        if not (storage.exists(label) and storage.exists(calib)):
            return None
        camera, shift = camera_of(read_projection(calib), calib)
        found = parse_labels(storage.read_data_text(label, "label file"), label, shift)
        if camera != frame.camera or tuple(obj for _, obj in found) != frame.objects:
            return None
        return KittiTexts(storage.read_bytes(label), storage.read_bytes(calib))
    except UserError:  # gone, unreadable, or no KITTI files: the frame is written as we know it
        return None


def texts_of(frame: Frame, projection: np.ndarray | None = None) -> KittiTexts:
    """A frame's label and calibration files.

    Numbers get two decimals, as in KITTI's own labels; what is unknown gets KITTI's -1, -10 and -1000,
    and an `ignore` object becomes DontCare. `projection` is the frame's `P2` (3, 4); without one it is the
    frame's camera with a fourth column of zeros. Raises `UserError` for what KITTI's layout cannot hold.
    """
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
