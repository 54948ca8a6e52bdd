"""One small Ray, and one renderer, for all tests of this floor."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from cluster.inventory import rerender
from sim_actors.simulators import mixture
from sim_actors.simulators.guarded import GuardedHost
from sim_actors.simulators.registry import SimulatorSpec
from sim_actors.simulators.worker import SimulatorHost, Started


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """A Ray of 4 logical CPUs on this machine, without dashboard; shut down after the last test."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_DATA_PARQUET_FOOTER_NUM_ACTORS", "1")
    # a machine's own cluster must not be joined, nor a temporary disk that is nearly full stop the tests
    os.environ.pop("RAY_ADDRESS", None)
    import ray

    ray.init(
        address="local",  # not one that somebody has started beside the tests
        num_cpus=4,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        object_store_memory=200 * 1024 * 1024,
        configure_logging=False,
    )
    yield
    ray.shutdown()


class LastingHost(SimulatorHost):
    """Starts once, and is closed with the session."""

    def __enter__(self) -> "LastingHost":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def start(self) -> Started:
        return super().start() if self._simulator is None else self.ping()

    def close(self) -> None:
        pass

    def end(self) -> None:
        super().close()


@pytest.fixture(scope="session")
def _renderers() -> Iterator[dict[str, LastingHost]]:
    made: dict[str, LastingHost] = {}
    yield made
    for host in made.values():
        host.end()


@pytest.fixture(scope="session")
def rendering_here(_renderers: dict[str, LastingHost]) -> Callable[[], AbstractContextManager[None]]:
    """Within it `imitate render` starts no process for the embedded renderer: that takes seconds each time,
    and is the matter of test_guarded.py. One in this process serves all tests."""

    def host(spec: SimulatorSpec, *limits: float) -> LastingHost:
        return _renderers.setdefault(repr(spec), LastingHost(spec))

    def start(self: GuardedHost) -> Started:
        raise AssertionError("a process starts for a renderer: who has made its GuardedHost?")

    @contextmanager
    def here() -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for module in (mixture, rerender):  # which have the class by name
                patch.setattr(module, "GuardedHost", host)
            patch.setattr(GuardedHost, "start", start)
            yield

    return here


@pytest.fixture
def renderer_here(rendering_here: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    with rendering_here():
        yield
