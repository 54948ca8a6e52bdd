"""A KITTI folder as a dataset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, Literal

from pydantic import Field

from imitation.common import storage
from imitation.common.settings import DataError, Settings
from imitation.data.categories import CategoryMap, present_categories
from imitation.data.records import Frame
from imitation.datasets.base import DatasetReader
from imitation.datasets.common.own_names import own_folders
from imitation.datasets.common.roles import Splits
from imitation.datasets.common.validation import Problems
from imitation.datasets.kitti.files import (
    KittiFolder,
    kitti_sequences,
    kitti_signs,
    kitti_splits,
    open_kitti,
    read_kitti,
)
from imitation.datasets.kitti.labels import CATEGORIES
from imitation.datasets.kitti.mender import KittiMender
from imitation.datasets.kitti.text import ROW_LENGTHS
from imitation.datasets.kitti.tracking import IMAGES, LABELS, TrackingFolder, tracking_folder
from imitation.datasets.kitti.writer import KittiWriter

TRACKED = ("Person",)
"""Types that the tracking benchmark has besides, for who sits."""


class KittiOptions(Settings):
    """What can be set of KITTI data alone."""

    types: Literal["kitti", "any"] | None = Field(
        None,
        description="which types labels may have: KITTI's nine, or any; null: KITTI's where the folders are "
        "called as KITTI's own (label_2), any in labels/ and images/",
    )


class KittiReader(DatasetReader):
    """A KITTI object folder, or one of images and labels in its format, as TAO, DIGITS and Isaac write it;
    splits from `ImageSets` (see `assign_roles`), or cut by seed without them; or the folders of the tracking
    benchmark (`imitation.datasets.kitti.tracking`), cut by sequence. Without a folder `calib` frames have no
    camera: nothing is staged for them."""

    kind = "kitti"
    name = "KITTI"
    title = "KITTI object folder"
    Writer = KittiWriter
    Mender = KittiMender
    categories = CategoryMap(
        categories=("Car", "Pedestrian", "Cyclist"),
        mapping={
            **{"Car": "Car", "Pedestrian": "Pedestrian", "Cyclist": "Cyclist"},
            **{"Van": "Car", "Person_sitting": "Pedestrian"},
        },
        ignore=frozenset({"Van", "Person_sitting", "DontCare"}),
    )
    convention = "cuboid_clipped"
    protocol = "kitti"
    Options = KittiOptions
    options: KittiOptions

    @classmethod
    def category_map(cls, frames: Iterable[Frame] = ()) -> CategoryMap:
        """KITTI's, or where no object has one of its types, each type as a class."""
        present = present_categories(frames)
        if present and not set(present) & cls.categories.mapping.keys():
            return CategoryMap.identity(present, ignore=cls.categories.ignore)
        return cls.categories

    @classmethod
    def signs(cls, root: str) -> str | None:
        base = tracking_folder(root)
        return kitti_signs(root) if base is None else f"{LABELS} and {IMAGES} in {base}"

    @classmethod
    def hints(cls, root: str) -> str | None:
        found = own_folders(root)
        if found is None or len(found.words) not in ROW_LENGTHS:
            return None
        return f"rows of {len(found.words)} columns in {found.labels}/, pictures in {found.images}/"

    @cached_property
    def _tracking(self) -> TrackingFolder | None:
        base = tracking_folder(self.root)
        return None if base is None else TrackingFolder(self.root, base)

    def _strays(self, split: str | None) -> Iterable[DataError]:
        if self._tracking is not None and split in (None, "train"):
            return self._tracking.strays
        return super()._strays(split)

    @cached_property
    def _folder(self) -> KittiFolder:
        return open_kitti(self.root)

    @cached_property
    def _drives(self) -> dict[str, str]:
        return kitti_sequences(self.root)

    def _cut(self) -> Splits:
        if self._tracking is not None:
            sequences = {frame_id: name for frame_id, (name, _, _) in self._tracking.images.items()}
            return self._by_seed(sequences, self._tracking.base)
        lists = kitti_splits(self.root)
        if lists is None:
            names = {name: self._drives.get(name) for name in self._folder.names()}
            return self._by_seed(names, self.root)
        return self._by_lists(lists, self._drives, storage.join(self.root, "ImageSets"))

    def _read(self, split: str, wanted: Sequence[str], problems: Problems | None) -> Iterator[Frame]:
        if self._tracking is not None:
            types = None if self.options.types == "any" else frozenset({*CATEGORIES, *TRACKED})
            return self._tracking.frames(wanted, problems, types, self.bad_row)
        known: Any = {None: None, "any": "any", "kitti": CATEGORIES}[self.options.types]
        return read_kitti(
            *(self.root, wanted, problems, known),
            folder=self._folder,
            sequences=self._drives,
            bad=self.bad_row,
        )
