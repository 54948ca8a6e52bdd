"""How the crews of a mixture share the workers that a cluster has room for."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping

from cluster.simulation.crew import Crew
from cluster.simulation.mixing.dealing import AHEAD, Deal
from sim_actors.simulators.mixture import Mixture

REVIEW_S = 30.0  # between reviews: a worker that changes sides costs a simulator's start


class Sharing:
    """Says how many workers each crew may have.

    Their parts follow the work that is left (scenes to come, by weight, and those that are dealt, times the
    seconds that a scene took so far), so that all are done at about the same time. `apart`: the crews
    whose number is set for them alone; they have all of it.
    """

    def __init__(self, mixture: Mixture, crews: Mapping[str, Crew], apart: Collection[str]) -> None:
        self._parts = mixture.shares()
        self._crews = crews
        self._apart = apart
        self._next = -math.inf
        self._at_it: frozenset[str] = frozenset()

    def review(self, deal: Deal) -> None:
        """Sets each crew's `most`, every `REVIEW_S`, and at once where one has run out of work or has some
        again."""
        now = time.monotonic()
        work = {label: self._work(label, deal) for label in self._crews if label not in self._apart}
        at_it = frozenset(label for label, seconds in work.items() if seconds)
        if now < self._next and at_it == self._at_it:
            return
        self._next, self._at_it = now + REVIEW_S, at_it
        rooms = {label: self._crews[label].room() for label in work}
        for label, count in portions(work, rooms).items():
            self._crews[label].most = count

    def _work(self, label: str, deal: Deal) -> float:
        crew = self._crews[label]
        scenes = deal.waiting(label) + crew.at_hand + (AHEAD * self._parts[label] if deal.more else 0.0)
        return scenes * (self._seconds(crew) or max(map(self._seconds, self._crews.values())) or 1.0)

    @staticmethod
    def _seconds(crew: Crew) -> float:
        """That a scene has taken on average; 0 while none is finished."""
        known = crew.totals
        return known.seconds / known.rendered if known.rendered else 0.0


def portions(work: Mapping[str, float], rooms: Mapping[str, tuple[int, int]]) -> dict[str, int]:
    """Workers for each, at least 1, by their parts of the work; `rooms`: how many there could be of each if
    it had the cluster alone, and how many of them can run at once.

    >>> portions({"quick": 4.0, "slow": 12.0}, {"quick": (8, 8), "slow": (8, 8)})
    {'quick': 2, 'slow': 6}
    >>> portions({"quick": 0.0, "slow": 3.0}, {"quick": (8, 8), "slow": (4, 4)})
    {'quick': 1, 'slow': 4}
    >>> portions({"quick": 4.0, "two endpoints": 12.0}, {"quick": (8, 8), "two endpoints": (8, 2)})
    {'quick': 6, 'two endpoints': 2}
    """
    counts = dict.fromkeys(work, 1)
    pending = {label: seconds for label, seconds in work.items() if seconds}
    left = 1.0  # of the cluster
    while pending:
        total = math.fsum(pending.values())
        exact = {label: rooms[label][0] * left * seconds / total for label, seconds in pending.items()}
        full = [label for label, share in exact.items() if share >= rooms[label][1]]
        if not full:
            break
        for label in full:
            counts[label] = max(1, rooms[label][1])
            left = max(0.0, left - counts[label] / rooms[label][0])
            del pending[label]
    else:
        return counts
    for label, share in exact.items():
        counts[label] = max(1, math.floor(share + 1e-9))
    spare = left - math.fsum(counts[label] / rooms[label][0] for label in exact)
    for label in sorted(exact, key=lambda label: counts[label] - exact[label]):
        if counts[label] < exact[label] and spare >= 1 / rooms[label][0] - 1e-9:
            counts[label] += 1
            spare -= 1 / rooms[label][0]
    return counts
