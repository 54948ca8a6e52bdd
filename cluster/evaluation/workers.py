"""The living processes that judge frames: batches in, their rows out, in order, each once.

They are started when they are first needed, or a little before, and kept for the next pass: to start one and
import torch takes longer than to judge a small split. One that dies is replaced. Of the batches that it had
the first may have killed it: its frames are judged one by one, and one that kills its worker again and again
is given up.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import psutil
import ray
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from cluster.config.evaluate import EvaluateSettings
from cluster.evaluation.worker import Batch, DetectorWorker, Judged, Task
from cluster.runtime.ray_errors import cause, in_short, short_of_memory
from imitation.common.settings import UserError
from imitation.common.wording import times

log = logging.getLogger(__name__)

AT_WORKER = 2  # batches: one is judged, one waits
IN_LINE = 4  # batches a worker, judged ones that wait for an earlier one included
SPARE = 0.25  # of the machine's memory: Ray ends processes where less than a twentieth is left
START_ATTEMPTS = 3  # of one pass's workers, one after another without one that comes up


@dataclass(eq=False)
class _Item:
    """A batch on its way: waiting, at a worker (`ref`), or judged. `deaths`: of workers that had it alone."""

    batch: Batch
    ref: Any = None
    judged: Judged | None = None
    deaths: int = 0

    @property
    def waits(self) -> bool:
        return self.ref is None and self.judged is None


@dataclass(eq=False)
class _Worker:
    """`loading` is the call that loads the present task, until it has ended; None and not `ready`: it has not
    been asked to."""

    actor: Any
    loading: Any = None
    ready: bool = False
    items: list[_Item] = field(default_factory=list)


class DetectorWorkers:
    """The workers of one run, or of one pass. `stays`: they idle between passes on a machine whose stages
    take turns, and hold no CPU there (trainers do the same)."""

    def __init__(self, settings: EvaluateSettings, *, stays: bool = False) -> None:
        self.settings = settings
        self.stays = stays
        self._workers: list[_Worker] = []
        self.closed = False
        self._failed_starts = 0

    @property
    def alive(self) -> bool:
        """Whether there are workers, which then have their place."""
        return bool(self._workers)

    def warm_up(self) -> None:
        """Starts them; they import what they need while others work."""
        self._start(self.settings.actors)
        for worker in self._workers:
            worker.actor.warm_up.remote()

    def judge(self, task: Task, batches: Iterable[Batch]) -> Generator[Judged]:
        """What each batch became, in their order. Raises UserError where a detector cannot be loaded, or
        workers die while they load."""
        source, line = iter(batches), deque[_Item]()
        reference = ray.put(task)
        self._failed_starts = 0
        for worker in self._workers:
            worker.ready, worker.loading = False, None
        while not self.closed:
            line.extend(_Item(batch) for batch in islice(source, self._room(line)))
            if not line:
                self._release()
                return
            self._start(min(self.settings.actors, len(line)))
            self._hand_out(line, reference)
            self._wait(line)
            while line and line[0].judged is not None:
                yield line.popleft().judged  # type: ignore[misc]  # it is not None

    def close(self) -> None:
        """Ends all of them, whatever they do; they do not come back."""
        self.closed = True
        self._end()

    def _end(self) -> None:
        for worker in self._workers:
            ray.kill(worker.actor)
        self._workers = []

    def _room(self, line: deque[_Item]) -> int:
        return max(0, IN_LINE * self.settings.actors - len(line))

    def _start(self, count: int) -> None:
        settings = self.settings
        for _ in range(0 if self.closed else count - len(self._workers)):
            options: dict[str, Any] = {
                "num_cpus": 0 if self.stays else settings.cpus_per_actor,
                "num_gpus": gpus(settings),
                "max_restarts": 0,
                "max_task_retries": 0,
                # inside a Tune trial: not in the trial's placement group
                "scheduling_strategy": PlacementGroupSchedulingStrategy(placement_group=None),  # type: ignore[arg-type]
            }
            self._workers.append(_Worker(ray.remote(DetectorWorker).options(**options).remote()))

    def _hand_out(self, line: deque[_Item], task: Any) -> None:
        """Gives waiting batches to those that are ready, the least busy first."""
        for worker in self._workers:
            if not worker.ready and worker.loading is None:
                worker.loading = worker.actor.load.remote(task)
        waiting = deque(item for item in line if item.waits)
        for load in range(AT_WORKER):
            for worker in self._workers:
                if waiting and worker.ready and len(worker.items) == load:
                    item = waiting.popleft()
                    item.ref = worker.actor.judge.remote(item.batch)
                    worker.items.append(item)

    def _wait(self, line: deque[_Item]) -> None:
        """Until a call ends; then handles all that have ended."""
        calls = [worker.loading for worker in self._workers if worker.loading is not None]
        calls += [item.ref for worker in self._workers for item in worker.items]
        ray.wait(calls, num_returns=1)
        if self.closed:
            return
        ended = set(ray.wait(calls, num_returns=len(calls), timeout=0)[0])
        for worker in list(self._workers):
            if worker.loading in ended:
                self._loaded(worker)
            while worker.items and worker.items[0].ref in ended:
                if not self._came_out(worker, line):
                    break

    def _loaded(self, worker: _Worker) -> None:
        try:
            problem = ray.get(worker.loading)
        except ray.exceptions.RayTaskError as error:
            raise cause(error) from error
        except ray.exceptions.RayError as error:
            self._drop(worker)
            self._failed_starts += 1
            if self._failed_starts >= START_ATTEMPTS:
                raise UserError(
                    f"evaluation: its worker died {times(self._failed_starts)} while it loaded the "
                    f"detectors: {in_short(error, 500)}"
                ) from error
            log.warning("evaluation: a worker died while it loaded (%s); starting another", in_short(error))
            return
        if problem is not None:
            raise UserError(problem)
        worker.loading, worker.ready = None, True
        self._failed_starts = 0

    def _came_out(self, worker: _Worker, line: deque[_Item]) -> bool:
        """Handles the end of a worker's first batch; False: the worker has died of it."""
        item = worker.items[0]
        try:
            item.judged = ray.get(item.ref)
        except ray.exceptions.RayTaskError as error:
            raise cause(error) from error
        except ray.exceptions.RayError as error:
            for each in worker.items:
                each.ref = None
            self._drop(worker)
            self._suspect(item, line, error)
            return False
        item.ref = None
        worker.items.pop(0)
        return True

    def _suspect(self, item: _Item, line: deque[_Item], error: Exception) -> None:
        """A batch in which a worker died is judged frame by frame; a frame that killed it `max_attempts`
        times is given up."""
        log.warning("evaluation: a worker died (%s); its frames are judged again", in_short(error))
        if len(item.batch) > 1:
            first = line.index(item)
            del line[first]
            rows = range(item.batch.start, item.batch.stop)
            for number, row in enumerate(rows):
                line.insert(first + number, _Item(replace(item.batch, start=row, stop=row + 1)))
            return
        item.deaths += 1
        if item.deaths < self.settings.max_attempts:
            return
        if memory := short_of_memory(error):
            raise UserError(f"evaluation: {memory}") from error
        if item.batch.given_up is not None:
            raise UserError(f"evaluation: its workers die anyhow: {in_short(error, 500)}") from error
        why = f"the detector's process died {item.deaths} times when it judged it"
        item.batch = replace(item.batch, given_up=why)

    def _drop(self, worker: _Worker) -> None:
        if worker in self._workers:  # else it was ended meanwhile, as all were
            self._workers.remove(worker)
        ray.kill(worker.actor)  # where only its connection was lost

    def _release(self) -> None:
        """Between passes they keep the process and its imports, not the detectors; nothing where memory is
        short."""
        if memory_is_short():
            self._end()
        for worker in self._workers:
            worker.actor.release.remote()


def memory_is_short() -> bool:
    """Whether the machine's memory is better spent than on processes that idle."""
    memory = psutil.virtual_memory()
    return bool(memory.available < SPARE * memory.total)


def gpus(settings: EvaluateSettings) -> float:
    """The share of a GPU that each worker takes."""
    if settings.gpus_per_actor != "auto":
        return settings.gpus_per_actor
    return 0.5 if ray.cluster_resources().get("GPU", 0) >= 1 else 0.0
