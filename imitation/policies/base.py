"""What a policy is, and what it sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol, cast, get_args, runtime_checkable

import numpy as np

from imitation.common.settings import UserError
from imitation.evaluation.failures import Failure
from imitation.policies.feedback import Feedback, Tally, stratum_to_row
from imitation.requests import Likeness, Request

Adds = Literal["synthetic", "repeated", "nothing"]
"""What a policy's requests become: frames that a simulator renders; the parents themselves, once more for
each variation; or nothing, since it never asks (a warm start then trains on with the same data)."""


@dataclass(frozen=True)
class Mined:
    """What a policy sees: the failures, how often each category occurs in the real training frames
    (objects), and which categories the simulator can stage (lower case; None: it does not say).
    Categories are the dataset's own: what a detector calls "car" may be its Car and its Van.

    `history` counts the failures of earlier cycles that were fixed, `chance` how many failures of each
    stratum retraining alone fixes (from two seeds of the baseline; empty without a second one). `frames` are
    the frames that may be asked for, with and without failures, for a policy that `sees_frames` (else none):
    each one's objects that are to be found, index -> source category; `likenesses` say more of the same
    objects.
    """

    failures: Sequence[Failure]
    category_counts: Mapping[str, int]
    stageable: frozenset[str] | None = None
    history: Sequence[Feedback] = ()
    chance: Mapping[str, Tally] = field(default_factory=dict)
    frames: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    likenesses: Mapping[str, Mapping[int, Likeness]] = field(default_factory=dict)


class Policy(Protocol):
    """Failures in, requests out.

    More attributes may be there: `mines` (bool, default True), whether it looks at failures: without
    them no fold detectors are trained; `adds` (`Adds`, default "synthetic"), what requests become;
    `sees_frames` (bool, default False), whether it needs `Mined.frames`, which is a pass over the labels.
    """

    name: str

    def request(self, mined: Mined, *, cycle: int, budget: int, rng: np.random.Generator) -> list[Request]:
        """At most `budget` frames in all (the sum of `variations`), for synthetic cycle `cycle` (1-based).

        Every random draw comes from `rng`: same failures and seed, same requests.
        """
        ...


@dataclass(frozen=True, slots=True)
class LearnedStratum:
    """What a policy knows of a stratum. `failures` of it are within reach now; `fed` failures had frames
    rendered for them and `fixed` of them were fixed (both discounted: recent cycles count more).
    `rise` in [-1, 1] is the expected rise of the chance to be fixed, `hope` in [0, 1] the probability that
    it is worthwhile; `given_up`: it gets no more frames."""

    stratum: str
    failures: int
    fed: float
    fixed: float
    rise: float
    hope: float
    given_up: bool

    def to_row(self) -> dict[str, Any]:
        """Plain data for JSON, in which a stratum is called a mode."""
        return stratum_to_row(asdict(self))


@runtime_checkable
class Learning(Protocol):
    """A policy that learns about strata, and says what."""

    def learned(self, mined: Mined, *, cycle: int) -> list[LearnedStratum]:
        """What it knows before it asks for cycle `cycle`, by stratum; the same whenever it is asked."""
        ...


def looks_at_failures(policy: Policy) -> bool:
    """Whether a policy needs the failures that fold detectors find."""
    return bool(getattr(policy, "mines", True))


def sees_frames(policy: Policy) -> bool:
    """Whether a policy needs the frames that have no failures too."""
    return bool(getattr(policy, "sees_frames", False))


def what_it_adds(policy: Policy) -> Adds:
    """What a policy's requests become. Raises UserError for a word that is not one of `Adds`."""
    found = getattr(policy, "adds", "synthetic")
    if found not in get_args(Adds):
        raise UserError(
            f"policy {policy.name!r}: its `adds` is {found!r}; it must be one of {', '.join(get_args(Adds))}"
        )
    return cast("Adds", found)


def requested_frames(requests: Sequence[Request]) -> int:
    """How many frames requests ask for."""
    return sum(request.variations for request in requests)
