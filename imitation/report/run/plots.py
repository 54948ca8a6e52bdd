"""The plots of a run: how its detectors do over the cycles, and what it spent."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from imitation.evaluation.failures import KINDS
from imitation.report.run.record import Cycle, Summary
from imitation.report.run.table import real_word
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
from imitation.report.table import points
from imitation.report.words import MAP50, WRONG_MEANS, WRONG_TITLE, kind_name, mode_name

MAX_MODES = 12
MAX_LABELS = 8  # more cycles than that are numbered, not named


def build_plots(summary: Summary) -> dict[str, Plot]:
    """Every plot of a run, by name; those without anything to show are left out."""
    with matplotlib.rc_context(STYLE):
        plots = [
            _curves(summary),
            _losses(summary),
            _failures(summary),
            _frames(summary),
            _modes(summary),
            _seconds(summary),
        ]
    return {plot.name: plot for plot in plots if plot is not None}


def _curves(summary: Summary) -> Plot:
    page, axes = figure()
    series = {
        "test": [scaled(c.metrics.test.map50) for c in summary.cycles],
        "val": [scaled(c.metrics.val.map50) for c in summary.cycles],
    }
    seed = scaled(None if summary.churn is None else summary.churn.mAP.get("test"))
    if not math.isnan(seed):
        axes.plot(0, seed, "x", color=SERIES[0], markersize=7, markeredgewidth=2, label="test, another seed")
    _lines(axes, summary, series, f"{MAP50}, points")
    return finished(
        "map",
        f"{MAP50} over the cycles",
        page,
        spoken(summary, series) + ("" if math.isnan(seed) else f"; test, another seed: baseline {seed:.1f}"),
        note=(
            "Nothing is found on val."
            if summary.finds_nothing
            else "The ring marks the chosen detector: the best on val."
        )
        + ("" if math.isnan(seed) else " The cross is the baseline trained again, from another seed."),
    )


def _losses(summary: Summary) -> Plot:
    page, axes = figure()
    series = {
        "test": [scaled(c.metrics.test.zero_one_loss) for c in summary.cycles],
        "val": [scaled(c.metrics.val.zero_one_loss) for c in summary.cycles],
    }
    _lines(axes, summary, series, "wrong, %")
    return finished(
        "loss",
        WRONG_TITLE,
        page,
        spoken(summary, series),
        note=f"The {WRONG_MEANS} (the method's 0-1 loss).",
    )


def _failures(summary: Summary) -> Plot:
    page, axes = figure()
    series = {kind_name(kind): [c.failures.get(kind, 0) for c in summary.cycles] for kind in KINDS}
    _columns(axes, summary, series, "failures")
    return finished("failures", "Failures by kind, on test", page, spoken(summary, series))


def _frames(summary: Summary) -> Plot:
    page, axes = figure()
    series = {
        real_word(summary): [c.real_frames for c in summary.cycles],
        "synthetic": [c.synthetic_frames for c in summary.cycles],
    }
    if any(c.repeated_frames for c in summary.cycles):
        series["repeated"] = [c.repeated_frames for c in summary.cycles]
    _columns(axes, summary, series, "frames")
    return finished("frames", "Frames trained on", page, spoken(summary, series))


def _modes(summary: Summary) -> Plot | None:
    """The most frequent failure modes where they were first mined, and where last."""
    mined = [(c.cycle, modes) for c in summary.cycles if c.mined is not None and (modes := mined_modes(c))]
    if not mined:
        return None
    shown = [mined[0]] if len(mined) == 1 else [mined[0], mined[-1]]
    totals: dict[str, int] = {}
    for _, modes in shown:
        for mode, count in modes.items():
            totals[mode] = totals.get(mode, 0) + count
    chosen = sorted(totals, key=lambda mode: (-totals[mode], mode))[:MAX_MODES]
    page, axes = figure(height=0.85 + 0.22 * len(chosen))
    rows = range(len(chosen))
    counts = [[modes.get(mode, 0) for mode in chosen] for _, modes in shown]
    span = list(zip(*counts))
    axes.hlines(rows, [min(c) for c in span], [max(c) for c in span], color=FAINT, linewidth=3)
    for i, ((cycle, _), values) in enumerate(zip(shown, counts)):
        label = "after the baseline" if cycle == 0 else f"after cycle {cycle}"
        face = SURFACE if i == 0 and len(shown) > 1 else SERIES[i]
        axes.plot(
            values, rows, "o", color=SERIES[i], markerfacecolor=face, markersize=6, label=label, clip_on=False
        )
    axes.set_yticks(rows, [short(mode_name(mode)) for mode in chosen])
    axes.invert_yaxis()
    axes.set_xlim(left=0, right=max(max(c) for c in counts) * 1.06 + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("failures mined")
    legend(page, len(shown))
    spoken = "; ".join(
        f"{mode_name(mode)}: {', then '.join(str(c) for c in values)}"
        for mode, values in zip(chosen, zip(*counts))
    )
    left = len(totals) - len(chosen)
    return finished(
        "modes",
        "Failure modes mined",
        page,
        spoken,
        note=f"The {len(chosen)} most frequent; {left} more are in summary.json." if left else "",
    )


def mined_modes(cycle: Cycle) -> dict[str, int]:
    """Failures mined, by the modes that the tables name; older summaries have the policy's groups alone."""
    if cycle.modes and "mine" in cycle.modes:
        return {mode.mode: mode.failures for mode in cycle.modes["mine"] if mode.failures}
    return cycle.mined.modes if cycle.mined is not None else {}


def _seconds(summary: Summary) -> Plot | None:
    stages = list(dict.fromkeys(stage for c in summary.cycles for stage in c.seconds))
    if not stages:
        return None
    page, axes = figure()
    series = _folded({stage: [c.seconds.get(stage, 0.0) for c in summary.cycles] for stage in stages})
    _columns(axes, summary, series, "seconds")
    return finished("seconds", "Seconds per stage", page, spoken(summary, series, " s"))


def _folded(series: Mapping[str, Sequence[float]]) -> dict[str, Sequence[float]]:
    """At most as many series as there are colours: the smallest become "other"."""
    if len(series) <= len(SERIES):
        return dict(series)
    large = sorted(series, key=lambda name: -sum(series[name]))[: len(SERIES) - 1]
    kept = {name: values for name, values in series.items() if name in large}
    rest = [values for name, values in series.items() if name not in large]
    return kept | {"other": [sum(values) for values in zip(*rest)]}


def scaled(fraction: float | None) -> float:
    return float("nan") if fraction is None else 100 * fraction


def cycle_names(summary: Summary) -> list[str]:
    return ["baseline" if c.cycle == 0 else f"cycle {c.cycle}" for c in summary.cycles]


def cycle_axis(axes: Axes, summary: Summary) -> None:
    count = len(summary.cycles)
    if count <= MAX_LABELS:
        axes.set_xticks(range(count), cycle_names(summary))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("cycle (0: the baseline)")
    axes.set_xlim(-0.5, count - 0.5)
    axes.grid(axis="x", visible=False)


def _lines(axes: Axes, summary: Summary, series: Mapping[str, Sequence[float]], label: str) -> None:
    cycles = [c.cycle for c in summary.cycles]
    for i, (name, values) in enumerate(series.items()):
        line = "-o" if i == 0 else "--o"
        axes.plot(cycles, values, line, color=SERIES[i], linewidth=2, markersize=5, label=name)
    if not summary.finds_nothing:
        best = next(iter(series.values()))[summary.best_cycle]
        axes.plot(
            summary.best_cycle, best, "o", markersize=11, color=INK, fillstyle="none", markeredgewidth=1.2
        )
    highest = max((v for values in series.values() for v in values if not math.isnan(v)), default=0.0)
    # From 0: noise is not to look like a trend.
    score_limits(axes, 0.0, max(10.0, 1.25 * highest))
    axes.set_ylabel(label)
    cycle_axis(axes, summary)
    legend(axes.figure, len(axes.get_legend_handles_labels()[0]))


def _columns(axes: Axes, summary: Summary, series: Mapping[str, Sequence[float]], label: str) -> None:
    cycles = [c.cycle for c in summary.cycles]
    bottom = [0.0] * len(cycles)
    for i, (name, values) in enumerate(series.items()):
        axes.bar(cycles, values, 0.55, bottom=bottom, color=SERIES[i], edgecolor=SURFACE, label=name)
        bottom = [a + b for a, b in zip(bottom, values)]
    for x, total in zip(cycles, bottom):
        if len(cycles) <= MAX_LABELS:
            axes.annotate(f"{total:.0f}", (x, total), (0, 3), textcoords="offset points", ha="center")
    axes.set_ylim(0, max([*bottom, 1]) * 1.12)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.set_ylabel(label)
    cycle_axis(axes, summary)
    legend(axes.figure, 4 if sum(map(len, series)) <= 36 and len(series) <= 4 else 2)


def spoken(summary: Summary, series: Mapping[str, Sequence[float]], unit: str = "") -> str:
    """The plot's values as a sentence, for those who cannot see it."""

    def value(number: float) -> str:
        if math.isnan(number):
            return points(None)
        return f"{number:.{0 if isinstance(number, int) else 1}f}{unit}"

    names = cycle_names(summary)
    return "; ".join(
        f"{name}: {', '.join(f'{cycle} {value(v)}' for cycle, v in zip(names, values))}"
        for name, values in series.items()
    )
