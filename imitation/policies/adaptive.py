"""Strata of failures as the options of a bandit: frames go where failures get fixed.

Thompson sampling (Thompson, *Biometrika* 1933; Agrawal and Goyal, COLT 2012) over what feeding a failure
adds to its chance to be fixed. docs/method.md has the equations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from imitation.policies.base import LearnedStratum, Mined
from imitation.policies.feedback import Feedback, Tally
from imitation.policies.imitation import Chooser, ImitationPolicy, Weighed
from imitation.policies.settings import AdaptiveSettings
from imitation.policies.strata import stratum_name

POINTS = 512  # of the quadrature of `hope`: its error is below 0.002
NOTHING = Tally(0, 0)
_LEAST = 0.02  # a prior is never sure


class Beta(NamedTuple):
    """The posterior of a rate."""

    a: float
    b: float

    @property
    def mean(self) -> float:
        return self.a / (self.a + self.b)


class Posterior(NamedTuple):
    """Of a stratum: the rates at which its failures are fixed if they are fed, and by chance."""

    fed: Beta
    chance: Beta


class AdaptivePolicy(ImitationPolicy):
    """`imitation`, but which stratum gives the next frame is drawn by the results of earlier cycles.

    In its first cycle it asks for what `imitation` asks for. Strata of which feeding is hardly worthwhile are
    given up: no frames are requested for them, until the discount has outweighed that evidence.
    """

    name = "adaptive"

    def learned(self, mined: Mined, *, cycle: int) -> list[LearnedStratum]:
        """See `Learning.learned`: every stratum that fails within reach now, or was fed before."""
        evidence, present = self._evidence(mined, cycle), self._present(super().reachable(mined, cycle))
        learned = []
        for stratum in sorted(present.keys() | evidence.fed.keys()):
            posterior, fed = evidence.posterior(stratum), evidence.fed.get(stratum, NOTHING)
            hope = probability_of_rise(posterior.fed, posterior.chance, self.settings.adaptive.worthwhile)
            learned.append(
                LearnedStratum(
                    stratum=stratum,
                    failures=present.get(stratum, 0),
                    fed=round(fed.failed, 3),
                    fixed=round(fed.fixed, 3),
                    rise=round(posterior.fed.mean - posterior.chance.mean, 4),
                    hope=round(hope, 4),
                    given_up=bool(fed.failed) and hope < self.settings.adaptive.give_up,
                )
            )
        return learned

    def reachable(self, mined: Mined, cycle: int) -> list[Weighed]:
        given_up = {known.stratum for known in self.learned(mined, cycle=cycle) if known.given_up}
        return [item for item in super().reachable(mined, cycle) if stratum_name(item[0]) not in given_up]

    def chooser(
        self, mined: Mined, cycle: int, mass: Mapping[str, float], rng: np.random.Generator
    ) -> Chooser:
        """For a share of the draws as `imitation` does; for the rest the stratum of the greatest rise in one
        draw from every stratum's posterior."""
        as_imitation = super().chooser(mined, cycle, mass, rng)
        evidence = self._evidence(mined, cycle)
        if not evidence.fed:
            return as_imitation
        known = {stratum: evidence.posterior(stratum) for stratum in mass}

        def choose(strata: Sequence[str]) -> int:
            if rng.random() < self.settings.adaptive.explore:
                return as_imitation(strata)
            fed, chance = (
                rng.beta(*np.array([getattr(known[stratum], side) for stratum in strata]).T)
                for side in ("fed", "chance")
            )
            return int(np.argmax(fed - chance))

        return choose

    def _evidence(self, mined: Mined, cycle: int) -> Evidence:
        return Evidence(mined, cycle, self.settings.adaptive)

    @staticmethod
    def _present(reachable: Iterable[Weighed]) -> dict[str, int]:
        counts: dict[str, int] = {}
        for failure, _ in reachable:
            counts[stratum_name(failure)] = counts.get(stratum_name(failure), 0) + 1
        return counts


class Evidence:
    """Counts of the cycles before `cycle`, discounted by age."""

    def __init__(self, mined: Mined, cycle: int, settings: AdaptiveSettings) -> None:
        self._strength = settings.prior
        rows = [row for row in mined.history if row.cycle < cycle]
        weight = {row.cycle: settings.discount ** (cycle - 1 - row.cycle) for row in rows}
        self.fed = _sums(rows, weight, "fed")
        self._chance: Mapping[str, Tally] = mined.chance or _sums(rows, weight, "unfed")
        self._mean_chance = _pooled(self._chance)
        beyond = sum(t.fixed - t.failed * self._by_chance(stratum).mean for stratum, t in self.fed.items())
        self._mean_rise = beyond / (sum(t.failed for t in self.fed.values()) + self._strength)

    def posterior(self, stratum: str) -> Posterior:
        """Both rates. The priors count as much as `prior` failures. That of `chance` is the average over all
        strata; that of `fed` is the stratum's own chance plus the average rise."""
        chance = self._by_chance(stratum)
        expected = min(max(chance.mean + self._mean_rise, _LEAST), 1 - _LEAST)
        return Posterior(self._beta(expected, self.fed.get(stratum, NOTHING)), chance)

    def _by_chance(self, stratum: str) -> Beta:
        return self._beta(self._mean_chance, self._chance.get(stratum, NOTHING))

    def _beta(self, expected: float, tally: Tally) -> Beta:
        return Beta(
            self._strength * expected + tally.fixed,
            self._strength * (1 - expected) + tally.failed - tally.fixed,
        )


def _sums(rows: Iterable[Feedback], weight: Mapping[int, float], group: str) -> dict[str, Tally]:
    """The discounted counts of each stratum with a failure in the group."""
    sums: dict[str, Tally] = {}
    for row in sorted(rows, key=lambda row: (row.stratum, row.cycle)):
        failed, fixed = getattr(row, group), getattr(row, f"{group}_fixed")
        if failed:
            before, w = sums.get(row.stratum, NOTHING), weight[row.cycle]
            sums[row.stratum] = Tally(before.failed + w * failed, before.fixed + w * fixed)
    return sums


def _pooled(tallies: Mapping[str, Tally]) -> float:
    """The rate over all strata, never quite 0 or 1 (Laplace's rule of succession)."""
    failed = sum(tally.failed for tally in tallies.values())
    return (sum(tally.fixed for tally in tallies.values()) + 1) / (failed + 2)


def probability_of_rise(fed: tuple[float, float], chance: tuple[float, float], least: float) -> float:
    """P(p - q > least) for independent p ~ Beta(*fed) and q ~ Beta(*chance), by quadrature."""
    from scipy.special import betainc, betaincinv  # a second, on slow machines, that other policies save

    q = betaincinv(*chance, (np.arange(POINTS) + 0.5) / POINTS)
    return float(1 - betainc(*fed, np.clip(q + least, 0.0, 1.0)).mean())
