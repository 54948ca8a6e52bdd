"""What an inspection found, as tables for people."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console
from rich.text import Text

from imitation.common.text_table import Table, fitted, table_lines, terminal_width, wrapped
from imitation.common.wording import counted
from imitation.data.categories import CategoryMap
from imitation.datasets.inspection.statistics import KNOWN, OTHERS, Inspection

SIZES = 6  # image sizes told one by one
VALUES = 12  # values of a condition told one by one


def print_inspection(inspection: Inspection, mapping: CategoryMap | None, out: TextIO) -> None:
    """Writes the inspection to `out`; `mapping` is what a run would make of its categories."""
    console = Console(file=out, width=terminal_width(), highlight=False, markup=False, emoji=False)

    def say(text: str = "") -> None:
        console.print(fitted(text) if out.isatty() else text, soft_wrap=True)  # a file has a line for a line

    ignored = sum(split.ignored for split in inspection.splits.values())
    say(f"{inspection.kind}  {inspection.root}")
    say(
        f"{counted(inspection.frames, 'frame')}, {counted(inspection.objects, 'object')}"
        + (f", {ignored:,} ignored" if ignored else "")
    )
    console.print(_splits(inspection), soft_wrap=True)
    if inspection.note:
        console.print(fitted(inspection.note, indent=""), soft_wrap=True)
    if inspection.categories:
        console.print(_categories(inspection, mapping), soft_wrap=True)
        _say_background(console, inspection, mapping)
    for name, text in _facts(inspection):
        console.print(_fact(name, text), soft_wrap=True)
    for name in sorted(inspection.conditions):
        console.print(_condition(inspection, name), soft_wrap=True)
    say()
    for note in inspection.notes:
        console.print(note)
    if inspection.notes:
        say()
    say(f"Would it run? {_would_run(inspection)}")
    if not inspection.problems:
        say("No problems.")
        return
    say(f"{counted(len(inspection.problems), 'problem')}:")
    for problem in inspection.problems:
        say(f"  {problem}")


def _would_run(inspection: Inspection) -> str:
    """Whether a run of these settings would come to its first training."""
    if not inspection.refused:
        return "Yes."
    first = str(inspection.refused[0])
    return f"No, for {counted(len(inspection.refused), 'reason')}: {first}"


class _Rows:
    """A table that rich prints and that fits the terminal. The first column holds names, others numbers."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self.columns = columns
        self.left = [0]
        self.groups: tuple[tuple[str, int], ...] = ()
        self.rows: list[tuple[str, ...]] = []

    def add_row(self, *cells: str) -> None:
        self.rows.append(cells)

    def __rich__(self) -> Text:
        table = Table((), self.groups, self.columns, tuple(self.rows), -1, (), tuple(self.left))
        return Text("\n".join(["", *table_lines(table)]), no_wrap=True, overflow="ignore")


def _table(*columns: str) -> _Rows:
    return _Rows(columns)


def _number(count: int) -> str:
    return f"{count:,}" if count else "-"


def _splits(inspection: Inspection) -> _Rows:
    table = _table("split", "frames", "not usable", "objects", "ignored", "sequences")
    for name, counts in inspection.splits.items():
        table.add_row(
            name,
            f"{counts.frames:,}",
            _number(counts.listed - counts.frames),
            f"{counts.objects:,}",
            _number(counts.ignored),
            _number(len(counts.sequences)),
        )
    return table


def _categories(inspection: Inspection, mapping: CategoryMap | None) -> _Rows:
    splits = list(inspection.splits)
    staged = ["staged"] if inspection.staging is not None else []
    table = _table("category", "to the detector", *staged, *splits, "ignored", "5 %", "50 %", "95 %")
    table.left += range(1, 2 + len(staged))
    table.groups = (("", 2 + len(staged)), ("objects", len(splits) + 1), ("heights, px", 3))
    for name in inspection.by_frequency():
        counts = inspection.categories[name]
        heights = counts.heights.quantiles()
        table.add_row(
            name,
            _role(inspection, name, mapping),
            *([] if inspection.staging is None else [inspection.staging.get(name, "-")]),
            *(_number(counts.objects[split]) for split in splits),
            _number(counts.ignored.total()),
            *(f"{heights[q]:.0f}" if heights else "-" for q in ("p5", "p50", "p95")),
        )
    return table


def _role(inspection: Inspection, name: str, mapping: CategoryMap | None) -> str:
    if mapping is None:
        return "-"
    role, target = inspection.role(name, mapping), mapping.mapping.get(name)
    return {"class": str(target), "neighbour": f"ignored for {target}"}.get(role, role)


def _say_background(console: Console, inspection: Inspection, mapping: CategoryMap | None) -> None:
    unmapped = {} if mapping is None else inspection.unmapped(mapping)
    if unmapped:
        listed = ", ".join(f"{name} ({count:,})" for name, count in unmapped.items())
        console.print(
            fitted(
                f"Background to the detector: {listed}. Map them with data.mapping, or ignore them with "
                "data.ignore."
            ),
            soft_wrap=True,
        )


def _facts(inspection: Inspection) -> list[tuple[str, str]]:
    sizes = [f"{w} x {h} ({count:,})" for (w, h), count in inspection.sizes.most_common(SIZES)]
    if len(inspection.sizes) > SIZES:
        sizes.append(f"{len(inspection.sizes) - SIZES} more")
    heights = inspection.all_heights().quantiles()
    facts = [("image sizes", ", ".join(sizes))]
    if heights:
        middle = f"{heights['p25']:.0f}-{heights['p75']:.0f}"
        text = f"{heights['p0']:.0f} to {heights['p100']:.0f} px, half of them {middle} px"
        facts.append(("box heights", text))
        facts.append(("objects know", _known(inspection)))
    facts.append(("cameras", _cameras(inspection)))
    return facts


def _known(seen: Inspection) -> str:
    total = seen.objects
    parts = [
        f"{said} {_percent(seen.known[name], total)}" for name, said in KNOWN.items() if seen.known[name]
    ]
    return ", ".join(parts) or "their box alone"


def _percent(part: int, total: int) -> str:
    """Rounded, but never to 0 or 100 % what is not."""
    share = round(100 * part / total)
    return f"{min(max(share, 1), 99) if 0 < part < total else share} %"


def _cameras(inspection: Inspection) -> str:
    with_camera = inspection.cameras.total()
    if not with_camera:
        return "of no frame"
    known = [key for key in inspection.cameras if key != OTHERS]
    focal = sorted(key[0] for key in known)
    span = f"{focal[0]:.0f}" if round(focal[0]) == round(focal[-1]) else f"{focal[0]:.0f} to {focal[-1]:.0f}"
    more = " or more" if OTHERS in inspection.cameras else ""
    frames = _of(with_camera, inspection.frames)
    text = f"of {frames} frames, {len(known)}{more} different, focal length {span} px"
    height = _of(inspection.camera_heights, inspection.frames) if inspection.camera_heights else "none"
    return f"{text}; height over the ground known of {height}"


def _of(part: int, total: int) -> str:
    return f"all {total:,}" if part == total else f"{part:,} of {total:,}"


def _fact(name: str, text: str) -> Text:
    first, *rest = wrapped(text, terminal_width() - 16)
    return Text("\n".join([f"{name:14}  {first}", *(" " * 16 + line for line in rest)]), overflow="ignore")


def _condition(inspection: Inspection, name: str) -> _Rows:
    splits = list(inspection.splits)
    by_split = inspection.conditions[name]
    totals = {
        value: sum(counts[value] for counts in by_split.values())
        for counts in by_split.values()
        for value in counts
    }
    table = _table(f"frames by {name}", *splits)
    values = sorted(totals, key=lambda value: (-totals[value], value))
    for value in values[:VALUES]:
        table.add_row(
            value, *(_number(by_split[split][value] if split in by_split else 0) for split in splits)
        )
    if len(values) > VALUES:
        rest = values[VALUES:]
        sums = (sum(by_split[split][v] for v in rest) if split in by_split else 0 for split in splits)
        table.add_row(f"({len(rest)} more)", *map(_number, sums))
    return table
