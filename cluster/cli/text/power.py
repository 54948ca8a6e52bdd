"""The answer of `imitate power`, for a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator

from cluster.experiments.power import Answer, Design
from imitation.common.text_table import Table, table_lines, wrapped
from imitation.metrics.statistics.gate import MEASURES
from imitation.metrics.statistics.power import ALPHA, MOST_SEEDS, POWER
from imitation.report.words import AP50, measure_name


def lines(answer: Answer) -> Iterator[str]:
    """As wide as the terminal."""
    for sentence in _about(answer):
        yield from wrapped(sentence)
    yield ""
    yield from table_lines(_table(answer))
    yield ""
    for note in _notes(answer):
        yield from wrapped(note, indent="  ")


def name(measure: str) -> str:
    """A measure for people."""
    if measure in MEASURES:
        return measure_name(MEASURES[measure]) if "m" in measure[:1] else MEASURES[measure]
    return f"{AP50} of {measure.replace('=', ': ')}"


def _about(answer: Answer) -> Iterator[str]:
    m = answer.measured
    of_sequences = f" of {m.clusters:,} sequences" if m.unit == "sequences" else ""
    yield (
        f"To see a difference of {100 * answer.effect:g} points in {name(m.measure)} "
        f"(now {100 * m.value:.1f}) in {POWER:.0%} of comparisons, alpha {ALPHA:g}."
    )
    yield (
        f"Split {answer.split}: {m.frames:,} frames{of_sequences}, {m.objects:,} objects; {m.holding:,} "
        f"{m.unit} hold {'an object' if m.what == 'anything' else m.what}."
    )


def _table(answer: Answer) -> Table:
    unit = answer.measured.unit
    columns = (
        "seeds a side",
        "these frames see",
        f"{100 * answer.effect:g} points seen in",
        *((f"{unit} needed",) if unit == "sequences" else ()),
        "frames needed",
    )
    rows = tuple(tuple(_cells(design, unit)) for design in answer.designs)
    return Table((), (), columns, rows, -1, (), (0,))


def _cells(design: Design, unit: str) -> Iterator[str]:
    yield "1 (two detectors)" if design.seeds == 1 else str(design.seeds)
    yield f"{100 * design.smallest:.1f} points"
    yield f"{100 * design.power:.0f} %"
    if unit == "sequences":
        yield _count(design.of_all)
    yield _count(design.frames)


def _count(value: int | None) -> str:
    return "more seeds" if value is None else f"{value:,}"


def _notes(answer: Answer) -> Iterator[str]:
    m = answer.measured
    if m.pairs:
        pairs = "; ".join(f"{p.a} and {p.b} {100 * p.error:.1f}" for p in m.pairs)
        yield (
            f"The frames' part: standard error of a paired difference, bootstrap over {m.unit}, in points: "
            f"{pairs}."
        )
    else:
        yield (
            "One detector is known, so two are taken to share nothing: that asks for too many frames rather "
            "than too few. Another detector of the same frames (--against) tells more."
        )
    yield _trainings(answer)
    if len(answer.designs) > 1:
        if answer.seeds_needed:
            yield f"On these frames it takes {answer.seeds_needed} seeds a side."
        else:
            yield f"On these frames no number of seeds up to {MOST_SEEDS} is enough: more frames are needed."
    if m.unit == "frames":
        yield (
            "No sequence of a frame is known, so each counts as independent; of drives it takes more frames "
            "than this."
        )


def _trainings(answer: Answer) -> str:
    m = answer.measured
    if m.noise.training is None or m.training_range is None:
        return (
            "The trainings' part is not known: no second seed was trained (a run's twin, loop.twin=true). So "
            "this is about two detectors, not about two ways of training, which takes several seeds of each."
        )
    low, high = (100 * end for end in m.training_range)
    upper = f"{high:.1f}" if math.isfinite(high) else "any number"
    said = (
        f"The trainings' part: from one seed to the next {100 * m.noise.training:.1f} points (standard "
        f"deviation, {m.seeds} seeds; 95 % interval {low:.1f} to {upper})."
    )
    if m.noise.training == 0:
        said += " The frames explain all that they differ by."
    if m.seeds < 4:
        said += " That interval is wide: plan for a higher value, or train more seeds of the baseline first."
    return said
