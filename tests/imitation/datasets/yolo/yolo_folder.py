"""A small YOLO folder, made and read."""

from pathlib import Path
from typing import Any

import yaml

from imitation.common.settings import DataError
from imitation.data.records import Box, Frame, Object
from imitation.data.splits import SplitSettings
from imitation.datasets.yolo.labels import YoloClasses
from imitation.datasets.yolo.reader import YoloReader, label_of
from tests.imitation.datasets.kitti.kitti_folder import png

ROW = "1 0.5 0.25 0.1 0.5"


DOG = Object("dog", Box(90, 0, 110, 40))


CLASSES = YoloClasses({0: "car", 1: "dog"})


def put(
    root: Path, name: str, rows: str | bytes | None = ROW, folder: str = "images/{}", suffix: str = "png"
) -> Path:
    """One image (noise of 200x80 px) and its label file; `name` is "train/a"."""
    split, _, stem = name.rpartition("/")
    image = root / folder.format(split) / f"{stem}.{suffix}"
    image.parent.mkdir(parents=True, exist_ok=True)
    image.write_bytes(png())
    if rows is not None:
        label = Path(label_of(str(image), str(root)))
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_bytes(rows if isinstance(rows, bytes) else rows.encode())
    return image


def say(root: Path, **said: Any) -> Path:
    (root / "data.yaml").write_text(yaml.safe_dump({"names": ["car", "dog"], "nc": 2} | said))
    return root


def reader_of(root: Path) -> YoloReader:
    return YoloReader(str(root), SplitSettings())


def frames_of(reader: YoloReader, problems: list[DataError] | None = None) -> dict[str, Frame]:
    handed = None if problems is None else problems.append
    return {f.frame_id: f for split in ("train", "val", "test") for f in reader.frames(split, handed)}
