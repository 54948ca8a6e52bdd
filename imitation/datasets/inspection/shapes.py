"""Where boxes lie, of what size and shape they are, and which are the oddest of their category."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from imitation.data.records import Frame, Object

GRID = (12, 24)  # rows and columns of the map of where boxes lie
SIDE_BINS, ASPECT_BINS = 14, 13
LEAST, MOST = 4.0, 4.0 * 2**9  # px, of a box's side in the histogram: the geometric mean of both
NARROWEST = 1 / 8
ODDEST = 20
CROWDED = 0.25  # share of all boxes whose middle lies in one cell
LEAST_OBJECTS = 8  # of a category of which the oddest can be told


@dataclass
class _Moments:
    """Mean and variance of what came, one by one (Welford)."""

    count: int = 0
    mean: float = 0.0
    square: float = 0.0

    def add(self, value: float) -> None:
        self.count += 1
        step = value - self.mean
        self.mean += step / self.count
        self.square += step * (value - self.mean)

    def far(self, value: float) -> float:
        """By how many standard deviations a value lies off."""
        spread = math.sqrt(self.square / self.count) if self.count else 0.0
        return abs(value - self.mean) / spread if spread > 1e-9 else 0.0


@dataclass
class Shapes:
    """Of objects that are not ignored: `middles` counts box middles in cells of `GRID`, from the image's left
    upper corner; `sides` and `aspects` are histograms over powers of 2 by category; `empty` the number of
    frames without an object by split."""

    middles: np.ndarray = field(default_factory=lambda: np.zeros(GRID, dtype=np.int64))
    sides: dict[str, np.ndarray] = field(default_factory=dict)
    aspects: dict[str, np.ndarray] = field(default_factory=dict)
    empty: dict[str, int] = field(default_factory=dict)
    first_empty: list[str] = field(default_factory=list)
    _logs: dict[str, tuple[_Moments, _Moments]] = field(default_factory=dict)
    _boxes: dict[str, list[tuple[float, float, str, str, Object]]] = field(default_factory=dict)

    def add(self, split: str, frame: Frame) -> None:
        seen = 0
        for obj in frame.objects:
            box = obj.box
            if obj.ignore or not box.area:
                continue
            seen += 1
            side, aspect = math.sqrt(box.area), box.width / box.height
            x, y = (box.x1 + box.x2) / 2 / frame.width, (box.y1 + box.y2) / 2 / frame.height
            row, column = (min(max(int(v * n), 0), n - 1) for v, n in zip((y, x), GRID))
            self.middles[row, column] += 1
            place = min(max(int(2 * math.log2(side / LEAST)) if side > LEAST else 0, 0), SIDE_BINS - 1)
            self.sides.setdefault(obj.category, np.zeros(SIDE_BINS, np.int64))[place] += 1
            shape = min(
                max(int(2 * math.log2(aspect / NARROWEST)) if aspect > NARROWEST else 0, 0), ASPECT_BINS - 1
            )
            self.aspects.setdefault(obj.category, np.zeros(ASPECT_BINS, np.int64))[shape] += 1
            self._remember(split, frame.frame_id, obj, math.log2(side), math.log2(aspect))
        if not seen:
            self.empty[split] = self.empty.get(split, 0) + 1
            if len(self.first_empty) < ODDEST:
                self.first_empty.append(frame.frame_id)

    def _remember(self, split: str, frame_id: str, obj: Object, side: float, aspect: float) -> None:
        sides, aspects = self._logs.setdefault(obj.category, (_Moments(), _Moments()))
        sides.add(side)
        aspects.add(aspect)
        kept = self._boxes.setdefault(obj.category, [])
        kept.append((side, aspect, split, frame_id, obj))
        if len(kept) > 50 * ODDEST:  # what is ordinary by now is so at the end, but for a hair
            kept.sort(key=lambda one: -(sides.far(one[0]) + aspects.far(one[1])))
            del kept[10 * ODDEST :]

    def oddest(self) -> Iterator[tuple[str, list[tuple[str, str, Object]]]]:
        """Each category with its `ODDEST` objects, by how far their size and shape lie from those of the
        category: (split, frame id, object), the oddest first. Of a category of a few objects none is odd."""
        for category, kept in sorted(self._boxes.items(), key=lambda item: -self._logs[item[0]][0].count):
            sides, aspects = self._logs[category]
            if sides.count < LEAST_OBJECTS:
                continue
            ranked = heapq.nlargest(ODDEST, kept, key=lambda one: sides.far(one[0]) + aspects.far(one[1]))
            yield category, [(split, frame_id, obj) for _, _, split, frame_id, obj in ranked]

    def crowded(self) -> str | None:
        """A sentence where a great part of all boxes lies in one place."""
        total = int(self.middles.sum())
        if total < 4 * LEAST_OBJECTS or self.middles.max() < CROWDED * total:
            return None
        row, column = np.unravel_index(int(self.middles.argmax()), GRID)
        return (
            f"{self.middles.max() / total:.0%} of all boxes have their middle in one of {GRID[0] * GRID[1]} "
            f"cells of the image (row {row + 1} of {GRID[0]}, column {column + 1} of {GRID[1]}): a detector "
            "may learn the place in place of the thing"
        )
