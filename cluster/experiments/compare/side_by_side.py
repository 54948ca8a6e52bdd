"""Runs of a comparison side by side, each with a driver of its own (`cluster.experiments.drivers`)."""

from __future__ import annotations

import time
from typing import Any

import ray

from cluster.experiments.compare.execute import Ended, Job, carry_out_job
from cluster.experiments.drivers import Driver, Mailbox, Work
from cluster.observability.console import Reporter

POLL_S = 1.0


class SideBySide:
    """A `Runner` on a Ray that is running already. A context manager: what still runs is ended."""

    def __init__(self, at_once: int, reporter: Reporter, work: Work = carry_out_job) -> None:
        self.at_once = at_once
        self._work = work
        self._mailbox = Mailbox(reporter)
        self._running: dict[Any, tuple[Job, Driver]] = {}

    def __enter__(self) -> SideBySide:
        return self

    def __exit__(self, *exc: object) -> None:
        for _, driver in self._running.values():
            driver.end()
        self._mailbox.pass_on()
        self._mailbox.close()

    def start(self, job: Job) -> None:
        driver = Driver(self._work, (job,), self._mailbox.name, job.name)
        self._running[driver.task] = (job, driver)

    def wait(self) -> Ended:
        while True:
            ready, _ = ray.wait(list(self._running), timeout=POLL_S)
            self._mailbox.pass_on()
            for task in ready:
                job, driver = self._running.pop(task)
                try:
                    ended = Ended(job, driver.result())
                except ray.exceptions.RayActorError as error:
                    time.sleep(POLL_S)
                    if driver.replaced():
                        self._running[driver.task] = (job, driver)
                        continue
                    ended = Ended(job, error=error, traceback=str(error))
                except Exception as error:  # whatever a job raised is kept with it
                    ended = Ended(job, error=error, traceback=str(error.__cause__ or error))
                driver.end()
                return ended
