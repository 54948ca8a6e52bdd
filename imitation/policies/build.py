"""Policies by name or import path."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from imitation.policies.adaptive import AdaptivePolicy
from imitation.policies.base import Policy, what_it_adds
from imitation.policies.control import NoPolicy, RandomPolicy
from imitation.policies.imitation import ImitationPolicy
from imitation.policies.oversample import OversamplePolicy
from imitation.policies.settings import PolicySettings
from imitation.settings import UserError

POLICIES: dict[str, Callable[[PolicySettings], Policy]] = {
    "imitation": ImitationPolicy,
    "adaptive": AdaptivePolicy,
    "random": RandomPolicy,
    "oversample": OversamplePolicy,
    "none": NoPolicy,
}


def build_policy(settings: PolicySettings) -> Policy:
    """The policy that the settings name.

    Raises UserError for an unknown name, an import path that does not lead to a factory, and a factory's
    result that is no policy.
    """
    if settings.name in POLICIES:
        return POLICIES[settings.name](settings)
    module, _, attribute = settings.name.partition(":")
    if not attribute:
        raise UserError(
            f"policy.name is {settings.name!r}; known are {', '.join(POLICIES)}, or 'package.module:factory'"
        )
    try:
        factory = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UserError(f"policy.name is {settings.name!r}, which cannot be imported: {error}") from error
    try:
        policy: Policy = factory(settings)
    except TypeError as error:
        raise UserError(
            f"policy.name is {settings.name!r}, which makes no policy of its settings: {error}. It must be "
            "a class or function that takes one argument, the section `policy`"
        ) from error
    if not isinstance(getattr(policy, "name", None), str) or not callable(getattr(policy, "request", None)):
        raise UserError(
            f"policy.name is {settings.name!r}, which gave {type(policy).__name__}: a policy has a `name` "
            "and a method `request(mined, *, cycle, budget, rng)`"
        )
    what_it_adds(policy)
    return policy
