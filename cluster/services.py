"""What the stages share: one Ray, simulator pools, one living trainer. Started when first needed."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Any

from cluster.config import Config
from cluster.signals import handlers_kept
from imitation import patience
from imitation.settings import UserError
from sim_actors.factory import SimulatorSpec

if TYPE_CHECKING:
    from cluster.pool import SimulatorPool
    from cluster.train import Launcher

EMBEDDED = "opengl"
MIN_CPUS = 4  # logical: stages take turns, so a two-core machine may promise more than it has


def start_ray(config: Config) -> None:
    """Connects to the cluster that the configuration or RAY_ADDRESS names, or starts one here.

    Raises UserError if no cluster can be joined at that address, or it asks for another token.
    """
    patience.allow(config.run.storage_patience_s)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
    os.environ.setdefault("RAY_DATA_PARQUET_FOOTER_NUM_ACTORS", "1")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if config.ray.quiet:
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    import ray

    if ray.is_initialized():
        return
    settings = config.ray
    options: dict[str, Any] = {"ignore_reinit_error": True}
    if settings.quiet:
        options |= {"logging_level": logging.ERROR, "log_to_driver": False}
    address = cluster_address(config)
    if address and address.startswith(("http://", "https://")):
        raise UserError(
            f"{address} is a dashboard's address, which takes jobs: imitate submit. To join the cluster "
            "from one of its nodes, set ray.address or RAY_ADDRESS to HEAD:6379, or to auto"
        )
    if address:
        options |= {"address": address}
        if config.run.storage_patience_s != patience.PATIENCE_S:
            options |= {"runtime_env": {"env_vars": {patience.VARIABLE: os.environ[patience.VARIABLE]}}}
    else:
        print("starting Ray", file=sys.stderr, flush=True)
        options |= {
            "address": "local",  # without it, a cluster that somebody else runs on this machine is joined
            "num_cpus": settings.num_cpus or max(os.cpu_count() or 1, MIN_CPUS),
            "include_dashboard": settings.dashboard,
            "dashboard_host": "127.0.0.1",
            "_metrics_export_port": settings.metrics_port,
        }
        _on_loopback_alone()
    try:
        with handlers_kept(), _chatter_held_back() if settings.quiet else nullcontext():
            ray.init(**options)
    except ray.exceptions.AuthenticationError:
        raise UserError(
            f"the Ray cluster at {address!r} asks for its token: set RAY_AUTH_MODE=token, and "
            "RAY_AUTH_TOKEN_PATH to the file with it (on the head's machine, `ray get-auth-token` prints it)"
        ) from None
    except ConnectionError as error:
        raise UserError(f"no Ray cluster answers at {address!r}: {error}") from None


def _on_loopback_alone() -> None:
    """A Ray started here listens on the loopback interface and on no other. Ray has no option for it
    (it turns `_node_ip_address="127.0.0.1"` into the machine's own address), but on a Mac it takes the
    loopback address for the node's by this very constant. A Ray for several machines is begun with
    `ray start`."""
    from ray._private import ray_constants

    ray_constants.ENABLE_RAY_CLUSTER = False


@contextmanager
def _chatter_held_back() -> Iterator[None]:
    """Keeps what Ray's C++ core writes to standard error while it starts; shows it if starting fails."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as chatter:
        os.dup2(chatter.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            if failed:
                chatter.seek(0)
                sys.stderr.write(chatter.read().decode(errors="replace"))


def cluster_address(config: Config) -> str | None:
    """The running cluster to use; None: one is started here."""
    return config.ray.address or os.environ.get("RAY_ADDRESS") or None


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

    def simulator(self) -> SimulatorSpec:
        """The simulator that the configuration names, with its options."""
        settings = self.config.simulate
        if settings.simulator == EMBEDDED:
            return self.embedded()
        return SimulatorSpec(settings.simulator, settings.options)

    def embedded(self) -> SimulatorSpec:
        """The embedded renderer: the stand-in world is always its own, whatever simulator is tried on it."""
        return SimulatorSpec(EMBEDDED, self.config.renderer.model_dump())

    @contextmanager
    def pool(self, embedded: bool = False) -> Iterator[SimulatorPool]:
        """The simulator pool, for one stage: its CPUs are free again for the next. `embedded`: of the
        embedded renderer, whatever the configuration names."""
        from cluster.pool import SimulatorPool

        start_ray(self.config)
        settings = self.config.simulate
        if embedded and settings.simulator != EMBEDDED:
            # What was set for a simulator that waits does not suit one that computes.
            of_its_own = {"scenes_per_actor": 1, "cpus_per_actor": max(1.0, settings.cpus_per_actor)}
            settings = settings.model_copy(update={"simulator": EMBEDDED, "options": {}} | of_its_own)
        if settings.actors == "auto" and not cluster_address(self.config):
            # A Ray started here promises more CPUs than there are; renderers keep theirs busy.
            settings = settings.model_copy(update={"actors": os.cpu_count() or 1})
        spec = self.embedded() if embedded else self.simulator()
        with SimulatorPool(spec, settings, proved=spec.simulator in self._proved) as pool:
            yield pool
            if pool.proved:
                self._proved.add(spec.simulator)

    def make_room_for_evaluation(self) -> None:
        """Starts Ray; the living trainer, which keeps half a GPU, goes where detectors need that half."""
        start_ray(self.config)
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
            from cluster.launchers import make_launcher

            start_ray(self.config)
            self._launcher = make_launcher(self.config.train, self.config.ray.placement_timeout_s)
        return self._launcher
