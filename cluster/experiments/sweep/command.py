"""`imitate sweep`: Ray Tune over the settings of a run.

A Tune trial is a run on a shared baseline, a Tune iteration one cycle. Tune picks settings and ends trials
early; results are read from the run folders. The files beside those of every folder of runs
(`cluster.experiments.folder`; a trial's name follows from its settings):

    tune/   Tune's own state, TensorBoard logs
    results.json  results.csv  best.yaml  report.html
"""

from __future__ import annotations

from cluster.config.schema import Config
from cluster.experiments.folder import opened
from cluster.experiments.sweep.plan import make_plan, of_other_code
from cluster.experiments.sweep.results import BEST, REPORT, write_results
from cluster.observability.console import Reporter
from cluster.run.storage_checks import absolute_places, check_reached
from cluster.runtime.ray_session import start_ray
from imitation.common import storage
from imitation.common.settings import UserError
from imitation.common.text_table import format_table
from imitation.report.sweep.record import SweepResults, build_table


def sweep(config: Config, reporter: Reporter) -> SweepResults:
    """Runs, or continues, the sweep that the configuration names; returns what its trials found.

    Raises UserError for anything that a person can mend, and if every trial failed. Whatever was
    committed stays, and the same command goes on from there.
    """
    plan = make_plan(config)
    check_search(config)
    home = plan.home
    runs = [config, *of_other_code(plan)]
    with opened(home, absolute_places(config), runs, plan.lines(), reporter):
        start_ray(config)
        check_reached(config, home.uri, reporter)
        from cluster.experiments.sweep.tune import tune_trials

        outcomes = tune_trials(plan, home.uri, reporter)
        results = write_results(plan, home.uri, outcomes)
    reporter.say("")
    print(format_table(build_table(results)), flush=True)
    reporter.say(f"\nreport: {storage.join(home.uri, REPORT)}")
    if results.best is None:
        if any(trial.best_val is not None for trial in results.trials):
            raise UserError(
                f"no trial of {home.uri} can be chosen: none finds anything on val (mAP 0.0). Look at "
                "train.steps, and at the data: imitate inspect"
            )
        reason = next((trial.reason for trial in results.trials if trial.reason), "none has finished a cycle")
        raise UserError(f"no trial of {home.uri} can be chosen; the first: {reason}")
    reporter.say(f"best settings: {storage.join(home.uri, BEST)}")
    return results


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
