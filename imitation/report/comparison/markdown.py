"""Comparisons as a section of a record (Markdown): what was asked, what came out, with the command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from imitation.common.text_table import Table
from imitation.common.wording import duration
from imitation.report.comparison.record import Comparison, against_sentence
from imitation.report.comparison.text import main_table, measure_table, notes
from imitation.report.words import BASELINE, arm_name


def as_markdown(comparisons: Sequence[Comparison]) -> str:
    """One section a comparison, the primary endpoint first, caveats last."""
    return "\n\n".join("\n".join(_section(told)) for told in comparisons) + "\n"


def _section(told: Comparison) -> Iterator[str]:
    yield f"## {told.title}"
    yield ""
    yield f"    {told.command}"
    yield ""
    seeds = ", ".join(map(str, told.seeds))
    folds = f"; folds {', '.join(map(str, told.used_folds))} of {told.folds}" if told.folds else ""
    sizes = "; ".join(
        f"{'' if name == 'all' else name + ': '}{s['train']} train, {s['val']} val, {s['test']} test"
        for name, s in told.splits.items()
    )
    torch = told.packages.get("torch")
    yield (
        f"{told.machine}; torch {torch}; commit {told.commit or 'unknown'}; "
        f"{duration(told.seconds_total)} in all "
        f"({told.seconds_total:,.0f} s). Seeds {seeds}{folds}. Frames: {sizes}. {told.steps:,} steps of "
        f"{told.batch_size} images a training."
    )
    yield ""
    yield f"**Primary endpoint.** {_escaped(told.primary.answer)}"
    yield ""
    for against in told.primary.against:
        yield f"- {_escaped(against_sentence(told.primary, against))}"
    if told.rows:
        yield ""
        yield from _table(main_table(told))
        yield ""
        yield from _table(measure_table(told))
        yield ""
        yield " ".join(_escaped(note) for note in notes(told))
    if told.costs:
        yield ""
        yield (
            f"Beyond the {BASELINE}, a mean over seeds and folds: "
            + "; ".join(
                f"{_escaped(arm_name(c.arm))} {c.rendered:,.0f} frames rendered, "
                f"{duration(sum(c.seconds.values()))}"
                for c in told.costs
            )
            + "."
        )
    if told.warnings:
        yield ""
        yield from (f"- {_escaped(warning)}" for warning in told.warnings)


def _table(table: Table) -> Iterator[str]:
    """Groups are put before the names of their columns, since Markdown has one line of heads."""
    groups = [group for group, span in table.groups for _ in range(span)]
    pairs = [
        (group.removeprefix("frames and steps, mean"), name) for group, name in zip(groups, table.columns)
    ]
    names = [f"{group}: {name}" if group and name not in group else group or name for group, name in pairs]
    yield "| " + " | ".join(_escaped(name) for name in names) + " |"
    yield "|" + "---|" * len(names)
    for row in table.rows:
        yield "| " + " | ".join(_escaped(cell) for cell in row) + " |"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
