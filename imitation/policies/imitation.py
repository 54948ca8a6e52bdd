"""The paper's policy: re-stage the frames where the detector is wrong."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle as cycle_through

import numpy as np

from imitation.common.names import request_id
from imitation.diagnosis.feasibility import out_of_reach, source_category
from imitation.evaluation.failures import Failure
from imitation.policies.base import Adds, Mined
from imitation.policies.settings import PolicySettings
from imitation.policies.strata import stratum_name, stratum_of
from imitation.requests import Likeness, Request

Weighed = tuple[Failure, float]
Chooser = Callable[[Sequence[str]], int]
"""Of the strata that still have frames to offer, the one that gives the next."""


class ImitationPolicy:
    """A failure weighs by its kind and by how rare its category is; the budget is spread over strata
    by a power of their weight, so that no common stratum takes all; inside a stratum failures are
    drawn by weight without replacement. One request re-stages one frame, focused on all of its
    failing objects; a `background` failure becomes unlabelled clutter where the false detection fell.
    The share `elsewhere` of the budget shows likenesses of failing objects, drawn in the same way but as
    often as it takes, in the photos of any frames.
    """

    name = "imitation"
    mines = True
    adds: Adds = "synthetic"

    def __init__(self, settings: PolicySettings) -> None:
        self.settings = settings
        self.sees_frames = settings.elsewhere > 0

    def request(self, mined: Mined, *, cycle: int, budget: int, rng: np.random.Generator) -> list[Request]:
        reachable = self.reachable(mined, cycle)
        if not reachable or budget <= 0:
            return []
        objects = [item for item in reachable if item[0].object_index is not None]
        elsewhere = round(self.settings.elsewhere * budget) if self.sees_frames and objects else 0
        here = self._here(mined, reachable, cycle, budget - elsewhere, rng) if elsewhere < budget else []
        return interleaved(here, self._elsewhere(mined, objects, cycle, elsewhere, rng) if elsewhere else [])

    def _here(
        self, mined: Mined, reachable: list[Weighed], cycle: int, budget: int, rng: np.random.Generator
    ) -> list[Request]:
        """Re-staged failing frames."""
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

    def _elsewhere(
        self, mined: Mined, objects: list[Weighed], cycle: int, budget: int, rng: np.random.Generator
    ) -> list[Request]:
        """Likenesses of failing objects in photos of frames drawn blindly."""
        queues, mass = self._queues(objects, rng)
        endless = {stratum: cycle_through(failures) for stratum, failures in queues.items()}
        choose, strata = self.chooser(mined, cycle, mass, rng), list(queues)
        requests = []
        for photo, name in photos(mined, cycle, budget, rng):
            drawn = [next(endless[strata[choose(strata)]]) for _ in range(self.settings.elsewhere_actors)]
            requests.append(
                Request(
                    request_id=name,
                    parent=photo,
                    failures=tuple(dict.fromkeys(failure.failure_id for failure in drawn)),
                    focus=(),
                    clutter=(),
                    variations=1,
                    seed=int(rng.integers(2**31)),
                    policy=self.name,
                    likenesses=tuple(map(_likeness, drawn)),
                )
            )
        return requests

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
    ) -> tuple[dict[str, list[Failure]], dict[str, float]]:
        """For each stratum its failures in the order in which they are to be taken, and its mass."""
        strata: dict[tuple[str, str, str], list[Weighed]] = defaultdict(list)
        for failure, weight in reachable:
            strata[stratum_of(failure)].append((failure, weight))
        queues, mass = {}, {}
        for stratum in sorted(strata):
            failures = strata[stratum]
            weights = np.array([weight for _, weight in failures])
            order = rng.choice(len(failures), len(failures), replace=False, p=weights / weights.sum())
            name = stratum_name(failures[0][0])
            queues[name] = [failures[i][0] for i in order]
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


def photos(mined: Mined, cycle: int, budget: int, rng: np.random.Generator) -> Iterator[tuple[str, str]]:
    """Frames into whose photos something is to be set, in an order drawn from `rng` and again from its
    beginning where the budget is larger, each with the id of its request."""
    frames = sorted(mined.frames)
    order = rng.permutation(len(frames))
    for k in range(budget if frames else 0):
        photo = frames[order[k % len(frames)]]
        yield photo, request_id(cycle, f"{photo}-with-{k:05d}")


def interleaved(some: Sequence[Request], others: Sequence[Request]) -> list[Request]:
    """Both, evenly mixed: the first requests of a larger budget are about those of a smaller one."""
    places = [((k + 0.5) / len(part), request) for part in (some, others) for k, request in enumerate(part)]
    return [request for _, request in sorted(places, key=lambda pair: pair[0])]


def _likeness(failure: Failure) -> Likeness:
    category = source_category(failure)
    assert category is not None  # it has an object
    return Likeness.seen(
        category,
        failure.object_box,
        failure.image_width,
        distance_m=failure.distance_m,
        occlusion=failure.occlusion,
        occlusion_level=failure.occlusion_level,
        truncation=failure.truncation,
    )


def _draw_parents(queues: Mapping[str, Sequence[Failure]], wanted: int, choose: Chooser) -> list[str]:
    """Frames, each once, taken from the strata that are chosen until there are `wanted` or none is left."""
    left = {stratum: [failure.frame_id for failure in failures] for stratum, failures in queues.items()}
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
