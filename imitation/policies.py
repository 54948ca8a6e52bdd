"""Policies: from failures to requests, under a budget of frames.

The method's policy pi(s) maps the state s of the trained detector (its failures) to the data to
generate. A policy is any object with `request`; a user's own is named in the configuration by its
import path ("package.module:factory", called with the `PolicySettings`).
"""

from __future__ import annotations

import importlib
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from pydantic import Field, field_validator

from imitation.failures import KINDS, Failure
from imitation.requests import Request
from imitation.settings import Settings, UserError


class PolicySettings(Settings):
    """How failures become requests."""

    name: str = Field(
        "imitation", description='"imitation", "random", or a policy of your own, "package.module:factory"'
    )
    variations: int = Field(2, ge=1, description="frames rendered for one failing frame, each perturbed anew")
    kind_weights: dict[str, float] = Field(
        {
            "missed": 1.0,
            "background": 0.5,
            "localization": 0.5,
            "classification": 1.0,
            "both": 1.0,
            "duplicate": 0.25,
        },
        description="how much a failure of each kind asks for; 0 leaves the kind out",
    )
    rarity: float = Field(
        0.5,
        ge=0.0,
        le=1.0,
        description="weight of a failing object by its category's frequency f: f ** -rarity (0: all alike)",
    )
    spread: float = Field(
        0.5,
        ge=0.0,
        le=1.0,
        description="budget of a failure mode by its weight w: w ** (1 - spread) (0: proportional, 1: equal)",
    )
    max_clutter: int = Field(
        3, ge=0, description="false detections of one frame that become clutter, at most"
    )

    @field_validator("kind_weights")
    @classmethod
    def _known_kinds(cls, weights: dict[str, float]) -> dict[str, float]:
        for kind, weight in weights.items():
            if kind not in KINDS:
                raise ValueError(f"{kind!r} is no kind of failure; known are {', '.join(KINDS)}")
            if weight < 0:
                raise ValueError(f"the weight of {kind!r} is {weight}, but must be 0 or more")
        return {kind: weights.get(kind, 1.0) for kind in KINDS}


@dataclass(frozen=True)
class Mined:
    """What a policy sees: the failures, how often each category occurs in the real training frames
    (objects), and which categories the simulator can stage (lower case; None: it does not say).
    Categories are the dataset's own: what a detector calls "car" may be its Car and its Van."""

    failures: Sequence[Failure]
    category_counts: Mapping[str, int]
    stageable: frozenset[str] | None = None


class Policy(Protocol):
    """Failures in, requests out."""

    name: str

    def request(self, mined: Mined, *, cycle: int, budget: int, rng: np.random.Generator) -> list[Request]:
        """At most `budget` frames in all (the sum of `variations`), for synthetic cycle `cycle` (1-based).

        Every random draw comes from `rng`: same failures and seed, same requests.
        """
        ...


def mode_of(failure: Failure) -> tuple[str, str, str]:
    """A readable failure mode: category, kind, and the attribute that most likely made it hard."""
    size = failure.height_px
    conditions = failure.conditions or {}
    if failure.truncation is not None and failure.truncation > 0.15:
        trait = "truncated"
    elif (failure.occlusion is not None and failure.occlusion > 0.3) or (failure.occlusion_level or 0) >= 1:
        trait = "occluded"
    elif conditions.get("time_of_day", "day").lower() not in ("day", "noon"):
        trait = conditions["time_of_day"].lower()
    elif size is not None and size < 25:
        trait = "small"
    else:
        trait = "plain"
    return (failure.category or failure.predicted or "nothing", failure.kind, trait)


def out_of_reach(failure: Failure, stageable: frozenset[str] | None) -> str | None:
    """Why the simulator cannot answer this failure, or None if it can."""
    if stageable is None:
        return None
    category = _source_category(failure)
    if failure.object_index is not None and category and category.lower() not in stageable:
        return f"the simulator has no asset for category {category!r}"
    return None


def _source_category(failure: Failure) -> str | None:
    return failure.source_category or failure.category


class ImitationPolicy:
    """The paper's: re-stage the frames where the detector is wrong.

    A failure weighs by its kind and by how rare its category is; the budget is spread over failure
    modes by a power of their weight, so that no common mode takes all; inside a mode failures are
    drawn by weight without replacement. One request re-stages one frame, focused on all of its
    failing objects; a `background` failure becomes unlabelled clutter where the false detection fell.
    """

    name = "imitation"

    def __init__(self, settings: PolicySettings) -> None:
        self.settings = settings

    def _weight(self, failure: Failure, mined: Mined) -> float:
        if out_of_reach(failure, mined.stageable):
            return 0.0
        weight = self.settings.kind_weights[failure.kind]
        total = sum(mined.category_counts.values())
        count = mined.category_counts.get(_source_category(failure) or "", 0)
        if count and total:
            weight *= (count / total) ** -self.settings.rarity
        return weight

    def request(self, mined: Mined, *, cycle: int, budget: int, rng: np.random.Generator) -> list[Request]:
        weighed = [(failure, self._weight(failure, mined)) for failure in mined.failures]
        reachable = sorted(
            ((failure, weight) for failure, weight in weighed if weight > 0),
            key=lambda item: item[0].failure_id,
        )
        if not reachable or budget <= 0:
            return []
        by_frame: dict[str, list[Failure]] = defaultdict(list)
        for failure, _ in reachable:
            by_frame[failure.frame_id].append(failure)
        parents = self._draw_parents(reachable, math.ceil(budget / self.settings.variations), rng)
        # Fewer failing frames than the budget could hold: more variations of each.
        shares = _even_shares(budget, len(parents))
        return [
            self._ask(parent, by_frame[parent], share, cycle, int(rng.integers(2**31)))
            for parent, share in zip(parents, shares, strict=True)
            if share
        ]

    def _draw_parents(
        self, reachable: list[tuple[Failure, float]], wanted: int, rng: np.random.Generator
    ) -> list[str]:
        modes: dict[tuple[str, str, str], list[tuple[Failure, float]]] = defaultdict(list)
        for failure, weight in reachable:
            modes[mode_of(failure)].append((failure, weight))
        queues = {}
        for mode in sorted(modes):
            failures = modes[mode]
            weights = np.array([weight for _, weight in failures])
            order = rng.choice(len(failures), len(failures), replace=False, p=weights / weights.sum())
            queues[mode] = [failures[i][0].frame_id for i in order]
        mass = {
            mode: sum(weight for _, weight in modes[mode]) ** (1 - self.settings.spread) for mode in queues
        }
        chosen: dict[str, None] = {}
        while queues and len(chosen) < wanted:
            names = list(queues)
            p = np.array([mass[name] for name in names])
            mode = names[rng.choice(len(names), p=p / p.sum())]
            frame = queues[mode].pop(0)
            chosen.setdefault(frame)
            if not queues[mode]:
                del queues[mode]
        return list(chosen)

    def _ask(self, parent: str, failures: list[Failure], share: int, cycle: int, seed: int) -> Request:
        clutter = [
            failure.detection_box
            for failure in failures
            if failure.kind == "background" and failure.detection_box is not None
        ]
        focus = {failure.object_index for failure in failures if failure.object_index is not None}
        return Request(
            request_id=f"c{cycle:02d}-{parent}",
            parent=parent,
            failures=tuple(failure.failure_id for failure in failures),
            focus=tuple(sorted(focus)),
            clutter=tuple(clutter[: self.settings.max_clutter]),
            variations=share,
            seed=seed,
            policy=self.name,
        )


class RandomPolicy:
    """The paper's control: free scenes from the simulator's whole range, blind to failures."""

    name = "random"

    def __init__(self, settings: PolicySettings) -> None:
        self.settings = settings

    def request(self, mined: Mined, *, cycle: int, budget: int, rng: np.random.Generator) -> list[Request]:
        del mined  # blind by design
        return [
            Request(
                request_id=f"c{cycle:02d}-free-{i:05d}",
                parent=None,
                failures=(),
                focus=(),
                clutter=(),
                variations=1,
                seed=int(rng.integers(2**31)),
                policy=self.name,
            )
            for i in range(budget)
        ]


def build_policy(settings: PolicySettings) -> Policy:
    """The policy that the settings name.

    Raises UserError for an unknown name or an import path that does not lead to a factory.
    """
    known: dict[str, Callable[[PolicySettings], Policy]] = {
        "imitation": ImitationPolicy,
        "random": RandomPolicy,
    }
    if settings.name in known:
        return known[settings.name](settings)
    module, _, attribute = settings.name.partition(":")
    if not attribute:
        raise UserError(
            f"policy.name is {settings.name!r}; known are {', '.join(known)}, or 'package.module:factory'"
        )
    try:
        factory = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UserError(f"policy.name is {settings.name!r}, which cannot be imported: {error}") from error
    policy: Policy = factory(settings)
    return policy


def requested_frames(requests: Sequence[Request]) -> int:
    return sum(request.variations for request in requests)


def _even_shares(total: int, parts: int) -> list[int]:
    whole, rest = divmod(total, parts)
    return [whole + (i < rest) for i in range(parts)]
