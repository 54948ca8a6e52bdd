"""Text files of labels, line by line: each is kept as it is, repaired, or left out."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from imitation.common.settings import DataError
from imitation.data.records import Object
from imitation.datasets.common.left_out import DOUBLES, NO_AREA, OTHERS
from imitation.datasets.mending.changes import Changes


class Repair(NamedTuple):
    """What is done to a row of labels, in words that can be counted, and how: the words of the row that comes
    out of a row's words, None where there is nothing to do."""

    what: str
    make: Callable[[list[str]], list[str] | None]


SPACED = "commas and semicolons written as spaces, decimal commas as points"
Read = Callable[[str], Object]
"""Reads a row as the dataset's reader does. Raises `DataError`."""


def spaced(words: list[str]) -> list[str] | None:
    """A row with commas or semicolons between its numbers, or decimal commas."""
    if not any(mark in word for mark in ",;" for word in words):
        return None
    words = [word for word in re.split(r"[;\s]+", " ".join(words)) if word]
    if len(words) >= 5 and all(re.fullmatch(r"-?\d+(,\d+)?|[A-Za-z_]+", word) for word in words):
        return [word.replace(",", ".") for word in words]
    return [word for word in re.split(r"[,\s]+", " ".join(words)) if word]


def mended_lines(
    text: str, file: str, repairs: Sequence[Repair], read: Read, changes: Changes, twins: bool = True
) -> tuple[str | None, int]:
    """The text with its rows repaired, without those that nothing can be made of; None where all is right.
    Also how many rows were left out because they are bad. `twins`: the second of two equal rows goes."""
    kept: list[str] = []
    seen: list[Object] = []
    before, bad = len(changes), 0
    for number, line in enumerate(io.StringIO(text, newline=""), start=1):
        plain = line.strip()
        if not plain:
            kept.append(line)
            continue
        words = plain.split()
        done: list[str] = []
        for repair in repairs:
            if (new := repair.make(words)) is not None:
                words, done = new, [*done, repair.what]
        row = " ".join(words) if done else plain
        try:
            obj = read(row)
        except DataError as error:
            changes.add(file, number, f"left out: {error.reason or OTHERS}", plain)
            bad += 1
            continue
        if not obj.box.area:
            changes.add(file, number, f"left out: {NO_AREA}", plain)
            continue
        if twins and obj in seen:
            changes.add(file, number, f"left out: {DOUBLES}", plain)
            continue
        seen.append(obj)
        for what in done:
            changes.add(file, number, what, plain, row)
        ending = line[len(line.rstrip("\r\n")) :] or "\n"
        kept.append(row + ending if done else line)
    return ("".join(kept) if len(changes) > before else None), bad
