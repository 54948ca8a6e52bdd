"""Carries a plan out: baselines first, then arms; one that fails is marked, and the others go on.

What is finished is on record in `states/<trial>.json` and is not run again. What was interrupted
continues from its run folder (`cluster.workspace.run_folder`). A runner does the jobs, in this process or in
drivers on a cluster.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from cluster.config.parse import parse
from cluster.experiments.compare.arms import rendered, spent
from cluster.experiments.compare.plan import Cell, Plan, Trial
from cluster.experiments.drivers import Tell, reason
from cluster.observability.console import Reporter
from cluster.runtime.periodic import meanwhile
from cluster.runtime.signals import PutOff
from cluster.stages.cycle import nothing_found
from cluster.workspace.run_folder import Workspace
from imitation.common import storage
from imitation.common.names import cycle_folder

STATES = "states"
CLOCK = "clock.json"
DONE, OUT_OF_TIME = "done", "out of time"

Status = Literal["finished", "failed", "unfinished", "not started"]


@dataclass(frozen=True)
class State:
    """How a trial stands, and why it is not finished."""

    status: Status
    reason: str | None = None
    traceback: str | None = None


@dataclass(frozen=True)
class Job:
    """A baseline (no `uri`) or an arm's run in its folder `uri`, as plain data, for other processes."""

    name: str
    plain: dict[str, Any]
    folder: str
    uri: str | None = None
    base: str | None = None
    seconds_left: float | None = None


@dataclass(frozen=True)
class Ended:
    """How a job ended: its result (the base's folder; DONE or OUT_OF_TIME), or an error."""

    job: Job
    result: str | None = None
    error: BaseException | None = None
    traceback: str | None = None


class Runner(Protocol):
    """Does up to `at_once` jobs at a time."""

    at_once: int

    def start(self, job: Job) -> None: ...

    def wait(self) -> Ended:
        """The next job that ends, of those that were started."""
        ...


def carry_out_job(job: Job, reporter: Reporter, tell: Tell = lambda event: None) -> str:
    """Does a job; returns `Ended.result`. Raises what a run raises. `tell` gets nothing: nobody outside
    of the run decides whether it continues."""
    from cluster.run.baseline import ensure_baseline
    from cluster.run.main_job import carry_out, check

    config = parse(job.plain, job.name)
    if job.uri is None:
        return ensure_baseline(config, job.folder, reporter)
    start, scores = time.monotonic(), list[float]()

    def on_cycle(entry: Any) -> None:
        scores.append(entry.evaluation.score)
        late = job.seconds_left is not None and time.monotonic() - start > job.seconds_left
        if late and check(config, scores, entry.dataset) is None:
            raise _OutOfTime

    try:
        carry_out(config, Workspace(job.uri, job.base), reporter, on_cycle)
    except _OutOfTime:
        return OUT_OF_TIME
    return DONE


class _OutOfTime(PutOff):
    pass


class InProcess:
    """One job after the other, in this process: for a machine that a single run keeps busy."""

    at_once = 1

    def __init__(self, reporter: Reporter, work: Callable[[Job, Reporter], str] = carry_out_job) -> None:
        self._reporter, self._work = reporter, work
        self._ended: list[Ended] = []

    def start(self, job: Job) -> None:
        try:
            self._ended.append(Ended(job, self._work(job, self._reporter)))
        except Exception as error:  # Ctrl-C passes
            self._ended.append(Ended(job, error=error, traceback=traceback.format_exc()))

    def wait(self) -> Ended:
        return self._ended.pop(0)


class Clock:
    """Seconds of all starts of a comparison together, kept in its folder."""

    def __init__(self, folder: str, now: Callable[[], float] = time.monotonic) -> None:
        self._uri = storage.join(folder, CLOCK)
        self._before = storage.read_json(self._uri)["seconds"] if storage.exists(self._uri) else 0.0
        self._now, self._start = now, now()

    @property
    def seconds(self) -> float:
        return float(self._before + self._now() - self._start)

    @contextmanager
    def kept(self, every_s: float = 30.0) -> Iterator[None]:
        """Saves it periodically and at the end, so that a killed start counts too."""
        with meanwhile(self.save, every_s, "comparison-clock"):
            yield

    def save(self) -> None:
        storage.write_json(self._uri, {"seconds": round(self.seconds, 3)})


def read_state(plan: Plan, trial: Trial) -> State:
    """How a trial stands by what is on record."""
    uri = _state_uri(plan, trial)
    if storage.exists(uri):
        return State(**storage.read_json(uri))
    if storage.exists(plan.workspace(trial).path("config.yaml")):
        return State("unfinished", "it was cut off")
    return State("not started")


def _state_uri(plan: Plan, trial: Trial) -> str:
    return storage.join(plan.folder, STATES, f"{trial.name}.json")


def execute(plan: Plan, runner: Runner, reporter: Reporter, clock: Clock) -> dict[str, State]:
    """Runs what is not finished, within the budgets; returns how each trial stands, by name.

    A trial that failed is tried again by the next call. Raises nothing of what a job raised.
    """
    return _Execution(plan, runner, reporter, clock).run()


class _Execution:
    def __init__(self, plan: Plan, runner: Runner, reporter: Reporter, clock: Clock) -> None:
        self.plan, self.runner, self.reporter, self.clock = plan, runner, reporter, clock
        self.states = {trial.name: read_state(plan, trial) for trial in plan.trials}
        self.trials = {trial.name: trial for trial in plan.trials}
        self.bases: dict[Cell, str | None] = {}  # None: it failed
        self.why: dict[Cell, str] = {}
        self.running: dict[str, Trial | Cell] = {}
        self._plans: dict[tuple[str, int | None, float | None], int] = {}
        self.tried: set[str] = {name for name, state in self.states.items() if state.status == "finished"}

    def run(self) -> dict[str, State]:
        if done := len(self.tried):
            self.reporter.say(f"{done} of {len(self.trials)} runs are finished already")
        while True:
            for job, what in self._ready():
                self.running[job.name] = what
                self.reporter.say(f"{self._place(what)}{job.name}")
                self.runner.start(job)
            if not self.running:
                break
            ended = self.runner.wait()
            self._settle(self.running.pop(ended.job.name), ended)
            self.clock.save()
        return self.states

    def _place(self, what: Trial | Cell) -> str:
        return "" if isinstance(what, Cell) else f"run {len(self.tried)} of {len(self.trials)}: "

    # -- what may start

    def _ready(self) -> Iterator[tuple[Job, Trial | Cell]]:
        """Jobs that can start now, in the plan's order; looked at anew after each."""
        while len(self.running) < self.runner.at_once:
            found = next(self._startable(), None)
            if found is None:
                return
            yield found

    def _startable(self) -> Iterator[tuple[Job, Trial | Cell]]:
        for trial in self.plan.trials:
            if trial.name in self.tried or trial.name in self.running:
                continue
            leader = None if trial.after is None else self.states[trial.after]
            if leader is not None and leader.status != "finished":
                if trial.after in self.tried and trial.after not in self.running:  # else it is yet to end
                    other = self.trials[trial.after]
                    what = "take the frames of" if trial.budget is not None else "match"
                    why = f"it must {what} {other.arm.name}, which is {leader.status}"
                    self._record(trial, State("not started", why))
                continue
            if trial.arm.shares_baseline:
                if trial.cell not in self.bases:
                    if self._over_time():
                        self._record(trial, self._late(trial))
                    elif trial.cell not in self.running.values():
                        config = self.plan.cell_config(trial.cell)
                        name = f"baseline {trial.cell.name}"
                        yield Job(name, config.plain(), self.plan.folder), trial.cell
                    continue
                if self.bases[trial.cell] is None:
                    why = f"its baseline failed: {self.why[trial.cell]}"
                    self._record(trial, State("failed", why), keep=True)
                    continue
            if refusal := self._over_budget(trial):
                self._record(trial, refusal)
                continue
            self.tried.add(trial.name)
            yield self._job(trial), trial

    def _job(self, trial: Trial) -> Job:
        budgets = None
        if trial.after is not None:
            budgets = spent(self.plan.workspace(self.trials[trial.after]))
            if trial.budget is not None:
                budgets = [min(self.plan.added(trial), *budgets)] if budgets else []
        config = self.plan.trial_config(trial, budgets)
        base = self.bases[trial.cell] if trial.arm.shares_baseline else None
        hours = self.plan.config.compare.max_hours
        left = None if hours is None else max(0.0, 3600 * hours - self.clock.seconds)
        uri = self.plan.workspace(trial).uri
        return Job(trial.name, config.plain(), self.plan.folder, uri, base, left)

    # -- budgets

    def _over_time(self) -> bool:
        hours = self.plan.config.compare.max_hours
        return hours is not None and self.clock.seconds >= 3600 * hours

    def _late(self, trial: Trial) -> State:
        before = self.states[trial.name]
        if before.status == "failed":
            return before
        return State(before.status, f"compare.max_hours ({self.plan.config.compare.max_hours:g}) are used up")

    def _over_budget(self, trial: Trial) -> State | None:
        if self._over_time():
            return self._late(trial)
        limit = self.plan.config.compare.max_frames
        if limit is None:
            return None
        used = sum(self._frames(other) for other in self.plan.trials if other.name != trial.name)
        needed = self._planned(trial)
        if needed and used + needed > limit:
            why = f"its {needed} frames on top of {used} would exceed compare.max_frames ({limit})"
            return State("not started", why)
        return None

    def _frames(self, trial: Trial) -> int:
        """Synthetic frames that a trial has rendered, or, before it has ended, may render."""
        if self.states[trial.name].status == "finished":
            return rendered(self.plan.workspace(trial))
        begun = storage.exists(self.plan.workspace(trial).path("config.yaml"))
        if not begun and trial.name not in self.running:
            return 0
        return self._planned(trial)

    def _planned(self, trial: Trial) -> int:
        """At most; the same in every seed."""
        key = (trial.arm.name, trial.cell.fold, trial.budget)
        if key not in self._plans:
            self._plans[key] = self.plan.cost(trial).synthetic
        return self._plans[key]

    # -- what has ended

    def _settle(self, what: Trial | Cell, ended: Ended) -> None:
        if isinstance(what, Cell):
            self.bases[what] = ended.result
            if ended.error is not None:
                self.why[what] = reason(ended.error)
                self.reporter.say(f"{ended.job.name} failed: {self.why[what]}")
            elif ended.result is not None and _finds_nothing(ended.result):
                self.reporter.say(nothing_found(f"the {ended.job.name}", self.plan.config.train.steps))
            return
        if ended.error is not None:
            self._record(what, State("failed", reason(ended.error), ended.traceback), keep=True)
        elif ended.result == OUT_OF_TIME:
            self._record(what, State("unfinished", self._late(what).reason))
        else:
            self._record(what, State("finished"), keep=True)

    def _record(self, trial: Trial, state: State, keep: bool = False) -> None:
        """`keep`: in the folder too; what was merely not reached is not on record."""
        self.tried.add(trial.name)
        self.states[trial.name] = state
        if keep:
            storage.write_json(_state_uri(self.plan, trial), asdict(state))
        if state.status != "finished":
            self.reporter.say(f"{trial.name}: {state.status}: {state.reason}")


def _finds_nothing(base: str) -> bool:
    """Whether a baseline has a mAP of 0 on val."""
    judged = Workspace(base).committed(cycle_folder(0)).get("evaluate")
    return judged is not None and not judged["metrics"]["val"]["map50"]
