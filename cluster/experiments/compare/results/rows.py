"""The rows of the table before they are measured: which detectors make up each."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.experiments.compare.arms import ARMS, Arm
from cluster.experiments.compare.finished import REAL, Finished, Picked
from cluster.experiments.compare.plan import Cell, rivals
from imitation.report.comparison.record import rival_name

CHOSEN = "chosen"
RIVAL = "rival "
"""Begins the keys of what the primary endpoint compares; no row of the table has it."""
ASKED = f"{RIVAL}of all"
"""The key of the arm in question."""


@dataclass(frozen=True)
class Spec:
    """A row before it is measured: its detector in each cell that has one. `budget`: added frames per real
    one, of the points of a curve (the greatest has the rows of any arm)."""

    key: str
    arm: str
    label: str
    cycle: int | None
    picks: dict[Cell, Picked]
    budget: float | None = None


def specs(done: Finished) -> list[Spec]:
    """The rows in the paper's order, each arm's cycles and then what val chose of them."""
    place = {name: place for place, name in enumerate(ARMS)}
    arms = sorted(done.plan.arms, key=lambda arm: place.get(arm.name, len(place)))
    stand_in = done.plan.config.data.is_stand_in
    rows: list[Spec] = []
    for arm in arms:
        words = arm.trained_on.replace("real", "stand-in", 1) if stand_in else arm.trained_on
        trials = {cell: trial for cell in done.cells(arm.name) if (trial := done.trial(arm.name, cell))}
        if not trials:
            continue
        counts = {cell: len(done.summaries[trial.name].cycles) for cell, trial in trials.items()}
        if arm.name == REAL:
            rows.append(Spec(REAL, REAL, words, 0, {c: Picked(t, 0) for c, t in trials.items()}))
            continue
        rows += _smaller(done, arm, words)
        for cycle in range(1 if arm.shares_baseline else 0, max(counts.values())):
            picks = {c: Picked(t, cycle) for c, t in trials.items() if counts[c] > cycle}
            label = words if max(counts.values()) == 1 else f"{words}, cycle {cycle}"
            rows.append(Spec(f"{arm.name}, cycle {cycle}", arm.name, label, cycle, picks))
        if max(counts.values()) > 1:
            picks = {c: done.chosen(t) for c, t in trials.items()}
            rows.append(Spec(chosen_key(arm.name), arm.name, f"{words}, chosen on val", None, picks))
    return rows


def _smaller(done: Finished, arm: Arm, words: str) -> list[Spec]:
    """The rows of the smaller budgets: what cycle 1 came to with fewer frames."""
    rows = []
    for budget in (done.plan.config.compare.budgets or ())[:-1]:
        trials = {
            cell: t for cell in done.cells(arm.name, budget) if (t := done.trial(arm.name, cell, budget))
        }
        picks = {c: Picked(t, 1) for c, t in trials.items() if len(done.summaries[t.name].cycles) > 1}
        if picks:
            label = f"{words}, {budget:g} per real frame"
            rows.append(Spec(budget_key(arm.name, budget), arm.name, label, 1, picks, budget))
    return rows


def budget_key(arm: str, budget: float) -> str:
    return f"{arm}, budget {budget:g}"


def chosen_key(arm: str) -> str:
    return f"{arm}, {CHOSEN}"


def asked_spec(done: Finished) -> list[Spec]:
    """The primary arm's detector chosen on val, be it the baseline; none where it has finished nowhere."""
    asked = done.plan.config.compare.primary.arm
    own = {c: done.chosen(trial) for c in done.cells(asked) if (trial := done.trial(asked, c))}
    return [Spec(ASKED, "", asked, None, own)] if own else []


def rival_specs(done: Finished) -> list[Spec]:
    """For each comparison of the primary endpoint the rival in each cell: the best on val of the group, by
    its detector chosen on val; where not all of the group are finished there is none."""
    specs = []
    for number, group in enumerate(rivals(done.plan.config.compare)):
        picks = {}
        for cell in done.plan.cells:
            trials = [done.trial(arm, cell) for arm in group]
            there = [trial for trial in trials if trial is not None]
            if len(there) == len(group):
                # of equals the first
                picks[cell] = max((done.chosen(trial) for trial in there), key=done.val)
        specs.append(Spec(f"{RIVAL}{number}", "", rival_name(group), None, picks))
    return specs
