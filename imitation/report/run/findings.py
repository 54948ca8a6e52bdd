"""The summary's records of failures by status, of chance, and of protocols."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from imitation.common.formats.record import Count, Fraction, Record
from imitation.metrics.protocols.kitti import KittiPrecision
from imitation.metrics.protocols.waymo import WaymoAP


class Protocols(Record):
    """The numbers that the dataset's own benchmark would print; those of a dataset of one's own stand under
    the name of its protocol."""

    model_config = ConfigDict(extra="allow")

    kitti: dict[str, dict[str, KittiPrecision] | None] | None = Field(
        None,
        description="category -> easy, moderate, hard; null for one that was never detected; null for "
        "data other than KITTI's",
    )
    waymo: dict[str, WaymoAP] | None = Field(
        None, description="category -> AP; null for data other than Waymo's"
    )


class Statuses(Record):
    """Failures by their status between two evaluations of the same frames:
    `imitation.diagnosis.failure_tracking`.
    """

    fixed: int = Field(ge=0, description="failed before, not after")
    persistent: int = Field(ge=0, description="failed both times, perhaps in another way")
    new: int = Field(ge=0, description="false detections that were not there before")
    regressed: int = Field(ge=0, description="objects found before that fail after")
    unjudged: int = Field(ge=0, description="failed before, in frames that could not be evaluated after")


class Followed(Statuses):
    """Failures by status, in all and by kind, mode and reason."""

    by_kind: dict[str, Statuses] = Field(description="by kind of failure, as it is now or was last")
    by_mode: dict[str, Statuses] = Field(description="by failure mode")
    changed: dict[str, Count] = Field(
        description='persistent ones of another kind than before: "missed to localization" -> count'
    )
    reasons: dict[str, Count] = Field(
        description="persistent ones by how far they are in the simulator's reach; empty if not asked"
    )


class Churn(Record):
    """Chance: the baseline trained a second time, from another seed, on the same data. What such a
    retraining fixes and breaks, no simulator did."""

    seed: int = Field(description="the other seed")
    mAP: dict[str, Fraction | None] = Field(description="split -> mAP of the second detector")
    followed: dict[str, Followed] = Field(description="split -> failures followed from first to second")
