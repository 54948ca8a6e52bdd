"""The score over the number of added frames, an arm a curve; and how many frames each needs for the same."""

from __future__ import annotations

import math

from imitation.common.text_table import Table
from imitation.report.comparison.record import Comparison, Reached, Row, frames_span
from imitation.report.svg import INK, SERIES, Plot, figure, finished, legend, short
from imitation.report.table import DASH, points
from imitation.report.words import BASELINE, arm_name, measure_name


def budget_curves(comparison: Comparison) -> Plot | None:
    """A plot of `compare.budgets`: every arm's primary measure over its added frames, from the baseline on;
    None where arms have no curve."""
    measure = comparison.primary.measure
    real = comparison.row("real")
    if not comparison.budgets or real is None or measure not in real.test:
        return None
    series: dict[str, list[Row]] = {}
    for row in comparison.rows:
        whole = row.key == f"{row.arm}, cycle 1"
        if (row.budget is not None or whole) and measure in row.test:
            series.setdefault(row.arm, []).append(row)
    series = {arm: sorted(rows, key=_added) for arm, rows in series.items() if len(rows) > 1}
    if not series:
        return None
    page, axes = figure(3.4)
    base = _percent(real.test[measure].value.mean)
    axes.axhline(base, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    spoken = [f"{BASELINE}: {base:.1f}"]
    reach = max(_added(rows[-1]) for rows in series.values())
    heights = [base]
    for i, (arm, rows) in enumerate(series.items()):
        shift = 0.008 * reach * (i - (len(series) - 1) / 2)
        x, y = [_added(row) for row in rows], [_percent(row.test[measure].value.mean) for row in rows]
        low = [_percent(row.test[measure].value.low, v) for row, v in zip(rows, y)]
        high = [_percent(row.test[measure].value.high, v) for row, v in zip(rows, y)]
        colour = SERIES[i % len(SERIES)]
        axes.plot([0, x[0] + shift], [base, y[0]], color=colour, linewidth=1.2, linestyle=(0, (1, 2)))
        bars = [[v - b for v, b in zip(y, low)], [b - v for v, b in zip(y, high)]]
        axes.errorbar([n + shift for n in x], y, yerr=bars, fmt="-o", color=colour, linewidth=1.8,
                      markersize=4.5, elinewidth=1, capsize=2, label=short(arm_name(arm)))  # fmt: skip
        heights += [v for v in (*low, *high, *y) if not math.isnan(v)]
        spoken.append(f"{arm_name(arm)}: {', '.join(f'{n:,.0f} frames {v:.1f}' for n, v in zip(x, y))}")
    pad = 0.06 * (max(heights) - min(heights) or 1.0)
    axes.set_ylim(max(0.0, min(heights) - pad), min(100.0, max(heights) + pad))
    axes.set_xlim(-0.02 * reach, 1.03 * reach)
    axes.set_xlabel("added frames")
    axes.set_ylabel(f"{measure_name(measure)}, points")
    legend(page, min(4, len(series)))
    return finished(
        "budgets",
        f"{measure_name(measure)} over the number of added frames",
        page,
        "; ".join(spoken),
        note=f"The dashed line is the {BASELINE}. Means over seeds; bars are 95 % intervals of each value, "
        "not of differences: two that overlap may still belong to a clear one.",
    )


def reached_table(comparison: Comparison) -> Table:
    """A row an arm, a column another: the frames that the one needs for what the other reaches with most."""
    most = comparison.budgets[-1]
    told = {(r.arm, r.other): r for r in comparison.reached if r.budget == most}
    arms = list(dict.fromkeys(arm for arm, _ in told))
    others = list(dict.fromkeys(other for _, other in told))
    heads = []
    for other in others:
        one = next(r for (_, name), r in told.items() if name == other)
        heads.append(f"{arm_name(other)}: {points(one.value)} with {one.other_frames:,.0f}")
    return Table(
        heading=(),
        groups=(("", 1), ("to reach what another arm reaches", len(others))),
        columns=("frames needed", *heads),
        rows=tuple((arm_name(arm), *(_cell(told.get((arm, other))) for other in others)) for arm in arms),
        best=-1,
        notes=(),
    )


def _cell(reached: Reached | None) -> str:
    if reached is None or reached.value is None:
        return DASH
    count = f"over {reached.most:,.0f}" if reached.frames is None else f"{reached.frames:,.0f}"
    return count if reached.reason is not None else f"{count} ({frames_span(reached)})"


def _added(row: Row) -> float:
    return row.synthetic_frames + row.repeated_frames


def _percent(value: float | None, otherwise: float = math.nan) -> float:
    return otherwise if value is None else 100 * value
