"""Where training samples come from."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from imitation.categories import CategoryMap
from imitation.datasets.parquet import FrameStore
from imitation.settings import UserError

Targets = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


class SampleSource(Protocol):
    """Random access to labelled images; called from several threads at once."""

    def __len__(self) -> int: ...

    def image(self, index: int) -> np.ndarray:
        """RGB uint8 (H, W, 3). Raises DataError for an image that cannot be read."""
        ...

    def targets(self, index: int) -> Targets:
        """boxes float32 (M, 4) px of `image`, labels int64 (M,) 1-based, ignore bool (M,), and
        occlusion float32 (M,) in [0, 1], NaN where unknown."""
        ...


@dataclass
class ArraySource:
    """A source in memory: images RGB uint8 (H, W, 3) and their targets."""

    images: list[np.ndarray]
    labels: list[Targets]

    def __len__(self) -> int:
        return len(self.images)

    def image(self, index: int) -> np.ndarray:
        return self.images[index]

    def targets(self, index: int) -> Targets:
        return self.labels[index]


class CachedSource:
    """Keeps decoded images in memory until `megabytes` are full; later ones are decoded each time.

    First come, first kept: every image is drawn equally often, so no other choice would hit more.
    """

    def __init__(self, source: SampleSource, megabytes: int) -> None:
        self._source = source
        self._images: dict[int, np.ndarray] = {}
        self._left = megabytes * 1_000_000
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._source)

    def image(self, index: int) -> np.ndarray:
        found = self._images.get(index)
        if found is not None:
            return found
        image = self._source.image(index)
        with self._lock:
            if index not in self._images and image.nbytes <= self._left:
                self._images[index] = image
                self._left -= image.nbytes
        return image

    def targets(self, index: int) -> Targets:
        return self._source.targets(index)


class FrameSource:
    """Frames of Parquet files as a source: `real` and then `synthetic` ones, labelled by a category map.

    `include` and `exclude` select by frame id (an id that is not there is an error: a fold that silently
    trains on something else would leak). `synthetic` (N,) bool and `frame_ids` tell what each index is.
    Raises UserError if no frame is left, DataError for unreadable rows.
    """

    def __init__(
        self,
        real: Sequence[str],
        synthetic: Sequence[str],
        categories: CategoryMap,
        include: Collection[str] | None = None,
        exclude: Collection[str] = (),
        cache_mb: int = 256,
    ) -> None:
        columns = ("image", "image_uri", "objects")
        self._stores = [FrameStore(list(uris), columns, cache_mb << 20) for uris in (real, synthetic)]
        known = {frame_id for store in self._stores for frame_id in store.frame_ids}
        if missing := sorted({*(include or ()), *exclude} - known):
            raise UserError(
                f"training: {len(missing)} of the frame ids to include or exclude are not in the data, "
                f"such as {missing[0]!r}"
            )
        # By id: simulators finish in any order, but the same frames must train the same detector.
        self._places = [
            (part, index)
            for part, store in enumerate(self._stores)
            for frame_id, index in sorted((frame_id, i) for i, frame_id in enumerate(store.frame_ids))
            if (include is None or frame_id in include) and frame_id not in exclude
        ]
        if not self._places:
            raise UserError(
                f"training: no frame is left of {', '.join([*real, *synthetic]) or 'no data at all'}"
            )
        self.frame_ids = [self._stores[part].frame_ids[index] for part, index in self._places]
        self.synthetic = np.array([part == 1 for part, _ in self._places])
        frames = [self._stores[part].frame(index) for part, index in self._places]
        self.size = (frames[0].width, frames[0].height)
        self._targets: list[Targets] = [categories.apply(frame)[:4] for frame in frames]

    def __len__(self) -> int:
        return len(self._places)

    def image(self, index: int) -> np.ndarray:
        part, at = self._places[index]
        return self._stores[part].image(at)

    def targets(self, index: int) -> Targets:
        return self._targets[index]
