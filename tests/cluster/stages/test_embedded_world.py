"""The stand-in world is drawn by the embedded renderer, whatever simulator is tried on it."""

from contextlib import ExitStack

import pytest

import cluster.simulation.pool
import cluster.stages.services
from cluster.config.parse import load_defaults
from cluster.stages.services import Services


class SomePool(ExitStack):
    """Stands in for `SimulatorPool`: keeps what it was made with."""

    def __init__(self, mixture, settings, proved=(), each=None, apart=()):
        super().__init__()
        ((label, self.spec),) = mixture.specs.items()
        self.settings, self.proved = (each or {}).get(label, settings), frozenset(proved) & {label}


@pytest.fixture
def services(monkeypatch):
    monkeypatch.setattr(cluster.stages.services, "start_ray", lambda config: None)
    monkeypatch.setattr(cluster.simulation.pool, "SimulatorPool", SomePool)
    return lambda *options: Services(load_defaults(list(options)))


def test_with_a_simulator_of_ones_own_the_world_is_still_the_embedded_renderers(services):
    own = services(
        "simulate.simulator=mine:Simulator", "simulate.options={host: renderer-7}", "simulate.actors=3",
        "simulate.scenes_per_actor=8", "simulate.cpus_per_actor=0.1", "renderer.supersampling=1",
    )  # fmt: skip
    with own.pool(embedded=True) as pool:
        assert pool.spec.simulator == "opengl"
        assert pool.spec.options["supersampling"] == 1
        # it computes, where the other only waits
        assert (pool.settings.scenes_per_actor, pool.settings.cpus_per_actor) == (1, 1.0)
        assert pool.settings.actors == 3
    with own.pool() as pool:
        assert (pool.spec.simulator, dict(pool.spec.options)) == ("mine:Simulator", {"host": "renderer-7"})
        assert (pool.settings.scenes_per_actor, pool.settings.cpus_per_actor) == (8, 0.1)


def test_with_the_embedded_simulator_both_are_the_same(services):
    embedded = services("simulate.actors=2")
    with embedded.pool(embedded=True) as world, embedded.pool() as pool:
        assert (world.spec, world.settings) == (pool.spec, pool.settings)


def test_a_simulator_proves_itself_once_a_run_and_each_for_itself(services):
    own = services("simulate.simulator=mine:Simulator")
    for expected in (False, True):
        with own.pool(embedded=True) as world:
            assert bool(world.proved) is expected
            world.proved = frozenset({"opengl"})
    with own.pool() as pool:  # nothing was rendered in it
        assert not pool.proved
    with own.pool() as pool:
        assert not pool.proved
        pool.proved = frozenset({"mine:Simulator"})
    with own.pool() as pool:
        assert pool.proved
