"""The effects of a probe's factors as bars with their intervals."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from imitation.diagnosis.counterfactuals import Effect, Group, Probe
from imitation.report.probe.text import group_name, rows
from imitation.report.svg import FAINT, INK, SERIES, STYLE, Plot, figure, finished, legend, short

MOST = 4  # groups drawn
COLOURS = ("#3b6fb6", "#d9822b", "#3a8f5c", "#a14c9e")
TITLE = "Which factor the failures hang on"


def probe_plot(probe: Probe) -> Plot | None:
    """The plot for a page, of groups that are large enough; None where there is none."""
    groups = _shown(probe)
    if not groups:
        return None
    with matplotlib.rc_context(STYLE):
        page, axes = figure(_height(groups))
        _draw(axes, groups, SERIES, INK)
        axes.axvline(0, color=INK, linewidth=1)
        axes.spines["bottom"].set_color(FAINT)
        legend(page, 1)
        said = "; ".join(
            f"{group_name(g)}: {', '.join(f'{row.factor} {row.effect}' for row in rows(g))}" for g in groups
        )
        return finished("probe", TITLE, page, said)


def probe_png(probe: Probe) -> bytes | None:
    """The same as a PNG on white; None where there is none."""
    groups = _shown(probe)
    if not groups:
        return None
    plain: Any = {**STYLE, "text.color": "#222222", "axes.labelcolor": "#222222", "axes.edgecolor": "#bbbbbb"}
    plain |= {"xtick.labelcolor": "#222222", "ytick.labelcolor": "#222222", "grid.color": "#dddddd"}
    with matplotlib.rc_context(plain):
        page = Figure(figsize=(7.5, _height(groups) + 0.5))
        FigureCanvasAgg(page)
        axes = page.add_subplot()
        _draw(axes, groups, COLOURS, "#222222")
        axes.axvline(0, color="#222222", linewidth=1)
        axes.set_title(TITLE, loc="left")
        legend(page, 1)
        stream = io.BytesIO()
        page.savefig(stream, format="png", dpi=130, facecolor="white", metadata={"Software": None})
    return stream.getvalue()


def _shown(probe: Probe) -> list[Group]:
    return [group for group in probe.groups if group.enough][:MOST]


def _height(groups: Sequence[Group]) -> float:
    return 1.1 + 0.22 * len(groups) + 0.13 * len(groups[0].effects) * (len(groups) + 1.5)


def _draw(axes: Axes, groups: Sequence[Group], colours: Sequence[str], ink: str) -> None:
    """A bar for each factor and group; the greatest effect of the first group on top."""
    order = [row.factor for row in rows(groups[0])]
    thick = 0.8 / len(groups)
    for g, group in enumerate(groups):
        by_name: dict[str, Effect] = {effect.factor: effect for effect in group.effects}
        label = f"{short(group_name(group), 40)} ({group.survive} failures)"
        axes.barh(0, 0, color=colours[g], label=label)
        for y, name in enumerate(order):
            effect = by_name[name]
            at = y - 0.4 + (g + 0.5) * thick
            if effect.effect is None or effect.low is None or effect.high is None:
                axes.annotate("too few" if effect.cases else "–", (0, at), (4, 0), textcoords="offset points",
                              va="center", fontsize=7.5, alpha=0.6)  # fmt: skip
                continue
            axes.barh(at, 100 * effect.effect, thick * 0.8, color=colours[g], alpha=0.75)
            axes.plot(
                [100 * effect.low, 100 * effect.high], [at, at], "|-", color=ink, linewidth=1, markersize=5
            )
    axes.set_yticks(range(len(order)), order)
    axes.set_ylim(len(order) - 0.5, -0.5)  # all of the last, though it may have no bar
    axes.set_xlim(-105, 105)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("found more often under the change, points (95 %)")
