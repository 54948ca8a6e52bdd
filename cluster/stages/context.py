"""What the stages need of their run, made once."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cluster.observability.callbacks import Watch
from cluster.stages.prepare import RealData
from cluster.stages.services import Services
from cluster.workspace.run_folder import Workspace
from imitation.common import storage
from imitation.common.formats import old_names
from imitation.common.names import cycle_folder
from sim_actors.staging.stage import stageable_names


@dataclass(frozen=True)
class RunContext:
    """One run: its seed, its folder, its data, what it runs on and who watches. `catalog`: the categories
    that its simulator can stage, lower case (None: it does not say)."""

    seed: int
    workspace: Workspace
    data: RealData
    services: Services
    watch: Watch
    catalog: frozenset[str] | None

    @property
    def categories(self) -> tuple[str, ...]:
        """What is detected."""
        return self.data.categories.categories

    @property
    def reach(self) -> frozenset[str] | None:
        """The real data's categories that the simulator can stage, lower case; None: it does not say."""
        return stageable_names(self.data.category_counts, self.data.categories.mapping, self.catalog)

    @property
    def mined(self) -> set[str]:
        """Ids of the frames that are mined."""
        return {i for fold in self.data.folds for i in fold}

    def path(self, cycle: int, *parts: str) -> str:
        """Of something in a cycle's folder."""
        return self.workspace.path(cycle_folder(cycle), *parts)

    def commit(self, cycle: int, name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The committed result of one of a cycle's stages; callbacks get it."""
        result = self.workspace.stage(f"{cycle_folder(cycle)}/{name}", work)
        self.watch.stage(name, result)
        return result

    def committed(self, cycle: int, name: str) -> dict[str, Any]:
        """What a stage of an earlier cycle has committed."""
        stage: dict[str, Any] = old_names.read_json(self.path(cycle, f"stage-{name}.json"))
        return stage

    def has_committed(self, cycle: int, name: str) -> bool:
        """Whether a cycle has committed this stage: not each has all of them."""
        return storage.exists(self.path(cycle, f"stage-{name}.json"))

    def rng(self, what: str, cycle: int) -> np.random.Generator:
        """A generator of its own for every random decision, from the run's seed."""
        return np.random.default_rng([self.seed, zlib.crc32(what.encode()), cycle])
