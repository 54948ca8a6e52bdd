"""The place of one simulator worker in the pool, with the scenes given to it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import ray

from cluster.config.simulate import SimulateSettings
from cluster.simulation.work_queue import Task
from sim_actors.simulators.deadlines import Limit, scene_limit
from sim_actors.simulators.worker import Started


@dataclass(eq=False, slots=True)
class Call:
    """A call to a worker: the reference of its answer, and its deadline (none while a scene queues behind
    another). `task` is the scene; None for starting and closing."""

    ref: Any
    task: Task | None = None
    limit: Limit | None = None
    deadline: float = math.inf


@dataclass(eq=False, slots=True)
class Slot:
    """A slot outlives its workers. `scenes` are in the order in which they were handed over; the first
    `scenes_per_actor` of them render, the others queue. `pending` is what keeps the worker from rendering:
    being placed, starting, closing. `surplus`: another simulator gets its place once it has drained."""

    settings: SimulateSettings
    state: Literal["empty", "placing", "starting", "ready", "closing", "retired"] = "empty"
    worker: Any = None
    scenes: list[Call] = field(default_factory=list)
    pending: Call | None = None
    given: int = 0
    finished: int = 0
    draining: bool = False
    surplus: bool = False
    start_failures: int = 0
    node_id: str = ""
    info: Started | None = None

    @property
    def watched(self) -> list[Call]:
        """The calls that may end next."""
        return [self.pending] if self.pending is not None else self.scenes[: self.settings.scenes_per_actor]

    @property
    def has_room(self) -> bool:
        return (
            self.state == "ready"
            and not self.draining
            and len(self.scenes) < self.settings.scenes_at_actor
            and self.given < self.settings.recycle_after
            and not any(call.task is not None and call.task.alone for call in self.scenes)
        )

    def wait_for(self, state: Literal["placing", "starting", "closing"], ref: Any, deadline: float) -> None:
        self.state, self.pending = state, Call(ref, deadline=deadline)

    def give(self, task: Task, now: float) -> None:
        """Sends a scene to the worker."""
        self.scenes.append(Call(self.worker.render.remote(task.job), task))
        self.given += 1
        self._set_deadlines(now)

    def take_off(self, call: Call, now: float) -> Task:
        """Removes a scene that ended; the deadline of the next one starts."""
        self.scenes.remove(call)
        self.finished += 1
        self._set_deadlines(now)
        assert call.task is not None
        return call.task

    def discard(self) -> None:
        """Kills the worker and forgets it; how often starting failed here is kept."""
        if self.worker is not None:
            ray.kill(self.worker)
        self.state, self.worker, self.pending, self.info = "empty", None, None, None
        self.scenes = []
        self.given = self.finished = 0
        self.draining = self.surplus = False
        self.node_id = ""

    def _set_deadlines(self, now: float) -> None:
        settings = self.settings
        times = settings.scene_timeout_s, settings.startup_timeout_s
        for call in self.watched:
            if call.deadline == math.inf:
                twice = call.task is not None and call.task.job.twice
                limit = scene_limit(*times, first=not self.finished, twice=twice)
                call.limit, call.deadline = limit, now + limit.seconds
