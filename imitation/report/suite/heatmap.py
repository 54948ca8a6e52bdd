"""Where a detector passes: two heat maps with counts."""

from __future__ import annotations

import io
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from imitation.report.suite.text import step
from imitation.report.svg import INK, STYLE, Plot, figure, finished
from imitation.suites.result import PLANES, Place, SuiteResult

PLAIN: Any = {
    "text.color": "#222222", "axes.labelcolor": "#222222", "xtick.labelcolor": "#222222",
    "ytick.labelcolor": "#222222", "axes.edgecolor": "#bbbbbb",
}  # fmt: skip


def heatmap_png(result: SuiteResult) -> bytes | None:
    """Both maps beside each other on white; None where no scene lies in either."""
    maps = {plane: places for plane, places in result.maps.items() if places}
    if not maps:
        return None
    with matplotlib.rc_context({**STYLE, **PLAIN, "axes.grid": False}):
        page = Figure(figsize=(4.6 * len(maps), 3.6))
        FigureCanvasAgg(page)
        for k, (plane, places) in enumerate(maps.items()):
            axes = page.add_subplot(1, len(maps), k + 1)
            _draw(axes, plane, places, "#222222")
            axes.set_title(f"passes by {plane}", loc="left")
        stream = io.BytesIO()
        page.savefig(stream, format="png", dpi=130, facecolor="white", metadata={"Software": None})
    return stream.getvalue()


def heatmap_plots(result: SuiteResult) -> list[Plot]:
    """A plot a map, for a page."""
    plots = []
    with matplotlib.rc_context({**STYLE, "axes.grid": False}):
        for k, (plane, places) in enumerate(result.maps.items()):
            if places:
                page, axes = figure(3.0)
                _draw(axes, plane, places, INK)
                x, y = PLANES[plane]  # type: ignore[index]
                said = "; ".join(f"{step(x, p.x)}, {step(y, p.y)}: {p.passed} of {p.scenes}" for p in places)
                name = f"suite-{''.join(c if c.isalnum() else '-' for c in result.suite)}-{k}"
                plots.append(finished(name, f"{result.suite}: passes by {plane}", page, said))
    return plots


def _draw(axes: Axes, plane: str, places: list[Place], ink: str) -> None:
    """A field a place, from red (none passes) to green, with its count."""
    x, y = PLANES[plane]  # type: ignore[index]
    down, across = (list(dict.fromkeys(getattr(p, name) for p in places)) for name in ("x", "y"))
    colours = matplotlib.colormaps["RdYlGn"]
    for place in places:
        row, column = down.index(place.x), across.index(place.y)
        share = place.passed / place.scenes
        axes.add_patch(
            matplotlib.patches.Rectangle((column, row), 0.96, 0.96, facecolor=colours(0.1 + 0.8 * share))
        )
        axes.annotate(f"{place.passed}/{place.scenes}", (column + 0.48, row + 0.48), ha="center", va="center",
                      color="#222222")  # fmt: skip
    axes.set_xlim(0, len(across))
    axes.set_ylim(len(down), 0)
    axes.set_xticks([i + 0.48 for i in range(len(across))], [step(y, value) for value in across])
    axes.set_yticks([i + 0.48 for i in range(len(down))], [step(x, value) for value in down])
    axes.tick_params(labelcolor=ink)
    axes.spines["bottom"].set_visible(False)
