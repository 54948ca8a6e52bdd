"""Weights and Biases, offline: one run goes on with whichever driver continues it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.observability.trackers.test_trackers import ROOT

WANDB = """
import sys
from cluster.observability.trackers.wandb import WandbSettings, WandbTracker
from cluster.observability.trackers.base import Tracked
run = Tracked(sys.argv[1], "the run", "exp", {"train.steps": 150})
tracker = WandbTracker(WandbSettings(project="project"), run)
for step in range(5, 21, 5):
    tracker.point("cycle-000/main", step, {"train/loss": float(step)})
tracker.cycle(0, {"val/map50": 0.25})
tracker.cycle(0, {"val/map50": 0.5})
tracker.sync()
tracker.finish({"report.html": sys.argv[1] + "/report.html"})
tracker.close()
"""


def wandb_history(file: Path) -> list[dict[str, float]]:
    """What an offline run logged: a LevelDB log (blocks of 32 KiB, chunks of crc, length, kind)."""
    from wandb.proto import wandb_internal_pb2

    data, at, whole = file.read_bytes(), 7, b""
    history: list[dict[str, float]] = []
    while at + 7 <= len(data):
        if at % 32768 > 32768 - 7:  # what is left of a block holds no header
            at += 32768 - at % 32768
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind not in (1, 4):  # neither whole nor the last chunk
            continue
        record = wandb_internal_pb2.Record()
        record.ParseFromString(whole)
        whole = b""
        if record.WhichOneof("record_type") == "history":
            items = {"/".join(item.nested_key) or item.key: item.value_json for item in record.history.item}
            history.append({key: json.loads(text) for key, text in items.items() if not key.startswith("_")})
    return history


@pytest.mark.slow
def test_wandb_offline_continued_by_a_second_driver(tmp_path):
    secret = "0123456789abcdef0123456789abcdef01234567"
    environment = os.environ | {"WANDB_MODE": "offline", "WANDB_API_KEY": secret}
    (tmp_path / "report.html").write_text("<p>done</p>")
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", WANDB, str(tmp_path), "run.storage=told-on-the-command-line"],
            cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        assert done.stdout + done.stderr == "", "W&B says nothing of itself"
    run_id = json.loads((tmp_path / "tracking.json").read_text())["wandb"]["run_id"]
    files = [file for file in (tmp_path / "wandb").rglob("*.wandb") if not file.is_symlink()]
    assert [file.name for file in files] == [f"run-{run_id}.wandb"] * 2
    history = wandb_history(files[0])
    steps = [{"cycle-000/main/step": step, "cycle-000/main/train/loss": step} for step in range(5, 21, 5)]
    assert history == [*steps, {"cycle": 0, "val/map50": 0.25}]
    for file in (file for file in tmp_path.rglob("*") if file.is_file()):
        assert secret.encode() not in file.read_bytes(), file
        assert b"told-on-the-command-line" not in file.read_bytes(), file
