"""Settings of the data: where it lies, its layout, categories, splits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator, model_validator

from imitation.common.settings import Settings, UserError
from imitation.data.categories import CategoryMap
from imitation.data.records import Convention
from imitation.data.splits import SplitSettings
from imitation.datasets.registry import AUTO, DATASETS, dataset_of, open_dataset, options_of, recognized
from imitation.datasets.waymo.settings import CAMERAS, Cameras

if TYPE_CHECKING:
    from imitation.datasets.base import DatasetReader


class DataSettings(Settings):
    """The real data."""

    kind: str = Field(
        "world",
        description='"world" (an embedded stand-in, rendered on the spot); with a root what it holds: "auto" '
        '(found out; so it is without a kind), or "kitti", "coco", "huggingface" ... (docs/guide.md has all '
        "kinds and their layouts), or a class of your own, package.module:Class (docs/adding.md)",
    )
    root: str | None = Field(
        None, description="the dataset's folder (or its annotation file); none for the embedded world"
    )
    cameras: Cameras = Field(list(CAMERAS))
    options: dict[str, Any] = Field({}, description="what a dataset of your own takes besides (its Options)")
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
        "cuboid_clipped or visible; null: the kind's own (KITTI and nuScenes: cuboid_clipped; Parquet and "
        "your own: amodal_clipped; else visible)",
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
        "stop",
        description='what is bad: "stop" with file and line, or "skip" it, counted and listed; a bad row of '
        "labels costs itself then, not its frame",
    )

    @model_validator(mode="before")
    @classmethod
    def _found_out(cls, given: Any) -> Any:
        """With a root and no kind, or `auto`, the kind is what lies there; it is kept as that."""
        if not isinstance(given, dict) or not isinstance(root := given.get("root"), str) or not root:
            return given
        kind = given.get("kind", AUTO)
        if kind not in (AUTO, "world"):
            return given
        try:
            return given | {"kind": recognized(root)}
        except UserError as error:
            raise ValueError(f"data.root={error}") from None

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        return DATASETS.check(kind)

    @model_validator(mode="after")
    def _understood(self) -> DataSettings:
        options_of(self.dataset, self._options())
        return self

    @property
    def dataset(self) -> type[DatasetReader]:
        """The class of the kind, which knows what is to be known of such data."""
        return dataset_of(self.kind)

    @property
    def is_stand_in(self) -> bool:
        """Whether a run renders the data itself: there is no root."""
        return self.dataset.stand_in

    def _options(self) -> dict[str, Any]:
        """Those of the kind: under `options`, or a key of this section (Waymo's `cameras`)."""
        own = {name: getattr(self, name) for name in self.dataset.Options.model_fields if name in _SECTION}
        return own | self.options

    def label_convention(self) -> Convention:
        """The convention that synthetic labels follow."""
        return self.convention or self.dataset.convention

    def open(self) -> DatasetReader:
        """The reader of the dataset. Raises UserError where there is none at the root."""
        dataset = open_dataset(self.kind, self.root or "", self.splits, self._options())
        if self.on_error == "skip":
            dataset.skip_rows()
        if self.splits.stratify:
            if self.dataset.categories is not None:
                from imitation.datasets.category_map import categories_of  # which reads these settings

                dataset.count_by(categories_of(self, ()))
            elif self.categories:
                mapping = {name: name for name in self.categories} | self.mapping
                dataset.count_by(CategoryMap(tuple(self.categories), mapping, frozenset(self.ignore or ())))
        return dataset


_SECTION = frozenset(DataSettings.model_fields)
