"""The first question that a server is asked, held against CARLA's own client."""

import subprocess
import sys

import pytest

from imitation.common.settings import UserError
from sim_actors.simulators.carla.settings import CarlaSettings
from sim_actors.simulators.carla.simulator import CarlaSimulator
from sim_actors.simulators.carla.versions import parts, server_version
from tests.sim_actors.simulators.carla import servers

CLIENT = """
import sys
import carla
client = carla.Client("127.0.0.1", int(sys.argv[1]))
client.set_timeout(20.0)
print(client.get_server_version())
"""


def own_client(endpoint):
    """What CARLA's own client makes of a server, in a process that it may abort."""
    pytest.importorskip("carla", reason="CARLA's Python client is not installed")
    port = endpoint.rpartition(":")[2]
    return subprocess.run(
        [sys.executable, "-c", CLIENT, port], capture_output=True, text=True, timeout=60, check=False
    )


def test_it_is_asked_and_answered_as_carlas_own_client_is():
    asked = []
    with servers.answering(servers.version("0.9.16"), asked) as endpoint:
        assert server_version(endpoint, 20) == "0.9.16"
        done = own_client(endpoint)
    assert done.stdout.strip() == "0.9.16", done.stderr
    ours, theirs = asked
    assert ours[2:] == theirs[2:]  # but for the question's number
    assert len(ours) == len(theirs)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (servers.version("0.9.15"), "is version 0.9.15; 0.9.16 is the first"),
        (servers.version("of my own"), "is version of my own"),
        (servers.page, "is no CARLA server: its answer begins with b'HTTP/1.1"),
        (servers.noise, "is no CARLA server"),
        (servers.refusal, "asked for its version, it answers: rpclib: no such function"),
        (servers.hanging_up, "closes the connection without an answer"),
    ],
)
def test_what_is_no_carla_of_ours_is_told(reply, said):
    with servers.answering(reply) as endpoint, pytest.raises(UserError) as caught:
        server_version(endpoint, 20)
    assert said in str(caught.value)
    assert endpoint in str(caught.value)


def test_a_server_that_does_not_answer_is_told_with_the_setting():
    with (
        servers.answering(servers.silence) as endpoint,
        pytest.raises(UserError, match=r"no answer within 0.2 s \(simulate.options.timeout_s\)"),
    ):
        server_version(endpoint, 0.2)


def test_nobody_there_is_told_before_a_run():
    with servers.answering(servers.silence) as endpoint:
        pass  # its port is free again
    said = CarlaSimulator.preflight(CarlaSettings(endpoints=(endpoint,), client_module="json"))
    assert said is not None
    assert "cannot be reached (Connection refused)" in said


def test_one_server_of_several_is_enough():
    with servers.answering(servers.page) as wrong, servers.answering(servers.version("0.9.16")) as right:
        settings = CarlaSettings(endpoints=(wrong, right), client_module="json")
        assert CarlaSimulator.preflight(settings) is None


def test_a_client_that_is_not_installed_is_told_with_how_to_install_it():
    said = CarlaSimulator.preflight(CarlaSettings(client_module="no_such_client"))
    assert "'no_such_client', which is not installed" in said
    assert "pip install 'imitation-training[carla]'" in said


def test_versions_are_numbers():
    assert parts("0.9.16-3-g1a2b3c4") == (0, 9, 16)
    assert parts("0.10.0") > parts("0.9.16")
    assert parts("dirty") == ()
