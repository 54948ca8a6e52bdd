"""`imitate compare`: two evaluations of the same frames, paired. `imitate merge`: those of others, as one."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imitation.comparison import Comparison, Row
    from imitation.sources import Source

WIDTH = 110
NAME = 40
GROUPS = {"overall": "", "category": "by category", "slice": "by slice"}


def compare(args: argparse.Namespace) -> None:
    """Prints the paired table, or with --json `Comparison.to_dict` and the seed."""
    import numpy as np

    from imitation.comparison import compare as compare_evaluations
    from imitation.sources import split_of

    split = args.split or split_of(args.a, args.b)
    result = compare_evaluations(
        args.a, args.b, split, np.random.default_rng(args.seed), resamples=args.resamples
    )
    if args.json:
        print(json.dumps(result.to_dict() | {"seed": args.seed}, indent=2, allow_nan=False))
    else:
        print("\n".join(table(result, args.seed)))


def merge(args: argparse.Namespace) -> None:
    """Writes evaluations of different frames as one, and says how many rows it has."""
    from imitation.merging import merge as merge_evaluations

    count = merge_evaluations(args.evaluations, args.out)
    print(f"{args.out}: {count} rows, one a frame and detector")


def table(result: Comparison, seed: int) -> Iterator[str]:
    """The lines of the table, at most `WIDTH` wide (a path may be longer)."""
    yield _source("A", result.a)
    yield _source("B", result.b)
    yield from _about_frames(result, seed)
    yield ""
    yield _line("", "objects", "A", "B", "B - A", "95% interval", "B is")
    group = "overall"
    for row in result.rows:
        if row.group != group:
            group = row.group
            yield f"-- AP50 {GROUPS[group]} ".ljust(WIDTH, "-")
        yield _row(row)
    yield ""
    yield from _notes(result)
    yield result.sentence


def _source(name: str, source: Source) -> str:
    thresholds = ", ".join(f"{value:.3f}" for value in source.thresholds.values())
    return f"{name}: {source.place}\n   operating threshold {thresholds} ({source.threshold_from})"


def _about_frames(result: Comparison, seed: int) -> Iterator[str]:
    frames = result.frames
    yield f"Split {result.split}: {frames.both} frames in both evaluations, {result.objects} objects to find."
    left_out = [
        f"{count} {what}"
        for count, what in (
            (frames.only_a, "only in A"),
            (frames.only_b, "only in B"),
            (frames.unreadable, "unreadable"),
        )
        if count
    ]
    if left_out:
        yield f"Frames left out: {', '.join(left_out)}."
    yield (
        f"Values in percent, differences in points. Paired bootstrap over {result.clusters} {result.unit}, "
        f"{result.resamples} resamples, seed {seed}."
    )


def _row(row: Row) -> str:
    d = row.difference
    interval = "none" if d.low is None or d.high is None else f"{100 * d.low:+.1f} to {100 * d.high:+.1f}"
    name = row.measure if row.value is None else row.value
    if row.group == "slice":
        name = f"{row.attribute}: {row.value}"
    if row.lower_is_better:
        name += " (lower is better)"
    return _line(
        name,
        str(row.objects),
        _percent(row.a),
        _percent(row.b),
        _percent(d.estimate, "+"),
        interval,
        row.verdict,
    )


def _line(name: str, objects: str, a: str, b: str, difference: str, interval: str, verdict: str) -> str:
    if len(name) > NAME:
        name = name[: NAME - 1] + "…"
    return f"{name:{NAME}} {objects:>8} {a:>6} {b:>6} {difference:>6}  {interval:^16}  {verdict}".rstrip()


def _percent(value: float | None, sign: str = "") -> str:
    return "-" if value is None else f"{100 * value:{sign}.1f}"


def _notes(result: Comparison) -> Iterator[str]:
    yield "Recall, precision, F1, 0-1 loss: at each one's own operating threshold, IoU 0.5, all categories."
    yield (
        "Intervals hold the choice of frames alone. Two trainings on the same data differ as well: to\n"
        "compare ways of training, compare several seeds of each."
    )
    explored = [row for row in result.rows if row.group != "overall"]
    if explored:
        yield (
            "Categories and slices are exploratory: B is called better or worse there only if Holm's\n"
            f"correction over all {len(explored)} of them leaves p < 0.05; their intervals are not corrected."
        )
    if result.few:
        yield f"Slices of under 20 objects are left out: {result.few}."
    reasons = sorted({row.difference.reason for row in result.rows if row.difference.reason})
    if reasons:
        yield f"Why some rows have no interval: {'; '.join(reasons)}."
