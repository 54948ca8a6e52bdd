"""Settings of the data: where it lies, its layout, categories, splits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from imitation.common.settings import Settings
from imitation.data.records import Convention
from imitation.data.splits import SplitSettings

if TYPE_CHECKING:
    from imitation.datasets.registry import DatasetReader


class DataSettings(Settings):
    """The real data."""

    kind: Literal["world", "kitti", "waymo", "coco", "yolo", "parquet"] = Field(
        "world",
        description='"world" (an embedded stand-in, rendered on the spot), or what the root holds: "kitti", '
        '"waymo", "coco", "yolo" or "parquet" (docs/guide.md has the layouts)',
    )
    root: str | None = Field(
        None, description="the dataset's folder (or its annotation file); none for the embedded world"
    )
    cameras: list[Literal["FRONT", "FRONT_LEFT", "FRONT_RIGHT", "SIDE_LEFT", "SIDE_RIGHT"]] = Field(
        ["FRONT", "FRONT_LEFT", "FRONT_RIGHT", "SIDE_LEFT", "SIDE_RIGHT"],
        min_length=1,
        description="Waymo: the cameras whose images are frames",
    )
    categories: list[str] | None = Field(
        None, description="the detector's categories, in order; null: the kind's own"
    )
    mapping: dict[str, str] = Field(
        {}, description="source category -> detector category, where the names differ"
    )
    ignore: list[str] | None = Field(
        None,
        description="categories that are neither to be found nor false to find, in place of the kind's own "
        "list; a neighbour class (KITTI's Van) left out of it becomes background unless it is mapped or "
        "asked for; null: the kind's own",
    )
    convention: Convention | None = Field(
        None,
        description="what the dataset's boxes mean, which synthetic labels follow: amodal_clipped, "
        "cuboid_clipped or visible; null: the kind's own (KITTI: cuboid_clipped; Waymo, COCO and YOLO: "
        "visible; else amodal_clipped)",
    )
    splits: SplitSettings = Field(
        SplitSettings(), description="how frames are cut where the dataset brings no lists of its own"
    )
    limit: int | None = Field(None, ge=1, description="use at most this many frames of each split")
    parallel_from: int = Field(
        5000, ge=1, description="a split of at least so many frames is read by parallel tasks of the cluster"
    )
    verify_images: bool = Field(True, description="decode every image once before the run starts")
    on_error: Literal["stop", "skip"] = Field(
        "stop", description='a bad frame: "stop" with file and line, or "skip" it, counted and listed'
    )

    def label_convention(self) -> Convention:
        """The convention that synthetic labels follow."""
        own: dict[str, Convention] = {"kitti": "cuboid_clipped"}
        own |= dict.fromkeys(("waymo", "coco", "yolo"), "visible")
        return self.convention or own.get(self.kind, "amodal_clipped")

    def open(self) -> DatasetReader:
        """The reader of the dataset. Raises UserError where there is none at the root."""
        from imitation.datasets.registry import open_dataset

        options = {"cameras": self.cameras} if self.kind == "waymo" else {}
        return open_dataset(self.kind, self.root or "", self.splits, options)
