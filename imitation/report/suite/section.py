"""A run's results on regression suites as a section of its report."""

from __future__ import annotations

from dataclasses import dataclass

from imitation.report.suite.heatmap import heatmap_plots
from imitation.report.suite.text import head
from imitation.report.svg import Plot
from imitation.suites.result import SuiteResult


@dataclass(frozen=True)
class SuiteSection:
    """One suite: what was tried and how it did, and where it passes."""

    name: str
    head: tuple[str, ...]
    plots: tuple[Plot, ...]


def suite_section(result: SuiteResult) -> SuiteSection:
    """What the page shows of one result."""
    return SuiteSection(result.suite, tuple(head(result)), tuple(heatmap_plots(result)))
