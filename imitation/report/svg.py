"""From matplotlib to SVG that takes its colours from the page's style sheet.

Colours are drawn as stand-ins and then replaced by CSS variables, text stays text: so a plot follows
the page into light, dark and print. The same values give the same bytes.
"""

from __future__ import annotations

import io
import re
import warnings
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

INK, FAINT, SURFACE = "#010203", "#040506", "#070809"
SERIES = tuple(f"#0a0b{i:02x}" for i in range(8))
_VARIABLES = {INK: "var(--ink)", FAINT: "var(--line)", SURFACE: "var(--card)"} | {
    colour: f"var(--s{i + 1})" for i, colour in enumerate(SERIES)
}
STYLE: Any = {
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",  # shipped with matplotlib; the page sets the font that is shown
    "font.size": 10.0,
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlesize": 10.0,
    "grid.color": FAINT,
    "grid.linewidth": 0.7,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 10.0,
    "legend.handlelength": 1.3,
    "legend.columnspacing": 1.2,
    "legend.borderpad": 0.0,
    "legend.borderaxespad": 0.0,
    "patch.linewidth": 0.8,
    "figure.constrained_layout.use": True,
}
WIDTH, HEIGHT = 5.0, 2.9  # inches


@dataclass(frozen=True)
class Plot:
    """A plot ready for the page: `svg` is one inline <svg> element, `alt` says in words what it shows."""

    name: str
    title: str
    alt: str
    svg: str
    note: str = ""


def figure(height: float = HEIGHT) -> tuple[Figure, Axes]:
    """An empty plot, `height` in inches; draw it inside `matplotlib.rc_context(STYLE)`."""
    page = Figure(figsize=(WIDTH, height))
    FigureCanvasSVG(page)
    page.patch.set_visible(False)
    axes = page.add_subplot()
    axes.patch.set_visible(False)
    return page, axes


def score_limits(axes: Axes, low: float, high: float) -> None:
    """The vertical axis of a score in points: inside 0 to 100, as no score lies outside; what is drawn at
    either end is not cut."""
    low, high = max(0.0, low), min(100.0, high)
    axes.set_ylim(low, high if high > low else low + 1.0)
    for artist in (*axes.lines, *axes.collections):
        artist.set_clip_on(False)


def legend(page: Any, columns: int) -> None:
    page.legend(loc="outside upper left", ncols=columns)


def short(text: str, limit: int = 34) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def finished(name: str, title: str, page: Figure, alt: str, note: str = "") -> Plot:
    """The plot for the page; `name` is unique there, `alt` its values in words."""
    return Plot(name, title, f"{title}. {alt}", _to_svg(page, name), note)


def _to_svg(page: Figure, name: str) -> str:
    """An inline <svg>, its ids unique on the page, its colours the page's."""
    stream = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}), warnings.catch_warnings():
        # Text stays text: a glyph that matplotlib's own font lacks, the reader's may have.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        page.savefig(stream, format="svg", transparent=True, metadata=nothing)
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
