"""What an inspection found, as tables for people, at most 100 columns wide."""

from __future__ import annotations

from typing import TextIO

from rich import box
from rich.console import Console
from rich.table import Table

from imitation.categories import CategoryMap
from imitation.datasets.tally import counted
from imitation.inspection import KNOWN, OTHERS, Inspection

WIDTH = 100
SIZES = 6  # image sizes told one by one
VALUES = 12  # values of a condition told one by one
KNOWN_NAMES = {
    "truncation": "truncation",
    "occlusion": "occlusion (share)",
    "occlusion_level": "occlusion (level)",
    "cuboid": "cuboid",
    "visible_box": "visible box",
    "amodal_box": "amodal box",
    "alpha": "observation angle",
    "difficulty": "difficulty",
}


def print_inspection(found: Inspection, mapping: CategoryMap | None, out: TextIO) -> None:
    """Writes the inspection to `out`; `mapping` is what a run would make of its categories."""
    console = Console(file=out, width=WIDTH, highlight=False, markup=False, emoji=False)

    def say(text: str = "") -> None:
        console.print(text, soft_wrap=True)

    ignored = sum(split.ignored for split in found.splits.values())
    say(f"{found.kind}  {found.root}")
    say(
        f"{counted(found.frames, 'frame')}, {counted(found.objects, 'object')}"
        + (f", {ignored:,} ignored" if ignored else "")
    )
    console.print(_splits(found))
    if found.note:
        console.print(found.note)
    if found.categories:
        console.print(_categories(found, mapping))
        _say_background(console, found, mapping)
    for name, text in _facts(found):
        console.print(_fact(name, text))
    for name in sorted(found.conditions):
        console.print(_condition(found, name))
    say()
    for note in found.notes:
        console.print(note)
    if found.notes:
        say()
    if not found.problems:
        say("No problems.")
        return
    say(f"{counted(len(found.problems), 'problem')}:")
    for problem in found.problems:
        say(f"  {problem}")


def _table(*columns: str) -> Table:
    """The first column holds names, the others numbers."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, column in enumerate(columns):
        if place:
            table.add_column(column, justify="right", no_wrap=True)
        else:
            table.add_column(column, overflow="fold")
    return table


def _number(count: int) -> str:
    return f"{count:,}" if count else "-"


def _splits(found: Inspection) -> Table:
    table = _table("split", "frames", "not usable", "objects", "ignored", "sequences")
    for name, counts in found.splits.items():
        table.add_row(
            name,
            f"{counts.frames:,}",
            _number(counts.listed - counts.frames),
            f"{counts.objects:,}",
            _number(counts.ignored),
            _number(len(counts.sequences)),
        )
    return table


def _categories(found: Inspection, mapping: CategoryMap | None) -> Table:
    splits = list(found.splits)
    table = _table("category", "to the detector", *splits, "ignored", "height px 5%", "50%", "95%")
    table.columns[1].justify = "left"
    for name in found.by_frequency():
        counts = found.categories[name]
        heights = counts.heights.quantiles()
        table.add_row(
            name,
            _role(found, name, mapping),
            *(_number(counts.objects[split]) for split in splits),
            _number(counts.ignored.total()),
            *(f"{heights[q]:.0f}" if heights else "-" for q in ("p5", "p50", "p95")),
        )
    return table


def _role(found: Inspection, name: str, mapping: CategoryMap | None) -> str:
    if mapping is None:
        return "-"
    role, target = found.role(name, mapping), mapping.mapping.get(name)
    return {"class": str(target), "neighbour": f"ignored for {target}"}.get(role, role)


def _say_background(console: Console, found: Inspection, mapping: CategoryMap | None) -> None:
    unmapped = {} if mapping is None else found.unmapped(mapping)
    if unmapped:
        listed = ", ".join(f"{name} ({count:,})" for name, count in unmapped.items())
        console.print(
            f"Background to the detector: {listed}. Map them with data.mapping, or ignore them with "
            "data.ignore."
        )


def _facts(found: Inspection) -> list[tuple[str, str]]:
    sizes = [f"{w} x {h} ({count:,})" for (w, h), count in found.sizes.most_common(SIZES)]
    if len(found.sizes) > SIZES:
        sizes.append(f"{len(found.sizes) - SIZES} more")
    heights = found.all_heights().quantiles()
    facts = [("image sizes", ", ".join(sizes))]
    if heights:
        middle = f"{heights['p25']:.0f}-{heights['p75']:.0f}"
        text = f"{heights['p0']:.0f} to {heights['p100']:.0f} px, half of them {middle} px"
        facts.append(("box heights", text))
        facts.append(("objects know", _known(found)))
    facts.append(("cameras", _cameras(found)))
    return facts


def _known(found: Inspection) -> str:
    total = found.objects
    parts = [
        f"{KNOWN_NAMES[name]} {_percent(found.known[name], total)}" for name in KNOWN if found.known[name]
    ]
    return ", ".join(parts) or "their box alone"


def _percent(part: int, total: int) -> str:
    """Rounded, but never to 0 or 100 % what is not."""
    share = round(100 * part / total)
    return f"{min(max(share, 1), 99) if 0 < part < total else share} %"


def _cameras(found: Inspection) -> str:
    with_camera = found.cameras.total()
    if not with_camera:
        return "of no frame"
    known = [key for key in found.cameras if key != OTHERS]
    focal = sorted(key[0] for key in known)
    span = f"{focal[0]:.0f}" if round(focal[0]) == round(focal[-1]) else f"{focal[0]:.0f} to {focal[-1]:.0f}"
    more = " or more" if OTHERS in found.cameras else ""
    text = f"of {_of(with_camera, found.frames)} frames, {len(known)}{more} different, focal length {span} px"
    height = _of(found.camera_heights, found.frames) if found.camera_heights else "none"
    return f"{text}; height over the ground known of {height}"


def _of(part: int, total: int) -> str:
    return f"all {total:,}" if part == total else f"{part:,} of {total:,}"


def _fact(name: str, text: str) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(width=14)
    table.add_column()
    table.add_row(name, text)
    return table


def _condition(found: Inspection, name: str) -> Table:
    splits = list(found.splits)
    by_split = found.conditions[name]
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
