"""The growing dataset: real frames plus all that was added to them so far, under a cap.

DAgger's aggregation (Ross, Gordon, Bagnell, AISTATS 2011): D <- D + D_k; every cycle trains on
all of D. The cap is the method's own (Kishore et al. 2021): synthetic frames number at most
`max_ratio` (0.5) times the real ones, since a detector overfits to synthetic data beyond it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field

from imitation.common.settings import Settings, UserError


class AggregationSettings(Settings):
    """How much synthetic data may join the real data."""

    max_synthetic_ratio: float = Field(
        0.5, ge=0.0, description="unique synthetic frames per real frame, at most (0.5 in the paper)"
    )
    synthetic_per_cycle: float = Field(
        0.25, gt=0.0, description="new synthetic frames a cycle asks for, per real frame, under the cap"
    )
    budgets: list[Annotated[int, Field(ge=0)]] | None = Field(
        None,
        description="new synthetic frames of cycle 1, 2, ... in place of synthetic_per_cycle, such as what "
        "another run spent; none after the last",
    )
    frames_of: str | None = Field(
        None,
        description="a run in run.storage, on the same baseline, whose synthetic frames are taken instead of "
        "rendering: cycle by cycle the first so many in the order of its requests",
    )


@dataclass(frozen=True, slots=True)
class Part:
    """Frames that lie together: a Parquet file or folder. `cycle` is None for real frames. A `repeated`
    part brings no new frame: its file says which real frames are to be trained on once more."""

    uri: str
    frames: int
    cycle: int | None = None
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Dataset:
    """What a cycle trains on: the real part and what each cycle so far has added."""

    real: Part
    settings: AggregationSettings
    added: tuple[Part, ...] = ()

    @property
    def synthetic(self) -> tuple[Part, ...]:
        """The parts of rendered frames that have any."""
        return tuple(part for part in self.added if part.frames and not part.repeated)

    @property
    def repeated(self) -> tuple[Part, ...]:
        """The parts that repeat real frames, if they repeat any."""
        return tuple(part for part in self.added if part.frames and part.repeated)

    @property
    def synthetic_frames(self) -> int:
        return sum(part.frames for part in self.synthetic)

    @property
    def added_frames(self) -> int:
        """Synthetic and repeated frames: what the cap counts."""
        return sum(part.frames for part in self.added)

    @property
    def added_ratio(self) -> float:
        """Added frames per real frame."""
        return self.added_frames / self.real.frames

    @property
    def uris(self) -> tuple[str, ...]:
        """Every part that has frames of its own, the real one first."""
        return (self.real.uri, *(part.uri for part in self.synthetic))

    def cap(self) -> int:
        """The number of synthetic frames that the real ones allow."""
        return math.floor(self.settings.max_synthetic_ratio * self.real.frames + 1e-9)

    def left_under_cap(self) -> int:
        """How many more frames the cap admits."""
        return self.cap() - self.added_frames

    def room_for_synthetic(self) -> int:
        """How many frames the next cycle may ask for: its share, or what is left under the cap."""
        budgets = self.settings.budgets
        if budgets is None:
            share = math.ceil(self.settings.synthetic_per_cycle * self.real.frames)
        else:
            share = budgets[len(self.added)] if len(self.added) < len(budgets) else 0
        return max(0, min(share, self.left_under_cap()))

    def aggregate(self, part: Part) -> Dataset:
        """This dataset with one more part.

        Raises ValueError if the part would exceed the cap: a policy asked for more than its budget.
        """
        if self.added_frames + part.frames > self.cap():
            raise ValueError(
                f"{part.uri}: {part.frames} frames on top of {self.added_frames} would exceed the cap "
                f"of {self.cap()} synthetic frames for {self.real.frames} real ones"
            )
        return replace(self, added=(*self.added, part))


def planned_budgets(settings: AggregationSettings, real_frames: int, cycles: int) -> list[int]:
    """The most frames that each of so many cycles may add to `real_frames` real ones, where every cycle
    before it used its whole budget; 0 from the cap on."""
    dataset = Dataset(Part("", real_frames), settings)
    budgets = []
    for cycle in range(1, cycles + 1):
        budgets.append(dataset.room_for_synthetic())
        dataset = dataset.aggregate(Part("", budgets[-1], cycle))
    return budgets


def check_budgets(budgets: Sequence[int], settings: AggregationSettings, real_frames: int) -> None:
    """Raises UserError where budgets together lie above the cap on synthetic frames."""
    cap = Dataset(Part("", real_frames), settings).cap()
    if sum(budgets) > cap:
        raise UserError(
            f"aggregation.budgets {list(budgets)} are {sum(budgets)} frames, over the cap of {cap} for "
            f"{real_frames} real ones (aggregation.max_synthetic_ratio is {settings.max_synthetic_ratio:g})"
        )
