"""May this detector replace that one? The verdict of `imitate gate`, from a paired comparison.

What was asked (measures, slices) is one family, named before looking: Holm's correction is over it alone.
A detector is worse where its loss is beyond chance and not shown to be within what is tolerated, that is
where the interval of the loss leaves out 0 and reaches beyond `max_loss`. So two equal detectors fail in
about 2.5 of 100 cases (one side of 5), however many things are asked, and a difference too small to
matter fails no release, however large the data.

A pass says little where the data could not have shown a loss: its power comes from the standard error of the
paired difference (`imitation.metrics.statistics.power`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from imitation.common.settings import UserError
from imitation.evaluation.attributes import CONDITION
from imitation.metrics.statistics.bootstrap import BETTER, CONFIDENCE, WORSE, Interval, holm
from imitation.metrics.statistics.paired_comparison import Comparison, Row
from imitation.metrics.statistics.power import ALPHA, POWER, clusters_to_see, power_of
from imitation.metrics.statistics.slices import FEW

MEASURES = {
    "map50": "mAP50",
    "map": "mAP",
    "recall": "recall",
    "precision": "precision",
    "f1": "F1",
    "0-1-loss": "0-1 loss",
}
"""What may be asked of all frames: the word for it, and its name in the comparison."""

TOLERATED = "worse, tolerated"
NO_LOSS = "no loss seen"
RULED_OUT = "loss ruled out"
TOO_FEW = "too few data"
VERDICTS = (WORSE, TOLERATED, BETTER, RULED_OUT, NO_LOSS, TOO_FEW)
"""Of the candidate. "better" and both kinds of "worse" are beyond chance. "loss ruled out": the interval
leaves a loss of `max_loss` out. "no loss seen": it does not, but such a loss would have been seen with a
chance of at least `POWER`. "too few data": it would not."""


@dataclass(frozen=True)
class Answer:
    """One measure or slice. `row` is the comparison's, with `p_holm` over what was asked; the baseline is
    its A, the candidate its B. `power` in [0, 1]: how often a true loss of `max_loss` would be called; None
    without an interval, or where both are equal on every resample. `needed`: how many frames or sequences
    like these, in all, call it with a chance of `POWER`; None where that is unknown, or beyond reason."""

    row: Row
    verdict: str
    power: float | None
    needed: int | None

    @property
    def loss(self) -> tuple[float | None, float | None, float | None]:
        """How much worse the candidate is, and the ends of the interval, whichever way the measure counts."""
        return _loss(self.row)

    def to_dict(self) -> dict[str, Any]:
        loss, low, high = self.loss
        row = self.row
        return {
            **{k: getattr(row, k) for k in ("group", "measure", "attribute", "value", "objects")},
            **{"baseline": row.a, "candidate": row.b, "lower_is_better": row.lower_is_better},
            **{"loss": loss, "loss_low": low, "loss_high": high, "p_holm": row.p_holm},
            **{"power": self.power, "needed": self.needed, "verdict": self.verdict},
            "reason": row.difference.reason,
        }


@dataclass(frozen=True)
class Gate:
    """The verdict. `elsewhere` are rows that were not asked for, in which the candidate is worse by Holm's
    correction over all categories and slices: they fail nothing."""

    comparison: Comparison
    max_loss: float
    answers: tuple[Answer, ...]
    elsewhere: tuple[Row, ...]

    @property
    def passed(self) -> bool:
        return not self.having(WORSE)

    @property
    def enough(self) -> bool:
        """Whether the data could have shown a loss of `max_loss` in all that was asked, or ruled it out."""
        return not self.having(TOO_FEW)

    def having(self, verdict: str) -> list[Answer]:
        return [answer for answer in self.answers if answer.verdict == verdict]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, safe for JSON; shares of 1. `comparison` is `Comparison.to_dict`, A the baseline."""
        return {
            "passed": self.passed,
            "enough_data": self.enough,
            "max_loss": self.max_loss,
            "answers": [answer.to_dict() for answer in self.answers],
            "worse_elsewhere": [row.to_dict() for row in self.elsewhere],
            "comparison": self.comparison.to_dict(),
        }


def judge(comparison: Comparison, measures: Sequence[str], slices: Sequence[str], max_loss: float) -> Gate:
    """Judges B of `comparison`, the candidate, against A, the baseline.

    `measures` are keys of `MEASURES`; `slices` are "attribute=value", or "attribute" for all of its values
    that have enough objects; a category is the slice "category=car", and a condition may be named without its
    prefix. `max_loss` in (0, 1): the loss to guard against, in the unit of the measures. Raises UserError
    for a slice that is not in the data, naming those that are; ValueError for nothing asked.
    """
    asked = [
        row
        for row in comparison.rows
        if row.group == "overall" and row.measure in map(MEASURES.get, measures)
    ]
    for named in slices:
        asked += [row for row in _named(comparison, named) if row not in asked]
    if not asked:
        raise ValueError("nothing is asked")
    adjusted = holm({str(i): row.difference.p for i, row in enumerate(asked)})
    family = [replace(row, p_holm=adjusted[str(i)]) for i, row in enumerate(asked)]
    count = sum(row.p_holm is not None for row in family)
    answers = tuple(_answer(row, max_loss, max(count, 1)) for row in family)
    identities = {_identity(row) for row in asked}
    elsewhere = (row for row in comparison.rows if row.group != "overall" and row.verdict == WORSE)
    return Gate(
        comparison, max_loss, answers, tuple(row for row in elsewhere if _identity(row) not in identities)
    )


def _identity(row: Row) -> tuple[str, str | None, str | None]:
    return row.measure, row.attribute, row.value


def _answer(row: Row, max_loss: float, family: int) -> Answer:
    d = row.difference
    _, low, high = _loss(row)
    if low is None or high is None or d.error is None or d.freedom is None:
        return Answer(row, TOO_FEW, None, None)
    beyond = d.verdict(row.lower_is_better)
    if family > 1 and (row.p_holm is None or row.p_holm >= 1 - CONFIDENCE):
        beyond = ""
    power, needed = None, None
    if d.error > 0:
        alpha = ALPHA / family  # Holm's first and strictest step
        power = power_of(max_loss, d.error, d.freedom, alpha)
        holding = round(d.freedom) + 1
        clusters = clusters_to_see(max_loss, d.error, holding, POWER, alpha)
        needed = None if clusters is None else math.ceil(clusters * d.clusters / holding)
    if beyond == WORSE:
        verdict = WORSE if high > max_loss else TOLERATED
    elif beyond == BETTER:
        verdict = BETTER
    elif high < max_loss:
        verdict = RULED_OUT
    else:
        verdict = NO_LOSS if power is not None and power >= POWER else TOO_FEW
    return Answer(row, verdict, power, needed)


def _loss(row: Row) -> tuple[float | None, float | None, float | None]:
    d = row.difference
    if row.lower_is_better:
        return d.estimate, d.low, d.high
    loss, low, high = (None if value is None else 0.0 - value for value in (d.estimate, d.high, d.low))
    return loss, low, high


# -- the slices that are named


def _named(comparison: Comparison, named: str) -> list[Row]:
    """The rows of a slice, or of all of an attribute; one of too few objects has no interval, and says so."""
    attribute, equals, value = (part.strip() for part in named.partition("="))
    there = list(_present(comparison))
    name = attribute if any(row.attribute == attribute for row in there) else CONDITION + attribute
    rows = [row for row in there if row.attribute == name]
    if not rows:
        known = dict.fromkeys(str(row.attribute).removeprefix(CONDITION) for row in there)
        raise UserError(
            f"--slice {named}: these frames have no attribute {attribute!r}; they have {', '.join(known)}"
        )
    if not equals:
        return [row for row in rows if row.objects >= FEW] or rows
    found = [row for row in rows if row.value == value]
    if not found:
        raise UserError(
            f"--slice {named}: no object has this value; of {attribute} there is "
            f"{', '.join(str(row.value) for row in rows)}"
        )
    return found


def _present(comparison: Comparison) -> Iterator[Row]:
    yield from (row for row in comparison.rows if row.group != "overall")
    for attribute, value, objects in comparison.left_out:
        reason = f"only {objects} object{'s' if objects != 1 else ''}; a slice needs {FEW}"
        nothing = Interval(
            None, None, None, comparison.resamples, comparison.clusters, comparison.unit, reason
        )
        yield Row("slice", "AP50", attribute, value, objects, None, None, nothing)
