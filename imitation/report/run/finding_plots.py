"""The plots of findings: what errors cost, calibration, and failures by status."""

from __future__ import annotations

import math
from typing import NamedTuple

import matplotlib
from matplotlib.ticker import FuncFormatter, MaxNLocator

from imitation.evaluation.failures import KINDS
from imitation.report.run.plots import cycle_axis, scaled, spoken
from imitation.report.run.record import Cycle, Summary
from imitation.report.run.sections import FollowedRow, compared, cycle_name, followed_rows, shown_split
from imitation.report.svg import FAINT, INK, SERIES, STYLE, Plot, figure, finished, legend, score_limits
from imitation.report.table import points
from imitation.report.words import MAP50, kind_name

FIXED, NEW, REGRESSED = SERIES[2], SERIES[1], SERIES[7]
MAX_NAMED = 10  # categories named below a plot


def build_finding_plots(summary: Summary) -> dict[str, Plot]:
    """Every plot of a run's findings, by name; those without anything to show are left out."""
    with matplotlib.rc_context(STYLE):
        plots = [_errors(summary), _calibration(summary), _followed(summary)]
    return {plot.name: plot for plot in plots if plot is not None}


def _errors(summary: Summary) -> Plot | None:
    """Lines, not stacked columns: what the kinds cost does not add up."""
    per_cycle = [shown_split(cycle.errors) for cycle in summary.cycles]
    split = next((shown[0] for shown in per_cycle if shown), None)
    if split is None:
        return None
    series = {
        kind_name(kind): [scaled(shown[1].lost.get(kind) if shown else None) for shown in per_cycle]
        for kind in KINDS
    }
    page, axes = figure(3.2)
    for i, (kind, values) in enumerate(series.items()):
        axes.plot(range(len(values)), values, "-o", color=SERIES[i], linewidth=2, markersize=4.5, label=kind)
    highest = max((v for values in series.values() for v in values if not math.isnan(v)), default=0.0)
    score_limits(axes, 0.0, max(1.0, 1.12 * highest))
    axes.set_ylabel(f"{MAP50} lost, points")
    cycle_axis(axes, summary)
    legend(page, 2)
    return finished(
        "errors",
        f"{MAP50} lost by kind of failure, on {split}",
        page,
        spoken(summary, series),
        note=f"What {MAP50} would gain if failures of this kind alone were mended (TIDE). All detections "
        "count, also those under the operating threshold; the kinds do not add up." + _behind(summary, split),
    )


def _behind(summary: Summary, split: str) -> str:
    """How much stands behind each category of a mean after TIDE, and which make it jump; "" if unknown."""
    per_cycle = [(cycle, of) for cycle in summary.cycles if (of := _sizes(cycle, split))]
    if not per_cycle:
        return ""
    last, sizes = per_cycle[-1]
    rarest = sorted(sizes.items(), key=lambda item: item[1].objects)[:MAX_NAMED]
    named = "; ".join(f"{name} {size.objects} objects, {size.detections} detections" for name, size in rarest)
    which = f"its {MAX_NAMED} rarest categories" if len(sizes) > MAX_NAMED else "each category"
    said = f" The lines are means over categories, a rare one counting like any other. Behind {which}, "
    said += f"{cycle_name(last)}: {named}."
    undetected: dict[str, list[str]] = {}
    for cycle, of in per_cycle:
        for name, size in of.items():
            if size.objects and not size.detections:
                undetected.setdefault(name, []).append(cycle_name(cycle))
    if undetected:
        where = "; ".join(f"{name} ({', '.join(cycles)})" for name, cycles in undetected.items())
        said += (
            f" Not detected even once: {where}. Such a category has an AP50 of 0, from which TIDE's mending "
            "lifts it at once, or, where all its objects were simply missed, takes it out of the mean: that "
            "a line jumps between such a cycle and another need not say more than this."
        )
    return said


class _Size(NamedTuple):
    objects: int
    detections: int


def _sizes(cycle: Cycle, split: str) -> dict[str, _Size]:
    """Objects and judged detections of each category that has any; empty where the summary lacks them."""
    if not (cycle.slices and cycle.calibration and split in cycle.slices and split in cycle.calibration):
        return {}
    objects = {part.value: part.objects for part in cycle.slices[split] if part.attribute == "category"}
    by_category = cycle.calibration[split].categories
    detections = {name: sum(part.count for part in found.bins) for name, found in by_category.items()}
    sizes = {
        n: _Size(objects.get(n, 0), detections.get(n, 0)) for n in dict.fromkeys([*objects, *detections])
    }
    return {name: size for name, size in sizes.items() if size.objects or size.detections}


def _calibration(summary: Summary) -> Plot | None:
    per_cycle = [(cycle, shown) for cycle in compared(summary) if (shown := shown_split(cycle.calibration))]
    if not any(part.count for _, (_, calibration) in per_cycle for part in calibration.overall.bins):
        return None
    page, axes = figure(3.2)
    axes.plot([0, 1], [0, 1], "--", color=INK, linewidth=1, alpha=0.5)
    said = []
    for i, (cycle, (_, calibration)) in enumerate(per_cycle):
        bins = [(b.confidence, b.precision, b.count) for b in calibration.overall.bins]
        known = [(c, p, n) for c, p, n in bins if c is not None and p is not None]
        x, y = [c for c, _, _ in known], [p for _, p, _ in known]
        most = max((n for _, _, n in known), default=1)
        name = f"{cycle_name(cycle)}, ECE {points(calibration.overall.ece)}"
        axes.plot(x, y, "-", color=SERIES[i], linewidth=1.6)
        axes.scatter(x, y, [8 + 60 * n / most for _, _, n in known], color=SERIES[i], zorder=3)
        axes.plot([], [], "-o", color=SERIES[i], linewidth=2, markersize=5, label=name)
        said.append(f"{name}: {', '.join(f'{c:.2f} is {p:.2f} ({n})' for c, p, n in known)}")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("score of a detection")
    axes.set_ylabel("share that is right")
    legend(page, 2)
    return finished(
        "calibration",
        f"Do scores mean what they say, on {per_cycle[-1][1][0]}",
        page,
        "; ".join(said),
        note="On the dashed line they do: of detections scored 0.8, 80 % are right. Below it, the detector "
        "is too sure of itself. Large dots stand for many detections; ECE is the mean distance, in points.",
    )


def _followed(summary: Summary) -> Plot | None:
    rows = followed_rows(summary)
    if not rows:
        return None
    rows = [row for row in rows if row.split == rows[0].split]
    page, axes = figure(0.95 + 0.42 * len(rows))
    for y, row in enumerate(rows):
        faded = 0.5 if row.chance else 1.0
        counts = row.counts
        axes.barh(y, counts.fixed, 0.55, color=FIXED, alpha=faded)
        axes.barh(y, -counts.regressed, 0.55, color=REGRESSED, alpha=faded)
        axes.barh(y, -counts.new, 0.55, left=-counts.regressed, color=NEW, alpha=faded)
        for x, number, shift, side in (
            (counts.fixed, counts.fixed, 4, "left"),
            (-row.broken, row.broken, -4, "right"),
        ):
            axes.annotate(f"{number}", (x, y), (shift, 0), textcoords="offset points", ha=side, va="center")
    for colour, label in ((REGRESSED, "regressed"), (NEW, "new"), (FIXED, "fixed")):
        axes.barh(0, 0, color=colour, label=label)
    axes.axvline(0, color=INK, linewidth=1)
    most = max(1, *(max(row.counts.fixed, row.broken) for row in rows))
    axes.set_xlim(-1.2 * most, 1.2 * most)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{abs(x):.0f}"))
    axes.set_yticks(range(len(rows)), [row.label for row in rows])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("failures: broken | mended")
    axes.spines["bottom"].set_color(FAINT)
    legend(page, 3)
    return finished(
        "followed",
        f"Failures mended and broken, on {rows[0].split}",
        page,
        "; ".join(_told(row) for row in rows),
        note=_chance_note(rows),
    )


def _told(row: FollowedRow) -> str:
    counts = row.counts
    return f"{row.label}: {counts.fixed} fixed, {counts.regressed} regressed, {counts.new} new"


def _chance_note(rows: list[FollowedRow]) -> str:
    if any(row.chance for row in rows):
        return (
            "Any retraining mends some failures and breaks others. The pale row is chance alone: the "
            "baseline trained again on the same data, from another seed."
        )
    return (
        "Any retraining mends some failures and breaks others. No second seed was trained, so nothing here "
        "says how much of it is chance."
    )
