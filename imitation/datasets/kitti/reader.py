"""A KITTI folder as a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

from imitation.common import storage
from imitation.data.categories import CategoryMap
from imitation.data.records import Frame
from imitation.datasets.base import DatasetReader
from imitation.datasets.common.roles import Splits
from imitation.datasets.common.validation import Problems
from imitation.datasets.kitti.files import KittiFolder, kitti_sequences, kitti_splits, open_kitti, read_kitti
from imitation.datasets.kitti.writer import KittiWriter


class KittiReader(DatasetReader):
    """A KITTI object folder; splits from `ImageSets` (see `assign_roles`), or cut by seed without them."""

    kind = "kitti"
    name = "KITTI"
    title = "KITTI object folder"
    Writer = KittiWriter
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

    @cached_property
    def _folder(self) -> KittiFolder:
        return open_kitti(self.root)

    @cached_property
    def _drives(self) -> dict[str, str]:
        return kitti_sequences(self.root)

    def _cut(self) -> Splits:
        lists = kitti_splits(self.root)
        if lists is None:
            names = {name: self._drives.get(name) for name in self._folder.names()}
            return self._by_seed(names, self.root)
        return self._by_lists(lists, self._drives, storage.join(self.root, "ImageSets"))

    def _read(self, split: str, wanted: Sequence[str], problems: Problems | None) -> Iterator[Frame]:
        return read_kitti(self.root, wanted, problems, folder=self._folder, sequences=self._drives)
