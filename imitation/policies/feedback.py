"""What became of failures that a policy answered, as counts: what `adaptive` learns from.

Two evaluations of the mined frames, before and after a cycle's frames joined, tell which failures are
gone. Any retraining mends some, so the failures that nothing was rendered for are counted beside them,
and two seeds of the baseline say how many retraining alone mends.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from imitation.evaluation.failures import Failure

if TYPE_CHECKING:
    from imitation.diagnosis.failure_tracking import Followed

ModeOf = Callable[[Failure], str]


class Tally(NamedTuple):
    """So many things failed, and so many of them were fixed later."""

    failed: float
    fixed: float


@dataclass(frozen=True, slots=True)
class Feedback:
    """A failure mode in one cycle. Of the things that failed before synthetic cycle `cycle` (1-based) joined,
    `fed` had frames rendered for them, of which `fed_fixed` no longer fail after it; `unfed` and
    `unfed_fixed` count the others of the mode."""

    cycle: int
    mode: str
    fed: int = 0
    fed_fixed: int = 0
    unfed: int = 0
    unfed_fixed: int = 0

    def to_row(self) -> dict[str, Any]:
        """Plain data for JSON; `Feedback(**row)` reads it back."""
        return asdict(self)


@dataclass
class FeedbackCounter:
    """Counts what `follow` gives while it passes. `fed` are ids of the failures that frames were rendered
    for; things that `leave_out` holds for (out of reach, suspected label errors) count nowhere: a policy
    could not have fed them, so they say nothing of those that it did not feed."""

    cycle: int
    fed: Collection[str]
    mode_of: ModeOf
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
        counts = self._counts[self.mode_of(was)]
        group = "fed" if was.failure_id in self.fed else "unfed"
        counts[group] += 1
        counts[f"{group}_fixed"] += thing.status == "fixed"

    def rows(self) -> list[Feedback]:
        """What was counted, by mode."""
        return [Feedback(self.cycle, mode, **self._counts[mode]) for mode in sorted(self._counts)]


@dataclass
class ChanceCounter:
    """Counts, by mode, the failures of one detector that another seed of it does not have. The two are
    alike, so each is once the earlier and once the later one."""

    mode_of: ModeOf
    _counts: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))

    def seeing(self, followed: Iterable[Followed]) -> Iterator[Followed]:
        """The same things, counted."""
        for thing in followed:
            if thing.status != "unjudged":
                for one, other in ((thing.before, thing.after), (thing.after, thing.before)):
                    if one is not None:
                        counts = self._counts[self.mode_of(one)]
                        counts[0] += 1
                        counts[1] += other is None
            yield thing

    def tallies(self) -> dict[str, Tally]:
        """What was counted, by mode."""
        return {mode: Tally(*self._counts[mode]) for mode in sorted(self._counts)}


def tallies_from_rows(rows: Mapping[str, Collection[float]]) -> dict[str, Tally]:
    """Tallies as JSON keeps them (mode -> [failed, fixed])."""
    return {mode: Tally(*counts) for mode, counts in rows.items()}
