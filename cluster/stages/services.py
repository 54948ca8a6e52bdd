"""What the stages share: one Ray, simulator pools, one living trainer. Started when first needed, or a little
before, while the stage before still works."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

from cluster.config.schema import Config
from cluster.config.simulate import SimulateSettings
from cluster.config.simulator import each_apart, simulator_spec, simulators
from cluster.runtime.ray_session import cluster_address, start_ray
from sim_actors.simulators.mixture import Mixture
from sim_actors.simulators.registry import EMBEDDED, SimulatorSpec

if TYPE_CHECKING:
    from cluster.simulation.pool import SimulatorPool
    from cluster.training.train_loop import Launcher


class Services:
    """A context manager; what still lives is closed at its end."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._launcher: Launcher | None = None
        self._waiting: SimulatorPool | None = None  # its workers start
        self._proved: frozenset[str] = frozenset()  # simulators that gave one scene twice alike

    def __enter__(self) -> Services:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._launcher is not None:
            self._launcher.close()
        if self._waiting is not None:
            self._waiting.kill()

    def start(self) -> None:
        """Starts Ray, or joins the cluster that the configuration names."""
        start_ray(self.config)

    def embedded(self) -> SimulatorSpec:
        """The embedded renderer: the stand-in world is always its own, whatever simulator is tried on it."""
        return simulator_spec(self.config, EMBEDDED)

    @contextmanager
    def pool(self, embedded: bool = False) -> Iterator[SimulatorPool]:
        """The simulator pool, for one stage: its CPUs are free again for the next. `embedded`: of the
        embedded renderer, whatever the configuration names."""
        opened, self._waiting = self._waiting, None
        if embedded and opened is not None:
            opened.kill()
            opened = None
        with opened or self._open(embedded) as pool:
            yield pool
            self._proved |= pool.proved

    def expect_rendering(self) -> None:
        """The configuration's simulators will be wanted soon: they start, on a machine of our own, if nothing
        asks for the CPUs before."""
        if self._waiting is None and not cluster_address(self.config.ray):
            self._waiting = self._open(embedded=False)
            self._waiting.warm_up()

    def _open(self, embedded: bool) -> SimulatorPool:
        from cluster.simulation.pool import SimulatorPool

        self.start()
        mixture = Mixture.one(self.embedded()) if embedded else simulators(self.config)
        settings = self.config.simulate
        if embedded and settings.simulator != EMBEDDED:
            settings = _embedded_beside(settings)
        each = {} if embedded else {label: apart.simulate for label, apart in each_apart(self.config).items()}
        own = {label for label, its in settings.each.items() if its.actors is not None}
        return SimulatorPool(
            mixture,
            self._sized(settings),
            proved=self._proved,
            each={label: its if label in own else self._sized(its) for label, its in each.items()},
            apart=own,
        )

    def _sized(self, settings: SimulateSettings) -> SimulateSettings:
        if settings.actors != "auto" or cluster_address(self.config.ray):
            return settings
        # A Ray started here promises more CPUs than there are; renderers keep theirs busy.
        return settings.model_copy(update={"actors": os.cpu_count() or 1})

    def expect_training(self) -> None:
        """A training will follow what is at work now: its process starts, if Ray runs and it waits for
        nothing."""
        from cluster.training.launchers import has_gpu

        if self.config.train.use_gpu is False or not has_gpu():
            self.launcher().warm_up()

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


def _embedded_beside(settings: SimulateSettings) -> SimulateSettings:
    """The settings for the embedded renderer's workers, where they are those of another simulator: what was
    set for one that waits does not suit one that computes."""
    of_its_own = {"scenes_per_actor": 1, "cpus_per_actor": max(1.0, settings.cpus_per_actor)}
    return settings.model_copy(update={"simulator": EMBEDDED, "options": {}, "each": {}} | of_its_own)
