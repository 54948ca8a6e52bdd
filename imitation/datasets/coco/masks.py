"""The boxes of COCO's masks: polygons, and run lengths as a list or as COCO's text.

Format: the COCO API (`maskApi.c`, Piotr Dollár and Tsung-Yi Lin, BSD licence). Runs go down the columns, and
alternate between outside and inside, outside first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from imitation.datasets.coco.text import is_finite, whole


def box_of_mask(mask: Any) -> list[float] | None:
    """x, y, width, height (px) of what an annotation's `segmentation` covers; None where it is no mask, or an
    empty one."""
    if isinstance(mask, list):
        return _of_polygons(mask)
    if not isinstance(mask, dict):
        return None
    size, counts = mask.get("size"), mask.get("counts")
    sides = [whole(side) for side in size] if isinstance(size, list) and len(size) == 2 else [None]
    if None in sides or not all(side and side > 0 for side in sides):
        return None
    runs = _decoded(counts) if isinstance(counts, str) else counts
    if not isinstance(runs, list) or not all(type(run) is int and run >= 0 for run in runs):
        return None
    return _of_runs(runs, *[int(side or 0) for side in sides])


def _of_polygons(polygons: list[Any]) -> list[float] | None:
    numbers = [value for polygon in polygons if isinstance(polygon, list) for value in polygon]
    if not numbers or len(numbers) % 2 or not all(map(is_finite, numbers)):
        return None
    xs, ys = numbers[::2], numbers[1::2]
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def _decoded(text: str) -> list[int] | None:
    """The runs of COCO's text: digits of five bits and a sign, from the third run on differences to the last
    but one."""
    runs: list[int] = []
    place = 0
    while place < len(text):
        value, shift, more = 0, 0, True
        while more:
            if place >= len(text) or shift > 60:
                return None
            digit = ord(text[place]) - 48
            if not 0 <= digit < 64:
                return None
            value |= (digit & 31) << shift
            more = bool(digit & 32)
            place, shift = place + 1, shift + 5
            if not more and digit & 16:
                value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
    return runs


def _of_runs(runs: list[int], height: int, width: int) -> list[float] | None:
    ends = np.cumsum(np.array(runs, dtype=np.int64))
    if not len(ends) or ends[-1] > height * width:
        return None
    starts, stops = ends[0::2][: len(ends) // 2], ends[1::2]
    inside = stops > starts
    starts, lasts = starts[inside], stops[inside] - 1
    if not len(starts):
        return None
    first, last = starts // height, lasts // height
    whole_column = last > first  # such a run reaches a column's end, and the next one's beginning
    top = 0 if whole_column.any() else int((starts % height).min())
    bottom = height - 1 if whole_column.any() else int((lasts % height).max())
    left, right = int(first.min()), int(last.max())
    return [float(left), float(top), float(right - left + 1), float(bottom - top + 1)]
