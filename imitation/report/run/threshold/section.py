"""The report's section on the operating threshold: what the template and the slider show.

Without a script the page shows the curves and the table at the operating threshold. The script is part of
the page, and the page's policy allows it by its hash, and no other.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import math
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
from markupsafe import Markup

from imitation.evaluation.attributes import CONDITION
from imitation.metrics.threshold_curves import ThresholdCurve, ThresholdCurves
from imitation.report.run.plots import scaled
from imitation.report.svg import INK, SERIES, STYLE, Plot, figure, finished, legend
from imitation.report.table import DASH, points
from imitation.report.words import WRONG

NAMES = ("precision", "recall", "F1", WRONG)
HEIGHT, WIDTH = 3.1, 5.0  # inches
PT = 72.0


@dataclass(frozen=True)
class ThresholdRow:
    """A line of the table: `cells` at the operating threshold; the counts by threshold, for the script."""

    name: str
    first: bool
    attribute: str
    objects: int
    cells: tuple[str, ...]
    correct: str
    wrong: str
    missed: str
    all_wrong: bool


@dataclass(frozen=True)
class ThresholdSection:
    """What the template is given; `script_hash` is for the page's policy, such as sha256-..."""

    plot: Plot
    rows: tuple[ThresholdRow, ...]
    scores: str
    at: int
    operating: str
    script: Markup
    script_hash: str


def script() -> tuple[Markup, str]:
    """The slider's script and its hash."""
    folder = importlib.resources.files("imitation.report.run.threshold")
    text = (folder / "slider.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Markup(text), f"sha256-{digest}"


def build_threshold(curves: ThresholdCurves | None) -> ThresholdSection | None:
    """None for a summary without curves, and where there is nothing to find."""
    if curves is None or not curves.val or not curves.val[0].objects:
        return None
    at = curves.scores.index(curves.operating)
    rows = [_row("all, on val", True, "", curves.val[0], at)]
    rows += [_row("all, on test", False, "", part, at) for part in curves.test[:1]]
    before = ""
    for part in curves.val[1:]:
        attribute = (part.attribute or "").removeprefix(CONDITION).replace("_", " ")
        rows.append(_row(part.value or "", attribute != before, attribute, part, at))
        before = attribute
    text, digest = script()
    return ThresholdSection(
        _plot(curves, at),
        tuple(rows),
        " ".join(f"{score:.3f}".rstrip("0").rstrip(".") for score in curves.scores),
        at,
        f"{curves.operating:.3f}",
        text,
        digest,
    )


def _row(name: str, first: bool, attribute: str, part: ThresholdCurve, at: int) -> ThresholdRow:
    return ThresholdRow(
        name,
        first,
        attribute,
        part.objects,
        tuple(points(value) for value in part.at(at)),
        _listed(part.correct),
        _listed(part.wrong),
        _listed(part.missed),
        part.attribute in ("occlusion", "truncation", "distance"),
    )


def _listed(counts: Sequence[int]) -> str:
    return " ".join(map(str, counts))


def _plot(curves: ThresholdCurves, at: int) -> Plot:
    said = []
    with matplotlib.rc_context(STYLE):
        page, axes = figure(HEIGHT)
        for split, line, parts in (("val", "-", curves.val), ("test", ":", curves.test)):
            if not parts:
                continue
            told = [parts[0].at(i) for i in range(len(curves.scores))]
            for i, name in enumerate(NAMES):
                values = [scaled(shares[i]) for shares in told]
                label = name if split == "val" else None
                axes.plot(curves.scores, values, line, color=SERIES[i], linewidth=1.8, label=label)
            said.append(
                f"on {split} at {curves.operating:.3f}: {_told(told[at])}; {_best(curves.scores, told)}"
            )
        axes.axvline(curves.operating, color=INK, linewidth=1, linestyle="--", alpha=0.5)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 101)
        axes.set_xlabel("score from which a detection counts")
        axes.set_ylabel("%")
        legend(page, 4)
        plot = finished(
            "threshold",
            "What another threshold would give",
            page,
            "; ".join(said),
            note="Solid on val, dotted on test. Dashed: the operating threshold, of greatest F1 on val; "
            f"{WRONG}: share of objects and detections that are wrong.",
        )
        place = axes.get_position()  # behind saving, which lays the page out
    x, width = WIDTH * PT * place.x0, WIDTH * PT * place.width
    top, bottom = (HEIGHT * PT * (1 - y) for y in (place.y1, place.y0))
    here = x + width * curves.operating
    marker = (
        f'<line id="threshold-now" class="marker" data-left="{x:.2f}" data-width="{width:.2f}" '
        f'x1="{here:.2f}" x2="{here:.2f}" y1="{top:.2f}" y2="{bottom:.2f}"/></svg>'
    )
    return Plot(plot.name, plot.title, plot.alt, plot.svg.removesuffix("</svg>") + marker, plot.note)


def _told(shares: Sequence[float | None]) -> str:
    return ", ".join(f"{name} {DASH if v is None else points(v)}" for name, v in zip(NAMES, shares))


def _best(scores: Sequence[float], told: Sequence[Sequence[float | None]]) -> str:
    """Where the 0-1 loss is least, which need not be where F1 is greatest."""
    known = [(math.inf if shares[3] is None else shares[3], score) for score, shares in zip(scores, told)]
    loss, score = min(known)
    return f"least {WRONG}, {points(loss)}, at {score:.3f}"
