"""Settings of the simulator pool; apart from the pool, so that reading them does not import Ray."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from imitation.common.formats.validation import sentence
from imitation.common.settings import Settings
from imitation.common.texts import shown
from imitation.common.wording import did_you_mean
from sim_actors.simulators.registry import EMBEDDED, SIMULATORS

MAX_ACTORS = 4096


class MemberSettings(Settings):
    """One of several simulators in `simulate.simulator`."""

    name: str = Field(description='as simulate.simulator names one: "opengl", "package.module:factory", ...')
    weight: float = Field(
        1.0, gt=0, le=1e6, description="its part of the scenes, in relation to the others' weights"
    )
    label: str = Field("", description="its name among them; the simulator's own where it stands there once")
    options: dict[str, Any] = Field(
        {},
        description="its options; of one with a section of its own (renderer) those that differ from it",
    )

    @field_validator("name")
    @classmethod
    def _known(cls, value: str) -> str:
        return SIMULATORS.check(value)

    @model_validator(mode="before")
    @classmethod
    def _labelled(cls, data: Any) -> Any:
        if isinstance(data, dict) and not data.get("label") and isinstance(data.get("name"), str):
            return {**data, "label": data["name"]}
        return data


class EachSettings(Settings):
    """How the pool runs one of several simulators: settings of the section, for it alone (null: as there)."""

    actors: Literal["auto"] | Annotated[int, Field(ge=1, le=MAX_ACTORS)] | None = None
    cpus_per_actor: float | None = Field(None, ge=0, le=1024)
    gpus_per_actor: float | None = Field(None, ge=0, le=16)
    scenes_per_actor: int | None = Field(None, ge=1, le=64)
    max_in_flight: int | None = Field(None, ge=1, le=8)
    scene_timeout_s: float | None = Field(None, gt=0)
    startup_timeout_s: float | None = Field(None, gt=0)
    max_rss_mb: float | None = Field(None, gt=0)


class SimulateSettings(Settings):
    """The simulator pool and the files it fills."""

    simulator: str | tuple[MemberSettings, ...] = Field(
        EMBEDDED,
        description='"opengl", "blender", "unrealcv", "carla", "command" (a program on a pipe), or the '
        'import path of your own: "package.module:factory". Several, each for its part of the scenes: '
        "[{name: opengl, weight: 0.8}, {name: command, weight: 0.2, options: {...}}] (docs/simulator.md)",
    )
    options: dict[str, Any] = Field({}, description="options of your own simulator")
    each: dict[str, EachSettings] = Field(
        {},
        description="several simulators: settings of this section for one of them, by its label, such as "
        "{command: {actors: 1, scene_timeout_s: 600}}",
    )
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
    def _counted(self) -> SimulateSettings:
        if not _countable(self):
            raise ValueError(_UNCOUNTABLE)
        return self

    @property
    def members(self) -> tuple[MemberSettings, ...]:
        """The simulators: several, or the one."""
        if isinstance(self.simulator, str):
            return (MemberSettings(name=self.simulator, options=self.options),)
        return self.simulator

    @property
    def title(self) -> str:
        """The simulators' names, for messages."""
        return " + ".join(member.label for member in self.members)

    @field_validator("simulator", mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        if isinstance(value, str):
            return SIMULATORS.check(value)
        if not isinstance(value, list | tuple):
            raise ValueError(f"it is a name, or a list of several simulators, not {shown(value)}")
        return tuple(_member(item, index) for index, item in enumerate(value))

    @field_validator("simulator")
    @classmethod
    def _several(cls, value: str | tuple[MemberSettings, ...]) -> str | tuple[MemberSettings, ...]:
        if isinstance(value, str):
            return value
        if not value:
            raise ValueError("the list names no simulator")
        label, count = Counter(member.label for member in value).most_common(1)[0]
        if count > 1:
            raise ValueError(
                f"{count} of them are called {label!r}; give each a label of its own: "
                f"[{{name: {label}, label: ...}}, ...]"
            )
        return value

    @model_validator(mode="after")
    def _of_each(self) -> SimulateSettings:
        if isinstance(self.simulator, str):
            if self.each:
                raise ValueError(
                    "each: it is for several simulators, and simulate.simulator names one; set the section's "
                    "own keys"
                )
            return self
        if self.options:
            raise ValueError(
                "options: of several simulators each has its own; write them into simulate.simulator: "
                "[{name: ..., options: {...}}, ...]"
            )
        labels = [member.label for member in self.simulator]
        for label, own in self.each.items():
            if label not in labels:
                raise ValueError(f"each: no simulator is called {label!r}; {did_you_mean(label, labels)}")
            if not _countable(self.model_copy(update={k: v for k, v in own if v is not None})):
                raise ValueError(f"each: {label}: {_UNCOUNTABLE}")
        return self


_UNCOUNTABLE = (
    "actors: auto counts what fits, but a worker reserves nothing (cpus_per_actor and gpus_per_actor are 0); "
    "give actors as a number"
)


def _countable(settings: SimulateSettings) -> bool:
    return settings.actors != "auto" or bool(settings.cpus_per_actor or settings.gpus_per_actor)


def _member(item: Any, index: int) -> MemberSettings:
    if isinstance(item, MemberSettings):
        return item
    if isinstance(item, str):
        item = {"name": item}
    try:
        return MemberSettings.model_validate(item)
    except ValidationError as error:
        raise ValueError(f"[{index}]: {sentence(error, MemberSettings)}") from None
