"""What tables of all pages share: how many columns, what a number looks like, what a demonstration is."""

from __future__ import annotations

DASH = "–"  # no value: the category has no object on the split
MAX_CATEGORIES = 10  # columns of AP50; beyond, a table has mAP50 alone
STAND_IN = (
    "A demonstration of one seed on an embedded stand-in world, not on real data: one seed is no "
    "evidence either way, whatever the order of the rows below."
)


def points(fraction: float | None, sign: bool = False) -> str:
    """A fraction as points, 0 to 100, with one decimal and, of a difference, its `sign` (a true minus); a
    dash for None."""
    if fraction is None:
        return DASH
    text = f"{100 * fraction:{'+' if sign else ''}.1f}"
    return ("0.0" if text == "-0.0" else text).replace("-", "−")


def span(low: float | None, high: float | None, sign: bool = False) -> str:
    """An interval in points; empty for none."""
    return "" if low is None or high is None else f"{points(low, sign)} to {points(high, sign)}"
