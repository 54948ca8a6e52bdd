"""The curves of a run as it goes, in the style of the reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import matplotlib
from matplotlib.ticker import MaxNLocator

from cluster.inventory.entries import CycleRow
from imitation.evaluation.failures import KINDS
from imitation.report.svg import INK, SERIES, STYLE, SURFACE, Plot, figure, finished, legend, score_limits
from imitation.report.words import MAP50, WRONG_TITLE, kind_name

Curve = tuple[tuple[float, float], ...]
NAN = float("nan")


@lru_cache(maxsize=128)
def score_plot(rows: tuple[tuple[int, float | None, float | None], ...], best: int, planned: int) -> Plot:
    """mAP50 on test and val: (cycle, test, val) a row; room for the cycles that are planned."""
    with matplotlib.rc_context(STYLE):
        page, axes = figure()
        cycles = [row[0] for row in rows]
        for place, name in ((1, "test"), (2, "val")):
            values = [_points(row[place]) for row in rows]
            style = "-o" if place == 1 else "--o"
            axes.plot(cycles, values, style, color=SERIES[place - 1], linewidth=2, markersize=5, label=name)
        chosen = _points(next((row[1] for row in rows if row[0] == best), None))
        axes.plot(best, chosen, "o", markersize=11, markerfacecolor="none", color=INK, markeredgewidth=1.2)
        highest = _highest([value for row in rows for value in row[1:]])
        score_limits(axes, 0.0, max(10.0, 1.25 * highest))
        axes.set_ylabel(f"{MAP50}, points")
        _cycle_axis(axes, max(planned, *cycles))
        legend(page, 2)
        said = "; ".join(f"cycle {c}: test {_points(t):.1f}, val {_points(v):.1f}" for c, t, v in rows)
        return finished(
            "score", f"{MAP50} over the cycles", page, said, "The ring marks the best on val so far."
        )


@lru_cache(maxsize=128)
def wrong_plot(rows: tuple[tuple[int, float | None], ...], planned: int) -> Plot:
    """The 0-1 loss on test: (cycle, fraction) a row."""
    with matplotlib.rc_context(STYLE):
        page, axes = figure()
        values = [_points(value) for _, value in rows]
        axes.plot([c for c, _ in rows], values, "-o", color=SERIES[0], linewidth=2, markersize=5)
        score_limits(axes, 0.0, max(10.0, 1.25 * _highest([value for _, value in rows])))
        axes.set_ylabel("wrong, %")
        _cycle_axis(axes, max(planned, *(c for c, _ in rows)))
        said = "; ".join(f"cycle {c}: {_points(v):.1f} %" for c, v in rows)
        return finished(
            "wrong", f"{WRONG_TITLE}, on test", page, said, "Objects and detections; lower is better."
        )


@lru_cache(maxsize=128)
def failure_plot(rows: tuple[tuple[int, tuple[int, ...]], ...], planned: int) -> Plot:
    """Failures on test by kind, in the order of `KINDS`."""
    with matplotlib.rc_context(STYLE):
        page, axes = figure()
        cycles = [cycle for cycle, _ in rows]
        bottom = [0] * len(rows)
        for place, kind in enumerate(KINDS):
            values = [counts[place] for _, counts in rows]
            name, colour = kind_name(kind), SERIES[place]
            axes.bar(cycles, values, 0.55, bottom=bottom, label=name, color=colour, edgecolor=SURFACE)
            bottom = [a + b for a, b in zip(bottom, values, strict=True)]
        for x, total in zip(cycles, bottom, strict=True):
            axes.annotate(f"{total}", (x, total), (0, 3), textcoords="offset points", ha="center")
        axes.set_ylim(0, max([*bottom, 1]) * 1.12)
        axes.set_ylabel("failures")
        _cycle_axis(axes, max(planned, *cycles))
        legend(page, 2)
        said = "; ".join(f"cycle {c}: {sum(counts)}" for c, counts in rows)
        return finished("failures", "Failures by kind, on test", page, said)


@lru_cache(maxsize=128)
def loss_plot(curves: tuple[tuple[str, Curve], ...]) -> Plot:
    """The loss of trainings, (name, points); the last ones where there are more than colours."""
    with matplotlib.rc_context(STYLE):
        page, axes = figure()
        shown = curves[-len(SERIES) :]
        for place, (name, points) in enumerate(shown):
            steps, losses = zip(*points, strict=True)
            axes.plot(steps, losses, color=SERIES[place], linewidth=1.8, label=name)
        tops = sorted(loss for _, points in shown for _, loss in points)
        axes.set_ylim(0, 1.1 * tops[min(len(tops) - 1, int(0.98 * len(tops)))])
        axes.set_xlim(left=0)
        axes.set_xlabel("optimizer steps")
        axes.set_ylabel("loss")
        legend(page, 2)
        said = "; ".join(f"{name}: {points[-1][1]:.2f} at step {points[-1][0]:.0f}" for name, points in shown)
        return finished("training", "Training loss", page, said)


def plots_of(cycles: Sequence[CycleRow], best: int, planned: int, curves: Mapping[str, Curve]) -> list[Plot]:
    """Every plot that has something to show."""
    plots = []
    if cycles:
        plots.append(score_plot(tuple((c.cycle, c.test, c.val_map50) for c in cycles), best, planned))
        plots.append(wrong_plot(tuple((c.cycle, c.wrong) for c in cycles), planned))
        counts = tuple((c.cycle, tuple(c.failures.get(kind, 0) for kind in KINDS)) for c in cycles)
        plots.append(failure_plot(counts, planned))
    if told := tuple((name, curve) for name, curve in curves.items() if len(curve) > 1):
        plots.append(loss_plot(told))
    return plots


def _points(fraction: float | None) -> float:
    return NAN if fraction is None else 100 * fraction


def _highest(fractions: Sequence[float | None]) -> float:
    return max((_points(value) for value in fractions if value is not None), default=0.0)


def _cycle_axis(axes: matplotlib.axes.Axes, last: int) -> None:
    if last <= 6:
        axes.set_xticks(range(last + 1), ["baseline", *(f"cycle {c}" for c in range(1, last + 1))])
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("cycle (0: the baseline)")
    axes.set_xlim(-0.5, last + 0.5)
    axes.grid(axis="x", visible=False)
