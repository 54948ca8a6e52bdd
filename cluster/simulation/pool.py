"""The simulator pool: scenes in, each of them out exactly once, rendered or set aside with a reason.

A crew of workers for each simulator (`cluster.simulation.crew`): one, or those of a mixture, among whom the
scenes are dealt (`cluster.simulation.mixing.dealing`). The pool waits for whatever ends first, and shares the
cluster among the crews.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Generator, Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import Any

import ray
from ray.exceptions import RayError

from cluster.config.simulate import SimulateSettings
from cluster.simulation.crew import CLOSE_S, Crew
from cluster.simulation.mixing.dealing import Deal
from cluster.simulation.mixing.sharing import Sharing
from cluster.simulation.slot import Slot
from cluster.simulation.work_queue import Outcome, PoolCounts
from imitation.common.settings import UserError
from sim_actors.simulators.mixture import Mixture
from sim_actors.simulators.registry import SimulatorSpec
from sim_actors.simulators.worker import SceneJob

GATHER_S = 20e-6  # for each call watched (5 ms for 256): several times what a step costs


class SimulatorPool:
    """Simulator workers on a running Ray, kept warm until `close`; a context manager."""

    def __init__(
        self,
        simulators: SimulatorSpec | Mixture,
        settings: SimulateSettings,
        proved: bool | Collection[str] = False,
        each: Mapping[str, SimulateSettings] | None = None,
        apart: Collection[str] = (),
    ) -> None:
        """`proved`: whether the simulators are known to be deterministic, or the labels of those that are; of
        the others one scene is rendered twice.
        `each`: label -> the settings of one simulator's workers, where they are not `settings`. `apart`: the
        labels whose number of workers is their own; the others share what there is room for."""
        mixture = Mixture.one(simulators) if isinstance(simulators, SimulatorSpec) else simulators
        each = each or {}
        self.mixture = mixture
        self.settings = settings
        self.crews = {
            label: Crew(
                spec, each.get(label, settings), proved if isinstance(proved, bool) else label in proved
            )
            for label, spec in mixture.specs.items()
        }
        self._sharing = Sharing(mixture, self.crews, apart)
        self._deal: Deal | None = None
        self._busy = False

    def __enter__(self) -> SimulatorPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.kill()

    def render(self, jobs: Iterable[SceneJob]) -> Generator[Outcome, None, None]:
        """Every job's outcome, once each, in order of completion.

        Jobs are pulled as workers have room, so an endless iterable is fine; while the caller handles
        an outcome, no more is begun than each worker may have in flight. Counts of this call are
        in `counts`. Raises UserError if simulators do not start, die without finishing anything, or
        find no place on the cluster, and if a scene id comes twice.
        """
        if self._busy:
            raise RuntimeError("the pool renders already; one render() at a time")
        self._busy = True
        self._begin(jobs)
        crews = self.crews.values()
        try:
            self._assign()
            while any(crew.busy or crew.waiting for crew in crews):
                outcomes: list[Outcome] = []
                try:
                    self._step(outcomes)
                    self._assign()  # workers go on while the caller handles what is finished
                except UserError:
                    yield from outcomes  # nothing finished is lost
                    raise
                yield from outcomes
        finally:
            for crew in crews:
                crew.drop()
            self._busy = False

    def warm_up(self) -> None:
        """Starts the workers while others still work; `render` finds them up. Nothing where several
        simulators share the cluster: how many of each there should be, its scenes tell."""
        if not self.mixture.mixed:
            for crew in self.crews.values():
                crew.warm_up()

    @property
    def proved(self) -> frozenset[str]:
        """The labels of the simulators that gave one scene twice alike."""
        return frozenset(label for label, crew in self.crews.items() if crew.proved)

    @property
    def counts(self) -> PoolCounts:
        """What happened in the last `render`, or so far in the present one."""
        return _sum(crew.counts for crew in self.crews.values())

    @property
    def totals(self) -> PoolCounts:
        """What has happened since the pool was made."""
        return _sum(crew.totals for crew in self.crews.values())

    @property
    def slots(self) -> list[Slot]:
        """The workers' places, crew by crew."""
        return [slot for crew in self.crews.values() for slot in crew.slots]

    def pids(self) -> list[int]:
        """Process ids of the workers that run a simulator now, in slot order."""
        return [slot.info.pid for slot in self.slots if slot.info is not None]

    def close(self) -> None:
        """Lets idle simulators release what they hold, then ends all workers."""
        refs = [ref for crew in self.crews.values() for ref in crew.begin_closing()]
        if refs:
            ray.wait(refs, num_returns=len(refs), timeout=CLOSE_S)
        self.kill()

    def kill(self) -> None:
        """Ends all workers at once."""
        for crew in self.crews.values():
            crew.kill()

    def _begin(self, jobs: Iterable[SceneJob]) -> None:
        if not self.mixture.mixed:
            self._deal = None
            for crew in self.crews.values():
                crew.begin(jobs)
            return
        deal = self._deal = Deal(self.mixture, jobs)
        for label, crew in self.crews.items():
            crew.begin(deal.of(label), partial(deal.hand_on, label))

    def _assign(self) -> None:
        crews = self.crews.values()
        if self._deal is not None:
            self._sharing.review(self._deal)
        for crew in crews:
            crew.assign()
        if self._deal is not None:
            for crew in crews:
                if any(other.short for other in crews if other is not crew):
                    crew.make_room()

    def _step(self, outcomes: list[Outcome]) -> None:
        """Waits until a call ends or a deadline passes, then handles it."""
        watched = [(crew, slot, call) for crew in self.crews.values() for slot, call in crew.watched()]
        refs = [call.ref for _, _, call in watched]
        looks = [crew.next_look for crew in self.crews.values()]
        nearest = min([*looks, *(call.deadline for _, _, call in watched)])
        ray.wait(refs, num_returns=1, timeout=max(0.0, nearest - time.monotonic()))
        # The time is taken before the second look: whatever ended in time is seen as ended, however
        # long the caller kept us from looking.
        now = time.monotonic()
        # What a step costs grows with what it looks at, so the more there is, the more is gathered first.
        ready, _ = ray.wait(refs, num_returns=len(refs), timeout=GATHER_S * len(refs))
        done = set(ready)
        ended = [(crew, slot, call, _result(call.ref)) for crew, slot, call in watched if call.ref in done]
        # Answers before deaths: a scene that has come out is not among those that died.
        ended.sort(key=lambda item: isinstance(item[3], RayError))
        for crew, slot, call, result in ended:
            if call in slot.watched:  # else an earlier one took the worker with it
                self._came_out(crew, crew.ended(slot, call, result), outcomes)
        for crew, slot, call in watched:
            if call.deadline <= now and call.ref not in done and call in slot.watched:
                others = any(other.at_work for other in self.crews.values() if other is not crew)
                self._came_out(crew, crew.overdue(slot, call, others), outcomes)

    def _came_out(self, crew: Crew, found: list[Outcome], outcomes: list[Outcome]) -> None:
        crew.prove(found)
        if self._deal is not None:
            found = [self._deal.told(crew.spec.shown, outcome) for outcome in found]
        outcomes += found


def _result(ref: Any) -> Any:
    """What a call that ended gave: its value, or Ray's error."""
    try:
        return ray.get(ref)
    except RayError as error:
        return error


def _sum(counts: Iterable[PoolCounts]) -> PoolCounts:
    total = PoolCounts()
    for each in counts:
        total = total.plus(each)
    return total
