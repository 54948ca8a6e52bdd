"""The simulator pool: scenes in, each of them out exactly once, rendered or set aside with a reason.

Simulators crash, hang and leak. The pool keeps few scenes in flight, gives each a deadline, kills
and replaces actors, and blames the right scene: a scene is set aside only on certain evidence, so
after a crash whatever was in flight is tried again alone in its actor.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from cluster.backlog import Backlog, Failure, PoolCounts, Rendered, SetAside, Task
from cluster.simulate_settings import SimulateSettings
from imitation.settings import UserError
from sim_actors.actor import Answer, SceneJob, Started, start_actor
from sim_actors.factory import SimulatorSpec

log = logging.getLogger(__name__)

MAX_AUTO_ACTORS = 64
START_ATTEMPTS = 3  # of one actor; and of all together while none has ever started
GIVE_UP_AFTER = 12  # failures in a row before the pool's first finished scene: it is not the scenes
CLOSE_S = 5.0  # grace for a simulator to release what it holds


@dataclass(eq=False)
class _Slot:
    """The place of one actor; actors come and go in it."""

    state: Literal["empty", "placing", "starting", "ready", "retired"] = "empty"
    actor: Any = None
    queue: deque[tuple[Any, Task]] = field(default_factory=deque)  # (object ref, task), the head renders
    pending: Any = None  # object ref of what the actor does before it is ready
    deadline: float = math.inf
    given: int = 0
    finished: int = 0
    draining: bool = False
    start_failures: int = 0
    info: Started | None = None

    @property
    def ref(self) -> Any:
        """What this slot waits for: its start, or its head scene."""
        return self.queue[0][0] if self.queue else self.pending

    def has_room(self, settings: SimulateSettings) -> bool:
        return (
            self.state == "ready"
            and not self.draining
            and len(self.queue) < settings.max_in_flight
            and self.given < settings.recycle_after
            and not (self.queue and self.queue[0][1].alone)
        )

    def clear(self) -> None:
        """Forgets the actor; how often starting failed here is kept."""
        self.state, self.actor, self.pending, self.info = "empty", None, None, None
        self.queue.clear()
        self.deadline = math.inf
        self.given = self.finished = 0
        self.draining = False


class SimulatorPool:
    """Simulator actors on a running Ray, kept warm until `close`; a context manager.

    Actors start when there is work for them and leave the placement group of whoever runs the pool
    (a Tune trial), else nested work waits for resources that the trial itself holds.
    """

    def __init__(self, spec: SimulatorSpec, settings: SimulateSettings) -> None:
        self.spec = spec
        self.settings = settings
        self.counts = PoolCounts()
        self._slots: list[_Slot] = []
        self._busy = False
        self._ever_started = False
        self._ever_finished = False
        self._start_failures = 0
        self._failures_in_a_row = 0

    def __enter__(self) -> SimulatorPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.kill()

    def render(self, jobs: Iterable[SceneJob]) -> Generator[Rendered | SetAside, None, None]:
        """Every job's outcome, once each, in order of completion.

        Jobs are pulled as actors have room, so an endless iterable is fine. Counts of this call are
        in `counts`. Raises UserError if simulators do not start, die without finishing anything, or
        find no place on the cluster, and if a scene id comes twice.
        """
        if self._busy:
            raise RuntimeError("the pool renders already; one render() at a time")
        self._busy = True
        self.counts = PoolCounts()
        backlog = Backlog(jobs)
        try:
            self._assign(backlog)
            while any(slot.queue for slot in self._slots) or backlog.waiting(1):
                outcomes: list[Rendered | SetAside] = []
                try:
                    self._step(backlog, outcomes)
                    self._assign(backlog)  # actors go on while the caller handles what is finished
                except UserError:
                    yield from outcomes  # nothing finished is lost
                    raise
                yield from outcomes
        finally:
            for slot in self._slots:
                if slot.queue:
                    self._discard(slot)
            self._busy = False

    def pids(self) -> list[int]:
        """Process ids of the actors that run a simulator now, in slot order."""
        return [slot.info.pid for slot in self._slots if slot.info is not None]

    def close(self) -> None:
        """Lets idle simulators release what they hold, then ends all actors."""
        idle = [slot for slot in self._slots if slot.state == "ready" and not slot.queue]
        refs = [slot.actor.close.remote() for slot in idle]
        if refs:
            ray.wait(refs, num_returns=len(refs), timeout=CLOSE_S)
        self.kill()

    def kill(self) -> None:
        """Ends all actors at once."""
        for slot in self._slots:
            self._discard(slot)

    # Actors: placed, started, discarded.

    def _assign(self, backlog: Backlog) -> None:
        """Hands out waiting scenes, the least loaded actor first; starts actors for what is left."""
        while True:
            room = [slot for slot in self._slots if slot.has_room(self.settings)]
            slot = min(room, key=lambda s: len(s.queue), default=None)
            task = backlog.take(idle=not slot.queue) if slot else None
            if slot is None or task is None:
                break
            if not slot.queue:
                slot.deadline = time.monotonic() + self._scene_limit(slot)
            slot.queue.append((slot.actor.render.remote(task.job), task))
            slot.given += 1
        self._spawn_missing(backlog)

    def _spawn_missing(self, backlog: Backlog) -> None:
        if not self._slots and backlog.waiting(1):
            self._slots = [_Slot() for _ in range(actor_count(self.settings))]
        coming = sum(slot.state in ("placing", "starting") for slot in self._slots)
        for slot in self._slots:
            if slot.state == "empty" and backlog.waiting(coming + 1) > coming:
                self._spawn(slot)
                coming += 1

    def _spawn(self, slot: _Slot) -> None:
        settings = self.settings
        slot.actor = start_actor(
            self.spec,
            threads=max(1, int(settings.cpus_per_actor)),
            num_cpus=settings.cpus_per_actor,
            num_gpus=settings.gpus_per_actor,
            scheduling_strategy=PlacementGroupSchedulingStrategy(placement_group=None),  # type: ignore[arg-type]
        )
        slot.state, slot.pending = "placing", slot.actor.ping.remote()
        slot.deadline = time.monotonic() + settings.placement_timeout_s

    def _discard(self, slot: _Slot) -> None:
        if slot.actor is not None:
            ray.kill(slot.actor)
        slot.clear()

    def _scene_limit(self, slot: _Slot) -> float:
        limit = self.settings.scene_timeout_s
        return limit if slot.finished else max(limit, self.settings.startup_timeout_s)

    # One step: wait until something ends or a deadline passes, then see to it.

    def _step(self, backlog: Backlog, outcomes: list[Rendered | SetAside]) -> None:
        waiting = [slot for slot in self._slots if slot.ref is not None]
        refs = [slot.ref for slot in waiting]
        nearest = min(slot.deadline for slot in waiting) - time.monotonic()
        ray.wait(refs, num_returns=1, timeout=max(0.0, nearest))
        # The time is taken before the second look: whatever ended in time is seen as ended, however
        # long the caller kept us from looking.
        now = time.monotonic()
        ready, _ = ray.wait(refs, num_returns=len(refs), timeout=0)
        done = set(ready)
        for slot, ref in zip(waiting, refs):
            if ref in done:
                outcome = self._ended(slot, ref, backlog)
            elif slot.deadline <= now:
                outcome = self._overdue(slot, backlog)
            else:
                continue
            if outcome is not None:
                outcomes.append(outcome)

    def _ended(self, slot: _Slot, ref: Any, backlog: Backlog) -> Rendered | SetAside | None:
        """A start or a head scene ended, one way or the other."""
        try:
            result = ray.get(ref)
        except RayTaskError as error:  # the actor lives, its answer could not be sent
            if slot.queue:
                return self._failed(self._pop(slot), "raised", str(error), True, backlog)
            self._start_failed(slot, str(error))
            return None
        except RayError as error:
            if slot.queue:
                return self._crashed(slot, error, backlog)
            self._start_failed(slot, f"its process died: {_brief(error)}")
            return None
        if slot.queue:
            return self._answered(slot, result, backlog)
        self._started(slot, result)
        return None

    def _overdue(self, slot: _Slot, backlog: Backlog) -> SetAside | None:
        settings = self.settings
        if slot.queue:
            limit = self._scene_limit(slot)
            reason = f"no answer within {limit:g} s (simulate.scene_timeout_s), the actor was killed"
            return self._replaced(slot, "hung", reason, True, backlog)
        if slot.state == "starting":
            limit = settings.startup_timeout_s
            self._start_failed(slot, f"not ready after {limit:g} s (simulate.startup_timeout_s)")
        elif any(other.state in ("starting", "ready") for other in self._slots):
            slot.deadline = time.monotonic() + settings.placement_timeout_s  # others do the work
        else:
            raise UserError(
                f"the cluster found no place for a simulator within {settings.placement_timeout_s:g} s: an "
                f"actor asks for {settings.cpus_per_actor:g} CPUs and {settings.gpus_per_actor:g} GPUs, free "
                f"are {_resources(ray.available_resources())} of {_resources(ray.cluster_resources())}. "
                "Lower simulate.cpus_per_actor or simulate.gpus_per_actor, or give the cluster more"
            )
        return None

    # Starting.

    def _started(self, slot: _Slot, info: Started) -> None:
        if slot.state == "placing":
            slot.state, slot.pending = "starting", slot.actor.start.remote()
            slot.deadline = time.monotonic() + self.settings.startup_timeout_s
        elif info.error is not None:
            self._start_failed(slot, f"on {info.host}: {info.error}", info.user_error)
        else:
            slot.state, slot.pending, slot.info = "ready", None, info
            slot.deadline = math.inf
            slot.start_failures = 0
            self._ever_started = True
            self.counts.actors_started += 1

    def _start_failed(self, slot: _Slot, cause: str, user_error: bool = False) -> None:
        """Raises UserError once it is clear that no simulator will start."""
        self._discard(slot)
        slot.start_failures += 1
        self._start_failures += 1
        log.warning("simulator %s did not start: %s", self.spec.simulator, cause)
        if slot.start_failures >= START_ATTEMPTS:
            slot.state = "retired"  # perhaps one bad node among good ones
        hopeless = not self._ever_started and (user_error or self._start_failures >= START_ATTEMPTS)
        if hopeless or all(other.state == "retired" for other in self._slots):
            times = "once" if self._start_failures == 1 else f"{self._start_failures} times"
            raise UserError(f"simulator {self.spec.simulator!r} does not start (tried {times}): {cause}")

    # Scenes.

    def _pop(self, slot: _Slot) -> Task:
        """Takes the head off; the next one's time starts now."""
        _, task = slot.queue.popleft()
        slot.finished += 1
        slot.deadline = time.monotonic() + self._scene_limit(slot) if slot.queue else math.inf
        return task

    def _answered(self, slot: _Slot, answer: Answer, backlog: Backlog) -> Rendered | SetAside | None:
        task = self._pop(slot)
        self._recycle(slot, answer.rss_mb)
        if answer.unsupported:
            self.counts.unsupported += 1
            return self._set_aside(task, "unsupported", "; ".join(answer.unsupported))
        if answer.payload is None:
            return self._failed(task, "raised", answer.error or "", True, backlog)
        self._ever_finished = True
        self.counts.rendered += 1
        self.counts.cpu_seconds += answer.cpu_seconds
        attempts = task.failures + 1
        return Rendered(answer.scene_id, answer.payload, attempts, answer.seconds, answer.cpu_seconds)

    def _recycle(self, slot: _Slot, rss_mb: float) -> None:
        """Replaces an actor that is old or fat, once its queue is empty."""
        settings = self.settings
        if rss_mb > settings.max_rss_mb and slot.finished == 1:
            log.warning("one scene took %.0f MiB, above simulate.max_rss_mb=%g", rss_mb, settings.max_rss_mb)
        if rss_mb > settings.max_rss_mb or slot.given >= settings.recycle_after:
            slot.draining = True
        if slot.draining and not slot.queue:
            ray.wait([slot.actor.close.remote()], timeout=CLOSE_S)
            self._discard(slot)
            self.counts.recycled += 1

    def _crashed(self, slot: _Slot, error: RayError, backlog: Backlog) -> SetAside | None:
        if _node_is_gone(slot, error):
            self.counts.lost += len(slot.queue)
            tasks = [task for _, task in slot.queue]
            self._discard(slot)
            for task in tasks:
                backlog.again(task)
            return None
        # With others queued, the head's own answer may have died with the actor on the next scene.
        certain = len(slot.queue) == 1
        return self._replaced(slot, "crashed", _brief(error), certain, backlog)

    def _replaced(
        self, slot: _Slot, kind: Failure, reason: str, certain: bool, backlog: Backlog
    ) -> SetAside | None:
        """The head failed and took its actor with it; what queued behind goes back without blame."""
        head, *behind = [task for _, task in slot.queue]
        self._discard(slot)
        outcome = self._failed(head, kind, reason, certain, backlog)
        for task in behind:
            backlog.again(task)
        return outcome

    def _failed(
        self, task: Task, kind: Failure, reason: str, certain: bool, backlog: Backlog
    ) -> SetAside | None:
        """Blames a scene: tried again, or set aside."""
        scene_id = task.job.scene.scene_id
        task.failures += 1
        self.counts.failed(kind)
        self._failures_in_a_row += 1
        if not self._ever_finished and self._failures_in_a_row >= GIVE_UP_AFTER:
            raise UserError(
                f"simulator {self.spec.simulator!r} failed {self._failures_in_a_row} times and finished no "
                f"scene at all; the last, {scene_id!r}, {kind}: {reason}"
            )
        log.warning("scene %s %s (failure %d): %s", scene_id, kind, task.failures, reason)
        if certain and task.failures >= self.settings.max_attempts:
            return self._set_aside(task, kind, reason)
        self.counts.retries += 1
        backlog.again(task)
        return None

    def _set_aside(self, task: Task, kind: Failure, reason: str) -> SetAside:
        self.counts.set_aside += 1
        return SetAside(task.job.scene.scene_id, kind, reason, max(1, task.failures))


def actor_count(settings: SimulateSettings) -> int:
    """How many simulators run side by side: as set, or what the cluster's CPUs (one kept free, or
    readers and trainers starve) and GPUs hold, at least 1 and at most `MAX_AUTO_ACTORS`."""
    if settings.actors != "auto":
        return settings.actors
    total = ray.cluster_resources()
    shares: list[float] = [MAX_AUTO_ACTORS]
    if settings.cpus_per_actor:
        shares.append((total.get("CPU", 1) - 1) / settings.cpus_per_actor)
    if settings.gpus_per_actor:
        shares.append(total.get("GPU", 0) / settings.gpus_per_actor)
    return max(1, math.floor(min(shares) + 1e-9))


def _node_is_gone(slot: _Slot, error: RayError) -> bool:
    if isinstance(error, RayActorError) and error.preempted:
        return True
    node_id = slot.info.node_id if slot.info else ""
    return any(node["NodeID"] == node_id and not node["Alive"] for node in ray.nodes())


def _brief(error: BaseException) -> str:
    """Ray's message on one line; it spans many."""
    return " ".join(str(error).split())


def _resources(resources: dict[str, float]) -> str:
    return ", ".join(f"{resources.get(name, 0):g} {name}s" for name in ("CPU", "GPU"))
