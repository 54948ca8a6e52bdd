"""Settings of mining: folds, thresholds, reach."""

from __future__ import annotations

from typing import Literal

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
    fold_start: Literal["scratch", "before"] = Field(
        "scratch",
        description="where a fold's detector starts from in cycle 1 and later: scratch, or before: its own "
        "weights of the last cycle that trained it, which has seen neither the fold nor what was re-staged "
        "from it",
    )
    later_fold_steps: float | None = Field(
        None, gt=0, le=1, description="the share of train.steps in cycle 1 and later; null: fold_steps"
    )
    folds_every: int = Field(
        1,
        ge=1,
        description="cycles from one training of the folds' detectors to the next; in those between, the "
        "last ones mine again",
    )
    max_failures: int = Field(
        100_000, ge=1, description="failures that a policy sees, at most; more are drawn from at random"
    )
    modes: ModeSettings = Field(ModeSettings(), description="how failures are grouped into modes")
    reach: ReachSettings = Field(
        ReachSettings(), description="which failures are too hard to see for a simulator to answer"
    )

    def steps_of_fold(self, steps: int, cycle: int = 0) -> int:
        """Optimizer steps of a fold's detector in a cycle, where a whole training takes `steps`."""
        share = self.fold_steps if cycle == 0 else self.later_fold_steps or self.fold_steps
        return max(1, round(steps * share))

    def trained_in(self, cycle: int) -> int:
        """The cycle whose fold detectors mine in this one: itself, or one before."""
        return cycle - cycle % self.folds_every
