"""What each simulator of a mixture did in one stage."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from cluster.simulation.work_queue import Rendered, SetAside
from imitation.data.records import Origin
from sim_actors.scene.records import Scene
from sim_actors.simulators.mixture import Mixture


@dataclass(frozen=True)
class Share:
    """One simulator's. `weight` is its part of the scenes that all can stage, 0 to 1; `frames` lie in the
    folder; `set_aside` are the scenes that it failed at, rejected frames among them; `refused` were drawn
    for it, which cannot stage them. Of this run alone: wall `seconds` and `cpu_seconds` of the `rendered`
    scenes, rejected ones among them."""

    weight: float
    frames: int = 0
    set_aside: int = 0
    refused: int = 0
    rendered: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0


class Tally:
    """Counts one stage; counts nothing where there is one simulator."""

    def __init__(self, mixture: Mixture) -> None:
        self._mixture = mixture
        self._frames: Counter[str] = Counter()
        self._set_aside: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._rendered: Counter[str] = Counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._cpu_seconds: defaultdict[str, float] = defaultdict(float)

    @property
    def needed(self) -> bool:
        return self._mixture.mixed

    def begin(self, frames: Iterable[Origin], set_aside: Iterable[SetAside]) -> None:
        """What earlier runs have left: the lineage of their frames, and their lost scenes."""
        for origin in frames:
            order = self._mixture.order(Scene.from_json(origin.scene))
            label = origin.simulator_label
            if label in order:
                self._frames[label] += 1
                self._refused.update(order[: order.index(label)])
        for item in set_aside:
            self.given_up(item)

    def rendered(self, outcome: Rendered) -> None:
        """A scene was finished, whatever becomes of its frame."""
        self._rendered[outcome.simulator] += 1
        self._seconds[outcome.simulator] += outcome.seconds
        self._cpu_seconds[outcome.simulator] += outcome.cpu_seconds

    def kept(self, outcomes: Iterable[Rendered]) -> None:
        """Frames were committed."""
        for outcome in outcomes:
            self._frames[outcome.simulator] += 1
            self._refused.update(outcome.refused_by)

    def given_up(self, outcome: SetAside) -> None:
        """A scene was set aside."""
        self._set_aside[outcome.simulator] += 1
        self._refused.update(outcome.refused_by)

    def shares(self) -> dict[str, Share]:
        """label -> what it did; nothing where there is one."""
        if not self.needed:
            return {}
        return {
            label: Share(
                weight=round(weight, 6),
                frames=self._frames[label],
                set_aside=self._set_aside[label],
                refused=self._refused[label],
                rendered=self._rendered[label],
                seconds=round(self._seconds[label], 3),
                cpu_seconds=round(self._cpu_seconds[label], 3),
            )
            for label, weight in self._mixture.shares().items()
        }
