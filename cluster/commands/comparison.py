"""`imitate compare`: arms over seeds, or two evaluations, paired. `imitate merge`: evaluations as one."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imitation.settings import UserError

if TYPE_CHECKING:
    from imitation.comparison import Comparison, Row
    from imitation.detections import Cutoff
    from imitation.sources import Source

WIDTH = 110
NAME = 40
GROUPS = {"overall": "", "category": "by category", "slice": "by slice"}


def compare(args: argparse.Namespace) -> None:
    """Arms over seeds and folds where a configuration is named, or two evaluations; or finished comparisons
    as Markdown."""
    if args.record:
        _record(args)
    elif args.b is not None:
        _two(args)
    else:
        _arms(args)


def _arms(args: argparse.Namespace) -> None:
    if args.a is None:
        raise UserError(
            "name a configuration to compare arms (imitate compare ray_config.yaml), or two evaluations"
        )
    for name in ("split", "resamples", "seed"):
        if getattr(args, name) is not None:
            raise UserError(f"--{name} is for two evaluations; a comparison of arms has compare.{name}=...")
    from cluster.config import load

    config = load(args.a, args.options)
    if args.dry_run:
        from cluster.compare.run import dry_run

        print("\n".join(dry_run(config)))
        return
    from cluster.compare.run import compare as compare_arms
    from cluster.progress import Reporter

    told = compare_arms(config, Reporter(), command(args.a, args.options), args.json)
    if args.json:
        print(told.model_dump_json(by_alias=True, indent=2))


def command(config: str, options: Sequence[str]) -> str:
    """What was typed, as others can type it: without where things lie on this machine."""
    kept = []
    for option in options:
        key, _, value = option.partition("=")
        if key == "data.root":
            kept.append(f"data.root={value.rstrip('/').rpartition('/')[2].upper()}")
        elif key != "run.storage":
            kept.append(option)
    path = Path(config)
    named = path.name if path.is_absolute() or ".." in path.parts else config
    return shlex.join(["imitate", "compare", named, *kept])


def _record(args: argparse.Namespace) -> None:
    from cluster.compare.run import read_record
    from imitation import storage
    from imitation.report.comparison_record import as_markdown

    if args.a is not None:
        raise UserError(f"--record takes folders of comparisons alone; {args.a} is one too many")
    text = as_markdown([read_record(folder) for folder in args.record])
    if args.out is None:
        print(text, end="")
    else:
        storage.write_bytes_atomic(args.out, text.encode())
        print(args.out)


def _two(args: argparse.Namespace) -> None:
    """Prints the paired table, or with --json `Comparison.to_dict` and the seed."""
    if args.options or args.dry_run:
        given = args.options[0] if args.options else "--dry-run"
        raise UserError(
            f"{given}: two evaluations take no settings; to compare arms name a configuration alone"
        )
    import numpy as np

    from imitation.comparison import compare as compare_evaluations
    from imitation.sources import split_of

    seed = args.seed or 0
    split = args.split or split_of(args.a, args.b)
    result = compare_evaluations(
        args.a, args.b, split, np.random.default_rng(seed), resamples=args.resamples or 1000
    )
    if args.json:
        print(json.dumps(result.to_dict() | {"seed": seed}, indent=2, allow_nan=False))
    else:
        print("\n".join(table(result, seed)))


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
    thresholds = ", ".join(_words(value, source.categories) for value in source.thresholds.values())
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


def _words(threshold: Cutoff, categories: Sequence[str]) -> str:
    if isinstance(threshold, int | float):
        return f"{threshold:.3f}"
    return ", ".join(f"{name} {value:.3f}" for name, value in zip(categories, threshold, strict=True))
