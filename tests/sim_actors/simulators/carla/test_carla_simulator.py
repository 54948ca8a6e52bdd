"""CARLA as a simulator: its client in a process of its own, and what is left when that dies."""

import contextlib
import socket

import pytest

from imitation.common.contracts import carried_out
from imitation.common.settings import UserError
from imitation.data.records import Camera, Cuboid
from sim_actors.scene.records import Actor, Environment, Scene
from sim_actors.simulators.carla import leases
from sim_actors.simulators.conformance.checks import CHECKS, conformance
from sim_actors.simulators.guarded import GuardedHost
from sim_actors.simulators.registry import SimulatorSpec, build_simulator
from sim_actors.simulators.worker import SceneJob
from tests.sim_actors.simulators.carla import servers

pytest.importorskip("carla", reason="CARLA's Python client is not installed")

STANDIN = "tests.sim_actors.simulators.carla.standin"
CAR = Actor("car", Cuboid(0.5, 1.5, 9, 3.9, 1.64, 1.54, 0.3))
SCENE = Scene("s", 160, 96, Camera(100.0, 100.0, 80.0, 48.0, 1.5, 0.0), (CAR,))
RAIN = SCENE.replace(scene_id="rain", environment=Environment(weather="rain"))


def spec(endpoint, **options):
    return SimulatorSpec(
        "carla", {"endpoints": [endpoint], "client_module": STANDIN, "settle_ticks": 0} | options
    )


@pytest.fixture
def endpoint():
    with servers.answering(servers.version("0.9.16")) as found:
        yield found


def test_a_client_that_aborts_is_a_sentence_of_its_scene_and_the_next_one_renders(endpoint, monkeypatch):
    monkeypatch.setenv("STANDIN_CARLA", "abort in rain")
    with contextlib.closing(build_simulator(spec(endpoint))) as simulator:
        assert (simulator.name, simulator.version) == ("carla", "1 with CARLA 0.9.16")
        assert simulator.supports(SCENE) == []
        before = simulator.render(SCENE)
        with pytest.raises(UserError) as caught:
            simulator.render(RAIN)
        assert f"CARLA at {endpoint}: talking with it, its process died of SIGABRT" in str(caught.value)
        assert "its last words: terminate called after throwing an instance of a stand-in" in str(
            caught.value
        )
        again = simulator.render(SCENE)
        assert (again.image, again.objects) == (before.image, before.objects)


@pytest.mark.slow
def test_a_server_that_no_longer_answers_is_a_sentence(endpoint, monkeypatch):
    monkeypatch.setenv("STANDIN_CARLA", "hang")
    with pytest.raises(UserError, match=r"CARLA at 127.0.0.1:\d+: time-out of 20000ms while waiting"):
        build_simulator(spec(endpoint))


def test_carlas_own_client_dies_of_a_garbage_server_and_only_it():
    right = servers.version("0.9.16")

    def garbage(question):  # but for the first question
        return right(question) if b"version" in question else servers.noise(question)

    with servers.answering(garbage) as endpoint, pytest.raises(UserError) as caught:
        build_simulator(spec(endpoint, client_module="carla"))
    assert "its process died of SIGABRT" in str(caught.value)
    assert "terminate called after throwing an instance of 'clmdep_msgpack" in str(caught.value)


def test_a_garbage_server_is_told_before_carlas_client_meets_it():
    with servers.answering(servers.noise) as endpoint, pytest.raises(UserError, match="is no CARLA server"):
        build_simulator(spec(endpoint, client_module="carla"))


def test_a_client_of_another_version_is_told():
    with (
        servers.answering(servers.version("0.10.0")) as endpoint,
        pytest.raises(
            UserError, match=r"is version 0.10.0, and the Python client 0.9.16; both have to be the same"
        ),
    ):
        build_simulator(spec(endpoint, client_module="carla"))


def test_the_catalog_only_looks_at_the_server(endpoint):
    found = spec(endpoint).catalog()
    assert {"car", "van", "truck", "pedestrian", "person"} <= found
    assert not {"tram", "cyclist", "rider"} & found  # the bicycle's box is empty


def test_without_a_server_there_is_no_catalog():
    with servers.answering(servers.silence) as endpoint:
        pass
    assert spec(endpoint).catalog() is None


def test_a_server_serves_one_at_a_time(endpoint):
    with leases.held(endpoint) as first:
        with pytest.raises(UserError, match="another worker on this machine has it"):
            build_simulator(spec(endpoint, lease_timeout_s=0))
        with servers.answering(servers.version("0.9.15")) as other, pytest.raises(UserError) as caught:
            build_simulator(spec(endpoint, endpoints=[endpoint, other], lease_timeout_s=0))
        assert "another worker on this machine has it" in str(caught.value)
        assert "is version 0.9.15" in str(caught.value)
        assert "(simulate.options.endpoints, lease_timeout_s)" in str(caught.value)
    with leases.held(endpoint) as second:
        assert leases.same_lease(first, second)
        assert leases.is_mark(first)
        assert leases.holder(first) == socket.gethostname()


@pytest.mark.slow
def test_the_server_that_is_free_is_taken_and_given_back(endpoint):
    with servers.answering(servers.version("0.9.16")) as other:
        both = spec(endpoint, endpoints=[endpoint, other], lease_timeout_s=0)
        with (
            contextlib.closing(build_simulator(both)) as one,
            contextlib.closing(build_simulator(both)) as two,
        ):
            assert one.render(SCENE).objects == two.render(SCENE).objects
            with pytest.raises(UserError, match="another worker on this machine has it"):
                build_simulator(both)
        with leases.held(endpoint), leases.held(other):
            pass


@pytest.mark.slow
def test_a_worker_that_is_killed_leaves_no_process_behind(endpoint):
    import psutil

    with GuardedHost(spec(endpoint), 60, 60) as host:
        assert host.render(SceneJob(SCENE)).error is None
        worker = psutil.Process(host.pid)
        children = worker.children(recursive=True)
        assert children
        worker.kill()
        _, alive = psutil.wait_procs(children, timeout=30)
        assert not alive


@pytest.mark.slow
def test_it_conforms(endpoint):
    found = list(carried_out("simulator", conformance(spec(endpoint), ["car", "pedestrian"], 60, 60)))
    assert not [f"{one.tried}: {one.text}" for one in found if one.status == "problem"]
    assert {one.tried for one in found} >= {check.name for check in CHECKS}


@pytest.mark.slow
@pytest.mark.long
def test_a_mirrored_world_does_not_pass(endpoint, monkeypatch):
    monkeypatch.setenv("STANDIN_CARLA", "mirrored")
    found = {one.tried: one for one in carried_out("simulator", conformance(spec(endpoint), ["car"], 60, 60))}
    assert found["handedness"].status == "problem"
    assert "a scene that is mirrored" in found["handedness"].text
