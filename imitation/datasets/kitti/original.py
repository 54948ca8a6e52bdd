"""The KITTI files that a frame was read from, where they still lie there and still say the same.

Our frames keep of a calibration the camera of `image_2` alone, and of numbers their values: a label written
from them differs from KITTI's own by a shift of some cm, in camera 0's coordinates there, and by rounding. So
what came from KITTI and was not changed goes out again as the bytes that it was.
"""

from __future__ import annotations

from typing import NamedTuple

from imitation.common import storage
from imitation.common.settings import UserError
from imitation.data.records import Frame
from imitation.datasets.kitti.labels import camera_of, parse_labels, read_projection


class KittiTexts(NamedTuple):
    """A frame's label file and its calibration file."""

    labels: bytes
    calib: bytes


def original_texts(frame: Frame, image_uri: str | None) -> KittiTexts | None:
    """The label and calibration files beside the image (`image_2/NAME.*`: `label_2/NAME.txt`,
    `calib/NAME.txt`), if the reader makes of them just this frame's objects and camera; else None."""
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
