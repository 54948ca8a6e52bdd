"""The main job: prepare, loop, choose the best cycle, report."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from cluster.config import Config
from cluster.memory import PeakMemory
from cluster.prepare import prepare
from cluster.progress import Reporter
from cluster.services import Services, cluster_address
from cluster.stages import ClusterStages, Evaluation
from cluster.summary import build_summary, write_report
from cluster.workspace import RunLock, Workspace
from imitation import stopping, storage
from imitation.aggregation import Dataset, check_budgets
from imitation.loop import Cycle, History, imitate
from imitation.policies import Policy, build_policy, what_it_adds
from imitation.product import copy_product
from imitation.report.summary import Summary
from imitation.report.table import build_table, format_table
from imitation.settings import UserError


def run(config: Config, reporter: Reporter) -> Summary:
    """Runs, or continues, the run that the configuration names; returns its summary.

    Raises UserError for anything that a person can mend. Whatever was committed stays.
    """
    check_renderer(config)
    workspace = Workspace(storage.join(config.run.storage, config.run.name))
    with RunLock(workspace.uri), PeakMemory() as memory:
        continues = workspace.open(config.plain())
        reporter.say(f"{'continuing' if continues else 'starting'} run {workspace.uri}")
        policy = build_policy(config.policy)
        with Services(config) as services:
            data = prepare(config, workspace, services, reporter)
            check_budgets(config.aggregation.budgets or (), config.aggregation, data.parts["train"].frames)
            stages = ClusterStages(config, workspace, data, services, policy, catalog(config), reporter)
            history = imitate(
                stages,
                Dataset(data.parts["train"], config.aggregation),
                partial(_check, config, policy),
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

    simulates = config.loop.sim_only or (
        config.loop.cycles > 0 and config.policy.name not in ("none", "oversample")
    )
    wanted = config.data.kind == "world" or (config.simulate.simulator == "opengl" and simulates)
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


def _check(config: Config, policy: Policy, scores: Any, dataset: Dataset) -> str | None:
    bounded = what_it_adds(policy) != "nothing"
    return stopping.check(
        scores,
        dataset.added_ratio if bounded else 0.0,
        config.aggregation.max_synthetic_ratio if bounded else math.inf,
        config.loop.cycles,
        config.stopping,
        room=dataset.left_under_cap() if bounded else None,
    )


def _say_cycle(reporter: Reporter, config: Config, entry: Cycle[Evaluation]) -> None:
    stop = entry.evaluation.metrics["stop"]
    score = entry.evaluation.score
    reporter.say(
        f"cycle {entry.cycle}: {_frames(config, entry.dataset)} frames, "
        f"stop {config.loop.metric} {100 * score:.1f}, 0-1 loss {stop.zero_one_loss:.3f}"
    )


def _frames(config: Config, dataset: Dataset) -> str:
    if config.loop.sim_only:
        return "synthetic"
    kind = "stand-in" if config.data.kind == "world" else "real"
    repeated = sum(part.frames for part in dataset.repeated)
    more = f"{repeated} repeated" if repeated else f"{dataset.synthetic_frames} synthetic"
    return f"{dataset.real.frames} {kind} + {more}"


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
