"""Settings of a sweep; apart from its code, so that reading a configuration stays light."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from imitation.common.settings import Settings


class SweepSettings(Settings):
    """Trials of other settings by `imitate sweep` (docs/sweeps.md). `imitate run` passes over it."""

    name: str = Field(
        "sweep", pattern=r"^[A-Za-z0-9][\w.-]*$", description="the sweep's folder in run.storage"
    )
    space: dict[str, Any] = Field(
        {},
        description="what varies: section.key: {choice: [a, b]}, {grid: [a, b]}, {uniform: [low, high]}, "
        "{loguniform: [low, high]}, {quniform: [low, high, step]}, {int: [low, high]} or "
        "{logint: [low, high]}",
    )
    samples: int = Field(
        8, ge=1, le=100_000, description="draws from the space, each with every combination of its grids"
    )
    search: Literal["random", "optuna"] = Field(
        "random", description="random, or optuna: later trials follow what earlier ones found"
    )
    scheduler: Literal["asha", "none"] = Field(
        "asha", description="asha ends the worse trials between cycles; none lets all go on to their end"
    )
    grace: int = Field(
        2,
        ge=2,
        description="imitation cycles before which no trial is ended early (cycle 1 often lies below the "
        "baseline)",
    )
    reduction_factor: float = Field(
        3.0, ge=1.5, le=100, description="asha: of so many trials that get equally far one may go on"
    )
    max_concurrent: Literal["auto"] | Annotated[int, Field(ge=1)] = Field(
        "auto", description="trials side by side; auto: what the CPUs and GPUs hold"
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="of the draws from the space, not of the trainings")
