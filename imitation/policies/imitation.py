"""The paper's policy: re-stage the frames where the detector is wrong."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from imitation.common.names import request_id
from imitation.diagnosis.feasibility import out_of_reach, source_category
from imitation.evaluation.failures import Failure
from imitation.policies.base import Adds, Mined
from imitation.policies.settings import PolicySettings
from imitation.policies.strata import stratum_name, stratum_of
from imitation.requests import Request

Weighed = tuple[Failure, float]
Chooser = Callable[[Sequence[str]], int]
"""Of the strata that still have frames to offer, the one that gives the next."""


class ImitationPolicy:
    """A failure weighs by its kind and by how rare its category is; the budget is spread over strata
    by a power of their weight, so that no common stratum takes all; inside a stratum failures are
    drawn by weight without replacement. One request re-stages one frame, focused on all of its
    failing objects; a `background` failure becomes unlabelled clutter where the false detection fell.
    """

    name = "imitation"
    mines = True
    adds: Adds = "synthetic"

    def __init__(self, settings: PolicySettings) -> None:
        self.settings = settings

    def request(self, mined: Mined, *, cycle: int, budget: int, rng: np.random.Generator) -> list[Request]:
        reachable = self.reachable(mined, cycle)
        if not reachable or budget <= 0:
            return []
        by_frame: dict[str, list[Failure]] = defaultdict(list)
        for failure, _ in reachable:
            by_frame[failure.frame_id].append(failure)
        wanted = math.ceil(budget / self.settings.variations)
        queues, mass = self._queues(reachable, rng)
        parents = _draw_parents(queues, wanted, self.chooser(mined, cycle, mass, rng))
        # Fewer failing frames than the budget could hold: more variations of each.
        shares = even_shares(budget, len(parents))
        return [
            self._ask(parent, by_frame[parent], share, cycle, int(rng.integers(2**31)))
            for parent, share in zip(parents, shares, strict=True)
            if share
        ]

    def reachable(self, mined: Mined, cycle: int) -> list[Weighed]:
        """The failures that may be answered in this cycle and their weights (above 0), by id."""
        del cycle
        weighed = [
            (failure, self._weight(failure, mined))
            for failure in sorted(mined.failures, key=lambda failure: failure.failure_id)
            if self._answerable(failure, mined)
        ]
        return [(failure, weight) for failure, weight in weighed if weight > 0]

    def chooser(
        self, mined: Mined, cycle: int, mass: Mapping[str, float], rng: np.random.Generator
    ) -> Chooser:
        """Draws strata in proportion to their `mass`."""
        del mined, cycle

        def choose(strata: Sequence[str]) -> int:
            p = np.array([mass[stratum] for stratum in strata])
            return int(rng.choice(len(strata), p=p / p.sum()))

        return choose

    def _answerable(self, failure: Failure, mined: Mined) -> bool:
        return out_of_reach(failure, mined.stageable) is None

    def _weight(self, failure: Failure, mined: Mined) -> float:
        weight = self.settings.kind_weights[failure.kind]
        total = sum(mined.category_counts.values())
        count = mined.category_counts.get(source_category(failure) or "", 0)
        if count and total:
            weight *= (count / total) ** -self.settings.rarity
        return weight

    def _queues(
        self, reachable: list[Weighed], rng: np.random.Generator
    ) -> tuple[dict[str, list[str]], dict[str, float]]:
        """For each stratum its failing frames in the order in which they are to be taken, and its mass."""
        strata: dict[tuple[str, str, str], list[Weighed]] = defaultdict(list)
        for failure, weight in reachable:
            strata[stratum_of(failure)].append((failure, weight))
        queues, mass = {}, {}
        for stratum in sorted(strata):
            failures = strata[stratum]
            weights = np.array([weight for _, weight in failures])
            order = rng.choice(len(failures), len(failures), replace=False, p=weights / weights.sum())
            name = stratum_name(failures[0][0])
            queues[name] = [failures[i][0].frame_id for i in order]
            mass[name] = float(weights.sum() ** (1 - self.settings.spread))
        return queues, mass

    def _ask(self, parent: str, failures: list[Failure], share: int, cycle: int, seed: int) -> Request:
        clutter = [
            failure.detection_box
            for failure in failures
            if failure.kind == "background" and failure.detection_box is not None
        ]
        focus = {failure.object_index for failure in failures if failure.object_index is not None}
        return Request(
            request_id=request_id(cycle, parent),
            parent=parent,
            failures=tuple(failure.failure_id for failure in failures),
            focus=tuple(sorted(focus)),
            clutter=tuple(clutter[: self.settings.max_clutter]),
            variations=share,
            seed=seed,
            policy=self.name,
        )


def _draw_parents(queues: dict[str, list[str]], wanted: int, choose: Chooser) -> list[str]:
    """Frames, each once, taken from the strata that are chosen until there are `wanted` or none is left."""
    left = {stratum: list(frames) for stratum, frames in queues.items()}
    chosen: dict[str, None] = {}
    while left and len(chosen) < wanted:
        strata = list(left)
        stratum = strata[choose(strata)]
        chosen.setdefault(left[stratum].pop(0))
        if not left[stratum]:
            del left[stratum]
    return list(chosen)


def even_shares(total: int, parts: int) -> list[int]:
    """`total` as so many whole numbers that differ by at most 1, the larger first."""
    whole, rest = divmod(total, parts)
    return [whole + (i < rest) for i in range(parts)]
