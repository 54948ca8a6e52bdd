"""How a Ray is started, joined and ended, and what people are told where that does not work."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray

from cluster.config.parse import load_defaults
from cluster.runtime import ray_address, ray_session, signals
from cluster.runtime.ray_address import Cluster, check_answers, cluster_address, named_cluster
from cluster.runtime.ray_errors import LONGEST, check_socket_room, in_short
from cluster.runtime.ray_session import end_ray, renew, start_no_more, start_ray
from imitation.common.settings import UserError
from tests.cluster.leftovers import left, mark

ROOT = Path(__file__).resolve().parents[3]
HEAD = "10.0.0.1:6379"
WAIT = "RAY_raylet_start_wait_time_s"


@pytest.fixture
def init(monkeypatch) -> list[dict]:
    """What `ray.init` is called with; it is not run, and every cluster answers."""
    calls: list[dict] = []
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **options: calls.append(options))
    monkeypatch.setattr(ray_session, "check_answers", lambda cluster: None)
    monkeypatch.setattr(ray, "shutdown", lambda: None)  # of the Ray that other tests share
    monkeypatch.setattr(ray_session, "_processes", list)
    monkeypatch.setattr(ray_session._State, "ours", False)
    monkeypatch.setattr(ray_session._State, "over", False)
    return calls


def fails(error: Exception):
    def init(**options):
        raise error

    return init


def test_without_an_address_a_cluster_of_somebody_else_is_not_joined(init):
    start_ray(load_defaults())
    assert init[0]["address"] == "local"
    assert init[0]["num_cpus"] >= 4
    assert init[0]["dashboard_host"] == "127.0.0.1"


def test_a_jobs_cluster_is_joined_and_it_is_said_which_and_why(init, monkeypatch, capsys):
    monkeypatch.setenv("RAY_ADDRESS", HEAD)
    start_ray(load_defaults())
    assert init[0]["address"] == HEAD
    assert "num_cpus" not in init[0], "a running cluster has the CPUs that it has"
    assert capsys.readouterr().err == f"joining the Ray cluster at {HEAD} (RAY_ADDRESS names it)\n"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://10.0.0.1:8265", "is a dashboard's address, which takes jobs: imitate submit"),
        ("/tmp/ray/session_latest", "'/tmp/ray/session_latest' is not the address of a Ray cluster"),
        ("head", "'head' is not the address of a Ray cluster: set ray.address or RAY_ADDRESS to HEAD:6379"),
        ("head:99999", "is not the address"),
    ],
)
def test_what_is_no_address_is_told_at_once(init, monkeypatch, address, said):
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(UserError, match=said):
        start_ray(load_defaults())
    assert init == []


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            ray.exceptions.AuthenticationError("InvalidAuthToken"),
            "asks for its token: set RAY_AUTH_MODE=token",
        ),
        (ConnectionError("refused"), rf"no Ray cluster answers at {HEAD} \(ray.address names it\): refused"),
    ],
)
def test_a_cluster_that_cannot_be_joined_is_one_sentence(init, monkeypatch, error, said):
    monkeypatch.setattr(ray, "init", fails(error))
    with pytest.raises(UserError, match=said):
        start_ray(load_defaults([f"ray.address={HEAD}"]))


def test_the_configuration_comes_before_the_environment_and_local_is_no_cluster(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "other:6379")
    assert cluster_address(load_defaults([f"ray.address={HEAD}"]).ray) == HEAD
    assert cluster_address(load_defaults(["ray.address=auto"]).ray) == "other:6379"
    assert named_cluster(load_defaults(["ray.address=auto"]).ray).why == "RAY_ADDRESS names it"
    monkeypatch.setenv("RAY_ADDRESS", "local")
    assert cluster_address(load_defaults().ray) is None
    assert named_cluster(load_defaults().ray) is None
    monkeypatch.delenv("RAY_ADDRESS")
    assert cluster_address(load_defaults().ray) is None


@pytest.fixture
def rays(monkeypatch):
    """Makes `auto` find these Rays on this machine; the one that `ray start` began last."""

    def found(running: set[str], begun: str | None) -> None:
        def find() -> set[str]:
            return running

        find.cache_clear = lambda: None
        services = SimpleNamespace(find_gcs_addresses=find, find_bootstrap_address=lambda temp_dir: begun)
        monkeypatch.setattr(ray_address, "_services", lambda: services)

    monkeypatch.setenv("RAY_ADDRESS", "auto")
    return found


def test_auto_takes_the_one_ray_or_says_which_of_several_or_refuses_with_the_choices(rays):
    config = load_defaults()
    rays({"a:1"}, None)
    assert named_cluster(config.ray) == Cluster(
        "a:1", "RAY_ADDRESS", "RAY_ADDRESS is auto, and it runs on this machine"
    )
    rays({"a:1", "b:2"}, "b:2")
    chosen = named_cluster(config.ray)
    assert chosen.address == "b:2"
    assert chosen.why == "RAY_ADDRESS is auto, and `ray start` began it last; there are also a:1"
    for gone in (None, "c:3"):
        rays({"a:1", "b:2"}, gone)
        with pytest.raises(UserError, match=r"2 Rays run on this machine.*to one of a:1, b:2"):
            named_cluster(config.ray)
    rays({"127.0.0.1:9", "a:1"}, None)
    assert named_cluster(config.ray).address == "a:1", "the other is that of somebody's run"
    rays({"127.0.0.1:9"}, "127.0.0.1:9")
    assert named_cluster(config.ray).address == "127.0.0.1:9", "`ray start` began it"
    rays({"127.0.0.1:9"}, None)
    with pytest.raises(UserError, match=r"but those that runs have started for themselves \(127.0.0.1:9\)"):
        named_cluster(config.ray)
    rays(set(), "c:3")
    with pytest.raises(UserError, match="RAY_ADDRESS is auto, and no Ray runs on this machine"):
        named_cluster(config.ray)


@pytest.fixture
def listener() -> Iterator[int]:
    """A port where connections are taken and nothing is ever answered."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_where_nothing_listens_any_more_it_is_known_in_seconds(monkeypatch, listener, scheme):
    with socket.create_server(("127.0.0.1", 0)) as server:
        gone = server.getsockname()[1]
    monkeypatch.setattr(ray_address, "REFUSED_S", 0.3)
    cluster = Cluster(f"{scheme}127.0.0.1:{gone}", "RAY_ADDRESS", "RAY_ADDRESS names it")
    with pytest.raises(UserError, match=r"no Ray cluster answers at .*\(RAY_ADDRESS names it\): .*refused"):
        check_answers(cluster)


def test_what_listens_and_never_answers_is_given_up(listener):
    cluster = Cluster(f"127.0.0.1:{listener}", "ray.address", "ray.address names it")
    with pytest.raises(UserError, match=r"something listens there, but not as a Ray head does.*ray\.address"):
        check_answers(cluster, limit_s=1.0)


def rays_own(number, frame):
    """The handler that `ray.init` puts in the place of ours."""
    sys.exit(number)


def test_sigterm_is_ours_after_ray_has_started_and_while_it_starts(init, monkeypatch):
    def starts(**options):
        signal.signal(signal.SIGTERM, rays_own)
        if options["address"] != "local":
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(ray, "init", starts)
    with signals.terminable():
        start_ray(load_defaults())
        with pytest.raises(signals.Terminated):
            signal.raise_signal(signal.SIGTERM)
    with signals.terminable(), pytest.raises(signals.Terminated):
        start_ray(load_defaults([f"ray.address={HEAD}"]))
    assert signal.getsignal(signal.SIGTERM) is not rays_own


def test_sigterm_is_told_from_ctrl_c_where_ray_raises_for_it():
    assert not signals.is_terminated(KeyboardInterrupt())
    with signals.terminable():
        with pytest.raises(signals.Terminated):
            signal.raise_signal(signal.SIGTERM)
        assert signals.is_terminated(KeyboardInterrupt()), "Ray's own, of a wait that the signal cut short"


def test_a_start_that_fails_is_tried_once_more_and_patiently(init, monkeypatch, capsys):
    tried: list[str | None] = []

    def slow(**options):
        tried.append(os.environ[WAIT])
        if len(tried) == 1:
            raise Exception("The current node timed out during startup.")

    for name in (*ray_session.PATIENT, "RAY_gcs_server_port_wait_time_s"):
        monkeypatch.setenv(name, "7")
    monkeypatch.setattr(ray, "init", slow)
    start_ray(load_defaults())
    assert tried == ["7", "120"]
    assert "trying once more" in capsys.readouterr().err
    monkeypatch.setattr(ray, "init", fails(RuntimeError("no\nway " + "x" * 3000)))
    with pytest.raises(
        UserError, match=r"Ray did not start here, in two tries: no way x+….*try again"
    ) as told:
        start_ray(load_defaults())
    assert len(str(told.value)) < LONGEST + 300


def test_what_no_second_try_mends_is_told_at_the_first(init, monkeypatch, capsys):
    monkeypatch.setattr(ray, "init", fails(PermissionError(13, "Permission denied", "/tmp/ray")))
    with pytest.raises(UserError, match="Ray cannot be started here: /tmp/ray: Permission denied"):
        start_ray(load_defaults())
    assert "trying once more" not in capsys.readouterr().err


def test_nothing_starts_after_a_stop(init, monkeypatch):
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    start_ray(load_defaults())
    start_no_more()
    end_ray()
    with pytest.raises(UserError, match="no Ray is started any more"):
        start_ray(load_defaults())
    assert len(init) == 1
    renew()
    start_ray(load_defaults())
    assert len(init) == 2


@pytest.mark.parametrize("name", ["TMPDIR", "RAY_TMPDIR"])
def test_a_folder_that_is_too_long_for_sockets_is_named(monkeypatch, tmp_path, name):
    long = tmp_path / ("x" * 60)
    long.mkdir()
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv(name, str(long))
    with pytest.raises(UserError, match=rf"^{name} is .*x, which is too long for Ray.*RAY_TMPDIR=/tmp$"):
        check_socket_room()
    monkeypatch.setenv("RAY_TMPDIR", "/tmp")
    check_socket_room()


SHORT_OF_MEMORY = """\
2 worker(s) were killed due to the node running low on memory. Memory on the node (IP: 192.0.2.2, ID: ba13) \
was 15.21GB used / 16.00GB limit (0.950625)
OOM kill reason: Memory usage 16331613470B exceeded threshold of 16320875724B (95.0% of 17179869184B limit)
Top 10 memory users: PID\tMEM(GB)\tCOMMAND
427\t0.84\tpsql --password=hush
Refer to the documentation on how to address the out of memory issue: https://docs.ray.io/
"""


def test_the_memory_monitor_is_one_sentence_without_other_peoples_command_lines():
    for error in (ray.exceptions.OutOfMemoryError(SHORT_OF_MEMORY), RuntimeError(SHORT_OF_MEMORY)):
        said = in_short(error)
        assert "short of memory (15.21 of 16.00 GB used): let less run at once" in said
        assert "hush" not in said
        assert len(said) < LONGEST
    assert in_short(ValueError("one\n two")) == "one two"


AWKWARD = """
import os, sys, threading, time
sys.path.insert(0, os.getcwd())
import ray
from cluster.config.parse import load_defaults
from cluster.runtime.ray_session import end_ray, start_no_more, start_ray

start_ray(load_defaults())
refs = ray.put(1)
ended, said = threading.Event(), []

def late():
    ended.wait()
    try:
        ray.get(refs)
    except BaseException as error:
        said.append(type(error).__name__)
    try:
        ray.put(2)
    except BaseException as error:
        said.append(str(error))

thread = threading.Thread(target=late)
thread.start()
start_no_more()
end_ray()
ended.set()
thread.join()
print(ray.is_initialized(), said)
"""

SLOW_AGENT = """
import pathlib, sys, time
if any(word.endswith("dashboard/agent.py") for word in sys.orig_argv):
    once = pathlib.Path(__file__).with_name("once")
    if not once.exists():
        once.touch()
        time.sleep(40)
"""


@pytest.mark.slow
@pytest.mark.timeout(280)
def test_without_a_home_ray_starts_and_a_late_call_starts_no_second_one(tmp_path):
    done, env = awkward(HOME="/dev/null/nobody")
    assert done.returncode == 0, done.stderr
    assert done.stderr == "starting Ray\n"
    assert done.stdout.startswith("False ["), done.stdout
    assert "Ray has not been started" in done.stdout
    assert left(env) == {}


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(290)
def test_a_machine_that_misses_rays_limit_gets_a_second_try(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(SLOW_AGENT)
    done, env = awkward(PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        "starting Ray",
        "Ray did not start in time; trying once more, and waiting longer",
    ]
    assert left(env) == {}


def awkward(**env: str) -> tuple[subprocess.CompletedProcess[str], dict[str, str]]:
    marked = mark()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-c", AWKWARD],
        cwd=ROOT, env=kept | marked | env, capture_output=True, text=True, timeout=270, check=False,
    )  # fmt: skip
    return done, marked
