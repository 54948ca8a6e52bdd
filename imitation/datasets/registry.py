"""Opens a dataset by its kind: which frames are in which split, and the frames themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from imitation.common import storage
from imitation.common.settings import UserError
from imitation.common.wording import nearest
from imitation.data.splits import SplitSettings
from imitation.datasets.base import (
    DatasetReader,
    assign_roles,
    cut_all,
)
from imitation.datasets.coco.reader import CocoReader
from imitation.datasets.kitti.reader import KittiReader
from imitation.datasets.parquet.reader import ParquetReader
from imitation.datasets.waymo.reader import WaymoReader
from imitation.datasets.yolo.reader import YoloReader

__all__ = [
    "READERS",
    "DatasetReader",
    "KittiReader",
    "ParquetReader",
    "assign_roles",
    "cut_all",
    "open_dataset",
]


READERS: dict[str, Callable[..., DatasetReader]] = {
    reader.kind: reader for reader in (KittiReader, WaymoReader, CocoReader, YoloReader, ParquetReader)
}


def open_dataset(
    kind: str,
    root: str,
    settings: SplitSettings | None = None,
    options: Mapping[str, Any] | None = None,
) -> DatasetReader:
    """The reader for a kind of data; `options` are the kind's own (Waymo: `cameras`). Raises `UserError`
    naming the nearest kind for an unknown one, or the root if there is nothing there."""
    if kind not in READERS:
        near = nearest(kind, READERS, cutoff=0.0)[0]
        raise UserError(
            f"there is no dataset kind {kind!r}; known are {', '.join(READERS)} (nearest: {near})"
        )
    if not storage.exists(root):
        raise UserError(f"{root}: there is nothing there; give the folder (or file) of a {kind} dataset")
    return READERS[kind](root, SplitSettings() if settings is None else settings, **(options or {}))
