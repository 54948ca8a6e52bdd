"""What a policy is, what it sees, and failure modes in a few words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, cast, get_args, runtime_checkable

import numpy as np

from imitation.common.settings import UserError
from imitation.evaluation.failures import Failure
from imitation.policies.feedback import Feedback, Tally
from imitation.requests import Request

Adds = Literal["synthetic", "repeated", "nothing"]
"""What a policy's requests become: frames that a simulator renders; the parents themselves, once more for
each variation; or nothing, since it never asks (a warm start then trains on with the same data)."""


@dataclass(frozen=True)
class Mined:
    """What a policy sees: the failures, how often each category occurs in the real training frames
    (objects), and which categories the simulator can stage (lower case; None: it does not say).
    Categories are the dataset's own: what a detector calls "car" may be its Car and its Van.

    `history` says what became of the failures of earlier cycles, `chance` how many failures of each mode
    retraining alone mends (from two seeds of the baseline; empty without a second one).
    """

    failures: Sequence[Failure]
    category_counts: Mapping[str, int]
    stageable: frozenset[str] | None = None
    history: Sequence[Feedback] = ()
    chance: Mapping[str, Tally] = field(default_factory=dict)


class Policy(Protocol):
    """Failures in, requests out.

    Two more attributes may be there: `mines` (bool, default True), whether it looks at failures: without
    them no fold detectors are trained; `adds` (`Adds`, default "synthetic"), what requests become.
    """

    name: str

    def request(self, mined: Mined, *, cycle: int, budget: int, rng: np.random.Generator) -> list[Request]:
        """At most `budget` frames in all (the sum of `variations`), for synthetic cycle `cycle` (1-based).

        Every random draw comes from `rng`: same failures and seed, same requests.
        """
        ...


@dataclass(frozen=True, slots=True)
class Arm:
    """What a policy knows of a failure mode. `failures` of it are within reach now; `fed` failing things had
    frames rendered for them and `fixed` of them were fixed (both discounted: recent cycles count more).
    `rise` in [-1, 1] is the expected rise of the chance to be fixed, `hope` in [0, 1] the probability that
    it is worthwhile; `given_up`: it gets no more frames."""

    mode: str
    failures: int
    fed: float
    fixed: float
    rise: float
    hope: float
    given_up: bool


@runtime_checkable
class Learning(Protocol):
    """A policy that learns about modes, and says what."""

    def arms(self, mined: Mined, *, cycle: int) -> list[Arm]:
        """What it knows before it asks for cycle `cycle`, by mode; the same whenever it is asked."""
        ...


def looks_at_failures(policy: Policy) -> bool:
    """Whether a policy needs the failures that fold detectors find."""
    return bool(getattr(policy, "mines", True))


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
