"""Settings of the simulator pool; apart from the pool, so that reading them does not import Ray."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from imitation.common.settings import Settings
from sim_actors.simulators.registry import EMBEDDED, SIMULATORS

MAX_ACTORS = 4096


class SimulateSettings(Settings):
    """The simulator pool and the files it fills."""

    simulator: str = Field(
        EMBEDDED, description='"opengl", or the import path of your own: "package.module:factory"'
    )
    options: dict[str, Any] = Field({}, description="options of your own simulator")
    actors: Literal["auto"] | Annotated[int, Field(ge=1, le=MAX_ACTORS)] = Field(
        "auto",
        description="simulator processes side by side; auto: what the CPUs and GPUs of the cluster hold, "
        "one CPU kept free, followed as nodes come and go; where the cluster autoscales, nodes for up to "
        "max_actors are asked for while scenes wait",
    )
    max_actors: int | None = Field(
        None,
        ge=1,
        le=MAX_ACTORS,
        description="actors: auto: simulators at most; null: no limit but what the cluster may grow to",
    )
    cpus_per_actor: float = Field(1.0, ge=0, le=1024, description="CPUs a worker reserves")
    gpus_per_actor: float = Field(
        0.0, ge=0, le=16, description="GPUs a worker reserves; a fraction lets several share one"
    )
    scenes_per_actor: int = Field(
        1,
        ge=1,
        le=64,
        description="scenes that a worker renders at once, each by a simulator of its own in a thread of "
        "its own; above 1 for simulators that only wait (a remote one)",
    )
    max_in_flight: int = Field(
        2,
        ge=1,
        le=8,
        description="scenes at a worker that renders one at a time: that one, the others queued behind it",
    )
    scene_timeout_s: float = Field(120.0, gt=0, description="a scene that takes longer hangs, s")
    startup_timeout_s: float = Field(
        180.0, gt=0, description="time for a simulator to start, and for its first scene, s"
    )
    placement_timeout_s: float = Field(
        600.0, gt=0, description="how long to wait for the cluster to place the first worker, s"
    )
    max_attempts: int = Field(
        2, ge=1, le=100, description="a scene that fails this often (crash, hang, error) is set aside"
    )
    recycle_after: int = Field(5000, ge=1, description="scenes after which a worker is replaced")
    max_rss_mb: float = Field(
        4096.0, gt=0, description="private memory above which a worker is replaced by a fresh one, MiB"
    )
    frames_per_file: int = Field(256, ge=1, le=100_000, description="rendered frames of a Parquet file")

    @property
    def most_actors(self) -> int:
        """The limit of `actors: auto`."""
        return self.max_actors or MAX_ACTORS

    @property
    def scenes_at_actor(self) -> int:
        """How many scenes a worker has at most. Where it renders several at once none queues: who
        is late could not be told."""
        return self.max_in_flight if self.scenes_per_actor == 1 else self.scenes_per_actor

    @model_validator(mode="after")
    def _countable(self) -> SimulateSettings:
        if self.actors == "auto" and not (self.cpus_per_actor or self.gpus_per_actor):
            raise ValueError(
                "actors: auto counts what fits, but a worker reserves nothing (cpus_per_actor and "
                "gpus_per_actor are 0); give actors as a number"
            )
        return self

    @field_validator("simulator")
    @classmethod
    def _known(cls, value: str) -> str:
        return SIMULATORS.check(value)
