"""YOLO's label files as objects and back.

A row is `class x y width height`, the box's centre and size as shares of the image's. Rows of a segmentation
(class, then the points of a polygon) become the box around it; keypoints behind a box are passed over where
`data.yaml` gives their `kpt_shape`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from imitation.common.settings import DataError
from imitation.common.texts import lines_of, shown
from imitation.data.records import Box, Frame, Object
from imitation.datasets.common.left_out import CATEGORIES, COLUMNS, NUMBERS, OUTSIDE, refuse
from imitation.datasets.common.tally import Tally

TOLERANCE = 0.05  # by which a share may leave [0, 1]: a label reaches over the edge, and is cut there
ROUNDED = 1e-4  # by which a box may reach over the edge for its numbers' last digits


@dataclass(frozen=True)
class YoloClasses:
    """Class number -> name; None: every number is its own name. `keypoints`: numbers behind each box."""

    names: dict[int, str] | None
    keypoints: int = 0

    def name(self, number: int) -> str | None:
        return str(number) if self.names is None else self.names.get(number)


CUT = "boxes beyond their image, cut at its edge"


def parse_yolo(
    text: str,
    where: str,
    classes: YoloClasses,
    width: int,
    height: int,
    left_out: Counter[str] | None = None,
    bad: Callable[[DataError], None] = refuse,
) -> list[tuple[int, Object]]:
    """The objects of a label file for an image of that size (px), each with its line (from 1). Labels with
    shares of up to 1.05, and boxes that reach as far, are cut at the image's edge, and counted in `left_out`.

    `bad` gets the `DataError`, with file and line, of a row that is no box or polygon, of a class that there
    is not, or with numbers that are not finite or not in [0, 1], and raises it or goes on without the row.
    """
    found = []
    for number, line in enumerate(lines_of(text), start=1):
        if line.strip():
            try:
                obj, beyond = _parse_row(line.split(), f"{where}:{number}", classes, width, height)
            except DataError as error:
                bad(error)
                continue
            found.append((number, obj))
            if beyond and left_out is not None:
                left_out[CUT] += 1
    return found


def _parse_row(
    columns: list[str], where: str, classes: YoloClasses, width: int, height: int
) -> tuple[Object, bool]:
    """The row's object, and whether it had to be cut at the image's edge."""
    values = [_number(text, where, place) for place, text in enumerate(columns, start=1)]
    if values[0] != int(values[0]) or values[0] < 0:
        raise DataError(where, f"the class is {shown(columns[0])}, not a whole number from 0", CATEGORIES)
    name = classes.name(int(values[0]))
    if name is None:
        known = f"0 to {max(classes.names or [0])}" if classes.names else "none"
        what = f"there is no class {shown(columns[0])[1:-1]}; data.yaml names {known}"
        raise DataError(where, what, CATEGORIES)
    if len(values) == 5 + classes.keypoints:
        x, y, w, h = shares = _shares(values[1:5], where)
        beyond = reaches_beyond(x, y, w, h)
        x, y, w, h = x * width, y * height, w * width, h * height
        box = Box(x - w / 2, y - h / 2, x + w / 2, y + h / 2)
    elif len(values) >= 7 and len(values) % 2 == 1 and not classes.keypoints:
        shares, beyond = _shares(values[1:], where), False
        xs, ys = [x * width for x in shares[::2]], [y * height for y in shares[1::2]]
        box = Box(min(xs), min(ys), max(xs), max(ys))
    else:
        hint = " (a prediction with its score?)" if len(values) == 6 else ""
        expected = f"{5 + classes.keypoints} (class, x, y, width, height" + (
            ", keypoints)" if classes.keypoints else "), or class and the points of a polygon"
        )
        raise DataError(where, f"{len(values)} columns{hint}; expected {expected}", COLUMNS)
    if beyond := beyond or not all(0 <= share <= 1 for share in shares):
        box = box.clipped(width, height)
    return Object(category=name, box=box), beyond


def reaches_beyond(x: float, y: float, w: float, h: float) -> bool:
    """Whether a box reaches a little over its image's edge: far beyond, it is not what it is read as."""
    most = max(w / 2 - x, h / 2 - y, x + w / 2 - 1, y + h / 2 - 1)
    return ROUNDED < most <= TOLERANCE


def _number(text: str, where: str, column: int) -> float:
    try:
        value = float(text)
    except ValueError:
        raise DataError(where, f"column {column} is {shown(text)}, not a number", NUMBERS) from None
    if not math.isfinite(value):
        raise DataError(where, f"column {column} is {shown(text)[1:-1]}, not a finite number", NUMBERS)
    return value


def _shares(values: list[float], where: str) -> list[float]:
    for column, value in enumerate(values, start=2):
        if not -TOLERANCE <= value <= 1 + TOLERANCE:
            what = f"column {column} is {value:g}, not in [0, 1]: YOLO's numbers are shares of the image"
            raise DataError(where, what, OUTSIDE)
    return values


def yolo_labels(frame: Frame, categories: Mapping[str, int], tally: Tally) -> str:
    """The rows of a frame's label file; shares to nine decimals (a millionth of a pixel)."""
    tally.drop_fields(frame)
    rows = []
    for obj in frame.objects:
        if obj.ignore:
            tally.drop("", "ignore region")
            continue
        box = obj.box.clipped(frame.width, frame.height)
        if not box.area:
            tally.drop("without area:", "box")
            continue
        if box != obj.box:
            tally.change("cut at the image's edge:", "box")
        tally.drop_fields(obj)
        rows.append(f"{categories[obj.category]} {_told_shares(box, frame.width, frame.height)}\n")
    return "".join(rows)


def _told_shares(box: Box, width: int, height: int) -> str:
    x, y = (box.x1 + box.x2) / 2 / width, (box.y1 + box.y2) / 2 / height
    return " ".join(f"{v:.9f}" for v in (x, y, box.width / width, box.height / height))


def label_of(image: str, folder: str) -> str:
    """The label file of an image of a dataset's folder: the last folder called `images` is called
    `labels`, the suffix .txt."""
    stem = image.removeprefix(folder).rpartition(".")[0]
    before, found, after = stem.rpartition("/images/")
    return folder + (f"{before}/labels/{after}" if found else stem) + ".txt"
