"""Runs of a comparison side by side: a driver actor each, which takes no CPU; what it starts is placed as
that of any run (`cluster.experiments.sweep.trial` does the same below Ray Tune)."""

from __future__ import annotations

import time
import uuid
from typing import Any, TextIO, cast

import ray

from cluster.experiments.compare.execute import Ended, Job, carry_out_job
from cluster.experiments.drivers import _Lines
from cluster.observability.console import Reporter
from cluster.training.launchers import _ANYWHERE, _cause, make_mailbox

POLL_S = 1.0
ATTEMPTS = 2  # a driver that dies is replaced once; the run goes on where it was cut


class _Driver:
    def run(self, job: Job, mailbox: str) -> str:
        return carry_out_job(job, Reporter(cast(TextIO, _Lines(mailbox, job.name))))


Driver: Any = ray.remote(_Driver)


class Actors:
    """A `Runner` on a Ray that is running already. A context manager: what still runs is ended."""

    def __init__(self, at_once: int, reporter: Reporter, driver: Any = Driver) -> None:
        self.at_once = at_once
        self._reporter, self._driver = reporter, driver
        self._name = f"imitate-compare-{uuid.uuid4().hex[:8]}"
        self._mailbox = make_mailbox(self._name)
        self._running: dict[Any, tuple[Job, Any, int]] = {}

    def __enter__(self) -> Actors:
        return self

    def __exit__(self, *exc: object) -> None:
        for _, actor, _ in self._running.values():
            ray.kill(actor)
        self._say()
        ray.kill(self._mailbox)

    def start(self, job: Job) -> None:
        self._start(job, 1)

    def _start(self, job: Job, attempt: int) -> None:
        actor = self._driver.options(num_cpus=0, scheduling_strategy=_ANYWHERE).remote()
        self._running[actor.run.remote(job, self._name)] = (job, actor, attempt)

    def wait(self) -> Ended:
        while True:
            ready, _ = ray.wait(list(self._running), timeout=POLL_S)
            self._say()
            for task in ready:
                job, actor, attempt = self._running.pop(task)
                try:
                    return Ended(job, ray.get(task))
                except ray.exceptions.RayActorError as error:
                    if attempt == ATTEMPTS:
                        return Ended(job, error=error, traceback=str(error))
                    time.sleep(POLL_S)
                    self._start(job, attempt + 1)
                except ray.exceptions.RayTaskError as error:
                    return Ended(job, error=_told(error), traceback=str(error))
                finally:
                    ray.kill(actor)

    def _say(self) -> None:
        for event in ray.get(self._mailbox.take.remote()):
            self._reporter.say(event["line"])


def _told(error: ray.exceptions.RayTaskError) -> BaseException:
    """What was raised in the driver, itself: the words of a RayTaskError are a whole traceback."""
    inner = getattr(error, "cause", None)
    return _cause(inner if isinstance(inner, BaseException) else error)
