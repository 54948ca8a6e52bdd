"""`summary.json`: what a run found, as records that are checked when written and when read.

The schema is documented in docs/summary.md. `Cycle.of` and `Summary.of` derive what follows from the
rest, so that a figure never stands there twice with two values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, model_validator

from imitation.advice.record import Advice
from imitation.common import storage
from imitation.common.formats import old_names
from imitation.common.formats.record import Count, Fraction, Record, Seconds
from imitation.diagnosis.error_types import ErrorTypes
from imitation.diagnosis.failure_modes import ModeCounts
from imitation.diagnosis.label_errors import Suspect
from imitation.evaluation.failures import KINDS
from imitation.metrics.calibration import Calibrations
from imitation.metrics.statistics.slices import Slice
from imitation.metrics.summary import Metrics
from imitation.metrics.threshold_curves import ThresholdCurves
from imitation.report.run.findings import Churn, Followed, Protocols

SCHEMA: Literal[1] = 1


class Run(Record):
    """Which run it was, and on what."""

    name: str = Field(description="the run's name, its folder in the run storage")
    seed: int = Field(description="seed from which every random draw of the run follows")
    data_kind: str = Field(description='what the data is: "world", "kitti", "parquet", ...')
    title: str = Field(description="the run in a few words, for the head of the table and of the report")
    stand_in: bool = Field(description="true if the data is an embedded world instead of real data")
    notes: list[str] = Field(description="sentences that a reader of the figures must know")
    started: str = Field(description="when it began, UTC, ISO 8601")
    commit: str | None = Field(description="git commit of the code; null if not run from a checkout")
    machine: str = Field(
        description="where it was started: operating system, architecture, CPUs and their model"
    )
    computed_on: list[str] = Field(
        [],
        description="processor model and threads, or GPU, that trained the detectors: on another the weights "
        "differ, and the figures by some points; empty in older summaries",
    )
    packages: dict[str, str | None] = Field(description="package -> version; null if not installed")


class Splits(Record):
    """Real frames in each split."""

    train: int = Field(ge=0, description="trained on, and mined for failures")
    val: int = Field(ge=0, description="decides stopping, the operating threshold and the best cycle")
    test: int = Field(ge=0, description="reported; decides nothing")


class MetricsBySplit(Record):
    """The metrics of the cycle's detector on both evaluation splits."""

    val: Metrics = Field(description="on the val split")
    test: Metrics = Field(description="on the test split")


class Mined(Record):
    """The failures that the next cycle's requests were made of."""

    split: str = Field(description="where failures were looked for, and how")
    failures: dict[str, Count] = Field(description="failures by kind")
    modes: dict[str, Count] = Field(
        description='failures by stratum: "category, kind, trait", such as "car, missed, occluded"'
    )
    out_of_reach: dict[str, Count] = Field(
        description="failures that the simulator cannot answer, by the reason why"
    )


class SetAsideScene(Record):
    """A scene that the simulator could not render, or whose frame was rejected."""

    scene_id: str = Field(description="the scene's id")
    kind: str = Field(
        description='how the last attempt ended: "raised", "crashed", "hung", "unsupported", "lost", or '
        '"rejected": rendered, but not what was asked for'
    )
    reason: str = Field(description="the cause, in words")
    attempts: int = Field(ge=0, description="how often it was tried")
    simulator: str | None = Field(
        None,
        description="of several simulators the one that failed at it; null: none stages it, or there is one",
    )
    refused_by: list[str] = Field(
        [], description="of several simulators those that were drawn for it and cannot stage it"
    )


class SimulatorShare(Record):
    """What one of several simulators did for a cycle."""

    weight: Fraction = Field(description="its part of the scenes that all of them can stage")
    frames: int = Field(ge=0, description="frames that it rendered, rejected ones apart")
    set_aside: int = Field(ge=0, description="scenes that it failed at, rejected frames among them")
    refused: int = Field(ge=0, description="scenes that were drawn for it, which it cannot stage")
    rendered: int = Field(
        ge=0, description="scenes that it finished since the stage was last started, rejected ones among them"
    )
    seconds: Seconds = Field(description="wall time that those took in its workers, added up")
    cpu_seconds: Seconds = Field(
        description="CPU time of its workers for them; a server elsewhere has its own"
    )


class StratumFeedback(Record):
    """What a policy that learns knew of a stratum of failures when it asked for the cycle's frames."""

    mode: str = Field(description='the stratum: "category, kind, trait"')
    failures: int = Field(ge=0, description="failures of it within reach")
    fed: float = Field(
        ge=0,
        description="failures that had frames rendered for them in earlier cycles, recent ones counting more",
    )
    fixed: float = Field(ge=0, description="those of them that were fixed")
    rise: float = Field(ge=-1, le=1, description="expected rise of the chance to be fixed, above chance")
    hope: Fraction = Field(description="probability that the rise is worthwhile")
    given_up: bool = Field(description="true if it gets no more frames")


class Simulated(Record):
    """The synthetic frames that this cycle added."""

    requests: int = Field(ge=0, description="requests that the policy made")
    rendered: int = Field(ge=0, description="frames rendered")
    set_aside: list[SetAsideScene] = Field(description="scenes given up, rejected frames among them")
    frames_per_second: float = Field(ge=0, description="frames per second of wall time, start-up included")
    asked: int | None = Field(None, ge=0, description="frames asked for; null in older summaries")
    rejected: int = Field(0, ge=0, description="frames rendered that did not show what they were asked for")
    modes: list[StratumFeedback] | None = Field(
        None, description="what the policy had learnt, by stratum; null for a policy that does not learn"
    )
    by_simulator: dict[str, SimulatorShare] | None = Field(
        None, description="label -> what that simulator did; null where there is one"
    )


class Time(Record):
    """Where a cycle's wall time went, s: the stages' own work, and the rest (docs/observing.md)."""

    wall: Seconds = Field(description="from the end of the cycle before to the end of this one")
    training: Seconds = Field(description="steps of all its trainings, waiting for batches included")
    rendering: Seconds = Field(description="finished scenes in their simulators, divided by the simulators")
    evaluation: Seconds = Field(description="detector actors at work, divided by their number; metrics")
    analysis: Seconds = Field(description="choosing requests; slices, intervals, failure modes")
    orchestration: Seconds = Field(
        description="the rest: processes that start, scheduling, idle actors, reading and committing files"
    )
    orchestration_by_part: dict[str, Seconds] | None = Field(
        None,
        description="where the rest lies: part -> in its stages; `between`: outside of stages; null in older "
        "summaries",
    )


class Cycle(Record):
    """One cycle: trained on `real_frames` + `synthetic_frames`, then evaluated. The baseline is cycle 0."""

    cycle: int = Field(ge=0, description="0 for the baseline, then 1, 2, ...")
    label: str = Field(
        description='its name: "baseline", "imitation, cycle 1", ... (older: "real", "real + sim, cycle 1")'
    )
    split: Literal["test"] = Field(description="the split of iou, mAP, AP, failures and zero_one_loss")
    iou: float = Field(gt=0, le=1, description="IoU of mAP, AP and failures")
    mAP: Fraction | None = Field(description="mean AP over categories; null if none has objects")
    AP: dict[str, Fraction | None] = Field(description="category -> AP; null without objects")
    real_frames: int = Field(ge=0, description="real frames trained on")
    synthetic_frames: int = Field(ge=0, description="synthetic frames trained on, of all cycles so far")
    synthetic_ratio: float = Field(ge=0, description="synthetic_frames / real_frames; 0 without real ones")
    steps: int = Field(ge=0, description="optimizer steps of the detector, from its first weights on")
    images_seen: int = Field(ge=0, description="images in those steps' batches, repetitions counted")
    failures: dict[str, Count] = Field(description="failures by kind, at the operating threshold")
    zero_one_loss: Fraction = Field(description="wrong / (wrong + objects found), at the threshold")
    metrics: MetricsBySplit = Field(description="all metrics, by split")
    mined: Mined | None = Field(description="failures mined for the next cycle; null if none follows")
    simulated: Simulated | None = Field(description="synthetic frames it added; null for the baseline")
    seconds: dict[str, Seconds] = Field(description="stage -> seconds of wall time")
    time: Time | None = Field(None, description="where its wall time went; null in older summaries")
    stop_reason: str | None = Field(description="why the loop stopped; set on the last cycle only")
    best: bool = Field(description="true for the one cycle that did best on val")
    protocols: dict[str, Protocols] | None = Field(
        None, description="split -> AP as the dataset's own benchmark counts it; null in older summaries"
    )
    errors: dict[str, ErrorTypes] | None = Field(
        None, description="split -> what each kind of error costs; null in older summaries"
    )
    slices: dict[str, list[Slice]] | None = Field(
        None, description="split -> AP and recall by attribute; null in older summaries"
    )
    calibration: dict[str, Calibrations] | None = Field(
        None, description="split -> whether scores mean what they say; null in older summaries"
    )
    modes: dict[str, list[ModeCounts]] | None = Field(
        None, description="split -> failure modes, most lost AP first; null in older summaries"
    )
    repeated_frames: int = Field(
        0, ge=0, description="real frames trained on once more, repetitions counted, of all cycles so far"
    )
    followed: dict[str, Followed] | None = Field(
        None,
        description="split -> failures followed from the cycle before; null for the baseline and in older "
        "summaries",
    )

    @classmethod
    def of(cls, *, val: Mapping[str, Any], test: Mapping[str, Any], **fields: Any) -> Cycle:
        """A cycle from its metrics (`Metrics.to_dict()` on val and test) and the other fields, as records or
        plain data; those that follow from others are not given. Not yet the last or the best one, see
        `Summary.of`. Raises pydantic.ValidationError for a field that is missing, unknown or of another
        type."""
        shown = Metrics.model_validate(dict(test))
        real = fields.get("real_frames")
        return cls.model_validate(
            {"mined": None, "simulated": None}
            | fields
            | {
                "split": "test",
                "iou": shown.iou,
                "mAP": shown.map50,
                "AP": shown.ap50,
                "synthetic_ratio": fields["synthetic_frames"] / real if real else 0.0,
                "failures": shown.failures,
                "zero_one_loss": shown.zero_one_loss,
                "metrics": {"val": dict(val), "test": shown},
                "stop_reason": None,
                "best": False,
            }
        )

    @model_validator(mode="after")
    def _agrees(self) -> Cycle:
        test = self.metrics.test
        for name, expected in (
            ("iou", test.iou),
            ("mAP", test.map50),
            ("AP", test.ap50),
            ("failures", test.failures),
            ("zero_one_loss", test.zero_one_loss),
        ):
            if getattr(self, name) != expected:
                raise ValueError(
                    f"cycle {self.cycle}: {name} is {getattr(self, name)}, but metrics.test says {expected}"
                )
        counts = [self.failures, self.metrics.val.failures, *([self.mined.failures] if self.mined else [])]
        counts += [mode.kinds for modes in (self.modes or {}).values() for mode in modes]
        if unknown := sorted({kind for count in counts for kind in count} - set(KINDS)):
            raise ValueError(f"cycle {self.cycle}: {unknown[0]!r} is no kind of failure ({', '.join(KINDS)})")
        return self


class Staging(Record):
    """What of the real training frames' objects the simulator can stage, by source category."""

    staged: dict[str, Count] = Field(description="objects of classes that can be staged")
    not_staged: dict[str, Count] = Field(
        description="objects of classes that cannot: nothing is rendered for their failures"
    )


class Summary(Record):
    """A whole run."""

    documented = "; see docs/summary.md"
    schema_: Literal[1] = Field(alias="schema", description="version of this schema")
    run: Run = Field(description="which run, on what")
    categories: list[str] = Field(description="the detector's categories, in label order")
    splits: Splits = Field(description="real frames in each split")
    cycles: list[Cycle] = Field(min_length=1, description="the baseline, then every imitation cycle")
    best_cycle: int = Field(
        ge=0, description="the cycle of the highest score on val, whose checkpoint is in `best/`"
    )
    stop_reason: str = Field(description="why the loop stopped, in a sentence")
    problems: list[str] = Field(description="bad rows and frames that were skipped, a sentence each")
    unmapped: dict[str, Count] = Field(
        description="objects of source categories that are neither detected nor ignored: background"
    )
    seconds_total: Seconds = Field(description="wall time of all stages")
    peak_memory_mb: float | None = Field(
        ge=0, description="most memory that the run's processes held together, MiB; null if not measured"
    )
    churn: Churn | None = Field(
        None, description="the baseline beside another seed of the same data; null if there is no other"
    )
    suspected_label_errors: list[Suspect] | None = Field(
        None,
        description="confident false detections that persist, by falling score: look at their labels; null "
        "in older summaries",
    )
    staging: Staging | None = Field(
        None, description="what can be staged; null for a run without a simulator and in older summaries"
    )
    left_out: dict[str, Count] | None = Field(
        None,
        description="labels that frames were read without, by reason (boxes without area, and with "
        "`data.on_error=skip` bad rows); null in older summaries",
    )

    advice: Advice | None = Field(
        None,
        description="what to do about the failures mined last; null where none were, and in older summaries",
    )
    thresholds: ThresholdCurves | None = Field(
        None, description="the best cycle's detector at other thresholds; null in older summaries"
    )

    @classmethod
    def of(
        cls,
        *,
        categories: Sequence[str],
        cycles: Sequence[Cycle],
        best_cycle: int,
        stop_reason: str,
        **fields: Any,
    ) -> Summary:
        """A summary of these cycles and the other fields, as records or plain data; marks the best cycle and
        the last one.

        Raises pydantic.ValidationError for a field that is missing, unknown or of another type, and if the
        parts contradict one another.
        """
        last = len(cycles) - 1
        marked = [
            entry.model_copy(
                update={"best": entry.cycle == best_cycle, "stop_reason": stop_reason if i == last else None}
            )
            for i, entry in enumerate(cycles)
        ]
        ours = {
            "schema": SCHEMA,
            "categories": list(categories),
            "cycles": marked,
            "best_cycle": best_cycle,
            "stop_reason": stop_reason,
        }
        return cls.model_validate({"problems": [], "unmapped": {}, "peak_memory_mb": None} | fields | ours)

    @property
    def best(self) -> Cycle:
        """The cycle that did best on val; where all find nothing, the first."""
        return self.cycles[self.best_cycle]

    @property
    def baseline_finds_nothing(self) -> bool:
        """Whether the baseline has no mAP above 0 on val."""
        return not self.cycles[0].metrics.val.map50

    @property
    def finds_nothing(self) -> bool:
        """Whether no cycle has a mAP above 0 on val: then none is better than another."""
        return not self.best.metrics.val.map50

    @model_validator(mode="after")
    def _agrees(self) -> Summary:
        numbers = [entry.cycle for entry in self.cycles]
        if numbers != list(range(len(numbers))):
            raise ValueError(f"cycles are numbered {numbers}; expected 0, 1, ... in order")
        if [entry.cycle for entry in self.cycles if entry.best] != [self.best_cycle]:
            raise ValueError(f"best_cycle is {self.best_cycle}, but the cycle marked best is another one")
        reasons = [entry.stop_reason for entry in self.cycles]
        if reasons != [None] * (len(reasons) - 1) + [self.stop_reason]:
            raise ValueError("stop_reason stands on the last cycle alone, and is the run's")
        for entry in self.cycles:
            if set(entry.AP) != set(self.categories):
                raise ValueError(
                    f"cycle {entry.cycle}: AP is of {sorted(entry.AP)}, the categories are {self.categories}"
                )
        return self


def write_summary(summary: Summary, uri: str) -> None:
    """Writes `summary.json`, atomically. Raises StorageError."""
    storage.write_json(uri, summary.to_dict())


def read_summary(uri: str) -> Summary:
    """Reads and checks `summary.json`. Raises UserError naming the file and the field, StorageError."""
    return Summary.from_dict(old_names.read_json(uri), uri)
