"""MLflow: one run goes on with whichever driver continues it."""

import json
import os
import subprocess
import sys

import pytest

from cluster.config.tracking import TrackingSettings
from cluster.observability.trackers.registry import end_killed
from tests.cluster.observability.trackers.test_trackers import ROOT

MLFLOW = """
import sys
from cluster.observability.trackers.mlflow import MlflowSettings, MlflowTracker
store, folder, first, steps, cycles, end = sys.argv[1:]
from cluster.observability.trackers.base import Tracked
run = Tracked(folder, "the run", "exp", {"train.steps": 150, "data.root": "x" * 9000})
tracker = MlflowTracker(MlflowSettings(uri=store), run)
for step in range(int(first), int(steps) + 1, 5):
    tracker.point("cycle-000/main", step, {"train/loss": float(step)})
for cycle in range(int(cycles)):
    tracker.cycle(cycle, {"val/map50": 0.1 * cycle, "val/AP50/größe & ruhm": 0.5})
if end == "kill":
    import os, signal
    os.kill(os.getpid(), signal.SIGKILL)
if end in ("failed", "stopped"):
    tracker.close(end)
    sys.exit()
tracker.finish({"report.html": folder + "/report.html"})
tracker.close()
"""


@pytest.mark.slow
def test_mlflow_in_a_folder_continued_by_a_second_driver(tmp_path):
    store, folder = tmp_path / "mlruns", tmp_path / "run"
    folder.mkdir()
    (folder / "report.html").write_text("<p>done</p>")

    def drive(*words: str) -> int:
        command = [sys.executable, "-c", MLFLOW, str(store), str(folder), *words]
        return subprocess.run(command, cwd=ROOT, timeout=120, check=False).returncode

    assert drive("5", "40", "1", "kill") == -9
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=store.as_uri())
    (run,) = client.search_runs([client.get_experiment_by_name("exp").experiment_id])
    assert run.info.status == "RUNNING", "a driver that is killed cannot say so"
    end_killed(TrackingSettings(mlflow=str(store)), str(folder), pytest.fail)
    assert client.get_run(run.info.run_id).info.status == "KILLED"
    for end, status in (("stopped", "KILLED"), ("failed", "FAILED"), ("finish", "FINISHED")):
        assert drive("25", "50", "2", end) == 0
        (run,) = client.search_runs([client.get_experiment_by_name("exp").experiment_id])
        assert run.info.status == status
    assert run.info.run_id == json.loads((folder / "tracking.json").read_text())["mlflow"]["run_id"]
    assert (run.info.status, run.info.run_name) == ("FINISHED", "the run")
    assert run.data.params["train.steps"] == "150"
    assert len(run.data.params["data.root"]) == 6000
    losses = client.get_metric_history(run.info.run_id, "cycle-000/main/train/loss")
    assert [metric.step for metric in losses] == list(range(5, 51, 5))
    maps = client.get_metric_history(run.info.run_id, "val/map50")
    assert [(metric.step, metric.value) for metric in maps] == [(0, 0.0), (1, 0.1)]
    assert run.data.metrics["val/AP50/größe _ ruhm"] == 0.5
    assert [item.path for item in client.list_artifacts(run.info.run_id)] == ["report.html"]
