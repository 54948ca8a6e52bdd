"""A probe in a terminal, and its conclusions in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from imitation.common.text_table import Table, table_lines, wrapped
from imitation.common.wording import counted
from imitation.diagnosis.counterfactuals import (
    ALL,
    FEW,
    HELPS,
    HURTS,
    NO_MATTER,
    SMALL,
    UNCLEAR,
    Effect,
    Group,
    Probe,
)
from imitation.metrics.statistics.bootstrap import MIN_CLUSTERS
from imitation.report.table import DASH
from imitation.report.words import mode_name

SHOWN = 6  # groups that are told
COLUMNS = ("", "cases", "found", "unchanged", "points", "95 %", "verdict")


class Row(NamedTuple):
    """A factor's row: how many failures it says something of, the shares found, the effect, the verdict."""

    factor: str
    cases: str
    found: str
    again: str
    effect: str
    interval: str
    verdict: str


def lines(probe: Probe) -> Iterator[str]:
    """As wide as the terminal."""
    for sentence in head(probe):
        yield from wrapped(sentence, indent="  ")
    shown = probe.groups[:SHOWN]
    for group in shown:
        if group.enough:
            yield ""
            yield from wrapped(f"{group_name(group)}: {survival(group)}", indent="  ")
            table = Table((), (("", len(COLUMNS)),), COLUMNS, tuple(map(tuple, rows(group))), -1, (), (0, 6))
            yield from table_lines(table)
    yield ""
    for sentence in (*conclusions(probe, shown), *notes(probe)):
        yield from wrapped(sentence, indent="  ")


def head(probe: Probe) -> Iterator[str]:
    """Whose failures these are."""
    yield (
        f"{probe.run}, cycle {probe.cycle}, {probe.split}: {len(probe.cases)} of "
        f"{counted(probe.there, 'failing object')}, each staged again by {probe.simulator}."
    )
    if probe.out_of_reach:
        why = "; ".join(f"{count} × {reason}" for reason, count in probe.out_of_reach.items())
        yield f"Not staged: {why}."


def group_name(group: Group) -> str:
    """A group for people."""
    return "all failures" if group.mode == ALL else mode_name(group.mode)


def survival(group: Group) -> str:
    """The control: how many failures survive re-staging."""
    lost = group.failures - group.judged
    said = f"of {group.judged} that could be judged, {group.survive} fail in the unchanged scene too"
    return said + (f" ({lost} could not be judged)." if lost else ".")


def rows(group: Group) -> list[Row]:
    """A row a factor, the greatest effect first; those of too few cases last."""
    ordered = sorted(group.effects, key=lambda e: (e.effect is None, e.low is None, -(e.effect or 0.0)))
    return [_row(effect) for effect in ordered]


def _row(effect: Effect) -> Row:
    return Row(
        effect.factor,
        str(effect.cases),
        _percent(effect.found),
        _percent(effect.again),
        _points(effect.effect),
        _span(effect),
        effect.verdict,
    )


def conclusions(probe: Probe, groups: Iterable[Group] | None = None) -> Iterator[str]:
    """What follows, a sentence or two each group. Of a group of which too few failures survive it is said
    that nothing does."""
    for group in probe.groups if groups is None else groups:
        if group.enough:
            yield f"{group_name(group)}: {_concluded(group)}"
            continue
        there = f"{group.survive} of {group.judged}"
        yield (
            f"{group_name(group)}: nothing is concluded. Only {there} fail in the unchanged scene too, in "
            f"{counted(group.clusters, probe.unit.removesuffix('s'))}; an answer needs {MIN_CLUSTERS}."
        )


def _concluded(group: Group) -> str:
    by = {v: [e for e in group.effects if e.verdict == v] for v in (HELPS, HURTS, NO_MATTER, UNCLEAR)}
    said = [
        f"{_percent(e.found)} would be found {e.said}, against {_percent(e.again)} with nothing changed "
        f"({_points(e.effect)} points, {_span(e)}; {e.cases} cases)."
        for e in sorted(by[HELPS], key=lambda e: -(e.effect or 0.0))
    ]
    if not said:
        said.append("of these factors none is seen to help.")
    if by[HURTS]:
        said.append(f"Fewer are found {' or '.join(effect.said for effect in by[HURTS])}.")
    if by[NO_MATTER]:
        said.append(f"Does not matter: {_listed(by[NO_MATTER])}.")
    if by[UNCLEAR]:
        said.append(f"Not told apart from chance: {_listed(by[UNCLEAR])}.")
    if few := [e for e in group.effects if e.verdict == FEW]:
        said.append(f"Too few cases: {_listed(few)}.")
    return " ".join(said)


def _listed(effects: Iterable[Effect]) -> str:
    return ", ".join(effect.factor for effect in effects)


def notes(probe: Probe) -> Iterator[str]:
    """How to read it."""
    yield (
        '"found": with one thing changed; "unchanged": the same scene with other noise and textures, which '
        f"is what chance does. Only failures that the unchanged scene keeps count. Intervals: bootstrap over "
        f"{probe.unit}; verdicts: Holm over the factors of a group. A factor does not matter where the "
        f"interval lies within {100 * SMALL:.0f} points of 0."
    )


def _percent(share: float | None) -> str:
    return DASH if share is None else f"{100 * share:.0f} %"


def _points(value: float | None) -> str:
    """Whole points, signed: of a few dozen cases no more digits are known."""
    return DASH if value is None else f"{100 * value:+.0f}".replace("-", "−").replace("−0", "+0")


def _span(effect: Effect) -> str:
    return (
        ""
        if effect.low is None or effect.high is None
        else f"{_points(effect.low)} to {_points(effect.high)}"
    )
