"""Policies: from failures to requests, under a budget of frames.

The method's policy pi(s) maps the state s of the trained detector (its failures) to the data to
generate. A policy is any object with `name` and `request`; a user's own is named in the configuration by
its import path ("package.module:factory", called with the `PolicySettings`).
"""

from imitation.diagnosis.feasibility import out_of_reach
from imitation.policies.adaptive import AdaptivePolicy
from imitation.policies.base import (
    Adds,
    LearnedStratum,
    Learning,
    Mined,
    Policy,
    looks_at_failures,
    requested_frames,
    sees_frames,
    what_it_adds,
)
from imitation.policies.baselines import NoPolicy, RandomPolicy
from imitation.policies.feedback import Feedback, Tally
from imitation.policies.imitation import ImitationPolicy
from imitation.policies.oversample import OversamplePolicy
from imitation.policies.registry import POLICIES, build_policy, stages_frames
from imitation.policies.settings import AdaptiveSettings, PolicySettings, StrengthSettings
from imitation.policies.strata import stratum_name, stratum_of
from imitation.policies.untargeted import UntargetedPolicy

__all__ = [
    "POLICIES",
    "AdaptivePolicy",
    "AdaptiveSettings",
    "Adds",
    "Feedback",
    "ImitationPolicy",
    "LearnedStratum",
    "Learning",
    "Mined",
    "NoPolicy",
    "OversamplePolicy",
    "Policy",
    "PolicySettings",
    "RandomPolicy",
    "StrengthSettings",
    "Tally",
    "UntargetedPolicy",
    "build_policy",
    "looks_at_failures",
    "out_of_reach",
    "requested_frames",
    "sees_frames",
    "stages_frames",
    "stratum_name",
    "stratum_of",
    "what_it_adds",
]
