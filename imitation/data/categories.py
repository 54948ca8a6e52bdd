"""From a dataset's own categories to what a detector learns.

A source category is a *class* (mapped, not ignored), *ignored* (neither to be found nor false to
find), or, if neither, *background*. A category that is mapped and ignored is a neighbour class: it
is ignored for that class alone, as the KITTI benchmark treats Van for Car and Person_sitting for
Pedestrian (Geiger et al., CVPR 2012; the development kit's evaluate_object).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from imitation.common.settings import UserError
from imitation.data.records import Frame


class Targets(NamedTuple):
    """What a detector is trained and judged on, for the N objects that are not background.

    `boxes` float32 (N, 4), px; `labels` int64 (N,), 1 = the first category, 0 only for ignored
    objects of no category (every class is ignored there); `ignore` bool (N,); `occlusion` float32
    (N,) in [0, 1], NaN unknown; `indices` int64 (N,) into `frame.objects`.
    """

    boxes: np.ndarray
    labels: np.ndarray
    ignore: np.ndarray
    occlusion: np.ndarray
    indices: np.ndarray


@dataclass(frozen=True)
class CategoryMap:
    """`categories` are the detector's classes in label order; `mapping` goes from source category to
    class; `ignore` are source categories that are ignored.

    Raises `UserError` for a class that stands twice, or a mapping to a class that does not exist.

    >>> classes = CategoryMap(("car", "person"), {"Car": "car", "Van": "car", "Pedestrian": "person"})
    >>> [classes.label(category) for category in ("Van", "Pedestrian", "Tree")]
    [1, 2, 0]
    """

    categories: tuple[str, ...]
    mapping: Mapping[str, str]
    ignore: frozenset[str] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        if not self.categories:
            raise UserError("categories: there is none; a detector needs at least one")
        if len(set(self.categories)) != len(self.categories):
            raise UserError(f"categories: one stands twice: {', '.join(self.categories)}")
        for source, target in self.mapping.items():
            if target not in self.categories:
                raise UserError(
                    f"category {source!r} is mapped to {target!r}, which is not among "
                    f"{', '.join(self.categories)}"
                )

    @classmethod
    def identity(cls, categories: Iterable[str], ignore: Iterable[str] = ()) -> CategoryMap:
        """Every category is a class of its own name."""
        names = tuple(categories)
        return cls(names, {name: name for name in names}, frozenset(ignore))

    def label(self, category: str) -> int:
        """The label of a source category: 1 = the first class, 0 = none."""
        target = self.mapping.get(category)
        return 0 if target is None else self.categories.index(target) + 1

    def apply(self, frame: Frame) -> Targets:
        """The frame's objects as arrays; see `Targets`. A box without area is ignored: nothing is there."""
        kept = []
        for index, obj in enumerate(frame.objects):
            label = self.label(obj.category)
            ignored = obj.ignore or obj.category in self.ignore
            if label or ignored:
                kept.append((index, obj, label, ignored or obj.box.area == 0))
        return Targets(
            boxes=np.array([obj.box for _, obj, _, _ in kept], dtype=np.float32).reshape(-1, 4),
            labels=np.array([label for _, _, label, _ in kept], dtype=np.int64),
            ignore=np.array([ignored for _, _, _, ignored in kept], dtype=bool),
            occlusion=np.array(
                [np.nan if obj.occlusion is None else obj.occlusion for _, obj, _, _ in kept],
                dtype=np.float32,
            ),
            indices=np.array([index for index, _, _, _ in kept], dtype=np.int64),
        )

    def mapped(self, frame: Frame) -> Frame:
        """The frame in the detector's own categories, as it is judged: a mapped object takes its
        class's name, an ignored one is marked so. Objects keep their places."""
        return replace(
            frame,
            objects=tuple(
                replace(
                    obj,
                    category=self.mapping.get(obj.category, obj.category),
                    ignore=obj.ignore or obj.category in self.ignore or obj.box.area == 0,
                )
                for obj in frame.objects
            ),
        )

    def unmapped(self, frames: Iterable[Frame]) -> Counter[str]:
        """Objects by source category that become background: neither mapped nor ignored."""
        return Counter(
            obj.category
            for frame in frames
            for obj in frame.objects
            if not (obj.ignore or obj.category in self.mapping or obj.category in self.ignore)
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data for JSON; `from_json` reads it back."""
        return {
            "categories": list(self.categories),
            "mapping": dict(self.mapping),
            "ignore": sorted(self.ignore),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CategoryMap:
        return cls(tuple(data["categories"]), dict(data["mapping"]), frozenset(data["ignore"]))


def present_categories(frames: Iterable[Frame]) -> tuple[str, ...]:
    """The categories of objects that are not ignored, sorted."""
    return tuple(sorted({obj.category for frame in frames for obj in frame.objects if not obj.ignore}))
