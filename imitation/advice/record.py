"""What `imitate advise` says, as records."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from imitation.common.formats.record import Count, Record

NOT_KNOWN = "not known"
RENDER, PHOTOGRAPH, LABELS, NOTHING = "render", "photograph", "look at the labels", "nothing shows yet"


class Costs(Record):
    """What the user says that things cost, in any one currency."""

    label: float = Field(0.0, ge=0, description="of one object's label")
    frame: float = Field(0.0, ge=0, description="of one real frame, taken and chosen, without its labels")
    gpu_hour: float = Field(0.0, ge=0, description="of an hour of the machine that renders and trains")

    @property
    def given(self) -> bool:
        return bool(self.label or self.frame or self.gpu_hour)


class Estimate(Record):
    """How many of the failures something would mend: an estimate with its 95 % interval, or why there is
    none. Below 0 it would break more than it mends."""

    mended: float | None = Field(None, description="failures mended; null: not known")
    low: float | None = Field(None, description="lower end of the interval; null without one")
    high: float | None = Field(None, description="upper end of the interval")
    reason: str | None = Field(None, description="why it is not known, and what would tell")

    @property
    def shows(self) -> bool:
        """Whether it mends beyond chance."""
        return self.low is not None and self.low > 0


class AdviceRow(Record):
    """A failure mode (a stratum: category, kind, trait), or all of them."""

    mode: str = Field(description='"car, missed, occluded"; "all" for the sum')
    failures: int = Field(ge=0, description="mined last, out of fold")
    out_of_reach: int = Field(ge=0, description="of them those that the simulator cannot stage")
    suspects: int = Field(ge=0, description="of them those that may be label errors")
    fed: int = Field(ge=0, description="failures that had frames rendered for them, over all cycles")
    fixed: int = Field(ge=0, description="of those: fixed after it")
    synthetic_frames: int | None = Field(description="frames for all in reach; null: none was ever rendered")
    synthetic: Estimate = Field(description="what these frames would mend")
    synthetic_cost: float | None = Field(None, description="of rendering them and training once")
    real: Estimate = Field(description="what `Advice.more_frames` more real frames would mend")
    real_cost: float | None = Field(None, description="of those frames, their labels and one training")
    advice: str = Field(description='"render", "photograph", "look at the labels", "nothing shows yet", ...')


class Advice(Record):
    """Render it, photograph it, or label it: `imitation.advice`."""

    cycle: int = Field(ge=0, description="whose failures they are: the last that was mined")
    train_frames: int = Field(ge=0, description="real frames trained on")
    more_frames: int = Field(ge=0, description="real frames that are asked about")
    objects_per_frame: float = Field(ge=0, description="labels that a real frame takes, on average")
    frames_per_failure: float | None = Field(description="rendered for each failure so far; null: none")
    render_seconds: float | None = Field(description="a rendered frame, start-up included; null: none")
    training_seconds: float | None = Field(description="of one training; null: not recorded")
    source: Literal["folds", "curves"] = Field(description="where the learning curve is from")
    sizes: list[Count] = Field(description="real frames that its trainings saw")
    rows: list[AdviceRow] = Field(description="ranked: what shows an effect first, cheapest or largest first")
    total: AdviceRow = Field(description="all failures together; real frames help all modes at once")
    out_of_reach: dict[str, Count] = Field(description="failures out of reach, by the reason why")
    set_aside: dict[str, Count] = Field(description="scenes given up in the last cycle, by how they ended")
    costs: Costs | None = Field(None, description="null where none were given")
    notes: list[str] = Field(description="what a reader must know of these figures")
