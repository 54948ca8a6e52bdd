"""Where training samples come from."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from imitation.common.settings import UserError
from imitation.data.categories import CategoryMap
from imitation.data.records import Frame
from imitation.data.torch_decoder import decode_with_torch
from imitation.datasets.parquet.store import IN_MEMORY, FrameStore

Boxes = Literal["convention", "amodal", "visible"]
LABELS = ("category", "box", "ignore", "occlusion")
"""Fields of an object that targets are made of."""
BOXES: dict[str, tuple[str, ...]] = {"amodal": ("amodal_box",), "visible": ("visible_box",)}
"""And those that `synthetic_boxes` asks for."""
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
    bool whether it was rendered, `added` (N,) bool whether it is synthetic or a repetition. Labels of up to
    `in_memory` frames are read when it is opened; of more, each when it is asked for (see `FrameStore`).
    Raises UserError if no frame is left, DataError for unreadable rows, then from `targets`.
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
        in_memory: int = IN_MEMORY,
    ) -> None:
        columns = ("image", "image_uri", "objects")
        self._stores = [
            FrameStore(
                list(uris), columns, cache_mb << 20, decode_with_torch, fields=fields, in_memory=in_memory
            )
            for uris, fields in ((real, LABELS), (synthetic, (*LABELS, *BOXES.get(synthetic_boxes, ()))))
        ]
        self._categories, self._boxes = categories, synthetic_boxes
        repeats = repeats or {}
        missing = sorted(
            _unknown({*(include or ()), *exclude}, [store.ids for store in self._stores])
            | _unknown(repeats, [self._stores[0].ids])
        )
        if missing:
            raise UserError(
                f"training: {len(missing)} of the frame ids to include, exclude or repeat are not in the "
                f"data, such as {missing[0]!r}"
            )
        parts = [_by_id(store.ids, include, exclude) for store in self._stores]
        if not any(map(len, parts)):
            raise UserError(
                f"training: no frame is left of {', '.join([*real, *synthetic]) or 'no data at all'}"
            )
        if repeats:
            times = [repeats.get(self._stores[0].ids[at].as_py(), 0) for at in parts[0].tolist()]
            again = np.repeat(parts[0], times)
        else:
            again = np.empty(0, np.int64)
        # numbers in the real store, and behind them those of the synthetic one
        behind = len(self._stores[0])
        self._places = np.concatenate([parts[0], parts[1] + behind, again])
        once = len(parts[0]) + len(parts[1])
        self.synthetic = self._places >= behind
        self.added = self.synthetic | (np.arange(len(self._places)) >= once)
        self._targets: dict[int, Targets] | None = None
        if all(store.in_memory for store in self._stores):
            self._targets = {place: self._label(place) for place in self._places[:once].tolist()}
        store, at = self._home(int(self._places[0]))
        first = store.frame(at)
        self.size = (first.width, first.height)

    def __len__(self) -> int:
        return len(self._places)

    @property
    def frame_ids(self) -> list[str]:
        """The id of each sample, a list made anew."""
        known = pa.chunked_array([store.ids for store in self._stores], pa.string())
        return known.take(self._places).to_pylist()

    def image(self, index: int) -> np.ndarray:
        store, at = self._home(int(self._places[index]))
        return store.image(at)

    def targets(self, index: int) -> Targets:
        place = int(self._places[index])
        return self._label(place) if self._targets is None else self._targets[place]

    def _home(self, place: int) -> tuple[FrameStore, int]:
        behind = len(self._stores[0])
        return (self._stores[0], place) if place < behind else (self._stores[1], place - behind)

    def _label(self, place: int) -> Targets:
        store, at = self._home(place)
        frame = store.frame(at)
        return self._categories.apply(_with_boxes(frame, self._boxes) if store is self._stores[1] else frame)[
            :4
        ]


def _by_id(ids: pa.StringArray, include: Collection[str] | None, exclude: Collection[str]) -> np.ndarray:
    """The numbers of the frames that are wanted, int64, by id: simulators finish in any order, but the same
    frames must train the same detector."""
    order = pc.array_sort_indices(ids).to_numpy().astype(np.int64)
    wanted = np.ones(len(ids), bool)
    for names, kept in ((include, True), (exclude or None, False)):
        if names is not None:
            wanted &= (
                pc.is_in(ids, value_set=pa.array(names, pa.string())).to_numpy(zero_copy_only=False) == kept
            )
    return order[wanted[order]]


def _unknown(names: Collection[str], known: Sequence[pa.StringArray]) -> set[str]:
    """The names that are not among the known ids."""
    wanted = pa.array(sorted(names), pa.string())
    found = np.zeros(len(wanted), bool)
    for ids in known:
        found |= pc.is_in(wanted, value_set=ids).to_numpy(zero_copy_only=False)
    return set(wanted.filter(pa.array(~found)).to_pylist())


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
