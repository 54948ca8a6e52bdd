"""The plots of a sweep: val scores over cycles, over the share of synthetic frames, and by setting."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullFormatter

from imitation.metrics.own import metric_title
from imitation.report.svg import (
    FAINT,
    INK,
    SERIES,
    STYLE,
    SURFACE,
    Plot,
    figure,
    finished,
    legend,
    score_limits,
    short,
)
from imitation.report.sweep.record import (
    SweepResults,
    Trial,
    TrialCycle,
    settings_text,
    short_names,
    value_text,
)

NAMED = 3  # the best trials have a colour and a name, the others are grey
OTHERS = SERIES[6]
PAPER_CAP = 0.5
TALL = 3.6  # inches, with the names of the best above
MAX_SETTINGS = 8
MIN_SPAN = 10.0  # points on the vertical axis, at least: noise is not to look like a trend
WIDE = 20.0  # from the largest to the smallest number of a setting: beyond, its axis is logarithmic


def build_sweep_plots(results: SweepResults) -> list[Plot]:
    """Every plot of a sweep that has something to show."""
    if not results.ranked:
        return []
    with matplotlib.rc_context(STYLE):
        return [
            _over_cycles(results),
            _over_ratio(results),
            *(_by_setting(results, key, i) for i, key in enumerate(results.settings[:MAX_SETTINGS])),
        ]


def _over_cycles(results: SweepResults) -> Plot:
    page, axes = figure(height=TALL)
    _lines(axes, results, lambda cycle: cycle.cycle)
    twins = [100 * b.twin_val for b in results.baselines if b.twin_val is not None]
    if twins:
        style: dict[str, Any] = {"markersize": 7, "markeredgewidth": 2, "zorder": 5}
        axes.plot([0] * len(twins), twins, "x", color=INK, label="baseline, another seed", **style)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("cycle (0: the baseline)")
    axes.set_xlim(-0.3, max(len(trial.cycles) for trial in results.ranked) - 0.7)
    legend(page, 1)
    return finished(
        "over-cycles",
        f"{metric_title(results.metric)} on val over the cycles",
        page,
        _spoken(results, lambda cycle: f"cycle {cycle.cycle}"),
        note="One line a trial. A cross at a line's end: it was ended early, or failed."
        + (" The cross at cycle 0 is a baseline from another seed: chance." if twins else ""),
    )


def _over_ratio(results: SweepResults) -> Plot:
    page, axes = figure(height=TALL)
    _lines(axes, results, lambda cycle: cycle.synthetic_ratio)
    axes.set_xlabel("synthetic frames per real frame")
    if max(cycle.synthetic_ratio for trial in results.ranked for cycle in trial.cycles) > PAPER_CAP:
        axes.axvline(PAPER_CAP, color=INK, linewidth=1, linestyle=":", label="the paper's cap")
    axes.set_xlim(left=0)
    legend(page, 1)
    return finished(
        "over-ratio",
        f"{metric_title(results.metric)} on val over synthetic data",
        page,
        _spoken(results, lambda cycle: f"ratio {cycle.synthetic_ratio:.2f}"),
        note="The same trials over the share of synthetic frames that each cycle trained on.",
    )


def _lines(axes: Axes, results: SweepResults, x: Callable[[TrialCycle], float]) -> None:
    for rank, trial in enumerate(results.ranked):
        xs = [x(cycle) for cycle in trial.cycles]
        ys = [100 * cycle.val for cycle in trial.cycles]
        named = rank < NAMED
        color = SERIES[rank] if named else OTHERS
        label = short(f"{rank + 1}. {settings_text(trial.settings)}", 64) if named else None
        axes.plot(
            xs,
            ys,
            "-o",
            color=color,
            linewidth=2.4 if rank == 0 else 1.6 if named else 1.0,
            markersize=5 if named else 3,
            alpha=1.0 if named else 0.6,
            zorder=4 - min(rank, NAMED) / 2,
            label=label,
        )
        if trial.status != "finished":
            axes.plot(xs[-1], ys[-1], "x", color=color, markersize=8, markeredgewidth=2, zorder=4)
    best = results.chosen
    if best is not None and best.best_cycle is not None:
        at = best.cycles[best.best_cycle]
        ring: dict[str, Any] = {"markersize": 11, "fillstyle": "none", "markeredgewidth": 1.2}
        axes.plot(x(at), 100 * at.val, "o", color=INK, zorder=6, **ring)
    _score_axis(axes, results)


def _score_axis(axes: Axes, results: SweepResults) -> None:
    scores = [100 * cycle.val for trial in results.ranked for cycle in trial.cycles]
    scores += [100 * b.twin_val for b in results.baselines if b.twin_val is not None]
    low, high = min(scores), max(scores)
    middle, half = (low + high) / 2, max(1.3 * (high - low), MIN_SPAN) / 2
    score_limits(axes, max(0.0, middle - half), min(100.0, middle + half))
    axes.set_ylabel(f"{metric_title(results.metric)} on val, points")


def _by_setting(results: SweepResults, key: str, number: int) -> Plot:
    """The trials' best scores by one setting."""
    page, axes = figure()
    values = [trial.settings[key] for trial in results.ranked]
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    xs: Sequence[float]
    if numeric:
        xs = [float(value) for value in values]
        if min(xs) > 0 and max(xs) / min(xs) >= WIDE:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(lambda value, place: f"{value:g}")
            axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        names = list(dict.fromkeys(value_text(value) for value in values))
        xs = [names.index(value_text(value)) for value in values]
        axes.set_xticks(range(len(names)), [short(name, 18) for name in names])
        axes.set_xlim(-0.5, len(names) - 0.5)
    ys = [100 * (trial.best_val or 0.0) for trial in results.ranked]
    for trial, at, score in reversed(list(zip(results.ranked, xs, ys, strict=True))):
        best = trial.id == results.best
        color = SERIES[0] if best else OTHERS
        face = color if trial.status == "finished" else SURFACE
        axes.plot(at, score, "o", color=color, markerfacecolor=face, markersize=8 if best else 6)
    axes.axhline(100 * max((b.val for b in results.baselines), default=math.nan), color=FAINT, linewidth=1.5)
    _score_axis(axes, results)
    name = short_names(results.settings)[key]
    axes.set_xlabel(key)
    axes.grid(axis="x", visible=False)
    text = "; ".join(
        f"{value_text(trial.settings[key])}: {100 * (trial.best_val or 0.0):.1f}" for trial in results.ranked
    )
    return finished(
        f"setting-{number}",
        f"Best {metric_title(results.metric)} on val by {name}",
        page,
        text,
        note="Other settings differ as well. Blue: the chosen trial. Hollow: ended early or failed. The "
        "line: the best baseline.",
    )


def _spoken(results: SweepResults, at: Callable[[TrialCycle], str]) -> str:
    def line(trial: Trial) -> str:
        scores = ", ".join(f"{at(cycle)} {100 * cycle.val:.1f}" for cycle in trial.cycles)
        return f"{settings_text(trial.settings)}: {scores}"

    return "; ".join(line(trial) for trial in results.ranked[:20])
