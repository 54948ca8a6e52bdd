"""A cluster that grows by itself: Ray's own autoscaler with its fake provider, whose nodes are processes of
this machine. The driver is a process of its own, since the tests share one Ray."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from cluster.runtime import autoscaler
from tests.cluster.runtime.test_jobs import RAY, descendants, free_port

ROOT = Path(__file__).resolve().parents[3]
HEAD_ID = "f" * 51 + "00000"  # the fake provider's name for the head
# By its class, as other people's are: Ray's wheel lacks the example that its own name for it reads.
PROVIDER = "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider"

DRIVER = """
import json, sys, time
import ray
from cluster.simulation import autoscaling as pool_size
from cluster.runtime.autoscaler import autoscales
from cluster.simulation.pool import SimulatorPool
from cluster.config.simulate import SimulateSettings
from sim_actors.simulators.registry import SimulatorSpec
from tests.sim_actors.simulators.toy_simulators import PATH, make_jobs

address, log = sys.argv[1:]
deadline = time.monotonic() + 120
while True:
    try:
        ray.init(address=address, _node_ip_address="127.0.0.1", logging_level="ERROR", log_to_driver=False)
        break
    except (ConnectionError, RuntimeError):
        assert time.monotonic() < deadline
        time.sleep(1)

def until(what):
    while not what():
        assert time.monotonic() < deadline, seen
        time.sleep(0.2)

def workers():
    return sum(node["Alive"] and node["Resources"].get("CPU", 0) > 0 for node in ray.nodes())

seen = {}
until(autoscales)  # the monitor takes a moment to say what it is
pool_size.ASK_AFTER_S = 1
settings = SimulateSettings(actors="auto", placement_timeout_s=120)
deadline = time.monotonic() + 200
with SimulatorPool(SimulatorSpec(PATH, {"log": log, "delay_s": 0.3}), settings) as pool:
    def jobs():
        for job in make_jobs(5000):
            if len(pool.pids()) >= 4:
                return
            assert time.monotonic() < deadline, seen
            yield job
    for _ in pool.render(jobs()):
        seen["most"] = max(seen.get("most", 0), workers())
deadline = time.monotonic() + 120
until(lambda: workers() == 0)
seen["after"] = workers()
print(json.dumps(seen))
"""


@contextmanager
def head(grows: bool, v2: bool) -> Iterator[str]:
    """The address of a head without CPUs, and, where it grows, up to three nodes of two CPUs beside it."""
    port, folder = free_port(), Path(tempfile.mkdtemp(prefix="r-", dir="/tmp"))
    provider = {"type": "external", "module": PROVIDER, "head_node_id": HEAD_ID}
    provider |= {"gcs_address": f"127.0.0.1:{port}", "use_node_id_as_ip": True, "disable_node_updaters": True}
    if v2:
        provider["launch_multiple"] = True
    kinds = {
        "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
        "simulators": {
            "resources": {"CPU": 2, "object_store_memory": 80 << 20},
            "node_config": {}, "min_workers": 0, "max_workers": 3,
        },
    }  # fmt: skip
    config = {
        "cluster_name": "fake", "max_workers": 3, "upscaling_speed": 1.0, "idle_timeout_minutes": 0.1,
        "provider": provider, "available_node_types": kinds, "head_node_type": "ray.head.default",
        "auth": {}, "docker": {}, "file_mounts": {}, "file_mounts_sync_continuously": False,
    }  # fmt: skip
    lists = "cluster_synced_files initialization_commands setup_commands head_setup_commands "
    lists += "worker_setup_commands head_start_ray_commands worker_start_ray_commands rsync_exclude "
    lists += "rsync_filter"
    config |= {name: [] for name in lists.split()}
    (folder / "config.json").write_text(json.dumps(config))
    env = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    env |= {"AUTOSCALER_UPDATE_INTERVAL_S": "1", "RAY_FAKE_CLUSTER": "1", "RAY_AUTH_MODE": "disabled"}
    env |= {"RAY_OVERRIDE_NODE_ID_FOR_TESTING": HEAD_ID}
    if v2:  # what KubeRay and `ray up` say to their nodes
        env |= {"RAY_enable_autoscaler_v2": "1", "RAY_CLOUD_INSTANCE_ID": HEAD_ID}
        env |= {"RAY_NODE_TYPE_NAME": "ray.head.default"}
    command = [str(RAY), "start", "--head", "--block", "--node-ip-address=127.0.0.1", f"--port={port}"]
    command += ["--num-cpus=0", "--num-gpus=0", "--include-dashboard=false", "--disable-usage-stats"]
    command += ["--object-store-memory=100000000", f"--temp-dir={folder}"]
    command += [f"--autoscaling-config={folder / 'config.json'}"] if grows else []
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        for ours in (*descendants(process.pid), process.pid):
            with suppress(ProcessLookupError):
                os.kill(ours, signal.SIGKILL)
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("v2", [False, True], ids=["v1", "v2"])
def test_waiting_scenes_make_the_cluster_grow_and_it_shrinks_again(v2, tmp_path):
    """Two simulators have a place on the first node; four need another one."""
    with head(grows=True, v2=v2) as address:
        done = subprocess.run(
            [sys.executable, "-c", DRIVER, address, str(tmp_path / "log")],
            cwd=ROOT, env=os.environ | {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"},
            capture_output=True, text=True, timeout=700, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    seen = json.loads(done.stdout.splitlines()[-1])
    assert 2 <= seen["most"] <= 3
    assert seen["after"] == 0


@pytest.mark.parametrize(
    ("kinds", "grows"),
    [
        (["headgroup", "simulators"], True),
        (["ray.head.default"], True),
        (["node_" + "ab" * 28, "node_" + "cd" * 28], False),
        ([], False),
    ],
)
def test_a_monitor_that_only_watches_calls_nodes_by_their_ids(kinds, grows, monkeypatch):
    monkeypatch.setattr(autoscaler, "_internal_kv_initialized", lambda: True)
    monkeypatch.setattr(autoscaler, "_kinds", lambda: kinds)
    assert autoscaler.autoscales() is grows


def test_what_cannot_be_told_is_a_cluster_of_fixed_size(monkeypatch):
    def changed() -> list[str]:
        raise AttributeError("another version of Ray")

    monkeypatch.setattr(autoscaler, "_internal_kv_initialized", lambda: True)
    monkeypatch.setattr(autoscaler, "_kinds", changed)
    assert autoscaler.autoscales() is False
