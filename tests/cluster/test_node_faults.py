"""Nodes that are killed and nodes that join in the middle of a stage: a cluster of several real nodes in
a process of its own, since the tests share one Ray."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cluster.simulate import part_files
from sim_actors.actor import SimulatorHost, decode_frame
from sim_actors.factory import SimulatorSpec
from tests.sim_actors.toy_simulators import PATH, make_jobs, renders

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow

NODES = """
import json, logging, sys, threading, time
logging.basicConfig(level="WARNING")
import ray
from ray.cluster_utils import Cluster
from cluster.pool import SimulatorPool
from cluster.simulate import simulate
from cluster.simulate_settings import SimulateSettings
from sim_actors.factory import SimulatorSpec
from tests.sim_actors.toy_simulators import PATH, make_jobs

folder, log = sys.argv[1:]
small = {"object_store_memory": 80 << 20}
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **small})
ray.init(address=cluster.address, logging_level="ERROR", log_to_driver=False)
nodes = {name: cluster.add_node(num_cpus=2, **small) for name in "ab"}
seen = {"pids": {}, "grown": False, "asked": 0}

def add(name, cpus, after_s=0):
    time.sleep(after_s)
    nodes[name] = cluster.add_node(num_cpus=cpus, **small)

def jobs():
    # As many as it takes until what is to be seen was seen.
    for job in make_jobs(5000):
        if seen["grown"]:
            return
        seen["asked"] += 1
        yield job

def progress(done):
    size = len(pool.pids())
    if "start" not in seen["pids"] and size == 3:
        seen["pids"]["start"] = seen["first"] = size
        seen["kill"] = done
        cluster.remove_node(nodes["a"], allow_graceful=False)
    elif "kill" in seen and done >= seen["kill"] + 40 and "gone" not in seen:
        seen["gone"] = done
        cluster.remove_node(nodes["b"], allow_graceful=False)
        threading.Thread(target=add, args=("c", 3, 5)).start()
    elif "gone" in seen and "joined" not in seen and done >= seen["gone"] + 40:
        seen["joined"] = size
        add("d", 2)
    elif "joined" in seen and size >= 4:
        seen["grown"] = True

settings = SimulateSettings(actors="auto", frames_per_file=50, placement_timeout_s=120)
with SimulatorPool(SimulatorSpec(PATH, {"log": log, "delay_s": 0.1}), settings) as pool:
    report = simulate(jobs(), folder, pool, progress)
print(json.dumps({"report": report.to_json(), "seen": seen}))
ray.shutdown()
cluster.shutdown()
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
    result = json.loads(done.stdout.splitlines()[-1])
    report, seen = result["report"], result["seen"]
    assert seen["first"] == 3  # of four CPUs one is kept free
    assert seen["joined"] <= 2  # of three
    assert seen["grown"]

    # Nobody is blamed, nothing is lost or doubled.
    count = seen["asked"]
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
