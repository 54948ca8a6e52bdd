"""`imitate sweep`: Ray Tune over the settings of a run.

A Tune trial is a run on a shared baseline, a Tune iteration one cycle. Tune picks what comes next and
when to give up; what is computed lies in run folders, and results are read from those:

    <run.storage>/<sweep.name>/
      sweep.yaml         the configuration; another one is refused
      baselines/<key>/   data and cycle 0, for all trials that share them
      trials/<id>/       a run each; the id follows from its settings
      tune/              Tune's own state, TensorBoard logs
      results.json  results.csv  best.yaml  report.html
"""

from __future__ import annotations

import yaml

from cluster.checks.early import try_early
from cluster.config.schema import Config
from cluster.experiments.sweep.plan import Plan, make_plan
from cluster.experiments.sweep.results import BEST, REPORT, write_results
from cluster.experiments.sweep.search_space import Choice, with_settings
from cluster.observability.console import Reporter
from cluster.observability.trackers.registry import check_tracking
from cluster.run.baseline import has_baseline
from cluster.run.storage_checks import absolute_places, check_lasting, check_reached, in_job
from cluster.runtime.ray_session import start_ray
from cluster.stages.stageable import outlook
from cluster.workspace.lock import RunLock
from cluster.workspace.run_folder import FREE_KEYS, differences, read_config
from imitation.common import storage
from imitation.common.settings import UserError
from imitation.common.storage import retry
from imitation.common.text_table import format_table
from imitation.report.sweep.record import SweepResults, build_table

CONFIG_FILE = "sweep.yaml"


def sweep(config: Config, reporter: Reporter) -> SweepResults:
    """Runs, or continues, the sweep that the configuration names; returns what its trials found.

    Raises UserError for anything that a person can mend, and if every trial failed. Whatever was
    committed stays, and the same command goes on from there.
    """
    from cluster.run.main_job import check_renderer

    plan = make_plan(config)
    check_search(config)
    check_renderer(config)
    check_tracking(config.tracking)
    if in_job():
        check_lasting(config)
    retry.allow(config.run.storage_patience_s)
    folder = storage.absolute(storage.join(config.run.storage, config.sweep.name))
    if not has_baseline(folder):
        try_early([config, *_of_other_code(plan)], reporter)
    staging = outlook([config])
    with RunLock(folder, reporter.say):
        continues = open_folder(config, folder)
        reporter.say(f"{'continuing' if continues else 'starting'} sweep {folder}")
        for line in (*plan.lines(), *staging):
            reporter.say(line)
        start_ray(config)
        check_reached(config, folder, reporter)
        from cluster.experiments.sweep.tune import tune_trials

        outcomes = tune_trials(plan, folder, reporter)
        results = write_results(plan, folder, outcomes)
    reporter.say("")
    print(format_table(build_table(results)), flush=True)
    reporter.say(f"\nreport: {storage.join(folder, REPORT)}")
    if results.best is None:
        if any(trial.best_val is not None for trial in results.trials):
            raise UserError(
                f"no trial of {folder} can be chosen: none finds anything on val (mAP 0.0). Look at "
                "train.steps, and at the data: imitate inspect"
            )
        reason = next((trial.reason for trial in results.trials if trial.reason), "none has finished a cycle")
        raise UserError(f"no trial of {folder} can be chosen; the first: {reason}")
    reporter.say(f"best settings: {storage.join(folder, BEST)}")
    return results


def _of_other_code(plan: Plan) -> list[Config]:
    """The configurations with each detector, policy, simulator and manifest of bodies that trials try."""
    named = ("detector.name", "policy.name", "simulate.simulator", "renderer.bodies")
    return [
        with_settings(plan.config, {each.key: value})
        for each in plan.dimensions
        if each.key in named and isinstance(each, Choice)
        for value in each.values
    ]


def open_folder(config: Config, folder: str) -> bool:
    """Creates the sweep's folder, or reopens it; True if it continues an earlier sweep.

    Raises UserError where the folder holds a sweep of another configuration, naming what differs.
    """
    storage.check_writable(folder)
    known = storage.join(folder, CONFIG_FILE)
    plain = absolute_places(config).plain()
    if not storage.exists(known):
        storage.write_bytes_atomic(known, yaml.safe_dump(plain, sort_keys=False).encode())
        return False
    free = (*(key for key in FREE_KEYS if key != "sweep"), "sweep.max_concurrent")
    if changes := differences(read_config(known), plain, free):
        raise UserError(
            f"{folder} holds a sweep of another configuration ({'; '.join(changes[:8])}). "
            "Give the new sweep another sweep.name, or the old settings to continue the old one."
        )
    return True


def check_search(config: Config) -> None:
    """Raises UserError where the search needs a package that is not installed."""
    if config.sweep.search == "optuna":
        try:
            import optuna  # noqa: F401
        except ImportError:
            raise UserError(
                "sweep.search is 'optuna', which is not installed: pip install 'imitation-training[sweep]', "
                "or set sweep.search to random"
            ) from None
