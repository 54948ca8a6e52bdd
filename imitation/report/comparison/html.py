"""`comparison.html`: the page of a comparison of arms, one file with everything in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib

from imitation.common.wording import duration
from imitation.datasets.registry import title_of
from imitation.report.comparison.budget_curves import budget_curves, reached_table
from imitation.report.comparison.fixed_failures import Fixed, FixedCounts, build_fixed
from imitation.report.comparison.record import (
    ArmCost,
    Comparison,
    Gain,
    Row,
    SliceRow,
    against_sentence,
    contrast_sentence,
    contrasts_head,
)
from imitation.report.comparison.text import main_table, measure_table, notes, real_word
from imitation.report.page import environment
from imitation.report.svg import INK, SERIES, STYLE, Plot, figure, finished, legend, score_limits, short
from imitation.report.table import points, span
from imitation.report.words import BASELINE, arm_name, detector_name, measure_name

MAX_SLICES = 40


def render_comparison(
    comparison: Comparison, fixed: Sequence[Fixed] = (), counts: FixedCounts | None = None, config: str = ""
) -> str:
    """The page as HTML; `fixed` are failures that are gone, `config` the configuration as YAML text.

    Whatever comes from data is escaped, and the page forbids itself to load anything.
    """
    with matplotlib.rc_context(STYLE):
        drawn = (budget_curves(comparison), _curves(comparison), _forest(comparison))
        plots = [plot for plot in drawn if plot is not None]
    template = environment().get_template("comparison/page.html.j2")
    return template.render(
        comparison=comparison,
        sentences=[
            (against, against_sentence(comparison.primary, against)) for against in comparison.primary.against
        ],
        contrasts=[(contrast, contrast_sentence(contrast)) for contrast in comparison.contrasts],
        reached=reached_table(comparison) if comparison.reached else None,
        contrasts_head=contrasts_head(comparison.contrasts) if comparison.contrasts else "",
        table=main_table(comparison),
        measures=measure_table(comparison),
        notes=notes(comparison),
        plots=plots,
        real_word=real_word(comparison),
        slices=_slices(comparison),
        slices_shown=MAX_SLICES,
        entries=[build_fixed(item, comparison.stand_in) for item in fixed],
        counts=counts,
        costs=[_Cost.of(cost) for cost in comparison.costs],
        data_kind=title_of(comparison.data_kind),
        duration=duration,
        span=span,
        signed=lambda value: points(value, True),
        plain=points,
        config=config,
    )


@dataclass(frozen=True)
class _Cost:
    """A row of the table of costs, in words."""

    arm: str
    rendered: str
    seconds: str
    parts: str
    gain: str
    frames_a_point: str
    seconds_a_point: str

    @classmethod
    def of(cls, cost: ArmCost) -> _Cost:
        total = sum(cost.seconds.values())
        gained = None if cost.gain is None or cost.gain <= 0 else 100 * cost.gain
        parts = ", ".join(f"{name} {duration(value)}" for name, value in cost.seconds.items() if value >= 0.5)
        known = cost.verdict == "better"
        return cls(
            arm=arm_name(cost.arm),
            rendered=f"{cost.rendered:,.0f}",
            seconds=duration(total),
            parts=parts or "nothing",
            gain=f"{points(cost.gain, True)} ({cost.verdict})",
            frames_a_point=_each(cost.rendered, gained, known),
            seconds_a_point=_each(total, gained, known),
        )


def _each(spent: float, gained: float | None, known: bool) -> str:
    """What a point cost; in brackets where the gain itself is not distinguishable from none."""
    if not spent:
        return "–"
    if gained is None:
        return "no gain"
    text = f"{spent / gained:,.0f}"
    return text if known else f"({text})"


def _curves(comparison: Comparison) -> Plot | None:
    """The primary measure over the cycles of each arm, with intervals."""
    measure = comparison.primary.measure
    real = comparison.row("real")
    if real is None or measure not in real.test:
        return None
    series: dict[str, list[tuple[int, Row]]] = {}
    for row in comparison.rows:
        if row.cycle is not None and row.budget is None and row.arm != "real" and measure in row.test:
            series.setdefault(row.arm, []).append((row.cycle, row))
    if not series:
        return None
    page, axes = figure(3.2)
    names = list(series)
    spread = 0.06
    spoken = [f"{BASELINE}: {points(real.test[measure].value.mean)}"]
    for i, name in enumerate(names):
        rows = series[name] if name == "sim" and series[name][0][0] == 0 else [(0, real), *series[name]]
        shift = spread * (i - (len(names) - 1) / 2)
        x = [cycle + shift for cycle, _ in rows]
        y = [_percent(row.test[measure].value.mean) for _, row in rows]
        bars = [
            [v - _percent(row.test[measure].value.low, v) for v, (_, row) in zip(y, rows)],
            [_percent(row.test[measure].value.high, v) - v for v, (_, row) in zip(y, rows)],
        ]
        colour = SERIES[i % len(SERIES)]
        axes.errorbar(x, y, yerr=bars, fmt="-o", color=colour, linewidth=1.8, markersize=4.5,
                      elinewidth=1, capsize=2, label=short(name))  # fmt: skip
        spoken.append(f"{name}: {', '.join(f'cycle {c} {v:.1f}' for (c, _), v in zip(rows, y))}")
    tops = [_percent(row.test[measure].value.high, _percent(row.test[measure].value.mean))
            for rows in series.values() for _, row in [(0, real), *rows]]  # fmt: skip
    score_limits(axes, 0.0, max([1.0, *(1.08 * top for top in tops if not math.isnan(top))]))
    last = max(cycle for rows in series.values() for cycle, _ in rows)
    axes.set_xticks(range(last + 1), ["baseline", *(f"cycle {k}" for k in range(1, last + 1))])
    axes.set_ylabel(f"{measure_name(measure)}, points")
    axes.grid(axis="x", visible=False)
    legend(page, min(4, len(names)))
    return finished(
        "curves",
        f"{measure_name(measure)} on {real_word(comparison)} test, cycle by cycle",
        page,
        "; ".join(spoken),
        note="Means over seeds; bars are 95 % intervals of each value. Two bars that overlap may still "
        "belong to "
        "a clear difference: differences are paired, values are not.",
    )


def _percent(value: float | None, otherwise: float = math.nan) -> float:
    return otherwise if value is None else 100 * value


def _forest(comparison: Comparison) -> Plot | None:
    """Each row's difference to real with its interval."""
    measure = comparison.primary.measure
    rows = [
        (detector_name(row.key), gain)
        for row in comparison.rows
        if measure in row.test
        and (gain := row.test[measure].gain) is not None
        and gain.difference is not None
    ]
    if not rows:
        return None
    page, axes = figure(0.9 + 0.26 * len(rows))
    axes.axvline(0, color=INK, linewidth=1)
    for y, (_, gain) in enumerate(rows):
        middle = _percent(gain.difference)
        if gain.low is not None and gain.high is not None:
            reach = [_percent(gain.low), _percent(gain.high)]
            axes.plot(reach, [y, y], color=SERIES[0], linewidth=4, alpha=0.4, solid_capstyle="round")
        axes.plot(middle, y, "o", color=SERIES[0], markersize=5)
    axes.set_yticks(range(len(rows)), [short(label, 38) for label, _ in rows])
    axes.invert_yaxis()
    axes.set_xlabel(f"{measure_name(measure)} minus the {BASELINE}'s, points")
    axes.grid(axis="y", visible=False)
    return finished(
        "forest",
        f"Differences to the {BASELINE}, paired",
        page,
        "; ".join(f"{label}: {_gain_words(gain)}" for label, gain in rows),
        note=f"Right of the line: better than the {BASELINE}. 95 % intervals, each for itself.",
    )


def _gain_words(gain: Gain) -> str:
    interval = span(gain.low, gain.high, True)
    return f"{points(gain.difference, True)}" + (f" ({interval})" if interval else " (no interval)")


@dataclass(frozen=True)
class _Slice:
    """A row of the table of slices; the bar's places are in 0 to 160 of a scale that all share."""

    row: SliceRow
    first: bool
    middle: float
    low: float | None
    high: float | None


def _slices(comparison: Comparison) -> list[_Slice]:
    rows = comparison.slices[:MAX_SLICES]
    reach = max(
        (abs(v) for r in rows for v in (r.gain.difference, r.gain.low, r.gain.high) if v is not None),
        default=1.0,
    )

    def place(value: float) -> float:
        return round(80 + 80 * value / (reach or 1.0), 1)

    slices, before = [], None
    for row in rows:
        gain = row.gain
        slices.append(
            _Slice(
                row,
                row.attribute != before,
                place(gain.difference or 0.0),
                None if gain.low is None else place(gain.low),
                None if gain.high is None else place(gain.high),
            )
        )
        before = row.attribute
    return slices
