"""Values of other people's labels: a number, a name, a flag, or a sentence that says what stands there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from imitation.common.settings import DataError
from imitation.common.texts import shown
from imitation.data.records import Box

_FLAGS = {"0": False, "false": False, "no": False, "1": True, "true": True, "yes": True, "-1": False}


def mapping(value: Any, what: str, where: str) -> Mapping[str, Any]:
    """An object of JSON. Raises `DataError` for anything else."""
    if not isinstance(value, Mapping):
        raise DataError(where, f"{what} is {shown(value)}, not an object with fields")
    return value


def sequence(value: Any, what: str, where: str) -> Sequence[Any]:
    """A list of JSON; none where nothing is given. Raises `DataError` for anything else."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise DataError(where, f"{what} is {shown(value)}, not a list")
    return value


def number(value: Any, what: str, where: str) -> float:
    """A finite number, also one that is written as text. Raises `DataError`."""
    if not isinstance(value, bool) and isinstance(value, int | float | str):
        try:
            found = float(value)
        except (ValueError, OverflowError):
            found = math.nan
        if math.isfinite(found):
            return found
    raise DataError(where, f"{what} is {shown(value)}, not a finite number")


def numbers(value: Any, count: int, what: str, where: str) -> list[float]:
    """So many finite numbers. Raises `DataError`."""
    if not isinstance(value, list | tuple | np.ndarray) or len(value) != count:
        raise DataError(where, f"{what} is {shown(value)}, not {count} numbers")
    return [number(one, what, where) for one in value]


def word(value: Any, what: str, where: str) -> str:
    """A text that is not empty. Raises `DataError`."""
    if not isinstance(value, str) or not value.strip():
        raise DataError(where, f"{what} is {shown(value)}, not a name")
    return value


def flag(value: Any, what: str, where: str) -> bool:
    """Yes or no, also as 0 and 1 or as text; -1 (not known) and nothing are no. Raises `DataError`."""
    if value is None or value == "":
        return False
    if (found := _FLAGS.get(str(value).strip().lower())) is None:
        raise DataError(where, f"{what} is {shown(value)}, not yes or no")
    return found


def side(value: Any, what: str, where: str) -> int:
    """A side of an image in px, 0 where none is given. Raises `DataError` for what is no whole number."""
    if value is None or value == "":
        return 0
    found = number(value, what, where)
    if found != int(found) or not 0 <= found < 2**31:
        raise DataError(where, f"{what} is {shown(value)}, not a whole number of px")
    return int(found)


def around(points: Iterable[Sequence[float]]) -> Box:
    """The box around points, of which there is at least one."""
    xs, ys = zip(*points)
    return Box(min(xs), min(ys), max(xs), max(ys))


def turned(
    x: float, y: float, width: float, height: float, degrees: float, about: tuple[float, float]
) -> Box:
    """The upright box around one that was turned clockwise about a point, all in px."""
    if not degrees:
        return Box(x, y, x + width, y + height)
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
    moved = [(px - about[0], py - about[1]) for px, py in corners]
    return around([(about[0] + c * px - s * py, about[1] + s * px + c * py) for px, py in moved])


TURNED = "turned boxes became the upright boxes around them"


def condition(value: Any) -> str | None:
    """What a frame's attribute says; None where it says nothing ("undefined")."""
    if not isinstance(value, str) or value.strip().lower() in ("", "undefined", "unknown", "none", "na"):
        return None
    return value
