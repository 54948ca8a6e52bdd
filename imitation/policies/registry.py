"""Policies by name or import path."""

from __future__ import annotations

from collections.abc import Callable

from imitation.common.import_paths import call_factory, load_factory, signature_problem
from imitation.common.settings import UserError
from imitation.policies.adaptive import AdaptivePolicy
from imitation.policies.base import Policy, what_it_adds
from imitation.policies.baselines import NoPolicy, RandomPolicy
from imitation.policies.imitation import ImitationPolicy
from imitation.policies.oversample import OversamplePolicy
from imitation.policies.settings import PolicySettings

SETTING = "policy.name"
POLICY_IS = "a policy has a `name` and a method `request(mined, *, cycle, budget, rng)`"
POLICIES: dict[str, Callable[[PolicySettings], Policy]] = {
    "imitation": ImitationPolicy,
    "adaptive": AdaptivePolicy,
    "random": RandomPolicy,
    "oversample": OversamplePolicy,
    "none": NoPolicy,
}


def build_policy(settings: PolicySettings) -> Policy:
    """The policy that the settings name.

    Raises UserError for an import path that does not lead to a factory that takes the section `policy`, and
    for a factory's result that is no policy.
    """
    if settings.name in POLICIES:
        return POLICIES[settings.name](settings)
    factory = load_factory(settings.name, SETTING)
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
