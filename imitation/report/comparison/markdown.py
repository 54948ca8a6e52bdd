"""Comparisons as a section of a record (Markdown): what was asked, what came out, with the command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from imitation.common.text_table import Table
from imitation.common.wording import duration
from imitation.report.comparison.record import (
    Comparison,
    against_sentence,
    contrast_sentence,
    contrasts_head,
    reached_sentence,
    shown_reached,
)
from imitation.report.comparison.text import REACHED_HEAD, main_table, measure_table, notes
from imitation.report.words import BASELINE, arm_name, measure_name


def as_markdown(comparisons: Sequence[Comparison]) -> str:
    """One section a comparison, the primary endpoint first, caveats last."""
    return "\n\n".join("\n".join(_section(comparison)) for comparison in comparisons) + "\n"


def _section(comparison: Comparison) -> Iterator[str]:
    yield f"## {comparison.title}"
    yield ""
    yield f"    {comparison.command}"
    yield ""
    seeds = ", ".join(map(str, comparison.seeds))
    folds = (
        f"; folds {', '.join(map(str, comparison.used_folds))} of {comparison.folds}"
        if comparison.folds
        else ""
    )
    sizes = "; ".join(
        f"{'' if name == 'all' else name + ': '}{s['train']} train, {s['val']} val, {s['test']} test"
        for name, s in comparison.splits.items()
    )
    torch = comparison.packages.get("torch")
    yield (
        f"{comparison.machine}; torch {torch}; commit {comparison.commit or 'unknown'}; "
        f"{duration(comparison.seconds_total)} in all ({comparison.seconds_total:,.0f} s). "
        f"Seeds {seeds}{folds}. Frames: {sizes}. "
        f"{comparison.steps:,} steps of {comparison.batch_size} images a training."
    )
    yield ""
    yield f"**Primary endpoint.** {escaped(comparison.primary.answer)}"
    yield ""
    for against in comparison.primary.against:
        yield f"- {escaped(against_sentence(comparison.primary, against))}"
    if comparison.contrasts:
        yield ""
        yield escaped(contrasts_head(comparison.contrasts))
        yield ""
        for contrast in comparison.contrasts:
            yield f"- {escaped(contrast_sentence(contrast))}"
    if told := shown_reached(comparison):
        yield ""
        yield escaped(REACHED_HEAD.format(measure=measure_name(told[0].measure)))
        yield ""
        for reached in told:
            yield f"- {escaped(reached_sentence(reached))}"
    if comparison.rows:
        yield ""
        yield from markdown_table(main_table(comparison))
        yield ""
        yield from markdown_table(measure_table(comparison))
        yield ""
        yield " ".join(escaped(note) for note in notes(comparison))
    if comparison.costs:
        yield ""
        yield (
            f"Beyond the {BASELINE}, a mean over seeds and folds: "
            + "; ".join(
                f"{escaped(arm_name(c.arm))} {c.rendered:,.0f} frames rendered, "
                f"{duration(sum(c.seconds.values()))}"
                for c in comparison.costs
            )
            + "."
        )
    if comparison.warnings:
        yield ""
        yield from (f"- {escaped(warning)}" for warning in comparison.warnings)


def markdown_table(table: Table) -> Iterator[str]:
    """Groups are put before the names of their columns, since Markdown has one line of heads."""
    groups = [group for group, span in table.groups for _ in range(span)]
    pairs = [
        (group.removeprefix("frames and steps, mean"), name) for group, name in zip(groups, table.columns)
    ]
    names = [f"{group}: {name}" if group and name not in group else group or name for group, name in pairs]
    yield "| " + " | ".join(escaped(name) for name in names) + " |"
    yield "|" + "---|" * len(names)
    for row in table.rows:
        yield "| " + " | ".join(escaped(cell) for cell in row) + " |"


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
