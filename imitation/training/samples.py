"""Where training samples come from."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np

from imitation.common.settings import UserError
from imitation.data.categories import CategoryMap
from imitation.data.records import Frame
from imitation.datasets.parquet.store import FrameStore

Boxes = Literal["convention", "amodal", "visible"]
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
        cached = self._images.get(index)
        if cached is not None:
            return cached
        image = self._source.image(index)
        with self._lock:
            if index not in self._images and image.nbytes <= self._left:
                self._images[index] = image
                self._left -= image.nbytes
        return image

    def targets(self, index: int) -> Targets:
        return self._source.targets(index)


class FrameSource:
    """Frames of Parquet files as a source: `real`, then `synthetic` ones, labelled by a category map, then
    real ones once more, `repeats` times each by id.

    `include` and `exclude` select by frame id, repeated ones too (an id that is not there is an error: a
    fold that silently trains on something else would leak). `synthetic_boxes` says which box of a synthetic
    object is its label, where it carries that one. `frame_ids` are those of the indices, `synthetic` (N,)
    bool whether it was rendered, `added` (N,) bool whether it is synthetic or a repetition.
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
        *,
        repeats: Mapping[str, int] | None = None,
        synthetic_boxes: Boxes = "convention",
    ) -> None:
        columns = ("image", "image_uri", "objects")
        self._stores = [FrameStore(list(uris), columns, cache_mb << 20) for uris in (real, synthetic)]
        repeats = repeats or {}
        known = {frame_id for store in self._stores for frame_id in store.frame_ids}
        missing = sorted(
            ({*(include or ()), *exclude} - known) | (repeats.keys() - self._stores[0].frame_ids)
        )
        if missing:
            raise UserError(
                f"training: {len(missing)} of the frame ids to include, exclude or repeat are not in the "
                f"data, such as {missing[0]!r}"
            )
        # By id: simulators finish in any order, but the same frames must train the same detector.
        places = [
            (part, index)
            for part, store in enumerate(self._stores)
            for frame_id, index in sorted((frame_id, i) for i, frame_id in enumerate(store.frame_ids))
            if (include is None or frame_id in include) and frame_id not in exclude
        ]
        if not places:
            raise UserError(
                f"training: no frame is left of {', '.join([*real, *synthetic]) or 'no data at all'}"
            )
        again = [place for place in places if place[0] == 0 for _ in range(repeats.get(self._id(place), 0))]
        targets = {place: self._label(place, categories, synthetic_boxes) for place in places}
        first = self._stores[places[0][0]].frame(places[0][1])
        self.size = (first.width, first.height)
        self._places = places + again
        self.frame_ids = [self._id(place) for place in self._places]
        self.synthetic = np.array([part == 1 for part, _ in self._places])
        self.added = self.synthetic | (np.arange(len(self._places)) >= len(places))
        self._targets: list[Targets] = [targets[place] for place in self._places]

    def __len__(self) -> int:
        return len(self._places)

    def image(self, index: int) -> np.ndarray:
        part, at = self._places[index]
        return self._stores[part].image(at)

    def targets(self, index: int) -> Targets:
        return self._targets[index]

    def _id(self, place: tuple[int, int]) -> str:
        return self._stores[place[0]].frame_ids[place[1]]

    def _label(self, place: tuple[int, int], categories: CategoryMap, boxes: Boxes) -> Targets:
        frame = self._stores[place[0]].frame(place[1])
        return categories.apply(_with_boxes(frame, boxes) if place[0] == 1 else frame)[:4]


def _with_boxes(frame: Frame, boxes: Boxes) -> Frame:
    """The frame with its objects' amodal (clipped) or visible boxes as labels, where they have them."""
    if boxes == "convention":
        return frame

    def chosen(name: str) -> Frame:
        found = (getattr(obj, name) for obj in frame.objects)
        clipped = [None if box is None else box.clipped(frame.width, frame.height) for box in found]
        objects = (replace(obj, box=box or obj.box) for obj, box in zip(frame.objects, clipped))
        return replace(frame, objects=tuple(objects))

    return chosen("amodal_box" if boxes == "amodal" else "visible_box")
