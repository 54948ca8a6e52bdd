"""Strata of failures, as policies spread their budget over them."""

from __future__ import annotations

from imitation.evaluation.failures import Failure


def stratum_of(failure: Failure) -> tuple[str, str, str]:
    """A stratum: category, kind, and the attribute that most likely made it hard."""
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


def stratum_name(failure: Failure) -> str:
    """`stratum_of` as one text, such as "car, missed, occluded"."""
    return ", ".join(stratum_of(failure))
