"""The imitation loop on the cluster's stages, for a run, a trial or a baseline."""

from __future__ import annotations

from collections.abc import Callable

from cluster.config import Config
from cluster.cycles import Evaluation
from cluster.prepare import RealData, prepare
from cluster.services import Services
from cluster.stages import ClusterStages
from cluster.watch import Watch
from cluster.workspace import Workspace
from imitation.aggregation import Dataset, check_budgets
from imitation.loop import Check, Cycle, History, imitate
from imitation.metrics.own import is_own, load_metric
from imitation.policies import build_policy

OnCycle = Callable[[Cycle[Evaluation]], None]
"""Called after each evaluation; what it raises ends the run, which can be continued."""


def loop(
    config: Config, workspace: Workspace, watch: Watch, stop: Check, on_cycle: OnCycle
) -> tuple[RealData, History[Evaluation]]:
    """The imitation loop on the real stages, in a workspace that is open and locked."""
    policy = build_policy(config.policy)
    if is_own(config.loop.metric):
        load_metric(config.loop.metric)  # a name that leads nowhere is told before anything is read
    with Services(config) as services:
        data = prepare(config, workspace, services, watch)
        check_budgets(config.aggregation.budgets or (), config.aggregation, data.parts["train"].frames)
        stages = ClusterStages(config, workspace, data, services, policy, catalog(config), watch)
        return data, imitate(stages, Dataset(data.parts["train"], config.aggregation), stop, on_cycle)


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
