"""How many failures were fixed, with and without frames rendered for them: what `adaptive` learns from.

Two evaluations of the mined frames, before and after a cycle's frames were added, tell which failures are
fixed. Any retraining fixes some, so failures without rendered frames are counted as well, and two seeds of
the baseline say how many retraining alone fixes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from imitation.evaluation.failures import Failure

if TYPE_CHECKING:
    from imitation.diagnosis.failure_tracking import Followed

StratumOf = Callable[[Failure], str]


class Tally(NamedTuple):
    """How many failures there were, and how many of them were fixed later."""

    failed: float
    fixed: float


@dataclass(frozen=True, slots=True)
class Feedback:
    """A stratum in one cycle. Of the failures before the frames of synthetic cycle `cycle` (1-based) were
    added, `fed` had frames rendered for them, of which `fed_fixed` no longer fail after it; `unfed` and
    `unfed_fixed` count the others of the stratum."""

    cycle: int
    stratum: str
    fed: int = 0
    fed_fixed: int = 0
    unfed: int = 0
    unfed_fixed: int = 0

    def to_row(self) -> dict[str, Any]:
        """Plain data for JSON, in which a stratum is called a mode."""
        return stratum_to_row(asdict(self))

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Feedback:
        """The inverse of `to_row`."""
        return cls(stratum=row["mode"], **{name: value for name, value in row.items() if name != "mode"})


def stratum_to_row(values: Mapping[str, Any]) -> dict[str, Any]:
    """A record's values by the names that they have in JSON files."""
    return {"mode" if name == "stratum" else name: value for name, value in values.items()}


@dataclass
class FeedbackCounter:
    """Counts what `follow` yields, while it streams by. `fed` are the ids of failures with frames rendered
    for them. Failures for which `leave_out` is true (out of reach, suspected label errors) are not counted: a
    policy could not have chosen them."""

    cycle: int
    fed: Collection[str]
    stratum_of: StratumOf
    leave_out: Callable[[Failure], bool] = lambda failure: False
    _counts: defaultdict[str, dict[str, int]] = field(
        default_factory=lambda: defaultdict(
            lambda: dict.fromkeys(("fed", "fed_fixed", "unfed", "unfed_fixed"), 0)
        )
    )

    def seeing(self, followed: Iterable[Followed]) -> Iterator[Followed]:
        """The same things, counted."""
        for thing in followed:
            self._add(thing)
            yield thing

    def _add(self, thing: Followed) -> None:
        was = thing.before
        if was is None or thing.status not in ("fixed", "persistent") or self.leave_out(was):
            return
        counts = self._counts[self.stratum_of(was)]
        group = "fed" if was.failure_id in self.fed else "unfed"
        counts[group] += 1
        counts[f"{group}_fixed"] += thing.status == "fixed"

    def rows(self) -> list[Feedback]:
        """What was counted, by stratum."""
        return [Feedback(self.cycle, stratum, **self._counts[stratum]) for stratum in sorted(self._counts)]


@dataclass
class ChanceCounter:
    """Counts, by stratum, the failures of one detector that another seed of it does not have. The two are
    alike, so each is once the earlier and once the later one."""

    stratum_of: StratumOf
    _counts: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))

    def seeing(self, followed: Iterable[Followed]) -> Iterator[Followed]:
        """The same things, counted."""
        for thing in followed:
            if thing.status != "unjudged":
                for one, other in ((thing.before, thing.after), (thing.after, thing.before)):
                    if one is not None:
                        counts = self._counts[self.stratum_of(one)]
                        counts[0] += 1
                        counts[1] += other is None
            yield thing

    def tallies(self) -> dict[str, Tally]:
        """What was counted, by stratum."""
        return {stratum: Tally(*self._counts[stratum]) for stratum in sorted(self._counts)}


def tallies_from_rows(rows: Mapping[str, Collection[float]]) -> dict[str, Tally]:
    """Tallies as JSON keeps them (stratum -> [failed, fixed])."""
    return {stratum: Tally(*counts) for stratum, counts in rows.items()}
