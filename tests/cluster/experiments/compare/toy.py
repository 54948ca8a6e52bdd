"""Comparisons without trainings: plans of a tiny world, and jobs that only leave behind what counts."""

import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from cluster.config.parse import load_defaults
from cluster.experiments.compare.execute import DONE, OUT_OF_TIME, Ended, Job, State
from cluster.experiments.compare.plan import Plan, Trial, make_plan
from cluster.experiments.compare.results.table import collect
from imitation.common import storage
from imitation.evaluation.detection_files import write_detections
from imitation.report.comparison.record import Comparison
from imitation.report.run.record import Cycle, Run, Summary, write_summary
from tests.imitation.metrics.driving import evaluated

__all__ = ["OUT_OF_TIME"]

ARMS = "compare.arms=[real,random,imitation,oversample]"
RESAMPLES = "compare.resamples=100"  # the least
WORLD = [
    "world.train=20",
    "world.val=6",
    "world.test=8",
    "train.steps=10",
    "loop.cycles=2",
    "compare.seeds=1",
]


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
        spent = () if name == "none" else self.spent
        if "-budget" in job.name:
            spent = tuple(job.plain["aggregation"]["budgets"])
        leave_cycles(job.uri, spent, "repeat" if name == "oversample" else "simulate")
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
        self.now = float(int(time.monotonic()))  # whole: hours added to it stay exact

    def __call__(self) -> float:
        return self.now


# -- finished runs, for what is computed from them

CATEGORIES = ("car", "van", "person")
TOLD = {
    "started": "2030-01-01T00:00:00Z",
    "commit": "abc",
    "machine": "Linux, 2 CPUs",
    "packages": {"torch": "2"},
}


def metrics(split: str, score: float, threshold: float = 0.5) -> dict[str, Any]:
    by_category = dict.fromkeys(CATEGORIES, score)
    counts = {"iou": 0.5, "frames": 40, "errors": 0, "objects": 100, "detections": 80}
    shares = dict.fromkeys(("f1", "precision", "recall", "zero_one_loss"), 0.5)
    return {
        "split": split, "map50": score, "map": score / 2, "ap50": by_category, "ap": by_category,
        "threshold": threshold, "failures": {}, **counts, **shares,
    }  # fmt: skip


@cache  # most tests finish the same runs
def _detections(first: int, count: int, seed: int, hit: float) -> bytes:
    """A file of what a detector found on these frames."""
    with tempfile.TemporaryDirectory() as folder:
        uri = f"{folder}/detections.parquet"
        write_detections(evaluated(count, seed, hit=hit, first=first), uri, CATEGORIES)
        return Path(uri).read_bytes()


def finish(
    plan: Plan,
    trial: Trial,
    hits: Sequence[float],
    vals: Sequence[float],
    frames: range = range(40),
    rendered: int = 5,
) -> None:
    """A finished run: its cycle k finds an object with the chance `hits[k]`, and has `vals[k]` on val.
    The objects of a frame are the same in every run."""
    uri = plan.workspace(trial).uri
    cycles = []
    for k, (hit, val) in enumerate(zip(hits, vals, strict=True)):
        seed = [trial.cell.seed, k, zlib.crc32(trial.arm.name.encode()) if k else 0]
        drawn = int(np.random.default_rng(seed).integers(2**31))
        place = Path(uri) / f"cycle-{k:03d}" / "evaluation" / "detections.parquet"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(_detections(frames.start, len(frames), drawn, hit))
        simulated = {"requests": 1, "rendered": rendered, "set_aside": [], "frames_per_second": 1.0}
        cycles.append(
            Cycle.of(
                cycle=k,
                label="x",
                val=metrics("val", val),
                test=metrics("test", 0.5),
                real_frames=20,
                synthetic_frames=rendered * k,
                steps=10,
                images_seen=80,
                seconds={"train-main": 10.0, "evaluate": 2.0}
                | ({"simulate": 3.0} if k else {"train-fold-0": 6.0}),
                simulated=simulated if k else None,
            )
        )
    run = Run(
        name=trial.name, seed=0, data_kind="world", title="t", stand_in=True, notes=[], started="x",
        commit=None, machine="m", packages={},
    )  # fmt: skip
    best = max(range(len(vals)), key=lambda k: (vals[k], -k))
    summary = Summary.of(
        run=run, categories=CATEGORIES, splits={"train": 20, "val": 40, "test": len(frames)}, cycles=cycles,
        best_cycle=best, stop_reason="done", seconds_total=1.0,
    )  # fmt: skip
    write_summary(summary, f"{uri}/summary.json")


Quality = dict[str, tuple[Sequence[float], Sequence[float]]]
"""Arm, or "arm budget" -> (hits, val scores), a number a cycle."""
QUALITY: Quality = {
    "real": ([0.5], [0.5]),
    "oversample": ([0.5, 0.55, 0.5], [0.5, 0.55, 0.52]),
    "random": ([0.5, 0.5, 0.45], [0.5, 0.4, 0.45]),
    "imitation": ([0.5, 0.6, 0.95], [0.5, 0.6, 0.9]),
}


def finished(
    plan: Plan, quality: Quality = QUALITY, without: Sequence[str] = (), frames: int = 40
) -> dict[str, State]:
    """Every trial finished but those named in `without`, which failed; each fold has 30 test frames."""
    states = {}
    for trial in plan.trials:
        if trial.name in without:
            states[trial.name] = State("failed", "it broke")
            continue
        start = 30 * (trial.cell.fold or 0)
        tested = range(frames) if trial.cell.fold is None else range(start, start + 30)
        name = trial.arm.name if trial.budget is None else f"{trial.arm.name} {trial.budget:g}"
        most = (plan.config.compare.budgets or [0.25])[-1]
        added = round((trial.budget or most) * 20)
        finish(plan, trial, *quality[name], frames=tested, rendered=added)
        states[trial.name] = State("finished")
    return states


def collected(plan: Plan, states: dict[str, State], synthetic: dict[str, str] | None = None) -> Comparison:
    return collect(plan, states, TOLD, synthetic, 120.0, "imitate compare my.yaml")


@dataclass(frozen=True)
class Done:
    """A comparison whose runs are finished, for tests that share it: they only read its folder."""

    plan: Plan
    states: dict[str, State]
    found: Comparison

    @classmethod
    def of(cls, plan: Plan) -> "Done":
        states = finished(plan)
        return cls(plan, states, collected(plan, states))

    def without(self, *names: str) -> dict[str, State]:
        """The states as if these runs had failed."""
        assert set(names) <= set(self.states)
        return self.states | {name: State("failed", "it broke") for name in names}
