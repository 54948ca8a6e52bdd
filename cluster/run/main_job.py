"""The main job: prepare, loop, choose the best cycle, report."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from cluster.checks.early import has_judged, try_early, unusable
from cluster.config.schema import Config
from cluster.data.stageable import Teller
from cluster.observability.callbacks import FinishedCycle, Watch
from cluster.observability.console import Reporter
from cluster.observability.cycle_time import CycleClock
from cluster.observability.memory import PeakMemory
from cluster.observability.progress_file import ProgressFile
from cluster.observability.prometheus import Telemetry
from cluster.observability.trackers.registry import check_tracking, make_trackers
from cluster.run.baseline import check_base
from cluster.run.loop import OnCycle, loop
from cluster.run.storage_checks import check_lasting, check_reached, in_job
from cluster.run.summary import REPORT, SUMMARY, build_summary, write_report
from cluster.stages.cycle import Evaluation, nothing_found
from cluster.workspace.driven import driven, how_it_ended
from cluster.workspace.lock import RunLock
from cluster.workspace.run_folder import Workspace, flatten
from imitation import stopping
from imitation.aggregation import Dataset
from imitation.common import storage
from imitation.common.names import MAIN, cycle_folder
from imitation.common.settings import UserError
from imitation.common.storage import retry
from imitation.common.text_table import format_table
from imitation.detectors.checkpoint import copy_checkpoint
from imitation.loop import Cycle, History
from imitation.policies import build_policy, what_it_adds
from imitation.report.run.record import Summary
from imitation.report.run.table import build_table
from imitation.report.words import WRONG, measure_name

SIMULATED = ("frames", "retries", "crashes", "hangs", "errors", "lost")  # of the simulate stage's result


def run(config: Config, reporter: Reporter) -> Summary:
    """Runs, or continues, the run that the configuration names; returns its summary.

    Raises UserError for anything that a person can mend. Whatever was committed stays.
    """
    check_renderer(config)
    check_tracking(config.tracking)
    retry.allow(config.run.storage_patience_s)
    workspace = Workspace(storage.join(config.run.storage, config.run.name))
    if not has_judged(workspace):
        try_early([config], reporter)
    summary = carry_out(config, workspace, reporter)
    reporter.say("")
    print(format_table(build_table(summary)), flush=True)
    kept = "the baseline, as none finds anything" if summary.finds_nothing else "best detector"
    reporter.say(f"\nreport: {workspace.path(REPORT)}\n{kept}: {workspace.path('best')}")
    return summary


def carry_out(
    config: Config,
    workspace: Workspace,
    reporter: Reporter,
    on_cycle: OnCycle = lambda entry: None,
    lock: Callable[[str], AbstractContextManager[RunLock]] | None = None,
    hide_test: bool = False,
) -> Summary:
    """A run in `workspace`, from its lock to its report: alone, or as one of several that share a base.

    `hide_test`: trackers do not hear of the test split (a sweep's trials must not be chosen by it).
    Raises UserError as `run` does, for a base that was made with other settings, and, once all that was
    finished is reported, for a cycle whose every scene was lost.
    """
    if in_job():
        check_lasting(config)
    lock = lock or partial(RunLock, say=reporter.say)
    memory = PeakMemory()
    with lock(workspace.uri) as held:
        workspace.check = held.check
        if workspace.base is not None:
            check_base(config, workspace.base)
        continues = workspace.open(config.plain())
        check_reached(config, workspace.uri, reporter)
        reporter.say(f"{'continuing' if continues else 'starting'} run {workspace.uri}")
        with (
            driven(workspace.uri, held.check),
            reporter.logs("cluster", "sim_actors", "imitation"),
            _watching(config, workspace, reporter, memory, hide_test) as watch,
        ):

            def after(entry: Cycle[Evaluation]) -> None:
                _end_cycle(config, workspace, watch, entry)
                on_cycle(entry)

            tell = Teller(config, reporter.say, quiet=workspace.base is not None)
            data, history, lost = loop(config, workspace, watch, partial(check, config), after, tell)
            reporter.say(f"stopped after cycle {history.cycles[-1].cycle}. {history.reason}")
            _keep_best(workspace, history)
            summary = build_summary(config, workspace, data, history, _peak(workspace, memory.peak_mb))
            write_report(config, workspace, data, summary)
            if lost is not None:
                raise UserError(
                    f"{lost}\nThe run is not complete. What was finished is kept, and reported in "
                    f"{workspace.path(REPORT)}. Mend the cause and give the same command to go on from there"
                )
            watch.finish({name: workspace.path(name) for name in (SUMMARY, REPORT)})
    return summary


def check_renderer(config: Config) -> None:
    """Whether the simulators of a run can render on this machine, before any work is done: a UserError
    names what is missing. On a cluster they tell when their workers start."""
    for reason in unusable(config):
        raise UserError(reason)


def check(config: Config, scores: Sequence[float], dataset: Dataset) -> str | None:
    """Why the run stops after these val scores, the baseline's first; None if it goes on."""
    bounded = what_it_adds(build_policy(config.policy)) != "nothing"
    return stopping.check(
        scores,
        dataset.added_ratio if bounded else 0.0,
        config.aggregation.max_synthetic_ratio if bounded else math.inf,
        config.loop.cycles,
        config.stopping,
        room=dataset.left_under_cap() if bounded else None,
    )


@contextmanager
def _watching(
    config: Config, workspace: Workspace, reporter: Reporter, memory: PeakMemory, hide_test: bool
) -> Iterator[Watch]:
    """Who watches a run. The clock comes before the trackers, which tell what it says of a cycle."""
    name, plain = config.run.name, flatten(config.plain())
    trackers = make_trackers(config.tracking, workspace.uri, name, plain, reporter.say, hide_test)
    watch = Watch(
        reporter, [memory, CycleClock(workspace), Telemetry(name), ProgressFile(workspace.uri), trackers]
    )
    watch.open()
    try:
        yield watch
    except BaseException as error:
        watch.close(how_it_ended(error))
        raise
    watch.close()


def _end_cycle(config: Config, workspace: Workspace, watch: Watch, entry: Cycle[Evaluation]) -> None:
    """Tells everybody what a finished cycle brought."""
    folder = cycle_folder(entry.cycle)
    evaluation = entry.evaluation
    figures = {
        "data/real_frames": entry.dataset.real.frames,
        "data/synthetic_frames": entry.dataset.synthetic_frames,
        "data/synthetic_ratio": entry.dataset.synthetic_frames / max(1, entry.dataset.real.frames),
    }
    stages = workspace.committed(folder)
    mined = stages["evaluate"].get("mined") or {}
    figures |= {f"mined/{kind}": count for kind, count in mined.get("failures", {}).items()}
    if (simulated := stages.get("simulate")) is not None:
        figures |= {f"simulated/{name}": simulated[name] for name in SIMULATED}
        figures["simulated/set_aside"] = len(simulated["set_aside"])
    finished = FinishedCycle(entry.cycle, folder, evaluation.metrics, figures, evaluation.score)
    watch.cycle(finished)
    _say_cycle(watch.reporter, config, entry)
    if entry.cycle == 0 and not evaluation.score:
        watch.reporter.say(nothing_found("the baseline", config.train.steps))
    if finished.took is not None:
        watch.reporter.say(f"cycle {entry.cycle}: {finished.took.text()}")


def _say_cycle(reporter: Reporter, config: Config, entry: Cycle[Evaluation]) -> None:
    val = entry.evaluation.metrics["val"]
    score = entry.evaluation.score
    reporter.say(
        f"cycle {entry.cycle}: {_frames(config, entry.dataset)} frames, "
        f"{measure_name(config.loop.metric)} on val {100 * score:.1f}, "
        f"{100 * val.zero_one_loss:.1f} % {WRONG}"
    )


def _frames(config: Config, dataset: Dataset) -> str:
    if config.loop.sim_only:
        return "synthetic"
    kind = "stand-in" if config.data.is_stand_in else "real"
    repeated = sum(part.frames for part in dataset.repeated)
    more = f"{repeated} repeated" if repeated else f"{dataset.synthetic_frames} synthetic"
    return f"{dataset.real.frames} {kind} + {more}"


def _keep_best(workspace: Workspace, history: History[Evaluation]) -> None:
    best = history.best
    folder = workspace.path("best")
    source = workspace.path(cycle_folder(best.cycle), "detector", MAIN)
    copy_checkpoint(source, folder)


def _peak(workspace: Workspace, now: float | None) -> float | None:
    """The greatest of this and of earlier drivers of the run that came to its end."""
    uri = workspace.path("memory.json")
    before = storage.read_json(uri)["peak_mb"] if storage.exists(uri) else None
    peak = max((value for value in (before, now) if value is not None), default=None)
    storage.write_json(uri, {"peak_mb": peak})
    return peak
