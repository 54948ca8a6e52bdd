"""Policies without a look at failures: the paper's control, and none at all."""

from __future__ import annotations

import numpy as np

from imitation.common.names import request_id
from imitation.policies.base import Adds, Mined
from imitation.policies.settings import PolicySettings
from imitation.requests import Request


class RandomPolicy:
    """The paper's control: free scenes from the simulator's whole range, blind to failures."""

    name = "random"
    mines = False
    adds: Adds = "synthetic"

    def __init__(self, settings: PolicySettings) -> None:
        self.settings = settings

    def request(self, mined: Mined, *, cycle: int, budget: int, rng: np.random.Generator) -> list[Request]:
        del mined  # blind by design
        return free_requests(budget, cycle, self.name, rng)


class NoPolicy:
    """Asks for nothing: the real data alone. With a warm start every further cycle trains on."""

    name = "none"
    mines = False
    adds: Adds = "nothing"

    def __init__(self, settings: PolicySettings) -> None:
        del settings

    def request(self, mined: Mined, *, cycle: int, budget: int, rng: np.random.Generator) -> list[Request]:
        del mined, cycle, budget, rng
        return []


def free_requests(frames: int, cycle: int, policy: str, rng: np.random.Generator) -> list[Request]:
    """Requests for so many free scenes, one each."""
    return [
        Request(
            request_id=request_id(cycle, f"free-{i:05d}"),
            parent=None,
            failures=(),
            focus=(),
            clutter=(),
            variations=1,
            seed=int(rng.integers(2**31)),
            policy=policy,
        )
        for i in range(frames)
    ]
