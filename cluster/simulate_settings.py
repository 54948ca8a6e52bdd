"""Settings of the simulator pool; apart from the pool, so that reading them does not import Ray."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from imitation.settings import Settings
from sim_actors.factory import check_simulator_name


class SimulateSettings(Settings):
    """The simulator pool and the files it fills."""

    simulator: str = Field(
        "opengl", description='"opengl", or the import path of your own: "package.module:factory"'
    )
    options: dict[str, Any] = Field({}, description="keyword arguments of your own simulator's factory")
    actors: Literal["auto"] | Annotated[int, Field(ge=1, le=4096)] = Field(
        "auto",
        description="simulators side by side; auto: what the CPUs and GPUs hold, one CPU kept free",
    )
    cpus_per_actor: float = Field(1.0, ge=0, le=1024, description="CPUs an actor reserves")
    gpus_per_actor: float = Field(
        0.0, ge=0, le=16, description="GPUs an actor reserves; a fraction lets several share one"
    )
    max_in_flight: int = Field(
        2, ge=1, le=8, description="scenes at an actor: one that renders, the others queued behind it"
    )
    scene_timeout_s: float = Field(120.0, gt=0, description="a scene that takes longer hangs, s")
    startup_timeout_s: float = Field(
        180.0, gt=0, description="time for a simulator to start, and for its first scene, s"
    )
    placement_timeout_s: float = Field(
        600.0, gt=0, description="how long to wait for the cluster to place the first actor, s"
    )
    max_attempts: int = Field(
        2, ge=1, le=100, description="a scene that fails this often (crash, hang, error) is set aside"
    )
    recycle_after: int = Field(5000, ge=1, description="scenes after which an actor is replaced")
    max_rss_mb: float = Field(
        4096.0, gt=0, description="private memory above which an actor is replaced by a fresh one, MiB"
    )
    frames_per_file: int = Field(256, ge=1, le=100_000, description="rendered frames of a Parquet file")

    @field_validator("simulator")
    @classmethod
    def _known(cls, value: str) -> str:
        return check_simulator_name(value)
