"""KITTI's text files, word by word: lines of labels and of results, for readers and scores alike.

Columns: the object development kit of Geiger, Lenz and Urtasun, "Are we ready for autonomous driving? The
KITTI vision benchmark suite", CVPR 2012. A label line has 15, a result line also a score; one of the tracking
benchmark begins with the frame's and the track's number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from imitation.common.settings import DataError
from imitation.common.texts import lines_of, shown
from imitation.datasets.common.left_out import COLUMNS, NUMBERS, refuse

LABEL_COLUMNS = (
    *("type", "truncated", "occluded", "alpha", "box x1", "box y1", "box x2", "box y2"),
    *("height", "width", "length", "x", "y", "z", "rotation_y"),
)
RESULT_COLUMNS = (*LABEL_COLUMNS, "score")
TRACKING_COLUMNS = ("frame", "track", *LABEL_COLUMNS)
ROW_LENGTHS = (len(LABEL_COLUMNS), len(RESULT_COLUMNS))
_HINTS = {(16, 15): " (a result file with scores?)", (15, 16): " (a label file, without scores?)"}


def rows(
    text: str, where: str, *allowed: tuple[str, ...], bad: Callable[[DataError], None] = refuse
) -> Iterator[tuple[str, list[str]]]:
    """The words of each line, and its file and line; empty lines are passed over. `bad` gets the `DataError`
    of a line that has not as many words as one of the `allowed` rows of columns, and raises it or goes on."""
    for place, line in enumerate(lines_of(text), start=1):
        if not (words := line.split()):
            continue
        at = f"{where}:{place}"
        if all(len(words) != len(columns) for columns in allowed):
            wanted = len(allowed[0])
            hint = _HINTS.get((len(words), wanted), "")
            bad(DataError(at, f"{len(words)} columns instead of {wanted}{hint}", COLUMNS))
            continue
        yield at, words


def number(word: str, where: str, column: str, finite: bool = True) -> float:
    """A column's number. Raises `DataError` for what is none, and where asked for, not `finite`."""
    try:
        value = float(word)
    except ValueError:
        raise DataError(where, f"{column} is {shown(word)}, not a number", NUMBERS) from None
    if finite and not math.isfinite(value):
        raise DataError(where, f"{column} is {shown(word)[1:-1]}, not a finite number", NUMBERS)
    return value
