"""The part of a sweep that is Ray Tune's: trials to start, to end early, to go on with after a kill."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import ray
from ray import tune
from ray.tune.schedulers import AsyncHyperBandScheduler

from cluster.config.parse import parse
from cluster.config.sweep import SweepSettings
from cluster.config.tracking import TrackingSettings
from cluster.experiments.capacity import room
from cluster.experiments.drivers import Mailbox, drive, reason
from cluster.experiments.sweep.plan import Plan
from cluster.experiments.sweep.results import Outcome
from cluster.experiments.sweep.search_space import Choice, Dimension, trial_id
from cluster.experiments.sweep.trial import run_trial, trial_config, trial_folder
from cluster.observability.console import Reporter
from cluster.observability.trackers.registry import end_killed
from cluster.run.summary import SUMMARY
from imitation.common import storage
from imitation.common.formats import old_names
from imitation.report.sweep.record import settings_text
from imitation.report.table import points

TUNE = "tune"
METRIC = "best_val"
SHARE = 0.001  # of the head's own resource that a trial's messenger takes: a thousand of them fit
MESSENGER_BYTES = 300 << 20  # memory of such a process

run_in_driver = partial(drive, run_trial)


def tune_trials(
    plan: Plan, folder: str, reporter: Reporter, work: Callable[..., None] = run_in_driver
) -> list[Outcome]:
    """Has Tune run the plan's trials, or what an earlier call has left of them; returns how each ended.

    `work` does a trial, called as `cluster.experiments.drivers.drive` is with its work.
    """
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"  # Ctrl-C ends this driver, as that of any run
    os.environ.setdefault("TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S", "86400")  # a trial asks for nothing
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # whose tables go to standard output, unasked
    if plan.config.ray.quiet:
        logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # reasons stand in the results
    mailbox = Mailbox(reporter)
    name = mailbox.name
    plain = plan.config.plain()
    goes_on = _can_go_on(folder)

    def trial(chosen: dict[str, Any]) -> None:
        config = trial_config(parse(plain, "sweep"), folder, chosen["settings"])
        # the record of an earlier version knows its metric by its old name
        report = (lambda event: tune.report(old_names.and_before(event))) if goes_on else tune.report
        work((config.plain(), folder), name, config.run.name, report)

    at_once = min(plan.count, room(plan.config, plan.config.sweep.max_concurrent))
    reporter.say(f"at most {at_once} at a time")
    nodes = sum(node["Alive"] for node in ray.nodes())
    Watcher.live = _Live(reporter, mailbox, folder, plan.config.tracking)
    try:
        grid = _tuner(plan, folder, tune.with_resources(trial, place(nodes)), at_once).fit()
        Watcher.live.show(at_once=True)
    finally:
        Watcher.live = None
        mailbox.close()
    order = {trial_id(settings): place for place, settings in enumerate(plan.trials)}
    outcomes = [_outcome(grid[i]) for i in range(len(grid))]  # Tune puts what it tries again first
    return sorted(outcomes, key=lambda outcome: order.get(trial_id(outcome.settings), len(order)))


def _tuner(plan: Plan, folder: str, trainable: Any, at_once: int) -> tune.Tuner:
    """A new Tuner, or the one that an earlier driver has left in the folder."""
    fs, path = storage.resolve(folder)
    own_fs = None if storage.is_local(folder) else fs
    where = storage.join(path, TUNE)
    if _can_go_on(folder):
        tuner = tune.Tuner.restore(
            where, trainable, resume_unfinished=True, restart_errored=True, storage_filesystem=own_fs
        )
        inner: Any = tuner._local_tuner
        inner._tune_config.max_concurrent_trials = at_once  # it may be another machine now
        return tuner
    storage.delete(storage.join(folder, TUNE))  # an earlier driver was killed before any trial was on record
    sweep = plan.config.sweep
    random = sweep.search == "random"
    space = (
        tune.grid_search(list(plan.trials))
        if random
        else {dimension.key: domain(dimension) for dimension in plan.dimensions}
    )
    return tune.Tuner(
        trainable,
        param_space={"settings": space},
        tune_config=tune.TuneConfig(
            metric=METRIC,
            mode="max",
            num_samples=1 if random else sweep.samples,
            search_alg=None if random else _optuna(sweep.seed),
            scheduler=scheduler(sweep, plan.config.loop.cycles),
            max_concurrent_trials=at_once,
            reuse_actors=False,
            trial_name_creator=_name,
            trial_dirname_creator=_name,
        ),
        run_config=tune.RunConfig(
            name=TUNE, storage_path=path, storage_filesystem=own_fs, verbose=0, callbacks=[Watcher()]
        ),
    )


def place(nodes: int) -> tune.PlacementGroupFactory:
    """The resources of a trial's messenger. It needs no CPU, but a placement group must ask for something: on
    one node a small part of the head's own resource, on several some memory."""
    return tune.PlacementGroupFactory(
        [{"memory": MESSENGER_BYTES} if nodes > 1 else {"node:__internal_head__": SHARE}]
    )


def _can_go_on(folder: str) -> bool:
    """Whether an earlier driver has left a record with trials in the folder."""
    fs, path = storage.resolve(folder)
    own_fs = None if storage.is_local(folder) else fs
    return tune.Tuner.can_restore(storage.join(path, TUNE), storage_filesystem=own_fs) and any(
        storage.name_of(file).startswith("experiment_state")
        for file in storage.list_files(storage.join(folder, TUNE))
    )


def _name(trial: Any) -> str:
    return f"{trial_id(trial.config['settings'])}-{trial.trial_id}"


def domain(dimension: Dimension) -> Any:
    """The dimension as one of Tune's, for a search that picks by itself."""
    if isinstance(dimension, Choice):
        return tune.choice(list(dimension.values))
    low, high = dimension.low, dimension.high
    if dimension.step is not None:
        return tune.quniform(low, high, dimension.step)
    if dimension.whole:  # Tune leaves the upper end out
        whole = tune.lograndint if dimension.log else tune.randint
        return whole(int(low), int(high) + 1)
    return tune.loguniform(low, high) if dimension.log else tune.uniform(low, high)


def _optuna(seed: int) -> Any:
    from ray.tune.search.optuna import OptunaSearch

    return OptunaSearch(metric=METRIC, mode="max", seed=seed)


class BetweenCycles(AsyncHyperBandScheduler):
    """asha on cycles; it never ends a trial after its last one, since that would save nothing."""

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        action = super().on_trial_result(tune_controller, trial, result)
        return str(self.CONTINUE if result.get("last") else action)


def scheduler(settings: SweepSettings, cycles: int) -> AsyncHyperBandScheduler | None:
    """The scheduler that ends trials early; None for none."""
    if settings.scheduler == "none" or cycles <= settings.grace:
        return None
    return BetweenCycles(
        time_attr="cycle",
        max_t=cycles + 1,
        grace_period=settings.grace,
        reduction_factor=settings.reduction_factor,
    )


def _outcome(result: Any) -> Outcome:
    return Outcome(dict(result.config["settings"]), None if result.error is None else reason(result.error))


# --- what is shown meanwhile -----------------------------------------------------------------------


class _Live:
    """The driver's reporter, and the mailbox of its trials."""

    def __init__(self, reporter: Reporter, mailbox: Mailbox, folder: str, tracking: TrackingSettings) -> None:
        self.reporter = reporter
        self.folder = folder
        self.tracking = tracking
        self._mailbox = mailbox
        self._looked = 0.0

    def show(self, at_once: bool = False) -> None:
        """Passes on the lines that trials have sent, at most twice a second."""
        if at_once or time.monotonic() - self._looked > 0.5:
            self._looked = time.monotonic()
            self._mailbox.pass_on()


class Watcher(tune.Callback):
    """Reports what Tune does. Tune pickles it into its folder, so it holds no state."""

    live: ClassVar[_Live | None] = None

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if self.live is not None:
            self.live.show()

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._say(trial, f"starts: {settings_text(trial.config['settings'])}")

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        self._say(
            trial,
            f"cycle {result['cycle']}: val {points(result['val'])}, best {points(result['best_val'])} "
            f"(cycle {result['best_cycle']})",
        )

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        if self.live is not None:
            own = trial_folder(self.live.folder, trial_id(trial.config["settings"]))
            finished = storage.exists(storage.join(own, SUMMARY))
            self._say(trial, "done" if finished else "ended early by asha")
            if not finished:  # its driver waits for us, and is killed when we return
                end_killed(self.live.tracking, own, self.live.reporter.say)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._say(trial, "failed")

    def _say(self, trial: Any, text: str) -> None:
        if self.live is not None:
            self.live.show(at_once=True)
            self.live.reporter.say(f"[{trial_id(trial.config['settings'])}] {text}")
