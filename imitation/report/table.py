"""The paper's table: a row a cycle, with what it was trained on and how it does."""

from __future__ import annotations

from imitation.common.wording import counted
from imitation.report.run.record import Summary

DASH = "–"  # no value: the category has no object on the split
TIME_PARTS = ("training", "rendering", "evaluation", "analysis", "orchestration")
MAX_CATEGORIES = 10  # columns of AP50; beyond, a table has mAP50 alone
STAND_IN = (
    "A demonstration of one seed on an embedded stand-in world, not on real data: one seed is no "
    "evidence either way, whatever the order of the rows below."
)


def points(fraction: float | None) -> str:
    """A fraction as points, 0 to 100, with one decimal; a dash for None."""
    return DASH if fraction is None else f"{100 * fraction:.1f}"


def staging_notes(summary: Summary) -> list[str]:
    """Which classes the synthetic frames could not help, where there are any."""
    if summary.staging is None or not summary.staging.not_staged:
        return []
    lacking = ", ".join(
        f"{name} ({counted(count, 'object')} in train)" for name, count in summary.staging.not_staged.items()
    )
    return [
        f"Not staged, for the simulator cannot: {lacking}. Nothing was rendered for their failures; "
        f"bodies of "
        "your own (renderer.bodies) or data.mapping would change that."
    ]


def processor_notes(summary: Summary) -> list[str]:
    """What the figures were computed on."""
    if not summary.run.computed_on:
        return []
    return [
        f"Trained on {'; '.join(summary.run.computed_on)}. Another processor model or number of threads "
        "trains other weights from the same seed, and the figures differ by some points."
    ]
