"""Whole nodes killed, and object stores that are full: on a Ray of several nodes, in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

COMMON = """
import json, os, sys
os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_TRAIN_V2_ENABLED": "1"}
os.environ |= {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_DATA_PARQUET_FOOTER_NUM_ACTORS": "1"}
import numpy as np
import ray
from pathlib import Path
from cluster.evaluate import EvaluateSettings, EvaluationPart, evaluate
from imitation.datasets.parquet import write_frames
from imitation.detectors.build import build_detector
from imitation.detectors.settings import DetectorSettings
from imitation.evaluations import read_detections
from imitation.product import save_product
from imitation.images import encode_png
from imitation.records import Frame
from imitation.settings import UserError
from tests.cluster.killing import processes
from tests.cluster.toy_detector import SLOW
from tests.cluster.worker_data import CATEGORIES, frames

tmp = Path(sys.argv[1])
data, product, out = (str(tmp / name) for name in ("data.parquet", "product", "out.parquet"))
detector = DetectorSettings(name=SLOW, width=32, height=32)
save_product(product, build_detector(detector, 1).state_dict(), detector, CATEGORIES.categories, {})
write_frames(frames(400), data)
part = EvaluationPart(data, "test", ("main",))

def judge(progress=lambda rows: None, **settings):
    settings = EvaluateSettings(batch_size=8, threads=1, **settings)
    return evaluate([part], {"main": product}, CATEGORIES, out, settings, progress=progress)

def junk(megabytes):
    return [ray.put(np.random.default_rng(i).random(125_000 * 10)) for i in range(megabytes // 10)]
"""

NODES = """
from ray.cluster_utils import Cluster
from ray._private.internal_api import memory_summary
from cluster.pool import SimulatorPool
from cluster.simulate import committed_ids, simulate
from cluster.simulate_settings import SimulateSettings
from sim_actors.factory import SimulatorSpec
from tests.sim_actors.toy_simulators import PATH, make_jobs

nodes = Cluster()
head = nodes.add_node(num_cpus=3, object_store_memory=80 << 20)
second = nodes.add_node(num_cpus=2, object_store_memory=80 << 20)
ray.init(address=nodes.address, logging_level="ERROR", log_to_driver=False)
held = junk(150)  # both stores together hold 160 MB, this node's 80
told = {}

def raylet(node):
    (process,) = node.all_processes["raylet"]
    return process.process.pid

hit = []
def kill_second(rows):
    if rows >= 60 and not hit:
        hit.extend(processes("DetectorActor", raylet(second)))
        nodes.remove_node(second, allow_graceful=False)

done = judge(kill_second, actors=2)
told["evaluated"] = [done["rows"], done["errors"]]
told["actors_on_the_killed_node"] = len(hit)
told["in_order"] = [row.frame_id for row in read_detections(out)] == [f.frame_id for f in frames(400)]

options = {"log": str(tmp / "log")}
with SimulatorPool(SimulatorSpec(PATH, options), SimulateSettings(actors=2, frames_per_file=8)) as pool:
    report = simulate(make_jobs(40), str(tmp / "synthetic"), pool)
told["rendered"] = [report.frames, len(committed_ids(str(tmp / "synthetic")))]
summary = memory_summary(nodes.address, stats_only=True)
told["spilled"] = [line for line in summary.splitlines() if "Spilled" in line]
told["junk"] = all(
    np.array_equal(ray.get(ref), np.random.default_rng(i).random(1_250_000)) for i, ref in enumerate(held)
)
print(json.dumps(told))
"""

FULL = """
ray.init(
    address="local", num_cpus=3, include_dashboard=False, logging_level="ERROR", log_to_driver=False,
    object_store_memory=80 << 20,
    _system_config={"local_fs_capacity_threshold": 0.0001},  # to Ray, every disk is full
)
noise = [np.random.default_rng(i).integers(0, 255, (200, 200, 3), dtype=np.uint8) for i in range(100)]
write_frames([Frame(f"n{i}", 200, 200, image=encode_png(pixels)) for i, pixels in enumerate(noise)], data)
held = junk(80)  # of 84 MB
try:
    for _ in range(10):  # the rest, a MB each
        held.append(ray.put(np.zeros(125_000)))
except ray.exceptions.RayError:
    pass
try:
    judge()
    print(json.dumps({"error": None}))
except UserError as error:
    print(json.dumps({"error": str(error), "left": sorted(p.name for p in tmp.glob("*out*"))}))
"""


def run(code: str, tmp_path: Path) -> dict:
    done = subprocess.run(
        [sys.executable, "-c", COMMON + code, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=560,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_node_killed_with_its_actors_while_the_object_store_is_full(tmp_path: Path) -> None:
    told = run(NODES, tmp_path)
    assert told["spilled"], "the object store was never full"
    assert told["actors_on_the_killed_node"] == 1
    assert told["evaluated"] == [400, []]
    assert told["in_order"]
    assert told["rendered"] == [40, 40]
    assert told["junk"], "what was spilled is what comes back"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_full_store_on_a_full_disk_ends_the_evaluation_with_a_sentence(tmp_path: Path) -> None:
    told = run(FULL, tmp_path)
    assert "Ray's object store is full" in told["error"]
    assert "object_spilling_directory" in told["error"] or "disk" in told["error"]
    assert told["left"] == []
