"""A comparison in a terminal: the primary endpoint first, then the table, then what it cannot say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from imitation.common.text_table import Table, format_table, wrapped
from imitation.report.comparison.record import (
    Cell,
    Comparison,
    Row,
    against_sentence,
    contrast_sentence,
    contrasts_head,
    reached_sentence,
    shown_reached,
)
from imitation.report.table import DASH, MAX_CATEGORIES, points, span
from imitation.report.words import (
    AP50,
    BASELINE,
    CHOSEN,
    MAP,
    MAP50,
    VAL_MEANS,
    WRONG,
    WRONG_MEANS,
    arms_mean,
    detector_name,
    measure_name,
)

REACHED_HEAD = "Added frames to the same {measure}:"


def as_text(comparison: Comparison) -> Iterator[str]:
    """The lines of a comparison."""
    yield from _wrapped(comparison.title)
    for warning in comparison.warnings:
        yield from _wrapped(f"note: {warning}")
    yield ""
    yield from _wrapped(f"Primary endpoint: {comparison.primary.answer}")
    for against in comparison.primary.against:
        yield from _wrapped(f"- {against_sentence(comparison.primary, against)}")
    if comparison.contrasts:
        yield from _wrapped(contrasts_head(comparison.contrasts))
        for contrast in comparison.contrasts:
            yield from _wrapped(f"- {contrast_sentence(contrast)}")
    if told := shown_reached(comparison):
        yield from _wrapped(REACHED_HEAD.format(measure=measure_name(told[0].measure)))
        for reached in told:
            yield from _wrapped(f"- {reached_sentence(reached)}")
    if comparison.rows:
        yield ""
        yield from format_table(main_table(comparison)).strip("\n").splitlines()
        yield ""
        yield from format_table(measure_table(comparison)).strip("\n").splitlines()
        yield ""
        for note in notes(comparison):
            yield from _wrapped(note)


def _wrapped(text: str) -> list[str]:
    return wrapped(text, indent="  ")


def main_table(comparison: Comparison) -> Table:
    """A row a detector: what it had, its mAP50, and the difference to real."""
    measure = comparison.primary.measure
    return Table(
        heading=(),
        groups=(
            ("", 1),
            (f"{real_word(comparison)} test", 2),
            (f"minus {BASELINE}", 3),
            ("frames and steps, mean", 4),
        ),
        columns=(
            "",
            measure_name(measure),
            "95 %",
            "points",
            "95 %",
            "verdict",
            real_word(comparison),
            "added",
            "steps",
            "of",
        ),
        rows=tuple(_main(comparison, row, measure) for row in comparison.rows),
        best=-1,
        notes=(),
        left=(0, 5),
    )


def real_word(comparison: Comparison) -> str:
    """What frames that are not synthetic are called: a stand-in is never called real."""
    return "stand-in" if comparison.stand_in else "real"


def _main(comparison: Comparison, row: Row, measure: str) -> tuple[str, ...]:
    cell = row.test.get(measure)
    added = row.synthetic_frames + row.repeated_frames
    name = detector_name(row.key)
    return (
        name if len(row.seeds) in (0, len(comparison.seeds)) else f"{name} ({_seeds(len(row.seeds))})",
        *(("", "", "", "", "not measured") if cell is None else _value_and_gain(cell)),
        f"{row.real_frames:.0f}",
        f"{added:.0f}",
        f"{row.steps:.0f}",
        f"{row.candidates:.0f}",
    )


def _seeds(count: int) -> str:
    return f"{count} seeds" if count > 1 else "one seed"


def _value_and_gain(cell: Cell) -> tuple[str, ...]:
    value, gain = cell.value, cell.gain
    shown = (points(value.mean), span(value.low, value.high) or DASH)
    if gain is None:
        return (*shown, "", "", "the baseline")
    if gain.low == gain.high == 0:
        return (*shown, "0.0", "", "no difference")
    return (*shown, points(gain.difference, True), span(gain.low, gain.high, True) or DASH, gain.verdict)


def measure_table(comparison: Comparison) -> Table:
    """The same rows by every measure: on real test, then on the synthetic test set."""
    test = [m for m in _names(comparison, "test") if m != comparison.primary.measure][: 3 + MAX_CATEGORIES]
    synthetic = [m for m in _names(comparison, "synthetic") if m != "0-1 loss"][: 1 + MAX_CATEGORIES]
    return Table(
        heading=(),
        groups=(
            ("", 1),
            (f"{real_word(comparison)} test", len(test)),
            *((("synthetic test", len(synthetic)),) if synthetic else ()),
            ("", 2),
        ),
        columns=("", *map(measure_name, test), *map(measure_name, synthetic), "images seen", "seconds"),
        rows=tuple(
            (
                detector_name(row.key),
                *(_mean(row, "test", name) for name in test),
                *(_mean(row, "synthetic", name) for name in synthetic),
                f"{row.images_seen:,.0f}",
                f"{row.seconds:,.0f}",
            )
            for row in comparison.rows
        ),
        best=-1,
        notes=(),
    )


def _mean(row: Row, split: str, name: str) -> str:
    cell = getattr(row, split).get(name)
    return DASH if cell is None else points(cell.value.mean)


def _names(comparison: Comparison, split: str) -> list[str]:
    """Measures that some row has a value of."""
    cells = [(name, cell) for row in comparison.rows for name, cell in getattr(row, split).items()]
    return list(dict.fromkeys(name for name, cell in cells if cell.value.mean is not None))


def notes(comparison: Comparison) -> Sequence[str]:
    """What the columns mean, for below a table."""
    most = max(
        (len(row.seeds) for row in comparison.rows if row.arm != "real"), default=len(comparison.seeds)
    )
    seeds = _seeds(most)
    drawn = f"{comparison.clusters} {comparison.unit}" + (f" and {seeds}" if most > 1 else "")
    compute = (
        "Each detector has taken its cycle's number of steps more than the baseline, whatever the arm "
        "(warm start)."
        if comparison.warm_start
        else f"Equal compute: every detector took {comparison.steps:,} steps from scratch."
    )
    lines = [
        f"{MAP50}, {MAP}: mean average precision over categories at IoU 0.5, and over IoU 0.5 to 0.95; "
        f"{AP50}: of one category at IoU 0.5; in points (0 to 100). "
        f"{WRONG}: {WRONG_MEANS} (the method's 0-1 loss).",
        arms_mean([row.key for row in comparison.rows], real_word(comparison)),
        f"{CHOSEN}: the best on val of an arm's detectors and the {BASELINE}. {VAL_MEANS}.",
        f"{comparison.frames} {real_word(comparison)} test frames with {comparison.objects} objects, "
        f"{seeds}; differences are paired by seed and frame. 95 % intervals: bootstrap over "
        f"{drawn}, {comparison.resamples} resamples.",
        f"{compute} 'of': the detectors among which val ({measure_name(comparison.metric)}) chose; "
        "1: no choice. Frames, steps and seconds are means over finished runs; added are synthetic or "
        "repeated frames.",
        f"All but the primary endpoint{' and the contrasts' if comparison.contrasts else ''} is exploratory: "
        "a verdict there stands only where Holm's correction over all "
        f"{comparison.explored} differences leaves p < 0.05; intervals are not corrected.",
    ]
    if comparison.synthetic_frames:
        lines.append(
            f"Synthetic test: {comparison.synthetic_frames} free scenes of a seed of their own, which nobody "
            "trains on."
        )
    return lines
