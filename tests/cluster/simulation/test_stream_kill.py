"""A driver killed with SIGKILL, again and again, at the worst moments; on a real Ray."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cluster.config.simulate import SimulateSettings
from cluster.simulation.pool import SimulatorPool
from cluster.simulation.stream import DONE, committed_ids, part_files, simulate
from sim_actors.simulators.registry import SimulatorSpec
from tests.sim_actors.simulators.toy_simulators import PATH, make_jobs, renders

ROOT = Path(__file__).resolve().parents[3]
COUNT = 60

DRIVER = """
import json, os, signal, sys
import ray
from cluster.simulation.pool import SimulatorPool
from cluster.simulation.stream import simulate
from cluster.config.simulate import SimulateSettings
from sim_actors.simulators.registry import SimulatorSpec
from tests.sim_actors.simulators.toy_simulators import PATH, make_jobs

address, folder, log, moment, name, count = sys.argv[1:]
real = os.replace

def replace(source, target):
    if moment == "before" and os.path.basename(target) == name:
        os.kill(os.getpid(), signal.SIGKILL)
    real(source, target)
    if moment == "after" and os.path.basename(target) == name:
        os.kill(os.getpid(), signal.SIGKILL)

os.replace = replace
ray.init(address=address, logging_level="ERROR", log_to_driver=False)
options = {"log": log, "delay_s": 0.03, "crash": ["s005"]}
settings = SimulateSettings(actors=2, cpus_per_actor=0.5, frames_per_file=8)
with SimulatorPool(SimulatorSpec(PATH, options), settings) as pool:
    report = simulate(make_jobs(int(count)), folder, pool)
print(json.dumps(report.to_json()))
"""


def driver(folder: Path, log: Path, moment: str = "never", name: str = "") -> subprocess.Popen:
    import ray

    address = ray.get_runtime_context().gcs_address
    command = [sys.executable, "-c", DRIVER, address, str(folder), str(log), moment, name, str(COUNT)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session")
def test_a_killed_driver_continues_after_the_last_committed_file(tmp_path):
    folder, log = tmp_path / "synthetic", tmp_path / "log"
    for moment, name in [
        ("before", "part-00001.parquet"),  # written, not yet renamed
        ("after", "part-00002.parquet"),
        ("render", ""),  # from outside, while scenes render
        ("before", DONE),
    ]:
        before, begun = committed_ids(str(folder)), len(renders(log))
        process = driver(folder, log, moment, name)
        if moment == "render":
            while len(renders(log)) < begun + 10:
                assert process.poll() is None
                time.sleep(0.02)
            os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=120)
        assert process.returncode == -signal.SIGKILL
        assert before <= committed_ids(str(folder))
        assert not before & set(renders(log)[begun:])  # committed scenes are never rendered again
        assert not (folder / DONE).exists()

    begun = len(renders(log))
    process = driver(folder, log)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert renders(log)[begun:] == []  # the last one died after its last part
    report = json.loads(out.splitlines()[-1])
    assert (report["frames"], report["reused"]) == (COUNT - 1, COUNT - 1)
    assert [item["scene_id"] for item in report["set_aside"]] == ["s005"]
    found = [row for uri in part_files(str(folder)) for row in pq.read_table(uri)["frame_id"].to_pylist()]
    assert sorted(found) == [job.scene.scene_id for job in make_jobs(COUNT) if job.scene.scene_id != "s005"]
    assert not list(folder.glob(".*"))


@pytest.mark.usefixtures("ray_session")
def test_a_stage_on_ray_says_what_happened(tmp_path):
    options = {"log": str(tmp_path / "log"), "raises": ("s003",), "crash_once": ("s006",)}
    options["markers"] = str(tmp_path)
    settings = SimulateSettings(actors=1, cpus_per_actor=0.5, frames_per_file=5)
    with SimulatorPool(SimulatorSpec(PATH, options), settings) as pool:
        report = simulate(make_jobs(12), str(tmp_path / "out"), pool)
    assert (report.frames, report.rendered) == (11, 11)
    assert [(item.scene_id, item.kind) for item in report.set_aside] == [("s003", "raised")]
    assert report.errors == 2
    assert 1 <= report.crashes <= 2
    assert report.retries == 1 + report.crashes
    assert report.seconds > 0
    assert report.cpu_seconds > 0
