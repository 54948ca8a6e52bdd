"""Comparisons without trainings: plans of a tiny world, and jobs that only leave behind what counts."""

import time
from collections.abc import Callable
from pathlib import Path

from cluster.compare.execute import DONE, OUT_OF_TIME, Ended, Job
from cluster.compare.plan import Plan, make_plan
from cluster.config import load_defaults
from imitation import storage

ARMS = "compare.arms=[real,random,imitation,oversample]"
WORLD = ["world.train=20", "world.stop=6", "world.test=8", "train.steps=10", "loop.cycles=2", "compare.seeds=1"]


def plan_of(tmp_path: Path, *options: str) -> Plan:
    return make_plan(load_defaults([f"run.storage={tmp_path}", *WORLD, ARMS, *options]))


Behave = Callable[[Job], str | BaseException | None]


class Toy:
    """A runner of up to `at_once` jobs, which end in the order of their start. `spent` are the frames that
    cycles of an arm add; `behave` may make a job fail, or end otherwise."""

    def __init__(
        self, at_once: int = 1, spent: tuple[int, ...] = (5, 4), behave: Behave = lambda job: None
    ) -> None:
        self.at_once, self.spent, self.behave = at_once, spent, behave
        self.jobs: list[Job] = []
        self.most = 0
        self._running: list[Job] = []

    @property
    def names(self) -> list[str]:
        return [job.name for job in self.jobs]

    def job(self, name: str) -> Job:
        return next(job for job in self.jobs if job.name == name)

    def start(self, job: Job) -> None:
        self.jobs.append(job)
        self._running.append(job)
        self.most = max(self.most, len(self._running))
        assert self.most <= self.at_once
        if job.uri is not None:
            storage.write_bytes_atomic(storage.join(job.uri, "config.yaml"), b"{}")

    def wait(self) -> Ended:
        job = self._running.pop(0)
        told = self.behave(job)
        if isinstance(told, BaseException):
            return Ended(job, error=told, traceback="Traceback")
        if told is not None:
            return Ended(job, told)
        if job.uri is None:
            return Ended(job, storage.join(job.folder, "baselines", job.name))
        name = job.plain["policy"]["name"]
        leave_cycles(job.uri, self.spent if name != "none" else (), "repeat" if name == "oversample" else "simulate")
        return Ended(job, DONE)


def leave_cycles(uri: str, spent: tuple[int, ...], stage: str) -> None:
    """What is read of a run that has ended: the frames that each cycle added."""
    storage.write_json(storage.join(uri, "cycle-000", "stage-evaluate.json"), {})
    for cycle, frames in enumerate(spent, start=1):
        folder = storage.join(uri, f"cycle-{cycle:03d}")
        storage.write_json(storage.join(folder, f"stage-{stage}.json"), {"frames": frames})
        storage.write_json(storage.join(folder, "stage-evaluate.json"), {})


class Ticks:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = time.monotonic()

    def __call__(self) -> float:
        return self.now


