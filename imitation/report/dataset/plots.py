"""The plots of a dataset's page."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.patches import Rectangle

from imitation.datasets.inspection.shapes import ASPECT_BINS, GRID, LEAST, NARROWEST, SIDE_BINS, Shapes
from imitation.datasets.inspection.statistics import Inspection
from imitation.report.svg import FAINT, SERIES, STYLE, Plot, figure, finished, legend, short

CATEGORIES = 12  # categories that a plot of all shows
NAMED = 4  # of which histograms have a line each; the rest is one


def build_plots(inspection: Inspection, shapes: Shapes) -> list[Plot]:
    """Those that have something to show."""
    if not inspection.objects:
        return []
    with matplotlib.rc_context(STYLE):
        return [
            _balance(inspection),
            _histogram(shapes.sides, "sizes", "Sizes of boxes", SIDE_BINS, LEAST, "px (root of the area)"),
            _histogram(
                *(shapes.aspects, "aspects", "Shapes of boxes", ASPECT_BINS, NARROWEST),
                "width by height",
            ),
            _places(shapes),
        ]


def _balance(inspection: Inspection) -> Plot:
    """Each category's share of a split's objects."""
    names = [n for n in inspection.by_frequency() if inspection.categories[n].objects.total()][:CATEGORIES]
    splits = [s for s, counts in inspection.splits.items() if counts.objects]
    page, axes = figure(height=max(2.2, 0.9 + 0.24 * len(names) * max(len(splits), 1) ** 0.7))
    high = 0.8 / max(len(splits), 1)
    said = []
    for place, split in enumerate(splits):
        total = inspection.splits[split].objects
        shares = [100 * inspection.categories[name].objects[split] / total for name in names]
        at = np.arange(len(names)) + (place - (len(splits) - 1) / 2) * high
        axes.barh(at, shares, height=0.9 * high, color=SERIES[place], label=split)
        said.append(f"{split}: " + ", ".join(f"{n} {share:.1f}" for n, share in zip(names, shares)))
    axes.set_yticks(range(len(names)), [short(name, 20) for name in names])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("share of a split's objects, %")
    legend(page, len(splits))
    left = sum(bool(c.objects.total()) for c in inspection.categories.values()) - len(names)
    note = "Bars of one category that differ much: the splits do not hold the same."
    note += f" {left} more categories are in the table." if left > 0 else ""
    return finished("balance", "Balance by split", page, "; ".join(said), note)


def _histogram(
    by_category: dict[str, np.ndarray], name: str, title: str, bins: int, least: float, unit: str
) -> Plot:
    page, axes = figure(height=3.3)
    order = sorted(by_category, key=lambda one: -int(by_category[one].sum()))
    lines = {one: by_category[one] for one in order[:NAMED]}
    if rest := order[NAMED:]:
        lines[f"{len(rest)} more"] = np.sum([by_category[one] for one in rest], axis=0)
    edges = np.arange(bins)
    said = []
    for place, (one, counts) in enumerate(lines.items()):
        colour = SERIES[place] if place < NAMED else SERIES[6]
        shares = 100 * counts / max(int(counts.sum()), 1)
        axes.step(edges, shares, where="mid", color=colour, linewidth=1.8, label=short(one, 18))
        top = int(counts.argmax())
        said.append(f"{one}: most at {least * 2 ** (top / 2):.3g} to {least * 2 ** ((top + 1) / 2):.3g}")
    ticks = list(range(0, bins, 2))
    axes.set_xticks(ticks, [f"{least * 2 ** (tick / 2):.3g}" for tick in ticks])
    axes.set_ylim(bottom=0)
    axes.set_xlabel(unit)
    axes.set_ylabel("share of a category's objects, %")
    legend(page, min(3, len(lines)))
    return finished(name, title, page, "; ".join(said))


def _places(shapes: Shapes) -> Plot:
    """Where the middles of boxes lie."""
    page, axes = figure(height=2.4)
    rows, columns = GRID
    top = max(int(shapes.middles.max()), 1)
    for row in range(rows):
        for column in range(columns):
            share = shapes.middles[row, column] / top
            if share:
                axes.add_patch(
                    Rectangle(
                        (column, row),
                        1,
                        1,
                        facecolor=SERIES[0],
                        edgecolor="none",
                        alpha=float(0.1 + 0.9 * share),
                    )
                )
    axes.set_xlim(0, columns)
    axes.set_ylim(rows, 0)
    axes.grid(visible=False)
    axes.set_xticks([0, columns / 2, columns], ["left", "middle", "right"])
    axes.tick_params(axis="x", pad=8)
    axes.set_yticks([0, rows / 2, rows], ["top", "middle", "bottom"])
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color(FAINT)
    row, column = divmod(int(shapes.middles.argmax()), columns)
    share = shapes.middles.max() / max(shapes.middles.sum(), 1)
    said = f"most, {100 * share:.1f} %, in row {row + 1} of {rows}, column {column + 1} of {columns}"
    return finished("places", "Where boxes have their middle", page, said, "The darker, the more boxes.")
