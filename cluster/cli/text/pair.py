"""Two evaluations of the same frames side by side, as tables for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from imitation.common.text_table import Table, table_lines, terminal_width, wrapped
from imitation.evaluation.attributes import CONDITION
from imitation.evaluation.detections import Cutoff
from imitation.metrics.statistics.evaluation_side import Source
from imitation.metrics.statistics.paired_comparison import Comparison, Frames, Row
from imitation.report.words import AP50, MAP, MAP50, WRONG, WRONG_MEANS, measure_name

GROUPS = {"overall": "", "category": f"{AP50} by category", "slice": f"{AP50} by slice"}


def lines(result: Comparison, seed: int, taken_a: str = "", taken_b: str = "") -> Iterator[str]:
    """The lines of the tables, as wide as the terminal (a path may be longer); `taken_a` and `taken_b` say
    which evaluation of a run was taken."""
    yield from source_lines("A", result.a, taken_a)
    yield from source_lines("B", result.b, taken_b)
    yield from _about_frames(result, seed)
    for group, title in GROUPS.items():
        rows: tuple[tuple[str, ...], ...] = tuple(_row(row) for row in result.rows if row.group == group)
        if rows:
            yield ""
            columns: tuple[str, ...] = (title, "A", "B", "B - A", "95 %", "B is", "objects")
            if group == "overall":  # all of them are of the same objects
                columns, rows = columns[:-1], tuple(row[:-1] for row in rows)
            yield from table_lines(Table((), (), columns, rows, -1, (), (0, 5)))
    yield ""
    for note in (*_notes(result), result.sentence):
        yield from wrapped(note, indent="  ")


def source_lines(name: str, source: Source, taken: str) -> Iterator[str]:
    thresholds = ", ".join(_words(value, source.categories) for value in source.thresholds.values())
    yield f"{name}: {source.place}"
    for said in (taken, f"operating threshold {thresholds} ({source.threshold_from})"):
        yield from (f"   {line}" for line in wrapped(said, terminal_width() - 3) if said)


def _about_frames(result: Comparison, seed: int) -> Iterator[str]:
    frames = result.frames
    yield from wrapped(
        f"Split {result.split}: {frames.both} frames in both evaluations, {result.objects} objects to find."
    )
    if out := left_out(frames, "A", "B"):
        yield f"Frames left out: {', '.join(out)}."
    yield from wrapped(
        f"Values in percent, differences in points. Paired bootstrap over {result.clusters} {result.unit}, "
        f"{result.resamples} resamples, seed {seed}."
    )


def left_out(frames: Frames, a: str, b: str) -> list[str]:
    """Which frames are not compared, in words; `a` and `b` name the sides."""
    counts = (
        (frames.only_a, f"only in {a}"),
        (frames.only_b, f"only in {b}"),
        (frames.unreadable, "unreadable"),
    )
    return [f"{count:,} {what}" for count, what in counts if count]


def _row(row: Row) -> tuple[str, ...]:
    d = row.difference
    interval = "none" if d.low is None or d.high is None else f"{100 * d.low:+.1f} to {100 * d.high:+.1f}"
    return (
        row_name(row),
        percent(row.a),
        percent(row.b),
        percent(d.estimate, "+"),
        interval,
        row.verdict,
        str(row.objects),
    )


def row_name(row: Row) -> str:
    """What a row is of, for people."""
    name = measure_name(row.measure) if row.group == "overall" else str(row.value)
    if row.group == "overall" and row.measure in ("recall", "precision", "F1"):
        name = row.measure
    if row.group == "slice":
        name = f"{str(row.attribute).removeprefix(CONDITION)}: {row.value}"
    return f"{name} (less is better)" if row.lower_is_better else name


def percent(value: float | None, sign: str = "") -> str:
    return "-" if value is None else f"{100 * value:{sign}.1f}"


def _notes(result: Comparison) -> Iterator[str]:
    yield (
        f"{MAP50}, {MAP}: mean average precision over categories at IoU 0.5, and over IoU 0.5 to 0.95; "
        f"{AP50}: of one category or slice at IoU 0.5."
    )
    yield (
        f"Recall, precision, F1, {WRONG}: at each one's own operating threshold, IoU 0.5, all categories. "
        f"{WRONG}: {WRONG_MEANS} (the method's 0-1 loss)."
    )
    yield (
        "Intervals hold the choice of frames alone. Two trainings on the same data differ as well: to "
        "compare ways of training, compare several seeds of each."
    )
    explored = [row for row in result.rows if row.group != "overall"]
    if explored:
        yield (
            "Categories and slices are exploratory: B is called better or worse there only if Holm's "
            f"correction over all {len(explored)} of them leaves p < 0.05; their intervals are not corrected."
        )
    if result.few:
        yield f"Slices of under 20 objects are left out: {result.few}."
    reasons = sorted({row.difference.reason for row in result.rows if row.difference.reason})
    if reasons:
        yield f"Why some rows have no interval: {'; '.join(reasons)}."


def _words(threshold: Cutoff, categories: Sequence[str]) -> str:
    if isinstance(threshold, int | float):
        return f"{threshold:.3f}"
    return ", ".join(f"{name} {value:.3f}" for name, value in zip(categories, threshold, strict=True))
