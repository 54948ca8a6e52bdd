"""The main job: prepare, loop, choose the best cycle, report."""

from __future__ import annotations

from functools import partial
from typing import Any

from cluster.config import Config
from cluster.lock import RunLock
from cluster.memory import PeakMemory
from cluster.places import check_lasting, check_reached, in_job
from cluster.prepare import prepare
from cluster.progress import Reporter
from cluster.services import Services, cluster_address
from cluster.stages import ClusterStages, Evaluation
from cluster.summary import build_summary, write_report
from cluster.workspace import Workspace
from imitation import stopping, storage
from imitation.aggregation import Dataset
from imitation.loop import Cycle, History, imitate
from imitation.policies import build_policy
from imitation.product import copy_product
from imitation.report.summary import Summary
from imitation.report.table import build_table, format_table
from imitation.settings import UserError


def run(config: Config, reporter: Reporter) -> Summary:
    """Runs, or continues, the run that the configuration names; returns its summary.

    Raises UserError for anything that a person can mend. Whatever was committed stays.
    """
    check_renderer(config)
    if in_job():
        check_lasting(config)
    workspace = Workspace(storage.join(config.run.storage, config.run.name))
    with RunLock(workspace.uri, reporter.say) as lock, PeakMemory() as memory:
        workspace.check = lock.check
        continues = workspace.open(config.plain())
        check_reached(config, workspace.uri, reporter)
        reporter.say(f"{'continuing' if continues else 'starting'} run {workspace.uri}")
        policy = build_policy(config.policy)
        with Services(config) as services:
            data = prepare(config, workspace, services, reporter)
            stages = ClusterStages(config, workspace, data, services, policy, catalog(config), reporter)
            history = imitate(
                stages,
                Dataset(data.parts["train"], config.aggregation),
                partial(_check, config),
                partial(_say_cycle, reporter, config),
            )
        reporter.say(f"stopped after cycle {history.cycles[-1].cycle}. {history.reason}")
        _keep_best(workspace, history)
        summary = build_summary(config, workspace, data, history, _peak(workspace, memory.peak_mb))
        report = write_report(config, workspace, data, summary)
    reporter.say("")
    print(format_table(build_table(summary)), flush=True)
    reporter.say(f"\nreport: {report}\nbest detector: {workspace.path('best')}")
    return summary


def check_renderer(config: Config) -> None:
    """Whether the embedded simulator can draw here, before any work is done; Debian's packages are
    named if not. Other simulators and clusters check themselves when their actors start."""
    from sim_actors.opengl.preflight import problem

    wanted = config.data.kind == "world" or (config.simulate.simulator == "opengl" and config.loop.cycles > 0)
    if wanted and not cluster_address(config) and (reason := problem()):
        raise UserError(reason)


def catalog(config: Config) -> frozenset[str] | None:
    """The categories that the simulator can stage, lower case; None where it does not say."""
    if config.simulate.simulator != "opengl":
        return None
    from sim_actors.opengl.meshes import CATALOG

    own: frozenset[str] = frozenset()
    if config.renderer.bodies is not None:
        from sim_actors.opengl.user_bodies import install

        own = frozenset(install(config.renderer.bodies).bodies)
    return frozenset(CATALOG) | own


def _check(config: Config, scores: Any, dataset: Dataset) -> str | None:
    return stopping.check(
        scores,
        dataset.synthetic_ratio,
        config.aggregation.max_synthetic_ratio,
        config.loop.cycles,
        config.stopping,
        room=dataset.room_for_synthetic(),
    )


def _say_cycle(reporter: Reporter, config: Config, entry: Cycle[Evaluation]) -> None:
    stop = entry.evaluation.metrics["stop"]
    score = entry.evaluation.score
    kind = "stand-in" if config.data.kind == "world" else "real"
    dataset = entry.dataset
    reporter.say(
        f"cycle {entry.cycle}: {dataset.real.frames} {kind} + {dataset.synthetic_frames} synthetic frames, "
        f"stop {config.loop.metric} {100 * score:.1f}, 0-1 loss {stop.zero_one_loss:.3f}"
    )


def _keep_best(workspace: Workspace, history: History[Evaluation]) -> None:
    best = history.best
    folder = workspace.path("best")
    source = workspace.path(f"cycle-{best.cycle:03d}", "detector", "main")
    copy_product(source, folder)


def _peak(workspace: Workspace, now: float | None) -> float | None:
    """The greatest of this and of earlier drivers of the run that came to its end."""
    uri = workspace.path("memory.json")
    before = storage.read_json(uri)["peak_mb"] if storage.exists(uri) else None
    peak = max((value for value in (before, now) if value is not None), default=None)
    storage.write_json(uri, {"peak_mb": peak})
    return peak
