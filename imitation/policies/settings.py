"""Settings of the policies, apart from their code."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from imitation.common.settings import Settings
from imitation.evaluation.failures import KINDS
from imitation.policies.registry import POLICIES


class StrengthSettings(Settings):
    """How strongly scenes are perturbed, cycle by cycle: a factor on `randomize.strength`, linear from
    `first` to `last`. Free scenes have no neighbourhood and do not heed it."""

    first: float = Field(1.0, ge=0, le=1, description="factor on randomize.strength in cycle 1")
    last: float = Field(1.0, ge=0, le=1, description="factor from cycle `cycles` on; linear in between")
    cycles: int = Field(2, ge=1, description="the cycle in which `last` is reached")

    @model_validator(mode="after")
    def _has_time(self) -> StrengthSettings:
        if self.first != self.last and self.cycles == 1:
            raise ValueError(
                f"goes from {self.first:g} to {self.last:g} in no time; set cycles to 2 or more, "
                "the cycle in which `last` is reached"
            )
        return self

    def at(self, cycle: int) -> float:
        """The factor of synthetic cycle `cycle` (1-based)."""
        done = 1.0 if self.cycles == 1 else min(1.0, (cycle - 1) / (self.cycles - 1))
        return self.first + done * (self.last - self.first)


class AdaptiveSettings(Settings):
    """How `adaptive` learns in which strata synthetic frames fix failures (equations: docs/method.md)."""

    explore: float = Field(
        0.2,
        ge=0,
        le=1,
        description="share of the budget spread as `imitation` spreads it, whatever was learnt",
    )
    discount: float = Field(
        0.8, gt=0, le=1, description="weight of what a cycle taught, for each cycle that has passed since"
    )
    prior: float = Field(
        4.0, gt=0, description="failures that the average over all strata counts for, in each stratum's rates"
    )
    worthwhile: float = Field(
        0.05, ge=0, le=1, description="rise of a failure's chance to be fixed, above chance, worth its frames"
    )
    give_up: float = Field(
        0.2, ge=0, lt=1, description="a stratum is no longer fed once its rise is worthwhile only with a "
        "probability below this; 0: never",
    )  # fmt: skip


class PolicySettings(Settings):
    """How failures become requests."""

    name: str = Field(
        "imitation",
        description='"imitation", "adaptive", "untargeted" (re-stages frames drawn blindly), "random", '
        '"oversample" (repeats failing frames, no simulator), "none" (real data alone), or a policy of your '
        'own, "package.module:factory"',
    )
    variations: int = Field(2, ge=1, description="frames rendered for one failing frame, each perturbed anew")
    kind_weights: dict[str, float] = Field(
        {
            "missed": 1.0,
            "background": 0.5,
            "localization": 0.5,
            "classification": 1.0,
            "both": 1.0,
            "duplicate": 0.25,
        },
        description="how much a failure of each kind asks for; 0 leaves the kind out",
    )
    rarity: float = Field(
        0.5,
        ge=0.0,
        le=1.0,
        description="weight of a failing object by its category's frequency f: f ** -rarity (0: all alike)",
    )
    spread: float = Field(
        0.5,
        ge=0.0,
        le=1.0,
        description="budget of a stratum by its weight w: w ** (1 - spread) (0: proportional, 1: equal)",
    )
    max_clutter: int = Field(
        3, ge=0, description="false detections of one frame that become clutter, at most"
    )
    elsewhere: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of the frames asked for in which what failed appears elsewhere: new actors like "
        "failing objects, set into the photo of any frame that may be mined, failing or not",
    )
    elsewhere_actors: int = Field(3, ge=1, le=10, description="new actors in such a photo")
    strength: StrengthSettings = Field(
        StrengthSettings(), description="how strongly scenes are perturbed, cycle by cycle"
    )
    adaptive: AdaptiveSettings = Field(
        AdaptiveSettings(), description="how `adaptive` learns where synthetic frames help"
    )

    @field_validator("name")
    @classmethod
    def _known_name(cls, value: str) -> str:
        return POLICIES.check(value)

    @field_validator("kind_weights")
    @classmethod
    def _known_kinds(cls, weights: dict[str, float]) -> dict[str, float]:
        for kind, weight in weights.items():
            if kind not in KINDS:
                raise ValueError(f"{kind!r} is no kind of failure; known are {', '.join(KINDS)}")
            if weight < 0:
                raise ValueError(f"the weight of {kind!r} is {weight}, but must be 0 or more")
        return {kind: weights.get(kind, 1.0) for kind in KINDS}
