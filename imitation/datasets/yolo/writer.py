"""YOLO folders: images, one text file of boxes an image, and data.yaml.

Format: Ultralytics' detection data sets: a row is `class x y width height`, the box's centre and size as
shares of the image's. That is all it holds: boxes are cut at the image's edge, and ignored regions,
which YOLO cannot say, are left out and counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import yaml

from imitation.common import storage
from imitation.data.records import Frame
from imitation.datasets.coco.writer import put_image
from imitation.datasets.common.tally import Tally
from imitation.datasets.writing import FrameWriter
from imitation.datasets.yolo.labels import yolo_labels

DATA = "data.yaml"
_ONE_SET = "# One set: name the folders (or lists of images) train and val here to train with Ultralytics.\n"


class YoloWriter(FrameWriter):
    """`images/<split>/`, `labels/<split>/`, and `data.yaml`."""

    def write(self, splits: Sequence[str]) -> None:
        labelled = [name for name, objects in self.survey.categories.items() if objects]
        classes = self.numbered("yolo", labelled)
        for split in splits:
            write_yolo(self.classed(split), self.out, split, classes, self.tally)
        write_data_yaml(self.out, classes, self.report.frames)


def write_yolo(
    frames: Iterable[tuple[str, Frame]],
    root: str,
    split: str,
    categories: Mapping[str, int],
    tally: Tally,
) -> int:
    """Writes named frames, which hold their image's bytes, as `root/images/<split>/` and
    `root/labels/<split>/` (no folder for a split of ""). Returns their number.

    `categories` go from name to number. What is left out or cut is counted in `tally`. Raises StorageError,
    KeyError for an object of a category that was not named.
    """
    count = 0
    for count, (name, frame) in enumerate(frames, start=1):  # noqa: B007 (the last count is the result)
        put_image(storage.join(root, "images", split), name, frame)
        text = yolo_labels(frame, categories, tally)
        storage.write_bytes_atomic(storage.join(root, "labels", split, f"{name}.txt"), text.encode())
    return count


def write_data_yaml(root: str, categories: Mapping[str, int], splits: Mapping[str, int]) -> None:
    """Writes `root/data.yaml`: the classes by number, and the folder of each split that has frames.
    A single set without a name ("") has no lists."""
    data = {split: f"images/{split}" for split, frames in splits.items() if split and frames}
    names = {number: name for name, number in sorted(categories.items(), key=lambda item: item[1])}
    text = yaml.safe_dump({**data, "names": names}, sort_keys=False, allow_unicode=True)
    storage.write_bytes_atomic(storage.join(root, DATA), ((_ONE_SET if not data else "") + text).encode())
