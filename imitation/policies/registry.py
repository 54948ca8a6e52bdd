"""Policies by name or import path."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from imitation.common.import_paths import call_factory, signature_problem
from imitation.common.registry import Registry
from imitation.common.settings import UserError
from imitation.policies.base import Policy, what_it_adds

if TYPE_CHECKING:
    from imitation.policies.settings import PolicySettings

SETTING = "policy.name"
POLICY_IS = "a policy has a `name` and a method `request(mined, *, cycle, budget, rng)`"
POLICIES: Registry[Callable[[PolicySettings], Policy]] = Registry(
    "policy",
    SETTING,
    {
        "imitation": "imitation.policies.imitation:ImitationPolicy",
        "adaptive": "imitation.policies.adaptive:AdaptivePolicy",
        "untargeted": "imitation.policies.untargeted:UntargetedPolicy",
        "random": "imitation.policies.baselines:RandomPolicy",
        "oversample": "imitation.policies.oversample:OversamplePolicy",
        "none": "imitation.policies.baselines:NoPolicy",
    },
)
"""Factories, called with the section `policy`."""


def stages_frames(name: str) -> bool:
    """Whether a policy has frames rendered; one of somebody's own that does not say so before it is built is
    taken to."""
    return POLICIES.is_own(name) or what_it_adds(cast(Any, POLICIES.load(name))) == "synthetic"


def build_policy(settings: PolicySettings) -> Policy:
    """The policy that the settings name.

    Raises UserError for an import path that does not lead to a factory that takes the section `policy`, and
    for a factory's result that is no policy.
    """
    factory = POLICIES.load(settings.name)
    if not POLICIES.is_own(settings.name):
        return factory(settings)
    policy: Policy = call_factory(factory, SETTING, settings.name, {"settings": settings})
    about = f"{SETTING}: {settings.name!r} gave {type(policy).__name__}, "
    if not isinstance(getattr(policy, "name", None), str):
        raise UserError(f"{about}which has no `name` (a text); {POLICY_IS}")
    if not callable(getattr(policy, "request", None)):
        raise UserError(f"{about}which has no method `request`; {POLICY_IS}")
    asked = {"cycle": 1, "budget": 1, "rng": None}
    if wrong := signature_problem(policy.request, (None,), asked):
        raise UserError(f"{about}whose `request` cannot be called as it will be: {wrong}; {POLICY_IS}")
    what_it_adds(policy)
    return policy
