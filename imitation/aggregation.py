"""The growing dataset: real frames plus all synthetic frames so far, under a cap.

DAgger's aggregation (Ross, Gordon, Bagnell, AISTATS 2011): D <- D + D_k; every cycle trains on
all of D. The cap is the method's own (Kishore et al. 2021): synthetic frames number at most
`max_ratio` (0.5) times the real ones, since a detector overfits to synthetic data beyond it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from pydantic import Field

from imitation.settings import Settings


class AggregationSettings(Settings):
    """How much synthetic data may join the real data."""

    max_synthetic_ratio: float = Field(
        0.5, ge=0.0, description="unique synthetic frames per real frame, at most (0.5 in the paper)"
    )
    synthetic_per_cycle: float = Field(
        0.25, gt=0.0, description="new synthetic frames a cycle asks for, per real frame, under the cap"
    )


@dataclass(frozen=True, slots=True)
class Part:
    """Frames that lie together: a Parquet file or folder. `cycle` is None for real frames."""

    uri: str
    frames: int
    cycle: int | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """What a cycle trains on: the real part and one synthetic part for each cycle so far."""

    real: Part
    settings: AggregationSettings
    synthetic: tuple[Part, ...] = ()

    @property
    def synthetic_frames(self) -> int:
        return sum(part.frames for part in self.synthetic)

    @property
    def synthetic_ratio(self) -> float:
        """Synthetic frames per real frame."""
        return self.synthetic_frames / self.real.frames

    @property
    def uris(self) -> tuple[str, ...]:
        """Every part that has frames, the real one first."""
        return (self.real.uri, *(part.uri for part in self.synthetic if part.frames))

    def cap(self) -> int:
        """The number of synthetic frames that the real ones allow."""
        return math.floor(self.settings.max_synthetic_ratio * self.real.frames + 1e-9)

    def room_for_synthetic(self) -> int:
        """How many frames the next cycle may ask for: its share, or what is left under the cap."""
        share = math.ceil(self.settings.synthetic_per_cycle * self.real.frames)
        return max(0, min(share, self.cap() - self.synthetic_frames))

    def aggregate(self, part: Part) -> Dataset:
        """This dataset with one more synthetic part.

        Raises ValueError if the part would exceed the cap: a policy asked for more than its budget.
        """
        if self.synthetic_frames + part.frames > self.cap():
            raise ValueError(
                f"{part.uri}: {part.frames} frames on top of {self.synthetic_frames} would exceed the cap "
                f"of {self.cap()} synthetic frames for {self.real.frames} real ones"
            )
        return replace(self, synthetic=(*self.synthetic, part))
