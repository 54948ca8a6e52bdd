"""The one configuration: every section assembled, read from YAML, overridden by `section.key=value`.

Each section's settings stand beside the code they configure. Whatever is wrong is refused in one
sentence that names the key, the value, and the nearest valid key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import model_validator

from cluster.config.compare import CompareSettings
from cluster.config.evaluate import EvaluateSettings
from cluster.config.secrets import check_no_secrets
from cluster.config.sections import LoopSettings, RaySettings, ReportSettings, RunSettings
from cluster.config.simulate import SimulateSettings
from cluster.config.sweep import SweepSettings
from cluster.config.tracking import TrackingSettings
from imitation.aggregation import AggregationSettings
from imitation.common.settings import Settings
from imitation.common.wording import did_you_mean
from imitation.datasets.registry import DATASETS
from imitation.datasets.settings import DataSettings
from imitation.detectors.registry import weighs_images
from imitation.detectors.settings import DetectorSettings
from imitation.diagnosis.settings import MiningSettings
from imitation.policies import PolicySettings
from imitation.stopping import StoppingSettings
from imitation.training.settings import TrainSettings
from sim_actors.randomization.perturb import RandomizeSettings
from sim_actors.randomization.scenarios import FreeSettings
from sim_actors.simulators.opengl.settings import RendererSettings
from sim_actors.staging.acceptance import AcceptanceSettings
from sim_actors.staging.restage import RestageSettings
from sim_actors.standin_world import WorldSettings


class Config(Settings):
    """Every section of `ray_config.yaml`."""

    run: RunSettings = RunSettings()
    data: DataSettings = DataSettings()
    world: WorldSettings = WorldSettings()
    detector: DetectorSettings = DetectorSettings()
    train: TrainSettings = TrainSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    mining: MiningSettings = MiningSettings()
    policy: PolicySettings = PolicySettings()
    aggregation: AggregationSettings = AggregationSettings()
    stopping: StoppingSettings = StoppingSettings()
    loop: LoopSettings = LoopSettings()
    simulate: SimulateSettings = SimulateSettings()
    renderer: RendererSettings = RendererSettings()
    restage: RestageSettings = RestageSettings()
    randomize: RandomizeSettings = RandomizeSettings()
    free: FreeSettings = FreeSettings()
    acceptance: AcceptanceSettings = AcceptanceSettings()
    report: ReportSettings = ReportSettings()
    sweep: SweepSettings = SweepSettings()
    compare: CompareSettings = CompareSettings()
    tracking: TrackingSettings = TrackingSettings()
    ray: RaySettings = RaySettings()

    @model_validator(mode="after")
    def _possible(self) -> Config:
        check_no_secrets(self.plain())
        if self.data.is_stand_in and self.data.root is not None:
            raise ValueError(
                f"data.root is {self.data.root!r}, but data.kind is {self.data.kind!r}, which has no folder; "
                f"set data.kind to {', '.join(name for name in DATASETS if name != self.data.kind)}"
            )
        if self.data.is_stand_in and self.data.splits.folds is not None:
            raise ValueError(
                "data.splits.folds is for data that is scarce; the embedded world renders as many frames for "
                "train, val and test as world.train, world.val and world.test say"
            )
        if not self.data.is_stand_in and not self.data.root:
            raise ValueError(f"data.kind is {self.data.kind!r}, which needs data.root, the dataset's folder")
        if self.data.categories is not None:
            if not self.data.categories:
                raise ValueError("data.categories is empty; name at least one category or leave it null")
            if len(set(self.data.categories)) != len(self.data.categories):
                raise ValueError(f"data.categories names a category twice: {self.data.categories}")
        if self.loop.sim_only and self.policy.name != "none":
            raise ValueError(
                f"loop.sim_only trains on free scenes alone, but policy.name is {self.policy.name!r}, "
                "which adds to the real data; set policy.name=none"
            )
        if self.policy.name == "none" and self.loop.cycles and not self.train.warm_start:
            raise ValueError(
                f"policy.name is 'none' and loop.cycles is {self.loop.cycles}: from scratch every cycle "
                "would train the same detector; set loop.cycles=0, or train.warm_start=true to train on"
            )
        if self.train.synthetic_weight != 1 and not weighs_images(self.detector.name):
            raise ValueError(
                f"train.synthetic_weight is {self.train.synthetic_weight:g}, but {self.detector.name} gives "
                "one loss for a whole batch: only a detector that weighs images (grid) can use it"
            )
        return self

    def plain(self) -> dict[str, Any]:
        """The whole configuration as plain data, every default filled in."""
        return self.model_dump(mode="json")


def _meant(problem: Mapping[str, Any]) -> str:
    """Which of the words that may stand there was meant, if one is near."""
    if problem["type"] != "literal_error" or not isinstance(problem["input"], str):
        return ""
    words = re.findall(r"'([^']+)'", problem["ctx"]["expected"])
    return did_you_mean(problem["input"], words, "", said="; did you mean {!r}?")
