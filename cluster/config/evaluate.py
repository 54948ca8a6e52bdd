"""Settings of the evaluation pass."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from imitation.common.settings import Settings
from imitation.detectors.settings import Precision


class EvaluateSettings(Settings):
    """How the evaluation pass uses the cluster."""

    actors: int = Field(1, ge=1, description="detector workers")
    cpus_per_actor: float = Field(1.0, gt=0, description="logical CPUs a detector worker takes")
    gpus_per_actor: Literal["auto"] | Annotated[float, Field(ge=0, le=1)] = Field(
        "auto", description="GPUs a detector worker takes; auto: half of one where the cluster has any"
    )
    batch_size: int = Field(32, ge=1, description="frames that a worker takes at once")
    max_attempts: int = Field(
        3,
        ge=1,
        description="times that a frame is tried while the detector's process dies of it; then it counts as "
        "one that cannot be read (data.on_error)",
    )
    precision: Precision = Field("auto", description="numbers of the forward pass, as train.precision")
    threads: int | None = Field(None, ge=1, description="torch threads a worker; null: the machine's CPUs")
    operating_threshold: Literal["single", "per_category"] = Field(
        "single",
        description="from which score on a detection counts, chosen on val: single (of greatest F1 over all "
        "categories together), or per_category (of greatest F1 of each; a category with too few objects "
        "takes the single one)",
    )
    threshold_objects: int = Field(
        10,
        ge=1,
        description="per_category: objects on val from which on a category gets a threshold of its own",
    )

    @property
    def min_objects(self) -> int | None:
        """As `summarize` takes it: None for one threshold."""
        return self.threshold_objects if self.operating_threshold == "per_category" else None
