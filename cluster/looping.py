"""The imitation loop on the cluster's stages, for a run, a trial or a baseline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from cluster.config import Config
from cluster.cycles import Evaluation
from cluster.prepare import RealData, prepare
from cluster.services import Services
from cluster.stages import ClusterStages
from cluster.watch import Watch
from cluster.workspace import Workspace
from imitation.aggregation import Dataset, check_budgets
from imitation.loop import Check, Cycle, History, imitate
from imitation.policies import build_policy

OnCycle = Callable[[Cycle[Evaluation]], None]
"""Called after each evaluation; what it raises ends the run, which can be continued."""


class Looped(NamedTuple):
    """How the loop ended. `lost`: why it could not go on, though it should have; None: it came to an end."""

    data: RealData
    history: History[Evaluation]
    lost: str | None


def loop(config: Config, workspace: Workspace, watch: Watch, stop: Check, on_cycle: OnCycle) -> Looped:
    """The imitation loop on the real stages, in a workspace that is open and locked."""
    policy = build_policy(config.policy)
    with Services(config) as services:
        data = prepare(config, workspace, services, watch)
        check_budgets(config.aggregation.budgets or (), config.aggregation, data.parts["train"].frames)
        stages = ClusterStages(config, workspace, data, services, policy, catalog(config), watch)
        history = imitate(stages, Dataset(data.parts["train"], config.aggregation), stop, on_cycle)
        if stages.lost is not None:
            history = replace(history, reason=stages.lost)
        return Looped(data, history, stages.lost)


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
