"""The paper's table: a row a cycle, with what it was trained on and how it does."""

from __future__ import annotations

import math
import textwrap
import unicodedata
from dataclasses import dataclass

from imitation.report.summary import Cycle, Summary

DASH = "–"  # no value: the category has no object on the split
MARK = "▸"
TIME_PARTS = ("training", "rendering", "evaluation", "analysis", "orchestration")
MAX_CATEGORIES = 10  # columns of AP; beyond, a table has mAP alone
STAND_IN = (
    "A demonstration of one seed on an embedded stand-in world, not on real data: one seed is no "
    "evidence either way, whatever the order of the rows below."
)


@dataclass(frozen=True)
class Table:
    """Cells as text: `groups` are (name, number of columns) over `columns`; the first column names the
    row. `best` is the row of the best cycle; `notes` are sentences to stand below."""

    heading: tuple[str, ...]
    groups: tuple[tuple[str, int], ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    best: int
    notes: tuple[str, ...]


def real_word(summary: Summary) -> str:
    """What frames that are not synthetic are called: a stand-in is never called real."""
    return "stand-in" if summary.run.stand_in else "real"


def points(fraction: float | None) -> str:
    """A fraction as points, 0 to 100, with one decimal; a dash for None."""
    return DASH if fraction is None else f"{100 * fraction:.1f}"


def build_table(summary: Summary) -> Table:
    """The table of a run."""
    categories = summary.categories if len(summary.categories) <= MAX_CATEGORIES else []
    test = summary.best.metrics.test
    return Table(
        heading=(summary.run.title, *([STAND_IN] if summary.run.stand_in else [])),
        groups=(
            ("", 1),
            ("trained on", 3),
            (f"{test.split}, IoU {test.iou:g}", 2 + len(categories)),
            ("stop", 1),
        ),
        columns=("", real_word(summary), "synthetic", "steps", "mAP", *categories, "0-1 loss", "mAP"),
        rows=tuple(_row(entry, categories) for entry in summary.cycles),
        best=summary.best_cycle,
        notes=_notes(summary, bool(categories)),
    )


def _row(entry: Cycle, categories: list[str]) -> tuple[str, ...]:
    return (
        entry.label,
        f"{entry.real_frames}",
        f"{entry.synthetic_frames}",
        f"{entry.steps}",
        points(entry.mAP),
        *(points(entry.AP[name]) for name in categories),
        points(entry.zero_one_loss),
        points(entry.metrics.stop.map50),
    )


def _notes(summary: Summary, with_categories: bool) -> tuple[str, ...]:
    stop, test = summary.best.metrics.stop, summary.best.metrics.test
    notes = [
        f"{MARK} best on stop ({_frames(stop.frames)}, {_count(stop.objects, 'object')}); stop also set the "
        "operating threshold and decided when to stop.",
        f"mAP and AP per category, in points (0 to 100), at IoU {test.iou:g}, on test "
        f"({_frames(test.frames)}, {_count(test.objects, 'object')}), which decided nothing. 0-1 loss, lower "
        "is better: of what there is to judge, the share that is wrong at the operating threshold.",
        noise_note(summary),
        *seed_notes(summary),
        *time_notes(summary),
    ]
    for name, value in stop.own.items():
        notes.insert(
            1,
            f"Stop was judged by {name} (loop.metric): {points(value)} at best, {points(test.own[name])} by "
            "the same detector on test.",
        )
    if stop.thresholds:
        own = ", ".join(f"{name} {value:.2f}" for name, value in stop.thresholds.items())
        notes.insert(1, f"Operating thresholds by category: {own}; any other {stop.threshold:.2f}.")
    if not with_categories:
        notes.insert(2, f"{len(summary.categories)} categories: their AP is in report.html and summary.json.")
    if any(value is None for entry in summary.cycles for value in entry.AP.values()):
        notes.append(f"{DASH} no object of this category on test.")
    return tuple(notes)


def noise_note(summary: Summary) -> str:
    """How much the figures can be trusted: one seed, so many frames, and the sampling error of the
    recall (binomial, objects taken as independent: the true one is larger)."""
    test = summary.best.metrics.test
    frames = _frames(test.frames)
    note = f"One seed, {frames} to test on: differences of a few points mean nothing by themselves."
    if test.objects:
        error = 100 * math.sqrt(test.recall * (1 - test.recall) / test.objects)
        if error > 0:
            note += (
                f" The recall of {points(test.recall)} on {_count(test.objects, 'object')} alone has a "
                f"standard error of {error:.1f} points, and another seed would change the detector as well."
            )
    return note


def seed_notes(summary: Summary) -> list[str]:
    """What another seed makes of the baseline, where one was trained."""
    if summary.churn is None:
        return []
    first = summary.cycles[0].metrics
    parts = [
        f"{points(other)} instead of {points(value)} on {split}"
        for split, value in (("test", first.test.map50), ("stop", first.stop.map50))
        if (other := summary.churn.mAP.get(split)) is not None
    ]
    if not parts:
        return []
    return [
        f"Chance: trained again on the same data, from seed {summary.churn.seed}, the baseline has a mAP "
        f"of {' and '.join(parts)}. Gains of that size mean nothing."
    ]


def time_notes(summary: Summary) -> list[str]:
    """How much of the cycles' time was no stage's own work, where that is known of all of them."""
    times = [entry.time for entry in summary.cycles]
    known = [time for time in times if time is not None]
    wall = sum(time.wall for time in known)
    if len(known) < len(times) or not wall:
        return []
    shares = [(name, sum(getattr(time, name) for time in known) / wall) for name in TIME_PARTS]
    spent = ", ".join(f"{name} {100 * share:.0f} %" for name, share in shares)
    return [f"Of {wall:.0f} s in all cycles: {spent}."]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _frames(number: int) -> str:
    return _count(number, "frame")


def format_table(table: Table) -> str:
    """The table as text for a terminal: columns aligned, the best row marked, notes wrapped below."""
    cells = [[printable(cell) for cell in row] for row in (table.columns, *table.rows)]
    widths = [max(map(text_width, column)) for column in zip(*cells)]
    _widen(widths, table.groups)
    lines = [_join([_fit(*cell, i) for i, cell in enumerate(zip(row, widths))]) for row in cells]
    head, body = lines[0], lines[1:]
    rule = "─" * text_width(_join([" " * width for width in widths]))
    body = [f"{MARK if i == table.best else ' '} {line}" for i, line in enumerate(body)]
    wrap = max(len(rule) + 2, 72)

    def wrapped(text: str) -> list[str]:
        return textwrap.wrap(printable(text), wrap)

    return "\n".join(
        [
            *(line for text in table.heading for line in wrapped(text)),
            "",
            f"  {_group_line(table.groups, widths)}".rstrip(),
            f"  {head}",
            f"  {rule}",
            *body,
            f"  {rule}",
            *(line for text in table.notes for line in wrapped(text)),
        ]
    )


GAP = "  "


def _join(cells: list[str]) -> str:
    return GAP.join(cells)


def _fit(text: str, width: int, column: int) -> str:
    """Names to the left, numbers to the right."""
    room = " " * (width - text_width(text))
    return text + room if column == 0 else room + text


def _widen(widths: list[int], groups: tuple[tuple[str, int], ...]) -> None:
    """Makes the last column of a group wide enough for the group's name."""
    start = 0
    for name, span in groups:
        have = sum(widths[start : start + span]) + len(GAP) * (span - 1)
        widths[start + span - 1] += max(0, text_width(name) - have)
        start += span


def _group_line(groups: tuple[tuple[str, int], ...], widths: list[int]) -> str:
    parts, start = [], 0
    for name, span in groups:
        width = sum(widths[start : start + span]) + len(GAP) * (span - 1)
        side, odd = divmod(width - text_width(name) - 2, 2)
        if side > 0 and name:
            parts.append(f"{'╶' + '─' * (side - 1)} {name} {'─' * (side + odd - 1) + '╴'}")
        else:
            parts.append(name + " " * (width - text_width(name)))
        start += span
    return _join(parts)


def printable(text: str) -> str:
    """The text without control characters, which could play tricks on a terminal."""
    return "".join(c if c.isprintable() else "�" for c in text)


def text_width(text: str) -> int:
    """Columns that a text takes in a terminal."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )
