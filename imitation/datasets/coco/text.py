"""COCO's values, for readers, results and scores: numbers in their range, and files that hold others."""

from __future__ import annotations

import re
import sys
from typing import Any, BinaryIO

import numpy as np

from imitation.common.texts import shown


def is_whole(value: Any) -> bool:
    """Whether it is a whole number of at most 64 bits."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def whole(value: Any) -> int | None:
    """A whole number of at most 64 bits, also one that is written as text or as 1.0; else None."""
    text = isinstance(value, str) and len(value) < 20 and value.strip().removeprefix("-").isdecimal()
    if text or (isinstance(value, float) and value.is_integer()):
        value = int(value)
    return value if is_whole(value) else None


def is_crowd(value: Any) -> bool | None:
    """What `iscrowd` or `ignore` says: 0 and 1, also as text or words; None for anything else."""
    if value is None or value == "":
        return False
    if isinstance(value, str):
        return {"0": False, "false": False, "no": False, "1": True, "true": True, "yes": True}.get(
            value.strip().lower()
        )
    return bool(value) if value in (0, 1) else None


def is_finite(value: Any) -> bool:
    """Whether it is a number that is one."""
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


CORNERS = (("xmin", "ymin", "xmax", "ymax"), ("x1", "y1", "x2", "y2"), ("left", "top", "right", "bottom"))
NAMES = (*CORNERS, ("x", "y", "w", "h"), ("x", "y", "width", "height"), ("left", "top", "width", "height"))
LARGEST = (
    2.0**63
)  # beyond, a number was none to JSON's parser, and became text for that (`WithoutOddNumbers`)


def four_numbers(box: Any) -> Any:
    """A bbox as a list of x, y, width, height where it is a mapping that names them, or two corners, or holds
    numbers as text; anything else as it is."""
    names: tuple[str, ...] = ()
    if isinstance(box, dict):
        names = next((names for names in NAMES if set(names) <= box.keys()), ())
    elif not isinstance(box, list) or len(box) != 4 or not any(isinstance(one, str) for one in box):
        return box
    values = [box[name] for name in names] if isinstance(box, dict) else box
    try:
        four = [float(value) if isinstance(value, str) else value for value in values]
    except ValueError:
        return box
    if len(four) < 4 or not all(is_finite(value) and abs(value) < LARGEST for value in four):
        return box
    if names in CORNERS:
        four[2:] = four[2] - four[0], four[3] - four[1]
    return four


def bbox_fault(box: Any) -> str | None:
    """What is wrong with a bbox (x, y, width, height; px), or None."""
    if not isinstance(box, list | tuple) or len(box) != 4:
        return f"bbox is {shown(box)}, not four numbers (x, y, width, height)"
    if not all(map(is_finite, box)):
        return f"bbox {shown(box)} has what is not a finite number"
    if box[2] < 0 or box[3] < 0:
        return f"bbox {shown(box)} has a negative size"
    return None


class WithoutOddNumbers:
    """A JSON file in which numbers that a parser gives the whole file up for are strings: NaN and Infinity,
    which Python writes but JSON lacks, whole numbers beyond 64 bits, and 1e400.

    What they are wrong for can so be told by itself. `changes` counts them.
    """

    CANDIDATES = re.compile(
        rb"(?<![^\[,:\s])(?:NaN|-?Infinity|-?\d{19,}(?:\.\d+)?(?:[eE][+-]?\d+)?|-?\d+(?:\.\d+)?[eE]\+?\d{3,})"
        rb"(?![^\],}\s])"
    )
    _MARKS = tuple(bytes([mark]) for mark in b"[]{},: \n")
    LONGEST = 1 << 20  # a text without any mark between its parts is passed on
    BLOCK = 1 << 16

    def __init__(self, source: BinaryIO) -> None:
        self._source, self._held, self._in_string, self._escaped = source, b"", False, False
        self.changes = 0

    def read(self, size: int = -1) -> bytes:
        """The next bytes, about as many as asked for (0: none, as the parser asks once to see their type)."""
        if size == 0:
            return b""
        while True:
            block = self._source.read(max(size, self.BLOCK))
            text = self._held + block
            # behind the last mark a number may not be whole yet
            cut = max(text.rfind(mark) for mark in self._MARKS) + 1
            if not block or (cut == 0 and len(text) > self.LONGEST):
                cut = len(text)
            self._held = text[cut:]
            if cut or not block:
                return self._mended(text[:cut])

    def _mended(self, text: bytes) -> bytes:
        in_string = self._strings(text)
        parts, start = [], 0
        for match in self.CANDIDATES.finditer(text):
            if not in_string[match.start()] and _is_odd(match[0]):
                self.changes += 1
                parts += [text[start : match.start()], b'"', _short(match[0]), b'"']
                start = match.end()
        return b"".join([*parts, text[start:]])

    def _strings(self, text: bytes) -> np.ndarray:
        """Which bytes stand in a string, bool (N,)."""
        if not text:
            return np.zeros(0, dtype=bool)
        plain = re.sub(rb"\\.", b"  ", (b"\\" if self._escaped else b"") + text, flags=re.DOTALL)
        self._escaped = plain.endswith(b"\\")
        quotes = np.frombuffer(plain, dtype=np.uint8)[len(plain) - len(text) :] == ord('"')
        in_string = (np.cumsum(quotes) + self._in_string) % 2 == 1
        self._in_string = bool(in_string[-1])
        return in_string


def _is_odd(number: bytes) -> bool:
    if number.endswith((b"N", b"y")):
        return True
    if number.lstrip(b"-").isdigit():
        return len(number) > 20 or abs(int(number)) >= 2**63
    return abs(float(number)) == float("inf")


def _short(number: bytes) -> bytes:
    return number if len(number) <= 40 else number[:30] + b"..."
