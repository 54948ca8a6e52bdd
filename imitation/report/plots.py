"""The report's plots: matplotlib to SVG that takes its colours from the page's style sheet.

Colours are drawn as stand-ins and then replaced by CSS variables, text stays text: so a plot follows
the page into light, dark and print. The same summary gives the same bytes.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from imitation.failures import KINDS
from imitation.report.summary import Summary
from imitation.report.table import points, real_word

INK, FAINT, SURFACE = "#010203", "#040506", "#070809"
SERIES = tuple(f"#0a0b{i:02x}" for i in range(8))
_VARIABLES = {INK: "var(--ink)", FAINT: "var(--line)", SURFACE: "var(--card)"} | {
    colour: f"var(--s{i + 1})" for i, colour in enumerate(SERIES)
}
_STYLE: Any = {
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",  # shipped with matplotlib; the page sets the font that is shown
    "font.size": 9.0,
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlesize": 9.0,
    "grid.color": FAINT,
    "grid.linewidth": 0.7,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 9.0,
    "legend.handlelength": 1.3,
    "legend.columnspacing": 1.2,
    "legend.borderpad": 0.0,
    "legend.borderaxespad": 0.0,
    "patch.linewidth": 0.8,
    "figure.constrained_layout.use": True,
}
WIDTH, HEIGHT = 5.0, 2.9  # inches
MAX_MODES = 12
MAX_LABELS = 8  # more cycles than that are numbered, not named


@dataclass(frozen=True)
class Plot:
    """A plot ready for the page: `svg` is one inline <svg> element, `alt` says in words what it shows."""

    name: str
    title: str
    alt: str
    svg: str
    note: str = ""


def build_plots(summary: Summary) -> dict[str, Plot]:
    """Every plot of a run, by name; those without anything to show are left out."""
    with matplotlib.rc_context(_STYLE):
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
    figure, axes = _figure()
    series = {
        "test": [_scaled(c.metrics.test.map50) for c in summary.cycles],
        "stop": [_scaled(c.metrics.stop.map50) for c in summary.cycles],
    }
    _lines(axes, summary, series, "mAP, points")
    return _plot(
        "map",
        f"mAP at IoU {summary.best.iou:g}",
        figure,
        _spoken(summary, series),
        note="The ring marks the best cycle, chosen on stop.",
    )


def _losses(summary: Summary) -> Plot:
    figure, axes = _figure()
    series = {
        "test": [_scaled(c.metrics.test.zero_one_loss) for c in summary.cycles],
        "stop": [_scaled(c.metrics.stop.zero_one_loss) for c in summary.cycles],
    }
    _lines(axes, summary, series, "0-1 loss, points")
    return _plot(
        "loss",
        "0-1 loss, lower is better",
        figure,
        _spoken(summary, series),
        note="Of what there is to judge, the share that is wrong at the operating threshold.",
    )


def _failures(summary: Summary) -> Plot:
    figure, axes = _figure()
    series = {kind: [c.failures.get(kind, 0) for c in summary.cycles] for kind in KINDS}
    _columns(axes, summary, series, "failures")
    return _plot("failures", "Failures by kind, on test", figure, _spoken(summary, series))


def _frames(summary: Summary) -> Plot:
    figure, axes = _figure()
    series = {
        real_word(summary): [c.real_frames for c in summary.cycles],
        "synthetic": [c.synthetic_frames for c in summary.cycles],
    }
    _columns(axes, summary, series, "frames")
    return _plot("frames", "Frames trained on", figure, _spoken(summary, series))


def _modes(summary: Summary) -> Plot | None:
    """The most frequent failure modes where they were first mined, and where last."""
    mined = [(c.cycle, c.mined.modes) for c in summary.cycles if c.mined is not None and c.mined.modes]
    if not mined:
        return None
    shown = [mined[0]] if len(mined) == 1 else [mined[0], mined[-1]]
    totals: dict[str, int] = {}
    for _, modes in shown:
        for mode, count in modes.items():
            totals[mode] = totals.get(mode, 0) + count
    chosen = sorted(totals, key=lambda mode: (-totals[mode], mode))[:MAX_MODES]
    figure, axes = _figure(height=0.85 + 0.22 * len(chosen))
    rows = range(len(chosen))
    counts = [[modes.get(mode, 0) for mode in chosen] for _, modes in shown]
    span = list(zip(*counts))
    axes.hlines(rows, [min(c) for c in span], [max(c) for c in span], color=FAINT, linewidth=3)
    for i, ((cycle, _), values) in enumerate(zip(shown, counts)):
        label = "after the baseline" if cycle == 0 else f"after cycle {cycle}"
        face = SURFACE if i == 0 and len(shown) > 1 else SERIES[i]
        axes.plot(values, rows, "o", color=SERIES[i], markerfacecolor=face, markersize=6, label=label)
    axes.set_yticks(rows, [_short(mode) for mode in chosen])
    axes.invert_yaxis()
    axes.set_xlim(left=0, right=max(max(c) for c in counts) * 1.06 + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("failures mined")
    _legend(figure, len(shown))
    spoken = "; ".join(
        f"{mode}: {', then '.join(str(c) for c in values)}" for mode, values in zip(chosen, zip(*counts))
    )
    left = len(totals) - len(chosen)
    return _plot(
        "modes",
        "Failure modes mined",
        figure,
        spoken,
        note=f"The {len(chosen)} most frequent; {left} more are in summary.json." if left else "",
    )


def _seconds(summary: Summary) -> Plot | None:
    stages = list(dict.fromkeys(stage for c in summary.cycles for stage in c.seconds))
    if not stages:
        return None
    figure, axes = _figure()
    series = _folded({stage: [c.seconds.get(stage, 0.0) for c in summary.cycles] for stage in stages})
    _columns(axes, summary, series, "seconds")
    return _plot("seconds", "Seconds per stage", figure, _spoken(summary, series, " s"))


def _folded(series: Mapping[str, Sequence[float]]) -> dict[str, Sequence[float]]:
    """At most as many series as there are colours: the smallest become "other"."""
    if len(series) <= len(SERIES):
        return dict(series)
    large = sorted(series, key=lambda name: -sum(series[name]))[: len(SERIES) - 1]
    kept = {name: values for name, values in series.items() if name in large}
    rest = [values for name, values in series.items() if name not in large]
    return kept | {"other": [sum(values) for values in zip(*rest)]}


def _figure(height: float = HEIGHT) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, height))
    FigureCanvasSVG(figure)
    figure.patch.set_visible(False)
    axes = figure.add_subplot()
    axes.patch.set_visible(False)
    return figure, axes


def _scaled(fraction: float | None) -> float:
    return float("nan") if fraction is None else 100 * fraction


def _names(summary: Summary) -> list[str]:
    return ["baseline" if c.cycle == 0 else f"cycle {c.cycle}" for c in summary.cycles]


def _cycle_axis(axes: Axes, summary: Summary) -> None:
    count = len(summary.cycles)
    if count <= MAX_LABELS:
        axes.set_xticks(range(count), _names(summary))
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
    best = next(iter(series.values()))[summary.best_cycle]
    axes.plot(summary.best_cycle, best, "o", markersize=11, color=INK, fillstyle="none", markeredgewidth=1.2)
    highest = max((v for values in series.values() for v in values if not math.isnan(v)), default=0.0)
    # From 0: noise is not to look like a trend.
    axes.set_ylim(0, min(100.0, max(10.0, 1.25 * highest)) * 1.02)
    axes.set_ylabel(label)
    _cycle_axis(axes, summary)
    _legend(axes.figure, len(series))


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
    _cycle_axis(axes, summary)
    _legend(axes.figure, len(series) if len(series) <= 4 else 3)


def _legend(figure: Any, columns: int) -> None:
    figure.legend(loc="outside upper left", ncols=columns)


def _spoken(summary: Summary, series: Mapping[str, Sequence[float]], unit: str = "") -> str:
    """The plot's values as a sentence, for those who cannot see it."""

    def value(number: float) -> str:
        if math.isnan(number):
            return points(None)
        return f"{number:.{0 if isinstance(number, int) else 1}f}{unit}"

    names = _names(summary)
    return "; ".join(
        f"{name}: {', '.join(f'{cycle} {value(v)}' for cycle, v in zip(names, values))}"
        for name, values in series.items()
    )


def _short(text: str, limit: int = 34) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _plot(name: str, title: str, figure: Figure, alt: str, note: str = "") -> Plot:
    return Plot(name, title, f"{title}. {alt}", _to_svg(figure, name), note)


def _to_svg(figure: Figure, name: str) -> str:
    """An inline <svg>, its ids unique on the page, its colours the page's."""
    stream = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}), warnings.catch_warnings():
        # Text stays text: a glyph that matplotlib's own font lacks, the reader's may have.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(stream, format="svg", transparent=True, metadata=nothing)
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :].strip()
    opening, rest = svg.split(">", 1)
    view = re.search(r'viewBox="[^"]*"', opening)
    assert view is not None
    rest = _own_ids(rest, name)
    for colour, variable in _VARIABLES.items():
        rest = rest.replace(colour, variable)
    rest = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", rest)
    return f'<svg {view[0]} aria-hidden="true" focusable="false">{rest}'


def _own_ids(svg: str, name: str) -> str:
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))

    def own(match: re.Match[str]) -> str:
        return f' id="{name}-{match[1]}"' if match[1] in used else ""

    svg = re.sub(r' id="([^"]*)"', own, svg)
    svg = re.sub(r'xlink:href="#', f'href="#{name}-', svg)
    return svg.replace("url(#", f"url(#{name}-")
