"""Nodes that are killed and nodes that join in the middle of a stage: a cluster of several real nodes in
a process of its own, since the tests share one Ray."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cluster.simulation.stream import part_files
from sim_actors.simulators.registry import SimulatorSpec
from sim_actors.simulators.worker import SimulatorHost, decode_frame
from tests.sim_actors.simulators.toy_simulators import PATH, make_jobs, renders

ROOT = Path(__file__).resolve().parents[3]
pytestmark = [pytest.mark.slow, pytest.mark.long]

NODES = """
import json, logging, sys, threading, time
logging.basicConfig(level="WARNING")
import ray
from ray.cluster_utils import Cluster
from cluster.simulation.pool import SimulatorPool
from cluster.simulation.stream import simulate
from cluster.config.simulate import SimulateSettings
from sim_actors.simulators.registry import SimulatorSpec
from tests.sim_actors.simulators.toy_simulators import PATH, make_jobs

folder, log = sys.argv[1:]
small = {"object_store_memory": 80 << 20}
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **small})
ray.init(address=cluster.address, logging_level="ERROR", log_to_driver=False)
a, b = (cluster.add_node(num_cpus=2, **small) for _ in range(2))
enough, asked, done = threading.Event(), [], []

def jobs():  # as many as it takes to see what is to be seen
    for job in make_jobs(5000):
        if enough.is_set():
            return
        asked.append(job)
        yield job

def stage():
    try:
        seen["report"] = simulate(jobs(), folder, pool, done.append).to_json()
    finally:
        enough.set()

def until(what):
    while not what():
        assert not enough.is_set(), "the stage ended too early"
        time.sleep(0.05)

def more(scenes):
    end = len(done) + scenes
    until(lambda: len(done) >= end)

seen = {}
settings = SimulateSettings(actors="auto", frames_per_file=50, placement_timeout_s=120)
with SimulatorPool(SimulatorSpec(PATH, {"log": log, "delay_s": 0.1}), settings, proved=True) as pool:
    thread = threading.Thread(target=stage)
    thread.start()
    until(lambda: len(pool.pids()) == 3)  # of four CPUs one is kept free
    more(20)
    cluster.remove_node(a, allow_graceful=False)
    more(40)
    seen["after_a"] = len(pool.pids())
    cluster.remove_node(b, allow_graceful=False)
    until(lambda: len(pool.pids()) == 0)  # nobody is left
    seen["without"] = len(done)
    c = cluster.add_node(num_cpus=3, **small)
    more(20)
    seen["with_c"] = len(pool.pids())
    cluster.add_node(num_cpus=2, **small)
    until(lambda: len(pool.pids()) == 4)  # of five
    more(20)
    enough.set()
    thread.join()
    seen["asked"] = len(asked)
print(json.dumps(seen))
ray.shutdown()
cluster.shutdown()
"""

MEMORY = """
import os, sys
import ray
from cluster.simulation.pool import SimulatorPool
from cluster.config.simulate import SimulateSettings
from imitation.common.settings import UserError
from sim_actors.simulators.registry import SimulatorSpec
from tests.sim_actors.simulators.toy_simulators import PATH, make_jobs

ray.init(address="local", num_cpus=2, include_dashboard=False, logging_level="ERROR", log_to_driver=False,
         object_store_memory=80 << 20)
settings = SimulateSettings(actors=1, startup_timeout_s=120)
try:
    with SimulatorPool(SimulatorSpec(PATH, {"delay_s": 600}), settings) as pool:
        list(pool.render(make_jobs(2)))
except UserError as error:
    print(error)
"""


def drive(script: str, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    env = dict(os.environ) | {"RAY_USAGE_STATS_ENABLED": "0"} | env
    env.pop("RAY_ADDRESS", None)
    command = [sys.executable, "-c", script, *args]
    return subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=280, check=False
    )


def test_nodes_killed_and_nodes_that_join_in_the_middle_of_a_stage(tmp_path):
    """One after the other: a node with simulators is killed; then the last one, so that none is left for
    a while; a node comes; another one joins."""
    folder, log = tmp_path / "synthetic", tmp_path / "log"
    done = drive(NODES, str(folder), str(log))
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    report, count = seen["report"], seen["asked"]
    assert seen["after_a"] <= 2
    assert 1 <= seen["with_c"] <= 2

    # Nobody is blamed, nothing is lost or doubled.
    assert (report["frames"], report["rendered"], report["set_aside"]) == (count, count, [])
    assert (report["crashes"], report["hangs"], report["errors"], report["retries"]) == (0, 0, 0, 0)
    assert report["lost"] >= 2
    rows = {}
    for uri in part_files(str(folder)):
        for row in pq.read_table(uri).select(["frame_id", "image"]).to_pylist():
            assert row["frame_id"] not in rows
            rows[row["frame_id"]] = row["image"]
    # The same frames as one simulator gives that nothing happened to.
    host = SimulatorHost(SimulatorSpec(PATH))
    host.start()
    undisturbed = {job.scene.scene_id: job for job in make_jobs(count)}
    assert rows.keys() == undisturbed.keys()
    for scene_id, job in undisturbed.items():
        assert decode_frame(host.render(job).payload).image == rows[scene_id]
    # Only what was lost was begun again.
    assert len(renders(log)) <= count + report["lost"]


def test_what_rays_memory_monitor_kills_is_told_in_its_words():
    """On a machine of which Ray thinks that it is full, whatever runs."""
    full = {"RAY_memory_usage_threshold": "0.001", "RAY_memory_monitor_refresh_ms": "200"}
    done = drive(MEMORY, **full)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "times" in done.stdout
    assert "memory" in done.stdout
