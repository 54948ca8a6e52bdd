"""One whole tiny run as a job would do it: its log line by line, its trackers, and no secret anywhere."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from imitation.report.run.record import read_summary
from tests.cluster.run.test_main_job import TINY

ROOT = Path(__file__).resolve().parents[3]
SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMIK7MDENGbPxRfiCY",
    "WANDB_API_KEY": "0123456789abcdef0123456789abcdef01234567",
    "MLFLOW_TRACKING_PASSWORD": "open-sesame-for-mlflow",
    "MY_RENDER_TOKEN": "only-the-simulator-knows",
}
STAGE = r"(rendering the stand-in world: \w+|cycle \d: (training.*|evaluating|simulating))"
LINES = (
    r"(starting|continuing) run \S+",
    r"starting Ray",
    rf"  {STAGE}: \d+/\d+.*",
    rf"{STAGE}: done in .* \(\d+/\d+.*\)",
    r"note: The data is an embedded world: .*",
    r"cycle \d: \d+ stand-in \+ \d+ synthetic frames, mAP50 on val [\d.]+, [\d.]+ % wrong",
    r"cycle \d: \d+ s = .*orchestration \d+ \(\d+ %\)(: .*)?",
    r"stopped after cycle \d\. .*",
    r"",
    r"report: \S+",
    r"best detector: \S+",
)


@pytest.fixture(scope="module")
def observed(tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    storage = tmp_path_factory.mktemp("observed")
    command = [
        *(sys.executable, "-m", "cluster", "run", "ray_config.yaml", *TINY),
        *(f"run.storage={storage}", "run.name=watched", f"tracking.mlflow={storage / 'mlruns'}"),
        *("tracking.wandb=detectors", "simulate.options={token: '${env:MY_RENDER_TOKEN}'}"),
    ]
    environment = os.environ | SECRETS | {"WANDB_MODE": "offline"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    return storage, done


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(700)
def test_every_line_of_the_log_is_ours(observed):
    _, done = observed
    strange = [
        line for line in done.stderr.splitlines() if not any(re.fullmatch(known, line) for known in LINES)
    ]
    assert strange == []
    assert done.stdout.startswith("Demonstration")


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(700)
def test_no_secret_is_written_anywhere(observed):
    storage, done = observed
    files = [file for file in storage.rglob("*") if file.is_file()]
    assert {"report.html", "config.yaml", "summary.json", "run.json"} <= {file.name for file in files}
    assert any(".tfevents." in file.name for file in files)
    assert any(file.suffix == ".wandb" for file in files)
    assert any(file.parent.name == "params" for file in files)
    for name, secret in SECRETS.items():
        assert secret not in done.stdout + done.stderr, name
        for file in files:
            assert secret.encode() not in file.read_bytes(), f"{name} in {file}"
    config = (storage / "watched" / "config.yaml").read_text()
    assert "${env:MY_RENDER_TOKEN}" in config


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(700)
def test_trackers_say_what_the_summary_says(observed):
    storage, _ = observed
    run = storage / "watched"
    summary = read_summary(str(run / "summary.json"))
    board = EventAccumulator(str(run / "tensorboard" / "cycles"))
    board.Reload()
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=(storage / "mlruns").as_uri())
    run_id = json.loads((run / "tracking.json").read_text())["mlflow"]["run_id"]
    for tag, expected in {
        "test/map50": [cycle.mAP for cycle in summary.cycles],
        "val/zero_one_loss": [cycle.metrics.val.zero_one_loss for cycle in summary.cycles],
        "test/failures/missed": [cycle.failures["missed"] for cycle in summary.cycles],
        "data/synthetic_frames": [cycle.synthetic_frames for cycle in summary.cycles],
        "seconds/wall": [cycle.time.wall for cycle in summary.cycles],
    }.items():
        assert [event.value for event in board.Scalars(tag)] == pytest.approx(expected), tag
        history = sorted(client.get_metric_history(run_id, tag), key=lambda metric: metric.step)
        assert [metric.value for metric in history] == pytest.approx(expected), tag
    losses = EventAccumulator(str(run / "tensorboard" / "cycle-001" / "main"))
    losses.Reload()
    assert [event.step for event in losses.Scalars("train/loss")] == [5, 8]
    assert {item.path for item in client.list_artifacts(run_id)} == {"report.html", "summary.json"}
    assert client.get_run(run_id).data.params["train.steps"] == "8"


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(700)
def test_the_time_of_a_cycle_adds_up(observed):
    storage, done = observed
    summary = read_summary(str(storage / "watched" / "summary.json"))
    for cycle in summary.cycles:
        time = cycle.time
        parts = time.training + time.rendering + time.evaluation + time.analysis + time.orchestration
        assert parts == pytest.approx(time.wall, abs=0.01)
        assert sum(cycle.seconds.values()) == pytest.approx(time.wall, rel=0.1, abs=2.0)
        assert 0 < time.training < sum(s for name, s in cycle.seconds.items() if name.startswith("train"))
        assert 0 < time.evaluation < cycle.seconds["evaluate"]
        assert (time.rendering > 0) == (cycle.cycle > 0)
        assert time.orchestration > 0
    assert "orchestration" in done.stdout, "the table's note"
