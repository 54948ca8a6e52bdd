"""What the stages share: one Ray, simulator pools, one living trainer. Started when first needed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

from cluster.config.schema import Config
from cluster.config.simulator import simulator_spec
from cluster.runtime.ray_session import cluster_address, start_ray
from sim_actors.simulators.registry import EMBEDDED, SimulatorSpec

if TYPE_CHECKING:
    from cluster.simulation.pool import SimulatorPool
    from cluster.training.train_loop import Launcher


class Services:
    """A context manager; what still lives is closed at its end."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._launcher: Launcher | None = None
        self._proved: set[str] = set()  # simulators that gave one scene twice alike

    def __enter__(self) -> Services:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._launcher is not None:
            self._launcher.close()

    def start(self) -> None:
        """Starts Ray, or joins the cluster that the configuration names."""
        start_ray(self.config)

    def simulator(self) -> SimulatorSpec:
        """The simulator that the configuration names, with its options."""
        return simulator_spec(self.config)

    def embedded(self) -> SimulatorSpec:
        """The embedded renderer: the stand-in world is always its own, whatever simulator is tried on it."""
        return simulator_spec(self.config, EMBEDDED)

    @contextmanager
    def pool(self, embedded: bool = False) -> Iterator[SimulatorPool]:
        """The simulator pool, for one stage: its CPUs are free again for the next. `embedded`: of the
        embedded renderer, whatever the configuration names."""
        from cluster.simulation.pool import SimulatorPool

        self.start()
        settings = self.config.simulate
        spec = self.embedded() if embedded else self.simulator()
        if spec.simulator != settings.simulator and not spec.trait("waits"):
            # What was set for a simulator that waits does not suit one that computes.
            of_its_own = {"scenes_per_actor": 1, "cpus_per_actor": max(1.0, settings.cpus_per_actor)}
            settings = settings.model_copy(update={"simulator": spec.simulator, "options": {}} | of_its_own)
        if settings.actors == "auto" and not cluster_address(self.config.ray):
            # A Ray started here promises more CPUs than there are; renderers keep theirs busy.
            settings = settings.model_copy(update={"actors": os.cpu_count() or 1})
        with SimulatorPool(spec, settings, proved=spec.simulator in self._proved) as pool:
            yield pool
            if pool.proved:
                self._proved.add(spec.simulator)

    def make_room_for_evaluation(self) -> None:
        """Starts Ray; the living trainer, which keeps half a GPU, goes where detectors need that half."""
        self.start()
        import ray

        wanted = self.config.evaluate.gpus_per_actor
        if self._launcher is None or wanted == "auto":
            return
        if wanted * self.config.evaluate.actors > ray.available_resources().get("GPU", 0.0):
            self._launcher.close()
            self._launcher = None

    def launcher(self) -> Launcher:
        """Where trainings run."""
        if self._launcher is None:
            from cluster.training.launchers import make_launcher

            self.start()
            self._launcher = make_launcher(self.config.train, self.config.ray.placement_timeout_s)
        return self._launcher
