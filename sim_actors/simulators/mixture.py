"""Several simulators side by side: which of them stages a scene is drawn from the scene's seed.

The draw depends on the scene, the labels and the weights alone, so it is the same whatever renders first,
wherever, and after a restart. What the drawn one refuses goes to the next in the scene's own order, which
is as if it had been drawn among those that can. Changing one weight, or adding a simulator, moves only the
scenes that this one gains or loses.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from sim_actors.scene.records import Scene
from sim_actors.simulators.guarded import GuardedHost
from sim_actors.simulators.registry import SimulatorSpec
from sim_actors.simulators.worker import Answer, SceneJob

_STREAM = zlib.crc32(b"simulator")  # apart from what a scene's seed drives itself


@dataclass(frozen=True)
class Member:
    """One simulator of a mixture. Of the scenes that all of them can stage it gets its part of the sum of all
    weights, which are above 0."""

    spec: SimulatorSpec
    weight: float = 1.0

    @property
    def label(self) -> str:
        """Its name in the mixture, unique there."""
        return self.spec.shown


@dataclass(frozen=True)
class Mixture:
    """One simulator or more, by label."""

    members: tuple[Member, ...]

    @classmethod
    def one(cls, spec: SimulatorSpec) -> Mixture:
        """A single simulator, which gets every scene."""
        return cls((Member(spec),))

    @property
    def mixed(self) -> bool:
        return len(self.members) > 1

    @cached_property
    def specs(self) -> Mapping[str, SimulatorSpec]:
        """label -> simulator, in the order in which they were named."""
        return {member.label: member.spec for member in self.members}

    @property
    def shown(self) -> str:
        """Their names, for messages."""
        return " + ".join(self.specs)

    def shares(self) -> dict[str, float]:
        """label -> its part of the scenes that all can stage."""
        total = math.fsum(member.weight for member in self.members)
        return {member.label: member.weight / total for member in self.members}

    def order(self, scene: Scene) -> tuple[str, ...]:
        """The labels, the one that is drawn for this scene first, then who takes over what others refuse.

        Each simulator draws a waiting time from the scene's seed, exponential with its weight as the rate,
        and the shortest comes first. So the first is drawn by weight, as is the first of any part of them.
        """
        if not self.mixed:
            return tuple(self.specs)
        times = {member.label: _draw(scene, member.label) / member.weight for member in self.members}
        return tuple(sorted(times, key=times.__getitem__))

    def catalog(self) -> frozenset[str] | None:
        """The categories that some of them can stage, lower case; None where one does not say. (Whether one
        of them has all that a scene holds is asked scene by scene.)"""
        catalogs = [spec.catalog() for spec in self.specs.values()]
        known = [catalog for catalog in catalogs if catalog is not None]
        return frozenset().union(*known) if len(known) == len(catalogs) else None


def _draw(scene: Scene, label: str) -> float:
    name = zlib.crc32(f"{label}/{scene.scene_id}".encode())
    return float(np.random.default_rng([_STREAM, scene.seed, name]).standard_exponential())


def all_refuse(reasons: Mapping[str, Sequence[str]]) -> str:
    """What is said of a scene that each of several simulators refuses: label -> its sentences."""
    return "no simulator stages it: " + "; ".join(
        f"{who}: {'; '.join(said)}" for who, said in reasons.items()
    )


class GuardedMixture:
    """A `GuardedHost` for each simulator, begun with its first scene; a context manager, at whose end all are
    gone. The first scene of each is rendered twice, to see that it is deterministic."""

    def __init__(self, mixture: Mixture, limits: Mapping[str, tuple[float, float]]) -> None:
        """`limits`: label -> seconds for a scene, and for starting."""
        self.mixture = mixture
        self._hosts = {label: GuardedHost(spec, *limits[label]) for label, spec in mixture.specs.items()}
        self._tried: set[str] = set()

    def __enter__(self) -> GuardedMixture:
        return self

    def __exit__(self, *error: object) -> None:
        for host in self._hosts.values():
            host.close()

    def start(self) -> str | None:
        """Starts every simulator; why the first that does not start fails, None if all run."""
        return next((why for host in self._hosts.values() if (why := host.start().error) is not None), None)

    def render(self, job: SceneJob) -> Answer:
        """Renders a job with the simulator that is drawn for it, or the first after it that stages it."""
        refused: dict[str, tuple[str, ...]] = {}
        for label in self.mixture.order(job.scene):
            twice = label not in self._tried
            answer = self._hosts[label].render(replace(job, twice=job.twice or twice))
            if not answer.unsupported:
                self._tried.add(label)
                return answer
            refused[label] = answer.unsupported
        return replace(answer, unsupported=(all_refuse(refused),)) if self.mixture.mixed else answer
