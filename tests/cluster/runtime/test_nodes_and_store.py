"""Whole nodes killed, and object stores that are full: on a Ray of several nodes, in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

COMMON = """
import json, os, sys
os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_TRAIN_V2_ENABLED": "1"}
os.environ |= {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_DATA_PARQUET_FOOTER_NUM_ACTORS": "1"}
import numpy as np
import ray
from pathlib import Path
from cluster.config.evaluate import EvaluateSettings
from cluster.evaluation.ray_data import EvaluationPart, evaluate
from imitation.datasets.parquet.files import write_frames
from imitation.detectors.registry import build_detector
from imitation.detectors.settings import DetectorSettings
from imitation.evaluation.detection_files import read_detections
from imitation.detectors.checkpoint import save_checkpoint
from imitation.data.images import encode_png
from imitation.data.records import Frame
from imitation.common.settings import UserError
from tests.cluster.killing import processes
from tests.cluster.toy_detector import SLOW
from tests.cluster.worker_data import CATEGORIES, frames

tmp = Path(sys.argv[1])
data, checkpoint, out = (str(tmp / name) for name in ("data.parquet", "checkpoint", "out.parquet"))
detector = DetectorSettings(name=SLOW, width=32, height=32)
save_checkpoint(checkpoint, build_detector(detector, 1).state_dict(), detector, CATEGORIES.categories, {})
write_frames(frames(400), data)
part = EvaluationPart(data, "test", ("main",))

def judge(progress=lambda rows: None, **settings):
    settings = EvaluateSettings(batch_size=8, threads=1, **settings)
    return evaluate([part], {"main": checkpoint}, CATEGORIES, out, settings, progress=progress)

def junk(megabytes):
    return [ray.put(np.random.default_rng(i).random(125_000 * 10)) for i in range(megabytes // 10)]
"""

NODES = """
from ray.cluster_utils import Cluster

nodes = Cluster()
nodes.add_node(num_cpus=3, object_store_memory=80 << 20)
ray.init(address=nodes.address, logging_level="ERROR", log_to_driver=False)
second = nodes.add_node(num_cpus=2, object_store_memory=80 << 20)
nodes.wait_for_nodes()

def raylet(node):
    (process,) = node.all_processes["raylet"]
    return process.process.pid

hit = []
def kill_second(rows):
    if rows >= 60 and not hit:
        hit.extend(processes("DetectorWorker", raylet(second)))
        nodes.remove_node(second, allow_graceful=False)

done = judge(kill_second, actors=2)
told = {"evaluated": [done["rows"], done["errors"]], "actors_on_the_killed_node": len(hit)}
told["in_order"] = [row.frame_id for row in read_detections(out)] == [f.frame_id for f in frames(400)]
print(json.dumps(told), flush=True)
os._exit(0)  # to take leave of Ray orderly is not what a cluster with a dead node lets one do
"""

STORE = """
from ray._private.internal_api import memory_summary
from cluster.simulation.pool import SimulatorPool
from cluster.simulation.stream import committed_ids, simulate
from cluster.config.simulate import SimulateSettings
from sim_actors.simulators.registry import SimulatorSpec
from tests.sim_actors.simulators.toy_simulators import PATH, make_jobs

ray.init(
    address="local", num_cpus=3, include_dashboard=False, logging_level="ERROR", log_to_driver=False,
    object_store_memory=80 << 20,
)
held = junk(150)
done = judge(actors=1)
told = {"evaluated": [done["rows"], done["errors"]]}
told["in_order"] = [row.frame_id for row in read_detections(out)] == [f.frame_id for f in frames(400)]
options = {"log": str(tmp / "log")}
with SimulatorPool(SimulatorSpec(PATH, options), SimulateSettings(actors=2, frames_per_file=8)) as pool:
    report = simulate(make_jobs(40), str(tmp / "synthetic"), pool)
told["rendered"] = [report.frames, len(committed_ids(str(tmp / "synthetic")))]
summary = memory_summary(ray.get_runtime_context().gcs_address, stats_only=True)
told["spilled"] = [line for line in summary.splitlines() if "Spilled" in line]
told["junk"] = all(
    np.array_equal(ray.get(ref), np.random.default_rng(i).random(1_250_000)) for i, ref in enumerate(held)
)
print(json.dumps(told), flush=True)
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
@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_node_killed_with_its_actor_costs_an_evaluation_nothing(tmp_path: Path) -> None:
    told = run(NODES, tmp_path)
    assert told == {"evaluated": [400, []], "actors_on_the_killed_node": 1, "in_order": True}


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(600)
def test_with_a_full_object_store_evaluation_and_rendering_go_on(tmp_path: Path) -> None:
    told = run(STORE, tmp_path)
    assert told["spilled"], "the object store was never full"
    assert told["evaluated"] == [400, []]
    assert told["in_order"]
    assert told["rendered"] == [40, 40]
    assert told["junk"], "what was spilled is what comes back"
