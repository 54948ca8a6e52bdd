"""COCO detection annotations, losslessly.

Format: Lin et al., "Microsoft COCO: common objects in context", ECCV 2014, and its data format page; the
layout is COCO's own, `annotations/instances_train.json` and the images in `train/`. What COCO has
no field for stands under the key `imitation` of each image (frame_id, sequence, camera, conditions,
origin) and annotation (the fields of `Object`); `imitation.datasets.coco.reader` reads it back, other tools
pass over it.
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any

from imitation.common import storage
from imitation.data.records import Box, Frame, Object, frame_to_row, object_to_row
from imitation.datasets.coco.index import EXTRA
from imitation.datasets.writing import FrameWriter

ANNOTATIONS = "annotations"
ONE_SET = "train"
"""What the files are called of a set without splits."""
# What COCO's own fields say.
_IMAGE_FIELDS = ("image", "image_uri", "width", "height", "objects")
_OBJECT_FIELDS = ("category", "box", "ignore")


class CocoFiles:
    """Writes sets of frames that share their `categories` (name -> id) and their ids: images and annotations
    are numbered on from set to set."""

    def __init__(self, categories: Mapping[str, int]) -> None:
        self.categories = dict(categories)
        self._images = self._annotations = 0

    def write(self, frames: Iterable[tuple[str, Frame]], root: str, split: str, description: str) -> int:
        """Writes named frames, which hold their image's bytes, as `root/<split>/<name>.jpg` (or .png) and
        `root/annotations/instances_<split>.json`, which appears when all are written. Returns their number.

        Memory holds one frame at a time. Raises StorageError, and KeyError for an object of a category
        that was not named.
        """
        first = self._images
        with (
            storage.open_atomic(storage.join(root, ANNOTATIONS, f"instances_{split}.json")) as sink,
            tempfile.TemporaryFile() as annotations,
        ):
            head = {
                "info": {"description": description},
                "licenses": [],
                "categories": [{"id": number, "name": name} for name, number in self.categories.items()],
            }
            sink.write(_json(head)[:-1] + b',\n"images": [')
            for name, frame in frames:
                file_name = put_image(storage.join(root, split), name, frame)
                self._images += 1
                _append(sink, image_entry(frame, self._images, file_name), self._images == first + 1)
                for obj in frame.objects:
                    self._annotations += 1
                    size = (frame.height, frame.width)
                    entry = annotation_entry(
                        obj, self._annotations, self._images, self.categories[obj.category], size
                    )
                    _append(annotations, entry, annotations.tell() == 0)
            sink.write(b'],\n"annotations": [')
            annotations.seek(0)
            shutil.copyfileobj(annotations, sink)
            sink.write(b"]}\n")
        return self._images - first


class CocoWriter(FrameWriter):
    """`annotations/instances_<split>.json` and the images in `<split>/`, nothing lost; a set without splits
    is called train."""

    def write(self, splits: Sequence[str]) -> None:
        writer = CocoFiles(self.numbered("coco", self.survey.categories))
        for split in splits:
            writer.write(self.classed(split), self.out, split or ONE_SET, split or "frames")


def _append(sink: IO[bytes], entry: Mapping[str, Any], first: bool) -> None:
    sink.write((b"\n" if first else b",\n") + _json(entry))


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")


def image_entry(frame: Frame, image_id: int, file_name: str) -> dict[str, Any]:
    """A frame as a member of COCO's `images`."""
    extra = {k: v for k, v in frame_to_row(frame).items() if v is not None and k not in _IMAGE_FIELDS}
    if frame.conditions is not None:
        extra["conditions"] = dict(frame.conditions)
    return {
        "id": image_id,
        "file_name": file_name,
        "width": frame.width,
        "height": frame.height,
        EXTRA: extra,
    }


def annotation_entry(
    obj: Object, annotation_id: int, image_id: int, category_id: int, size: tuple[int, int]
) -> dict[str, Any]:
    """An object as a member of COCO's `annotations`: bbox is x, y, width, height, px; area is the box's,
    px2; an ignored object is a crowd. Its `segmentation` is the box again, which tools ask for: a polygon,
    or, as COCO has it for crowds, run lengths. `size` is the image's height and width, px."""
    extra = {k: v for k, v in object_to_row(obj).items() if v is not None and k not in _OBJECT_FIELDS}
    box = obj.box
    if (box.x1 + box.width, box.y1 + box.height) != (box.x2, box.y2):  # a last bit lost in subtraction
        extra["box"] = box._asdict()
    return {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": category_id,
        "bbox": [box.x1, box.y1, box.width, box.height],
        "area": box.area,
        "iscrowd": int(obj.ignore),
        "segmentation": run_lengths(box, *size) if obj.ignore else [_corners(box)],
        EXTRA: extra,
    }


def _corners(box: Box) -> list[float]:
    return [box.x1, box.y1, box.x2, box.y1, box.x2, box.y2, box.x1, box.y2]


def run_lengths(box: Box, height: int, width: int) -> dict[str, list[int]]:
    """A box as an uncompressed COCO mask of an image of that size, px: `counts` of pixels out of it and in it
    by turns, down each column. A pixel is in where its centre is."""
    left, right = (min(max(math.ceil(x - 0.5), 0), width) for x in (box.x1, box.x2))
    top, bottom = (min(max(math.ceil(y - 0.5), 0), height) for y in (box.y1, box.y2))
    columns, rows = right - left, bottom - top
    if not columns or not rows:
        counts = [height * width]
    elif rows == height:
        counts = [left * height, columns * height]
    else:
        counts = [left * height + top, *[rows, height - rows] * (columns - 1), rows]
    counts += [height * width - sum(counts)] * (sum(counts) < height * width)
    return {"counts": counts, "size": [height, width]}


def put_image(folder: str, name: str, frame: Frame) -> str:
    """Writes a frame's image bytes (JPEG or PNG) as they are; returns the file's name."""
    assert frame.image is not None  # the exporter read it
    file_name = name + (".png" if frame.image.startswith(b"\x89PNG") else ".jpg")
    storage.write_bytes_atomic(storage.join(folder, file_name), frame.image)
    return file_name
