"""The summary's records of where a detector fails, what became of it, and what chance alone does."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from imitation.report.base import Count, Fraction, Record


class ErrorTypes(Record):
    """What errors cost in AP at IoU 0.5, after TIDE: `imitation.diagnosis.error_types`. All detections count,
    whatever their score; the kinds' costs do not add up."""

    ap: Fraction = Field(description="AP at IoU 0.5 as TIDE counts it")
    lost: dict[str, Fraction] = Field(description="kind -> gain in AP if its errors alone were mended")
    share: dict[str, Fraction] = Field(description="kind -> its share of the sum of all gains")
    counts: dict[str, Count] = Field(description="kind -> errors")
    false_positives: float = Field(description="gain in AP if no false positive outscored a right detection")
    false_negatives: float = Field(description="gain in AP if objects that nothing finds did not count")


class KittiPrecision(Record):
    """AP of one category at one difficulty, as KITTI counts it: `imitation.metrics.protocols.kitti`."""

    ap_r40: Fraction = Field(description="over 40 recall points, the benchmark's since 2019")
    ap_r11: Fraction = Field(description="over 11 recall points, as older papers give it")


class WaymoPrecision(Record):
    """AP of one category, counted like Waymo's: an emulation, `imitation.metrics.protocols.waymo`."""

    level_1: Fraction | None = Field(description="AP of the easier objects; null if there are none")
    level_2: Fraction | None = Field(description="AP of all objects; null if there are none")
    objects_level_1: int = Field(ge=0, description="objects of difficulty 1, or unknown")
    objects_level_2: int = Field(ge=0, description="objects of both")
    iou: float = Field(gt=0, le=1, description="IoU that a match needs")


class Protocols(Record):
    """The numbers that the dataset's own benchmark would print; those of a dataset of one's own stand under
    the name of its protocol."""

    model_config = ConfigDict(extra="allow")

    kitti: dict[str, dict[str, KittiPrecision] | None] | None = Field(
        None,
        description="category -> easy, moderate, hard; null for one that was never detected; null for "
        "data other than KITTI's",
    )
    waymo: dict[str, WaymoPrecision] | None = Field(
        None, description="category -> AP; null for data other than Waymo's"
    )


class SliceMetrics(Record):
    """AP and recall of the objects with one value of one attribute, with 95 % intervals (bootstrap over
    frames): `imitation.metrics.statistics.slices`."""

    attribute: str = Field(description='"size", "occlusion", "category", ..., "condition: weather"')
    value: str = Field(description='its word: "25-40 px", "largely occluded", ...')
    frames: int = Field(ge=0, description="frames with such an object")
    objects: int = Field(ge=0, description="such objects to be found")
    ap50: Fraction | None = Field(description="mean AP at IoU 0.5; null without objects")
    ap50_low: Fraction | None = Field(description="lower end of its interval")
    ap50_high: Fraction | None = Field(description="upper end of its interval")
    recall: Fraction | None = Field(description="recall at the operating threshold; null without objects")
    recall_low: Fraction | None = Field(description="lower end of its interval")
    recall_high: Fraction | None = Field(description="upper end of its interval")
    few: bool = Field(description="true under 20 objects: too few to say anything")


class CalibrationBin(Record):
    """Detections of similar score."""

    low: float = Field(description="lowest score of the bin")
    high: float = Field(description="highest score of the bin")
    count: int = Field(ge=0, description="judged detections in it")
    confidence: Fraction | None = Field(description="their mean score; null if there is none")
    precision: Fraction | None = Field(description="share of them that is right; null if there is none")


class Reliability(Record):
    """How right detections are, by their score."""

    ece: Fraction | None = Field(description="expected calibration error; null without detections")
    bins: list[CalibrationBin] = Field(description="detections by score")


class Calibration(Record):
    """Whether scores mean what they say: `imitation.metrics.calibration`."""

    overall: Reliability = Field(description="all detections together")
    categories: dict[str, Reliability] = Field(description="category -> its detections")


class FailureMode(Record):
    """A cluster of failures, in words: `imitation.diagnosis.failure_modes`. A failure is in the first mode
    that fits it, else in the rest of its category and kind.
    """

    mode: str = Field(description='"car, truncated > 0.5, right edge", "car, missed, the rest", ...')
    kinds: dict[str, Count] = Field(description="failures by kind")
    failures: int = Field(ge=0, description="failures in it, at the operating threshold")
    objects: int = Field(ge=0, description='objects it covers; of "on nothing", detections')
    frames: int = Field(ge=0, description="frames with such a failure")
    lost_ap: Fraction = Field(description="gain in mAP at IoU 0.5 if its failures alone were mended")


class Statuses(Record):
    """What became of failures between two evaluations of the same frames:
    `imitation.diagnosis.failure_tracking`.
    """

    fixed: int = Field(ge=0, description="failed before, not after")
    persistent: int = Field(ge=0, description="failed both times, perhaps in another way")
    new: int = Field(ge=0, description="false detections that were not there before")
    regressed: int = Field(ge=0, description="objects found before that fail after")
    unjudged: int = Field(ge=0, description="failed before, in frames that could not be evaluated after")


class Followed(Statuses):
    """What became of failures, and of which."""

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


class SuspectedLabelError(Record):
    """A confident detection where no object is labelled, made by every detector that judged the frame:
    `imitation.diagnosis.label_errors`. Perhaps a missing label; never re-staged."""

    frame_id: str = Field(description="the frame it is in")
    predicted: str = Field(description="the category that the detectors see")
    score: float = Field(description="score of the first of them")
    box: list[float] = Field(min_length=4, max_length=4, description="x1, y1, x2, y2, px")
    evaluations: list[str] = Field(min_length=1, description="who made it: cycles and seeds")
    failure_id: str = Field(description="its failure in the first of them")
