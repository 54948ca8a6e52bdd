"""The rival explanation: the frames where the detector is wrong once more, without a simulator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from imitation.evaluation.failures import Failure
from imitation.policies.base import Adds, Mined
from imitation.policies.imitation import ImitationPolicy
from imitation.policies.settings import PolicySettings
from imitation.requests import Request


class OversamplePolicy(ImitationPolicy):
    """Repeats failing frames as they are: what `imitation` asks for, but a variation is the parent itself
    once more. The same weights, the same strata, the same budget; no simulator, so nothing is out of its
    reach."""

    name = "oversample"
    adds: Adds = "repeated"

    def __init__(self, settings: PolicySettings) -> None:
        super().__init__(settings.model_copy(update={"elsewhere": 0.0}))

    def _answerable(self, failure: Failure, mined: Mined) -> bool:
        return True


def repeats_of(requests: Iterable[Request]) -> Counter[str]:
    """Frame id -> how many more times it is to be trained on. Raises ValueError for a free scene."""
    repeats: Counter[str] = Counter()
    for request in requests:
        if request.parent is None:
            raise ValueError(f"request {request.request_id} names no frame to repeat")
        repeats[request.parent] += request.variations
    return repeats
