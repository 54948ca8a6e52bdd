"""Settings of a comparison; apart from its code, so that reading a configuration stays light."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from imitation.common.settings import Settings

MAX_SEEDS = 1000


class PrimarySettings(Settings):
    """The one question that a comparison answers; everything else in it is exploratory. Name it before the
    first run that you will report: a folder refuses another one."""

    arm: str = Field("imitation", description="the arm in question, by its detector chosen on val")
    against: list[list[str]] = Field(
        [["random"], ["real", "longer", "oversample"]],
        description="what it is compared with, one comparison a list; of several arms the better on val "
        "counts, those that were not run are left out",
    )
    measure: str = Field(
        "map50",
        description="map50, map, a category (its AP at IoU 0.5), or a function of your own, "
        '"package.module:function" (docs/guide.md); on real test',
    )


class CompareSettings(Settings):
    """A comparison of arms by `imitate compare` (docs/comparing.md). `imitate run` passes over it."""

    name: str = Field(
        "comparison", pattern=r"^[A-Za-z0-9][\w.-]*$", description="the comparison's folder in run.storage"
    )
    arms: list[str] = Field(
        ["real", "oversample", "sim", "random", "imitation"],
        description="real, longer (with train.warm_start alone), oversample, sim, random, untargeted, "
        "imitation, adaptive, or a policy of your own (package.module:factory)",
    )
    seeds: (
        Annotated[int, Field(ge=1, le=MAX_SEEDS)]
        | Annotated[list[Annotated[int, Field(ge=0, le=2**31 - 1)]], Field(min_length=1)]
    ) = Field(3, description="how many (run.seed and those after it), or a list of them")
    folds: int | None = Field(
        None,
        ge=2,
        description="small data: all labelled frames are pooled and cut into so many parts, each of which is "
        "test once; null: the dataset's own test split",
    )
    use_folds: list[Annotated[int, Field(ge=0)]] | None = Field(
        None,
        description="the folds to run, such as [0]: choose settings on some folds, report others; null: all",
    )
    budgets: list[Annotated[float, Field(gt=0, le=100)]] | None = Field(
        None,
        description="added frames per real one, such as [0.125, 0.5, 2]: every arm that adds frames runs "
        "with each, a curve, and the greatest is its budget elsewhere; smaller ones train on the first of "
        "its frames. Needs loop.cycles=1; null: by `aggregation`",
    )
    primary: PrimarySettings = PrimarySettings()
    synthetic_test: int = Field(
        60, ge=0, description="frames of the synthetic test set: free scenes of a seed of their own; 0: none"
    )
    resamples: int = Field(1000, ge=100, le=100_000, description="of the bootstrap")
    seed: int = Field(
        0, ge=0, le=2**31 - 1, description="of the bootstrap's draws and the synthetic test set"
    )
    max_hours: float | None = Field(
        None, gt=0, description="wall time of all starts together, after which nothing new is begun"
    )
    max_frames: int | None = Field(
        None, ge=1, description="frames rendered by all arms together, beyond which no arm is begun"
    )
    max_concurrent: Literal["auto"] | Annotated[int, Field(ge=1)] = Field(
        "auto", description="runs side by side; auto: one a GPU, or one a machine where there is none"
    )

    @model_validator(mode="after")
    def _possible(self) -> CompareSettings:
        if isinstance(self.seeds, list) and len(set(self.seeds)) < len(self.seeds):
            twice = next(seed for seed in self.seeds if self.seeds.count(seed) > 1)
            raise ValueError(f"seed {twice} stands twice in compare.seeds; a run repeated is no new evidence")
        if self.budgets is not None and (not self.budgets or sorted(set(self.budgets)) != self.budgets):
            raise ValueError(f"compare.budgets is {self.budgets}; name each once, the smallest first")
        if self.use_folds is not None:
            if self.folds is None:
                raise ValueError("compare.use_folds needs compare.folds, the number of parts")
            if wrong := [fold for fold in self.use_folds if fold >= self.folds]:
                raise ValueError(
                    f"there is no fold {wrong[0]}: compare.folds is {self.folds}, and folds count from 0"
                )
            if not self.use_folds or len(set(self.use_folds)) < len(self.use_folds):
                raise ValueError(
                    f"compare.use_folds is {self.use_folds}; name each fold once, and at least one"
                )
        return self
