"""What looks wrong with somebody's results, in a sentence each.

A score says how good detections are, not whether the file means what it says. Here is looked for what makes
files wrong in practice: images left out, boxes that are shares of the image, corners or centres, results
repeated, scores that are all equal or were cut off, category ids that are shifted. Boxes and categories are
judged by the labels: a reading of the numbers under which far more labelled objects are met than under the
one that the format asks for is what the writer had in mind.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np

from imitation.common.texts import shown
from imitation.data.boxes import pairwise_iou

FRAMES = 500
"""Frames whose boxes are compared with the labels; more tell nothing new."""
MOST = 1000  # boxes of a frame that are compared
MET = 0.5  # IoU from which a detection meets an object
LEAST_MET = 5  # objects met, from which a reading or an order of categories is believed
LOWEST = 0.1  # of the scores: what lies above was cut off, and costs AP (0.05 is what many evaluate with)
FEW = 10  # results below which their scores tell nothing
MISSING = 0.01  # share of the images with objects that may be without a result
REPEATED = 0.05  # share of the results
SHARE = 1.5  # what shares of an image do not exceed, where boxes reach over its edges

_Reading = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _corners(raw: np.ndarray, size: np.ndarray) -> np.ndarray:
    return raw


def _sizes(raw: np.ndarray, size: np.ndarray) -> np.ndarray:
    return np.concatenate([raw[:, :2], raw[:, :2] + raw[:, 2:]], axis=1)


def _centres(raw: np.ndarray, size: np.ndarray) -> np.ndarray:
    return np.concatenate([raw[:, :2] - raw[:, 2:] / 2, raw[:, :2] + raw[:, 2:] / 2], axis=1)


def _rows_first(raw: np.ndarray, size: np.ndarray) -> np.ndarray:
    return raw[:, [1, 0, 3, 2]]


def _scaled(reading: _Reading) -> _Reading:
    def scaled(raw: np.ndarray, size: np.ndarray) -> np.ndarray:
        return reading(raw, size) * np.tile(size, 2)

    return scaled


_SHARES = "normalised (shares of the image, 0 to 1)"
_PLAIN: dict[str, tuple[_Reading, str]] = {
    "xywh": (_sizes, "x, y, width, height (xywh)"),
    "xyxy": (_corners, "corners (x1, y1, x2, y2: xyxy)"),
    "centres": (_centres, "centres (cx, cy, width, height)"),
    "yxyx": (_rows_first, "corners with y first (y1, x1, y2, x2)"),
}
_READINGS = _PLAIN | {
    f"shares {name}": (_scaled(reading), _SHARES if name == "xywh" else f"{_SHARES}, as {phrase}")
    for name, (reading, phrase) in _PLAIN.items()
    if name != "yxyx"
} | {"shares yxyx": (_scaled(_rows_first), f"{_SHARES}, as {_PLAIN['yxyx'][1]}")}  # fmt: skip


class ResultRemarks:
    """Looks at results frame by frame, in memory that does not grow with them, then tells its remarks.

    `layout` is what the four numbers of a box should be: "xywh" (COCO) or "xyxy" (KITTI, ours). `ids`: the
    categories are numbers that can be shifted; None where they are names. `silent`: a frame in which nothing
    was found looks as one that was left out (in COCO's results; KITTI's have an empty file).
    """

    def __init__(
        self,
        layout: str = "xyxy",
        ids: Mapping[int, str] | None = None,
        frame: str = "image",
        silent: bool = True,
    ) -> None:
        self._layout, self._ids, self._frame, self._silent = layout, ids, frame, silent
        self._count = self._repeated = 0
        self._lowest, self._highest = math.inf, -math.inf
        self._labelled = self._compared = 0
        self._without: list[str] = []
        self._missing = 0
        self._met: Counter[str] = Counter()
        self._objects = self._small = self._over = self._like_corners = self._sized = 0
        self._pairs: dict[str, Counter[tuple[int, int]]] = {}

    def add(
        self,
        name: str,
        size: tuple[int, int] | None,
        objects: np.ndarray,
        kinds: np.ndarray,
        boxes: np.ndarray,
        categories: np.ndarray,
        scores: np.ndarray,
    ) -> None:
        """One frame: its size in px (None: unknown), its objects to find (M, 4), px, x1, y1, x2, y2, with
        their categories (M,), and its results: (N, 4) numbers as the file has them, categories (N,),
        scores (N,)."""
        self._labelled += bool(len(objects))
        if len(objects) and not len(boxes):
            self._missing += 1
            if len(self._without) < 1:
                self._without.append(name)
        if not len(boxes):
            return
        with np.errstate(all="ignore"):  # numbers may be as large as they like
            self._add(size, objects, kinds, boxes.astype(np.float64), categories, scores)

    def _add(
        self,
        size: tuple[int, int] | None,
        objects: np.ndarray,
        kinds: np.ndarray,
        boxes: np.ndarray,
        categories: np.ndarray,
        scores: np.ndarray,
    ) -> None:
        self._count += len(boxes)
        self._lowest = min(self._lowest, float(scores.min()))
        self._highest = max(self._highest, float(scores.max()))
        rows = np.column_stack([categories, np.round(boxes, 2 if np.abs(boxes).max() > SHARE else 5)])
        self._repeated += len(rows) - len(np.unique(rows, axis=0))
        self._small += int((np.abs(boxes) <= SHARE).all(axis=1).sum())
        if size is not None:
            self._look_at_edges(boxes, np.array(size, dtype=np.float64))
        if len(objects) and self._compared < FRAMES:
            self._compared += 1
            self._compare(objects, kinds, boxes, categories, scores, size)

    def _look_at_edges(self, boxes: np.ndarray, size: np.ndarray) -> None:
        """Boxes that as corners lie in the image, and as sizes reach out of it."""
        if self._layout != "xywh":
            return
        self._sized += len(boxes)
        over = (boxes[:, :2] + boxes[:, 2:] > size * 1.02 + 2).any(axis=1)
        self._over += int(over.sum())
        inside = (boxes[:, 2:] <= size + 2).all(axis=1) & (boxes[:, 2:] >= boxes[:, :2]).all(axis=1)
        self._like_corners += int(inside.sum())

    def _compare(
        self,
        objects: np.ndarray,
        kinds: np.ndarray,
        boxes: np.ndarray,
        categories: np.ndarray,
        scores: np.ndarray,
        size: tuple[int, int] | None,
    ) -> None:
        objects, kinds = objects[:MOST].astype(np.float64), kinds[:MOST]
        self._objects += len(objects)
        order = np.argsort(-scores, kind="stable")[:MOST]
        for name, (reading, _) in _READINGS.items():
            if name.startswith("shares") and size is None:
                continue
            read = reading(boxes, np.array(size or (1, 1), dtype=np.float64))[order]
            met = pairwise_iou(read, objects) >= MET
            matched = met.any(axis=0)
            self._met[name] += int(matched.sum())
            if self._ids is not None:  # the best result that meets an object, and what it calls it
                best = categories[order][met[:, matched].argmax(axis=0)]
                pairs = self._pairs.setdefault(name, Counter())
                pairs.update(zip(best.tolist(), kinds[matched].tolist()))

    def lines(self) -> list[str]:
        """The remarks, each a sentence; none where nothing looks wrong."""
        return [line for line in (*self._of_images(), *self._of_boxes(), *self._of_scores()) if line]

    def _of_images(self) -> list[str]:
        remarks = []
        if self._silent and self._missing > MISSING * self._labelled:
            remarks.append(
                f"no result for {self._missing:,} of the {self._labelled:,} {self._frame}s that have objects "
                f"(such as {shown(self._without[0])[1:-1]}): is the file whole?"
            )
        if self._repeated >= max(2, REPEATED * self._count):
            remarks.append(
                f"{self._repeated:,} of the {self._count:,} results repeat another: they stand twice (the "
                f"same {self._frame}, category and box), and each repetition counts as a false detection"
            )
        return remarks

    def _of_boxes(self) -> list[str]:
        lines = []
        reading = self._reading()
        asked = _PLAIN[self._layout][1]
        if reading != self._layout:
            like = "" if reading.startswith("shares") else "like "
            lines.append(f"the boxes look {like}{_READINGS[reading][1]}; the format asks for {asked}, in px")
        if self._ids is not None and (line := self._shift(self._pairs.get(reading, Counter()))):
            lines.append(line)
        return lines

    def _reading(self) -> str:
        """How the numbers of the boxes are meant."""
        plain = self._met[self._layout]
        best = max(_READINGS, key=lambda name: (self._met[name], name == self._layout))
        if self._met[best] >= max(LEAST_MET, 2 * plain + 1) and 10 * self._met[best] >= self._objects:
            return best
        if self._count >= LEAST_MET and self._small >= 0.99 * self._count:
            return "shares xywh"
        many = self._sized >= FEW and self._over >= 0.3 * self._sized
        return "xyxy" if many and self._like_corners >= 0.98 * self._sized else self._layout

    def _shift(self, pairs: Counter[tuple[int, int]]) -> str | None:
        """Whether the results call by other numbers what they find."""
        total = pairs.total()
        right = sum(count for (said, true), count in pairs.items() if said == true)
        if total < LEAST_MET or right > 0.4 * total:
            return None
        meant: dict[int, Counter[int]] = {}
        for (said, true), count in pairs.items():
            meant.setdefault(said, Counter())[true] += count
        modes = {said: counts.most_common(1)[0] for said, counts in meant.items()}
        agreed = sum(count for _, count in modes.values())
        others = {said: true for said, (true, _) in modes.items() if said != true}
        if agreed < 0.6 * total or not others or agreed < 1.5 * right + 1:
            return None
        steps = {true - said for said, true in others.items()}
        by = f" by {abs(steps.pop())}" if len(steps) == 1 else ", or are in another order"
        names = self._ids or {}
        first = ", ".join(
            f"{said} stands on what the labels call {true}"
            + (f" ({shown(names[true])[1:-1]})" if true in names else "")
            for said, true in sorted(others.items())[:3]
        )
        return f"the category ids look shifted{by}: {first}"

    def _of_scores(self) -> list[str]:
        if self._count >= LEAST_MET and self._lowest == self._highest:
            return [
                f"all scores are equal ({round(self._lowest, 4)}): average precision ranks by score, and "
                "here it cannot; write those of the detector"
            ]
        if self._count >= FEW and self._lowest >= LOWEST and self._highest <= 1:
            return [
                f"the lowest score is {self._lowest:.3g}: a confidence threshold seems to have cut off what "
                "lies below, which costs average precision; write results from 0.001 or 0.01 on"
            ]
        return []
