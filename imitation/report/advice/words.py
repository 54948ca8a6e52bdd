"""What an advice says, in words and cells, for the terminal and for the report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from imitation.advice.record import Advice, AdviceRow, Estimate
from imitation.report.words import mode_name

UNKNOWN = "not known"
SHOWN = 15


@dataclass(frozen=True)
class AdviceSection:
    """What the report's template is given: (mode, failures, what to do, rendering, real frames)."""

    head: str
    rows: tuple[tuple[str, int, str, str, str], ...]
    total: tuple[str, int, str, str, str]
    left: int
    notes: tuple[str, ...]


def advice_section(advice: Advice | None) -> AdviceSection | None:
    """None for a summary without advice, and where nothing failed."""
    if advice is None or not advice.rows:
        return None
    rows = tuple(_cells(row) for row in advice.rows[:SHOWN])
    left = max(0, len(advice.rows) - SHOWN)
    return AdviceSection(head(advice), rows, _cells(advice.total), left, tuple(sentences(advice)))


def _cells(row: AdviceRow) -> tuple[str, int, str, str, str]:
    return row_name(row), row.failures, row.advice, mends(row.synthetic), mends(row.real)


def mends(estimate: Estimate) -> str:
    """ "3.2 (1.0 to 5.4)", or that it is not known."""
    if estimate.mended is None:
        return UNKNOWN
    value = f"{estimate.mended:.1f}"
    if estimate.low is not None and estimate.high is not None:
        value += f" ({estimate.low:.1f} to {estimate.high:.1f})"
    return value.replace("-0.0", "0.0").replace("-", "−")


def cost(value: float | None) -> str:
    return "–" if value is None else f"{value:,.2f}"


def row_name(row: AdviceRow) -> str:
    return "all modes" if row.mode == "all" else mode_name(row.mode)


def head(advice: Advice) -> str:
    """What is compared, in a sentence."""
    rendering = "what is rendered for every failure in reach"
    if advice.frames_per_failure is not None:
        rendering += f" ({advice.frames_per_failure:.1f} frames each, as so far)"
    return (
        f"Failures mined after cycle {advice.cycle}, and how many of them would be mended by {rendering}, "
        f"or by {advice.more_frames:,} more real frames beside the {advice.train_frames:,}; in brackets the "
        "95 % interval."
    )


def sentences(advice: Advice) -> Iterator[str]:
    """What a reader must know: how it was estimated, what is out of reach, why something is not known."""
    yield (
        "Rendering: how much more often failures were fixed that had frames rendered for them than by "
        "retraining alone, from the cycles so far. "
        f"Real frames: failures fall by the same number with each doubling, along {_curve(advice)}."
    )
    yield from advice.notes
    if advice.out_of_reach:
        told = "; ".join(f"{count} × {why}" for why, count in advice.out_of_reach.items())
        yield f"Out of the simulator's reach: {told}."
    if advice.set_aside:
        told = ", ".join(f"{count} {kind}" for kind, count in advice.set_aside.items())
        yield f"Scenes set aside when it rendered last: {told}."
    reasons: dict[str, list[str]] = {}
    for row in advice.rows:
        for way, estimate in (("rendering", row.synthetic), ("real frames", row.real)):
            if estimate.reason:
                reasons.setdefault(f"{way}: {estimate.reason}", []).append(row_name(row))
    for reason, names in reasons.items():
        some = f"{len(names)} modes" if len(names) > 3 else "; ".join(names)
        yield f"Not known of {reason} ({some})."


def _curve(advice: Advice) -> str:
    sizes = ", ".join(f"{size:,}" for size in advice.sizes)
    where = "the folds" if advice.source == "folds" else "trainings on subsets, out of fold"
    return f"{where} ({sizes} frames)"
