"""The workers of one simulator: scenes handed out, deadlines, faults, restarts.

Simulators crash, hang and leak; nodes come and go. A crew keeps few scenes in flight, gives each a
deadline, and kills and replaces workers. `Verdicts` decides which scene caused a fault. It never waits:
`cluster.simulation.pool` does, for one crew or several, and tells it which calls ended or are overdue.
"""

from __future__ import annotations

import heapq
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from cluster.config.simulate import SimulateSettings
from cluster.runtime.ray_errors import in_short
from cluster.simulation.autoscaling import PoolSize, node_is_gone
from cluster.simulation.blame import Verdicts
from cluster.simulation.slot import Call, Slot
from cluster.simulation.work_queue import Fault, Outcome, PoolCounts, Rendered
from imitation.common.settings import UserError
from imitation.common.wording import times
from sim_actors.simulators.registry import SimulatorSpec
from sim_actors.simulators.worker import Answer, SceneJob, start_worker

log = logging.getLogger(__name__)

START_ATTEMPTS = 3  # of one worker; and of all together while none has ever started
CLOSE_S = 5.0  # grace for a simulator to release what it holds


class Crew:
    """The workers of one simulator on a running Ray, kept warm until they are ended.

    Workers start when there is work for them and leave the placement group of whoever runs the pool
    (a Tune trial), else nested work waits for resources that the trial itself holds. With
    `actors: auto` their number follows the cluster while it renders.
    """

    def __init__(self, spec: SimulatorSpec, settings: SimulateSettings, proved: bool = False) -> None:
        """`proved`: the simulator is known to be deterministic; else one scene is rendered twice."""
        self.spec = spec
        self.settings = settings
        self.proved = proved
        self.verdicts = Verdicts(spec.shown, settings)
        self.most: float = math.inf  # workers: several crews share one cluster
        self.slots: list[Slot] = []
        self._proof: str | None = None  # the scene that is rendered twice
        self._size = PoolSize(settings, spec.side_by_side())
        self._ever_started = False
        self._start_failures = 0

    def begin(
        self,
        jobs: Iterable[SceneJob],
        hand_on: Callable[[SceneJob, tuple[str, ...]], bool] = lambda job, reasons: False,
    ) -> None:
        """The next stage's jobs; `hand_on` gives one that the simulator refuses to another, if it can."""

        def handed_on(job: SceneJob, reasons: tuple[str, ...]) -> bool:
            if job.scene.scene_id == self._proof:
                self._proof = None  # another scene proves it
            return hand_on(job, reasons)

        self._proof = None
        self.verdicts.hand_on = handed_on
        self.verdicts.begin(map(self._proving, jobs))  # map goes on after its end, as `jobs` may

    def _proving(self, job: SceneJob) -> SceneJob:
        """The job, to be rendered twice if none proves the simulator yet, or that one was set aside."""
        if self.proved or self._proof is not None:
            return job
        self._proof = job.scene.scene_id
        return replace(job, twice=True)

    def prove(self, outcomes: Iterable[Outcome]) -> None:
        """Looks for the scene that was rendered twice among those that came out."""
        for outcome in outcomes:
            if outcome.scene_id == self._proof:
                self.proved, self._proof = isinstance(outcome, Rendered), None

    @property
    def counts(self) -> PoolCounts:
        """What happened in the present stage."""
        return self.verdicts.counts

    @property
    def totals(self) -> PoolCounts:
        """What has happened in all stages."""
        return self.verdicts.before.plus(self.verdicts.counts)

    @property
    def busy(self) -> bool:
        """Whether a worker has a scene."""
        return any(slot.scenes for slot in self.slots)

    @property
    def waiting(self) -> bool:
        """Whether a scene waits for a worker."""
        return self.verdicts.backlog.waiting()

    @property
    def at_hand(self) -> int:
        """How many scenes its workers have, and will get again to try them alone."""
        return self.verdicts.backlog.suspects + sum(len(slot.scenes) for slot in self.slots)

    @property
    def short(self) -> bool:
        """Whether a worker waits for a place on the cluster."""
        return any(slot.state == "placing" for slot in self.slots)

    @property
    def at_work(self) -> bool:
        """Whether a worker has found its place."""
        return any(slot.state in ("starting", "ready") for slot in self.slots)

    @property
    def next_look(self) -> float:
        """When the cluster's size is to be looked at again."""
        return self._size.next_look

    def watched(self) -> list[tuple[Slot, Call]]:
        """The calls that may end next."""
        return [(slot, call) for slot in self.slots for call in slot.watched]

    def drop(self) -> None:
        """Kills the workers that render: nobody waits for their scenes any more."""
        for slot in self.slots:
            if slot.scenes:
                slot.discard()

    def begin_closing(self) -> list[Any]:
        """Lets idle simulators release what they hold; what to wait for."""
        for slot in self.slots:
            if slot.state == "ready" and not slot.scenes:
                self._begin_closing(slot)
        return [slot.pending.ref for slot in self.slots if slot.state == "closing" and slot.pending]

    def kill(self) -> None:
        """Ends all workers at once."""
        for slot in self.slots:
            slot.discard()

    def make_room(self) -> None:
        """Another crew lacks workers: those above `most` end after the scenes that they have, and those
        that are idle, with no scene waiting, at once."""
        ready = [slot for slot in self.slots if slot.state == "ready" and not slot.draining]
        above = len(ready) - self._workers() if self.waiting else sum(not slot.scenes for slot in ready)
        for slot in sorted(ready, key=lambda slot: len(slot.scenes))[: max(0, above)]:
            slot.draining = slot.surplus = True
            if not slot.scenes:
                self._begin_closing(slot)

    def room(self) -> tuple[int, int]:
        """How many workers the cluster would hold if it were for this simulator alone, and how many of them
        could run at once."""
        workers = self._size.workers()
        return self._size.room, workers

    def _workers(self) -> int:
        """How many there should be."""
        return int(min(self._size.workers(), self.most))

    def warm_up(self) -> None:
        """Starts workers before there are scenes for them."""
        self._resize()
        for slot in self.slots:
            if slot.state == "empty":
                self._spawn(slot)
                slot.worker.start.remote()  # once more when it is placed: then it has started already

    # Scenes are handed out, and workers placed for what is left.

    def assign(self) -> None:
        """The least loaded worker comes first. A suspect gets an idle one for itself; for suspects beyond
        those, as many workers get no new scenes until they are idle."""
        now, backlog = time.monotonic(), self.verdicts.backlog
        room = deque(sorted((s for s in self.slots if s.has_room), key=lambda slot: len(slot.scenes)))
        while room and not room[0].scenes and (suspect := backlog.take_suspect()):
            room.popleft().give(suspect, now)
        for _ in range(min(len(room), backlog.suspects)):
            room.popleft()
        loads = [(len(slot.scenes), number, slot) for number, slot in enumerate(room)]
        while loads and (task := backlog.take()):
            load, number, slot = loads[0]
            slot.give(task, now)
            if slot.has_room:
                heapq.heapreplace(loads, (load + 1, number, slot))
            else:
                heapq.heappop(loads)
        if backlog.waiting():
            self._resize()
            self._spawn_missing()
        elif self.slots:
            self._resize()
            if self._size.makes_nodes_start:
                self._withdraw()

    def _resize(self) -> None:
        """Adds slots for new room, or removes idle slots that are too many."""
        workers = self._workers()
        self.slots += [Slot(self.settings) for _ in range(workers - len(self.slots))]
        for state in ("retired", "empty", "placing"):
            for slot in [slot for slot in reversed(self.slots) if slot.state == state]:
                if len(self.slots) > workers:
                    slot.discard()
                    self.slots.remove(slot)

    def _withdraw(self) -> None:
        """No scene waits: cancels workers without a place, so that no node is started for them."""
        for slot in self.slots:
            if slot.state == "placing":
                slot.discard()

    def _spawn_missing(self) -> None:
        """Starts workers for the waiting scenes: each takes `scenes_per_actor` fresh ones, or one suspect."""
        each, backlog = self.settings.scenes_per_actor, self.verdicts.backlog
        coming = sum(slot.state in ("placing", "starting") for slot in self.slots)
        for slot in self.slots:
            if slot.state != "empty":
                continue
            for_fresh = coming - backlog.suspects
            if for_fresh >= 0 and backlog.fresh(for_fresh * each + 1) <= for_fresh * each:
                break
            self._spawn(slot)
            coming += 1

    def _spawn(self, slot: Slot) -> None:
        settings = self.settings
        slot.worker = start_worker(
            self.spec,
            threads=max(1, int(settings.cpus_per_actor)),
            scenes=settings.scenes_per_actor,
            num_cpus=settings.cpus_per_actor,
            num_gpus=settings.gpus_per_actor,
            scheduling_strategy=PlacementGroupSchedulingStrategy(placement_group=None),  # type: ignore[arg-type]
        )
        deadline = time.monotonic() + settings.placement_timeout_s
        slot.wait_for("placing", slot.worker.ping.remote(), deadline)

    def _begin_closing(self, slot: Slot) -> None:
        slot.wait_for("closing", slot.worker.close.remote(), time.monotonic() + CLOSE_S)

    # What became of the calls.

    def ended(self, slot: Slot, call: Call, result: Any) -> list[Outcome]:
        """Handles a call that ended, with a value or an error."""
        if slot.state == "closing":
            slot.discard()
        elif call.task is None:
            self._start_ended(slot, result)
        elif isinstance(result, RayTaskError):  # the worker lives, its answer could not be sent
            task = slot.take_off(call, time.monotonic())
            self._recycle(slot)
            return self.verdicts.failed(task, "raised", str(result), certain=True)
        elif isinstance(result, RayError):
            return self._crashed(slot, result)
        else:
            return self._answered(slot, call, result)
        return []

    def overdue(self, slot: Slot, call: Call, others: bool = False) -> list[Outcome]:
        """Handles a call that is late. `others`: other crews have found a place on the cluster."""
        settings = self.settings
        if call.task is not None:
            if self._node_lost(slot):
                return self._give_up_node(slot.node_id)
            assert call.limit is not None  # it has a deadline
            reason = f"{call.limit.overdue()}, the worker was killed"
            # Beside others it may only have waited for one that holds the whole process up.
            return self._replaced(slot, call, "hung", reason, certain=len(slot.watched) == 1)
        if slot.state == "closing":
            slot.discard()
        elif slot.state == "starting":
            limit = settings.startup_timeout_s
            self._start_failed(slot, f"not ready after {limit:g} s (simulate.startup_timeout_s)")
        elif self.at_work or others:
            call.deadline = time.monotonic() + settings.placement_timeout_s  # others do the work
        else:
            raise UserError(
                f"the cluster found no place for a simulator within {settings.placement_timeout_s:g} s: a "
                f"worker asks for {settings.cpus_per_actor:g} CPUs and {settings.gpus_per_actor:g} GPUs, free"
                f" are {_resources(ray.available_resources())} of {_resources(ray.cluster_resources())}. "
                "Lower simulate.cpus_per_actor or simulate.gpus_per_actor, or give the cluster more"
            )
        return []

    # Starting.

    def _start_ended(self, slot: Slot, result: Any) -> None:
        if isinstance(result, RayTaskError):
            self._start_failed(slot, str(result))
        elif isinstance(result, RayError):
            if self._node_lost(slot, result):
                slot.discard()
            else:
                self._start_failed(slot, f"its process died: {_brief(result)}")
        elif slot.state == "placing":
            slot.node_id = result.node_id
            deadline = time.monotonic() + self.settings.startup_timeout_s
            slot.wait_for("starting", slot.worker.start.remote(), deadline)
        elif result.error is not None:
            self._start_failed(slot, f"on {result.host}: {result.error}", result.user_error)
        else:
            slot.state, slot.pending, slot.info = "ready", None, result
            slot.start_failures = 0
            self._ever_started = True
            self.counts.actors_started += 1

    def _start_failed(self, slot: Slot, cause: str, user_error: bool = False) -> None:
        """Raises UserError once it is clear that no simulator will start."""
        slot.discard()
        slot.start_failures += 1
        self._start_failures += 1
        log.warning("simulator %s did not start: %s", self.spec.shown, cause)
        if slot.start_failures >= START_ATTEMPTS:
            slot.state = "retired"  # perhaps one bad node among good ones
        hopeless = not self._ever_started and (user_error or self._start_failures >= START_ATTEMPTS)
        if hopeless or all(other.state == "retired" for other in self.slots):
            tried = times(self._start_failures)
            raise UserError(f"simulator {self.spec.shown!r} does not start (tried {tried}): {cause}")

    # Scenes.

    def _answered(self, slot: Slot, call: Call, answer: Answer) -> list[Outcome]:
        task = slot.take_off(call, time.monotonic())
        self._recycle(slot, answer.rss_mb)
        return self.verdicts.answered(task, answer)

    def _recycle(self, slot: Slot, rss_mb: float = 0.0) -> None:
        """Replaces a worker that has rendered enough or uses too much memory, once it is idle."""
        settings = self.settings
        if rss_mb > settings.max_rss_mb and slot.finished == 1:
            log.warning("one scene took %.0f MiB, above simulate.max_rss_mb=%g", rss_mb, settings.max_rss_mb)
        if rss_mb > settings.max_rss_mb or slot.given >= settings.recycle_after:
            slot.draining = True
        if slot.draining and not slot.scenes:
            self._begin_closing(slot)
            self.counts.recycled += not slot.surplus

    def _crashed(self, slot: Slot, error: RayError) -> list[Outcome]:
        if self._node_lost(slot, error):
            return self._give_up_node(slot.node_id)
        # Of several that rendered side by side any may have done it. Of one with others queued behind,
        # the answer may have died with the worker on the next scene: it is suspected, not sure.
        suspect = slot.watched[0] if len(slot.watched) == 1 else None
        return self._replaced(slot, suspect, "crashed", _brief(error), certain=len(slot.scenes) == 1)

    def _replaced(
        self, slot: Slot, suspect: Call | None, kind: Fault, reason: str, certain: bool
    ) -> list[Outcome]:
        """Replaces a worker that one of its scenes has crashed or blocked."""
        tasks = [call.task for call in slot.scenes if call.task is not None]
        slot.discard()
        if suspect is None or suspect.task is None:
            self.verdicts.one_of(tasks, kind, reason)
            return []
        outcomes = self.verdicts.failed(suspect.task, kind, reason, certain)
        self.verdicts.beside(task for task in tasks if task is not suspect.task)
        return outcomes

    def _node_lost(self, slot: Slot, error: Any = None) -> bool:
        # A worker that was only being placed has no node yet that could be asked, but Ray's own words.
        if isinstance(error, RayActorError) and (error.preempted or "its node has died" in str(error)):
            return True
        return node_is_gone(slot.node_id)

    def _give_up_node(self, node_id: str) -> list[Outcome]:
        """All workers of a node that went away, also those whose connections have not broken yet."""
        outcomes: list[Outcome] = []
        self._size.leave_out(node_id)
        for slot in self.slots:
            if slot.node_id == node_id:
                tasks = [call.task for call in slot.scenes if call.task is not None]
                slot.discard()
                outcomes += self.verdicts.lost(tasks)
        return outcomes


def _brief(error: BaseException) -> str:
    """Ray's message, of many lines, on one."""
    return in_short(error, 2000)


def _resources(resources: dict[str, float]) -> str:
    return ", ".join(f"{resources.get(name, 0):g} {name}s" for name in ("CPU", "GPU"))
