"""One trial of a sweep: a run on a shared baseline that tells Tune its score after every cycle.

Tune places a trial in a placement group of its own, in which nothing that the trial starts would find
room. So what Tune runs only passes messages on; the run's driver is an actor outside of that group, and
what it starts (trainer, simulators, evaluation) is placed as that of any run.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TextIO, cast

import ray

from cluster.config.parse import parse
from cluster.config.schema import Config
from cluster.experiments.drivers import _Lines
from cluster.experiments.sweep.search_space import trial_id, with_settings
from cluster.observability.console import Reporter
from cluster.run.baseline import ensure_baseline, patient_lock
from cluster.run.storage_checks import absolute_places
from cluster.workspace.run_folder import Workspace
from imitation.common import storage
from imitation.common.storage import retry

TRIALS = "trials"
DRIVER_ATTEMPTS = 2  # a driver that dies is replaced once; the run goes on where it was cut

Event = dict[str, Any]
Tell = Callable[[Event], None]
Run = Callable[[Config, str, Reporter, Tell], None]


def trial_folder(folder: str, name: str) -> str:
    """Where a trial of the sweep in `folder` lies."""
    return storage.join(folder, TRIALS, name)


def trial_config(config: Config, folder: str, settings: dict[str, Any]) -> Config:
    """The run of one trial; nothing in it speaks of the sweep."""
    plain = with_settings(absolute_places(config), settings).plain()
    plain["run"] |= {"storage": storage.join(folder, TRIALS), "name": trial_id(settings)}
    del plain["sweep"]
    return parse(plain, "trial")


def run_trial(config: Config, folder: str, reporter: Reporter, tell: Tell) -> None:
    """A whole trial: its baseline, if no other has computed it, then its run; what is committed is not
    done again. `tell` gets an event after every cycle, the baseline first, without any number of `test`.

    Raises UserError as a run does.
    """
    from cluster.run.main_job import carry_out, check, check_renderer

    retry.allow(config.run.storage_patience_s)
    check_renderer(config)
    base = ensure_baseline(config, folder, reporter)
    workspace = Workspace(trial_folder(folder, config.run.name), base)
    scores: list[float] = []

    def on_cycle(entry: Any) -> None:
        scores.append(entry.evaluation.score)
        tell(cycle_event(scores, entry.dataset, last=check(config, scores, entry.dataset) is not None))

    # patient: two trials may have been given the same settings, and the same folder with them
    lock = partial(patient_lock, reporter=reporter)
    carry_out(config, workspace, reporter, on_cycle, lock=lock, hide_test=True)


def cycle_event(scores: list[float], dataset: Any, last: bool) -> Event:
    """What Tune is told after a cycle. `best_val` is what trials are compared by."""
    best = max(scores)
    return {
        "cycle": len(scores) - 1,
        "val": scores[-1],
        "best_val": best,
        "best_cycle": scores.index(best),
        "synthetic_frames": dataset.synthetic_frames,
        "synthetic_ratio": dataset.synthetic_frames / max(1, dataset.real.frames),
        "last": last,
    }


class _Driver:
    """A trial's driver in a process of its own. `run` works in one thread, and after each event waits for
    `go_on`, so that a trial can be ended between two cycles; `next_event` and `go_on` come in another."""

    def __init__(self) -> None:
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._go_on = threading.Semaphore(0)

    def run(self, plain: dict[str, Any], folder: str, mailbox: str | None, label: str, run: Run) -> None:
        try:
            config = parse(plain, "trial")
            reporter = Reporter(cast(TextIO, _Lines(mailbox, label)))
            run(config, folder, reporter, self._tell)
        finally:
            self._events.put(None)

    def _tell(self, event: Event) -> None:
        self._events.put(event)
        self._go_on.acquire()

    def next_event(self) -> Event | None:
        """Waits for the next event; None when the run has ended, well or not."""
        return self._events.get()

    def go_on(self) -> None:
        self._go_on.release()


Driver: Any = ray.remote(_Driver)


def drive(
    plain: dict[str, Any], folder: str, mailbox: str | None, label: str, report: Tell, run: Run = run_trial
) -> None:
    """Runs a trial in a driver actor, handing each of its cycles on to `report` once, in order. Its lines,
    after its `label`, go to the actor named `mailbox`.

    Raises what went wrong in it (UserError for what a person can mend).
    """
    from cluster.training.launchers import _ANYWHERE, _cause

    reported = -1
    for attempt in range(DRIVER_ATTEMPTS):
        driver = Driver.options(num_cpus=0, max_concurrency=3, scheduling_strategy=_ANYWHERE).remote()
        try:
            task = driver.run.remote(plain, folder, mailbox, label, run)
            while (event := ray.get(driver.next_event.remote())) is not None:
                if event["cycle"] > reported:  # a replaced driver tells the committed cycles again
                    reported = event["cycle"]
                    report(event)
                driver.go_on.remote()
            ray.get(task)
            return
        except ray.exceptions.RayActorError:
            if attempt + 1 == DRIVER_ATTEMPTS:
                raise
        except ray.exceptions.RayTaskError as error:
            raise _cause(error) from error
        finally:
            ray.kill(driver)
