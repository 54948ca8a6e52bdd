"""Settings of mining: folds, thresholds, reach."""

from __future__ import annotations

from pydantic import Field

from imitation.common.settings import Settings
from imitation.diagnosis.feasibility import ReachSettings
from imitation.diagnosis.subgroup_discovery import ModeSettings


class MiningSettings(Settings):
    """Where failures are looked for."""

    folds: int = Field(
        2, ge=2, description="out-of-fold mining in train: each of K detectors mines the part it did not see"
    )
    fold_steps: float = Field(
        0.6, gt=0, le=1, description="optimizer steps of a fold's detector, as a share of train.steps"
    )
    max_failures: int = Field(
        100_000, ge=1, description="failures that a policy sees, at most; more are drawn from at random"
    )
    modes: ModeSettings = Field(ModeSettings(), description="how failures are grouped into modes")
    reach: ReachSettings = Field(
        ReachSettings(), description="which failures are too hard to see for a simulator to answer"
    )

    def steps_of_fold(self, steps: int) -> int:
        """Optimizer steps of a fold's detector, where a whole training takes `steps`."""
        return max(1, round(steps * self.fold_steps))
