"""The real stages of the loop, composed: each one commits its result in the run's folder."""

from __future__ import annotations

from cluster.config.schema import Config
from cluster.stages.context import RunContext
from cluster.stages.cycle import Detectors, Evaluation
from cluster.stages.diagnose import Diagnosis
from cluster.stages.evaluate import Judging, own_metric
from cluster.stages.request import Asking
from cluster.stages.synthetic.hardest import Hardest
from cluster.stages.synthetic.simulate import AllLost, Rendering
from cluster.stages.synthetic.taken import Taking
from cluster.stages.train import Training
from cluster.workspace.run_folder import Workspace
from imitation.aggregation import Dataset, Part
from imitation.common import storage
from imitation.policies import Policy, looks_at_failures, what_it_adds
from imitation.policies.baselines import free_requests
from imitation.requests import Request


class ClusterStages:
    """The stages on Ray. Every method may be called again: what is committed is not done twice."""

    def __init__(self, config: Config, run: RunContext, policy: Policy) -> None:
        """Raises UserError for a metric of one's own that cannot be used."""
        self.run = run
        self.policy = policy
        self.loop = config.loop
        self.training = Training(
            run, config.train, config.detector, config.mining, config.data.on_error == "skip"
        )
        self.judging = Judging(
            run,
            config.evaluate,
            config.loop.metric,
            own_metric(config.loop.metric, run.categories),
            config.data.on_error,
            config.ray.placement_timeout_s,
        )
        self.diagnosis = Diagnosis(run, config.mining, config.data.dataset.protocol)
        self.asking = Asking(run, policy, config.mining.max_failures, config.policy.strength)
        self.rendering = Rendering.of(config, run)
        self.taking: Taking | None = None
        if config.aggregation.frames_of is not None:
            other = Workspace(storage.join(config.run.storage, config.aggregation.frames_of))
            self.taking = Taking(run, other, config.policy.variations)
        self.hardest: Hardest | None = None
        if config.acceptance.candidates > 1:
            self.hardest = Hardest(
                run,
                self.rendering,
                config.evaluate,
                config.acceptance.candidates,
                config.ray.placement_timeout_s,
            )
        self.lost: str | None = None  # why a cycle's every scene was lost
        run.watch.begin()

    def train(self, dataset: Dataset, cycle: int) -> Detectors:
        """The cycle's detector and, if another cycle may follow, one for each fold of mining."""
        mines = (
            looks_at_failures(self.policy) and cycle < self.loop.cycles and dataset.room_for_synthetic() > 0
        )
        sim = self._sim_part(dataset.real.frames) if self.loop.sim_only else None
        return self.training.train(dataset, cycle, sim, twin=self.loop.twin and cycle == 0, folds=mines)

    def _sim_part(self, frames: int) -> Part:
        """Free scenes in place of the real frames, as many (the paper's "sim")."""
        return self.rendering.render(free_requests(frames, 0, "random", self.run.rng("sim", 0)), 0)

    def evaluate(self, detector: Detectors, dataset: Dataset, cycle: int) -> Evaluation:
        """What the detectors find on val, test and the mined frames, and what it means."""
        evaluation = self.judging.evaluate(detector, cycle)
        if self._renders_after(dataset, cycle):
            self.run.services.expect_rendering()
        self.diagnosis.analyse(cycle)
        return evaluation

    def _renders_after(self, dataset: Dataset, cycle: int) -> bool:
        """Whether scenes will be rendered, unless the loop stops here."""
        return (
            cycle < self.loop.cycles
            and self.taking is None
            and what_it_adds(self.policy) == "synthetic"
            and dataset.room_for_synthetic() > 0
            and not self.run.has_committed(cycle, "analyse")
        )

    def request(self, evaluation: Evaluation, cycle: int, budget: int) -> list[Request]:
        """What the policy asks for, or of another run's requests the first."""
        if self.taking is not None:
            return self.taking.request(cycle, budget)
        return self.asking.request(evaluation, cycle, budget)

    def simulate(self, requests: list[Request], cycle: int) -> Part | None:
        """What the policy's requests become: rendered frames, repeated ones, or none at all."""
        adds = what_it_adds(self.policy)
        if adds == "nothing":
            return None
        if self.taking is not None:
            return self.taking.take(cycle)
        if adds == "repeated":
            return self.rendering.repeat(requests, cycle)
        try:
            return (self.hardest or self.rendering).render(requests, cycle)
        except AllLost as error:  # what was finished is reported before this ends the run
            self.lost = str(error)
            return Part(self.run.path(cycle, "synthetic"), 0, cycle)
