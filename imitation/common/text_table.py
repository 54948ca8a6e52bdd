"""Tables and sentences for a terminal: no line wider than it is, and no word broken.

A table that is too wide is told in parts below each other, each with the names of its rows; groups of columns
stay together where they can. Only a single word that is wider than the terminal itself is cut, with "…".
"""

from __future__ import annotations

import re
import shutil
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MARK = "▸"
GAP = "  "
INDENT = "  "
LEAST, MOST = 40, 110  # columns of a terminal that are made use of
NAMES = 0.5  # share of the width that the names of the rows take at most


@dataclass(frozen=True)
class Table:
    """Cells as text: `groups` are (name, number of columns) over `columns`; the first column names the
    row. `best` is the row of the best cycle (-1: none); `notes` are sentences to stand below. The columns
    in `left` hold words, the others numbers."""

    heading: tuple[str, ...]
    groups: tuple[tuple[str, int], ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    best: int
    notes: tuple[str, ...]
    left: tuple[int, ...] = (0,)


def terminal_width() -> int:
    """Columns to print in: the terminal's, or COLUMNS; 80 where there is none (a file, a job's log)."""
    return min(max(shutil.get_terminal_size((80, 24)).columns, LEAST), MOST)


def wrapped(text: str, width: int | None = None, indent: str = "") -> list[str]:
    """A sentence as lines, broken between words; `indent` begins those after the first."""
    width = width or terminal_width()
    lines: list[str] = []
    for word in re.split(r"\s+(?!%)", printable(text).strip()):  # "5 %" stays together
        start = indent if lines else ""
        if lines and text_width(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(start + word)
    return lines or [""]


def fitted(text: str, width: int | None = None, indent: str = INDENT) -> str:
    """A text whose lines stay as they are where they fit, and else are broken between words, behind their own
    indent and `indent`."""
    width = width or terminal_width()
    told = []
    for line in text.split("\n"):
        own = line[: len(line) - len(line.lstrip())]
        fits = text_width(line) <= width
        told += [line] if fits else [own + part for part in wrapped(line, width - len(own), indent)]
    return "\n".join(told)


def format_table(table: Table, width: int | None = None) -> str:
    """The table as text: its columns aligned, the best row marked, its sentences around it."""
    width = width or terminal_width()
    heading = [line for text in table.heading for line in wrapped(text, width)]
    notes = [line for text in table.notes for line in wrapped(text, width, INDENT)]
    return "\n".join([*heading, *([""] if heading else []), *table_lines(table, width), *notes])


def table_lines(table: Table, width: int | None = None) -> list[str]:
    """The cells alone, in as many parts as the width asks for."""
    width = (width or terminal_width()) - text_width(INDENT)
    columns = [[printable(cell) for cell in column] for column in zip(table.columns, *table.rows)]
    room = [max(8, int(width * NAMES))] * len(columns)
    room[1:] = [width - text_width(GAP) - _needed(columns[0], room[0])] * (len(columns) - 1)
    limits = [_needed(column, most) for column, most in zip(columns, room)]
    if sum(limits) + len(GAP) * (len(limits) - 1) > width:  # too wide: long names above columns are folded
        limits[1:] = [_limit(column, most) for column, most in zip(columns[1:], room[1:])]
    cells = [[_folded(cell, limit) for cell in column] for column, limit in zip(columns, limits)]
    widths = [max(text_width(line) for cell in column for line in cell) for column in cells]
    lines: list[str] = []
    for part in _parts(table.groups, widths, width):
        lines += ([""] if lines else []) + list(_part_lines(table, cells, widths, part, width))
    return lines


def _needed(column: Sequence[str], most: int) -> int:
    return min(most, max(map(text_width, column)))


def _limit(column: Sequence[str], most: int) -> int:
    """How wide a column gets: as its longest cell; a longer name above it is folded."""
    head, *cells = column
    longest = max([0, *map(text_width, cells)])
    word = max((text_width(word) for word in head.split()), default=0)
    return max(1, min(most, max(longest, word)))


def _folded(text: str, width: int) -> list[str]:
    """A cell's lines; a word that is too wide is cut."""
    return wrapped(" ".join(_cut(word, width) for word in text.split()), width)


def _cut(word: str, width: int) -> str:
    if text_width(word) <= width:
        return word
    kept = ""
    for c in word:
        if text_width(kept + c) > width - 1:
            break
        kept += c
    return f"{kept}…"


def _parts(groups: Sequence[tuple[str, int]], widths: Sequence[int], width: int) -> list[list[int]]:
    """The columns of each part: the first, and as many more as there is room for."""
    room = width - widths[0]
    parts: list[list[int]] = [[]]
    used = 0
    start = 0
    for name, span in groups or (("", len(widths)),):
        members = [i for i in range(start, start + span) if i]
        start += span
        whole = max(sum(widths[i] + len(GAP) for i in members), text_width(name) + len(GAP)) if members else 0
        if parts[-1] and used + whole > room and whole <= room:
            parts.append([])
            used = 0
        for place, i in enumerate(members):
            need = widths[i] + len(GAP)
            if place == len(members) - 1 and whole <= room:  # the name of the group may be wider than it
                need += max(0, whole - sum(widths[k] + len(GAP) for k in members))
            if parts[-1] and used + need > room:
                parts.append([])
                used = 0
            parts[-1].append(i)
            used += need
    return [[0, *part] for part in parts]


def _part_lines(
    table: Table,
    cells: Sequence[Sequence[list[str]]],
    widths: Sequence[int],
    part: Sequence[int],
    width: int,
) -> Iterator[str]:
    own = [widths[i] for i in part]
    groups = _widen(own, _groups_of(table.groups, part), width)

    def lines(row: int, mark: str, bottom: bool = False) -> Iterator[str]:
        """A row's lines; a head stands at the bottom of its lines."""
        folded = [cells[i][row] for i in part]
        high = max(map(len, folded))
        padded = [[""] * (high - len(c)) + c if bottom else c + [""] * (high - len(c)) for c in folded]
        for k in range(high):
            texts = [
                _fit(cell[k], wide, i in table.left) for cell, wide, i in zip(padded, own, part, strict=True)
            ]
            yield f"{mark if k == 0 else ' '} {GAP.join(texts)}".rstrip()

    if any(name for name, _ in groups):
        yield f"{INDENT}{_group_line(groups, own)}".rstrip()
    yield from lines(0, " ", bottom=True)
    rule = INDENT + "─" * (sum(own) + len(GAP) * (len(own) - 1))
    yield rule
    for row in range(len(table.rows)):
        yield from lines(row + 1, MARK if row == table.best else " ")
    yield rule


def _groups_of(groups: Sequence[tuple[str, int]], part: Sequence[int]) -> list[tuple[str, int]]:
    """The groups of the columns of a part; their names where they fit."""
    names = [name for name, span in groups for _ in range(span)] or [""] * (max(part) + 1)
    found: list[tuple[str, int]] = []
    starts = {sum(span for _, span in groups[:k]) for k in range(len(groups))}
    for place, i in enumerate(part):
        if place and i not in starts and part[place - 1] == i - 1:
            found[-1] = (names[i], found[-1][1] + 1)
        else:
            found.append((names[i], 1))
    return found


def _fit(text: str, width: int, left: bool) -> str:
    """Words to the left, numbers to the right."""
    room = " " * (width - text_width(text))
    return text + room if left else room + text


def _widen(widths: list[int], groups: Sequence[tuple[str, int]], most: int) -> list[tuple[str, int]]:
    """Makes the last column of a group wide enough for the group's name; where there is no room, the name
    loses its last words."""
    told, start = [], 0
    for name, span in groups:
        have = sum(widths[start : start + span]) + len(GAP) * (span - 1)
        spare = most - sum(widths) - len(GAP) * (len(widths) - 1)
        words = name.split()
        while words and text_width(" ".join(words)) > have + max(0, spare):
            words.pop()
        kept = " ".join(words).rstrip(",:")
        widths[start + span - 1] += max(0, text_width(kept) - have)
        told.append((kept, span))
        start += span
    return told


def _group_line(groups: Sequence[tuple[str, int]], widths: Sequence[int]) -> str:
    parts, start = [], 0
    for name, span in groups:
        width = sum(widths[start : start + span]) + len(GAP) * (span - 1)
        side, odd = divmod(width - text_width(name) - 2, 2)
        if side > 0 and name:
            parts.append(f"{'╶' + '─' * (side - 1)} {name} {'─' * (side + odd - 1) + '╴'}")
        else:
            parts.append(_fit(name, width, start == 0))
        start += span
    return GAP.join(parts)


def printable(text: str) -> str:
    """The text without control characters, which could play tricks on a terminal."""
    return "".join(c if c.isprintable() else "�" for c in text)


def text_width(text: str) -> int:
    """Columns that a text takes in a terminal."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )
