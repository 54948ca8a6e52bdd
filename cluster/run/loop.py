"""The imitation loop on the cluster's stages, for a run, a trial or a baseline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from cluster.config.schema import Config
from cluster.data.stageable import Tell, catalog, tell_nobody
from cluster.observability.callbacks import Watch
from cluster.stages.cluster_stages import ClusterStages
from cluster.stages.context import RunContext
from cluster.stages.cycle import Evaluation
from cluster.stages.prepare import RealData, prepare
from cluster.stages.services import Services
from cluster.workspace.run_folder import Workspace
from imitation.aggregation import Dataset, check_budgets
from imitation.loop import Check, Cycle, History, imitate
from imitation.metrics.own import is_own, load_metric
from imitation.policies import build_policy

OnCycle = Callable[[Cycle[Evaluation]], None]
"""Called after each evaluation; what it raises ends the run, which can be continued."""


class Looped(NamedTuple):
    """How the loop ended. `lost`: why it could not go on, though it should have; None: it came to an end."""

    data: RealData
    history: History[Evaluation]
    lost: str | None


def loop(
    config: Config,
    workspace: Workspace,
    watch: Watch,
    stop: Check,
    on_cycle: OnCycle,
    tell: Tell = tell_nobody,
) -> Looped:
    """The imitation loop on the real stages, in a workspace that is open and locked; `tell` hears, before
    anything is trained, what of the data can be staged."""
    policy = build_policy(config.policy)
    if is_own(config.loop.metric):
        load_metric(config.loop.metric)  # a name that leads nowhere is told before anything is read
    with Services(config) as services:
        data = prepare(config, workspace, services, watch, tell)
        check_budgets(config.aggregation.budgets or (), config.aggregation, data.parts["train"].frames)
        run = RunContext(config.run.seed, workspace, data, services, watch, catalog(config))
        stages = ClusterStages(config, run, policy)
        history = imitate(stages, Dataset(data.parts["train"], config.aggregation), stop, on_cycle)
        if stages.lost is not None:
            history = replace(history, reason=stages.lost)
        return Looped(data, history, stages.lost)
