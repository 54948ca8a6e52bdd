"""A whole sweep by its command: one baseline for all, killed for real, continued, on two CPUs."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cluster.config.parse import load
from imitation.evaluation.detection_files import evaluation_uri
from imitation.report.sweep.record import read_sweep
from tests.cluster.run.test_main_job import TINY, heard_ctrl_c

ROOT = Path(__file__).resolve().parents[4]
KEY = "aggregation.max_synthetic_ratio"
# the first trial has no room for synthetic frames and ends with its baseline
SPACE = f"sweep.space={{{KEY}: {{grid: [0.25, 0.0, 0.5]}}}}"


def command(storage: Path, *options: str) -> list[str]:
    words = [sys.executable, "-m", "cluster", "sweep", "ray_config.yaml", f"run.storage={storage}"]
    return [*words, "sweep.name=s", SPACE, *TINY, *options]


def committed(folder: Path) -> dict[Path, float]:
    """What must never be written again: stages, frames, weights, evaluations."""
    files = [*folder.glob("baselines/**/*"), *folder.glob("trials/**/*")]
    whole = ("stage-", "part-", "weights.pt", "detections.parquet", "baseline.json", "base.json")
    best = "best"  # a copy of the best cycle's checkpoint, made at a run's end, again where that was cut
    return {
        file: file.stat().st_mtime
        for file in files
        if file.name.startswith(whole) and file.parent.name != best
    }


def kill_when(driver: subprocess.Popen[str], folder: Path, appears: str, how: int) -> None:
    deadline = time.monotonic() + 900
    while not list(folder.glob(appears)):
        assert driver.poll() is None, f"the sweep ended before {appears} appeared"
        assert time.monotonic() < deadline, f"{appears} did not appear"
        time.sleep(0.02)
    os.kill(driver.pid, how)


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> tuple[Path, dict[Path, float], str, str]:
    """The sweep's folder, what was committed before the kills, and what the last driver said."""
    storage = tmp_path_factory.mktemp("runs")
    folder = storage / "s"
    quiet: dict[str, Any] = {"cwd": ROOT, "stdout": subprocess.DEVNULL, "text": True}
    # one after the other: two CPUs hold one trial, whose detector and reader take one each
    with heard_ctrl_c():
        first = subprocess.Popen(command(storage, "ray.num_cpus=2"), stderr=subprocess.PIPE, **quiet)
    kill_when(first, folder, "trials/*/cycle-001/stage-train-main.json", signal.SIGINT)
    _, said = first.communicate(timeout=300)
    assert first.returncode == 130, said
    assert said.strip().splitlines()[-1] == "imitate: stopped; the same command continues the sweep"
    assert "at most 1 at a time" in said
    before = committed(folder)
    # at once, as far as the machine holds, and killed without a word
    options = ("ray.num_cpus=4", "sweep.max_concurrent=2")
    second = subprocess.Popen(command(storage, *options), stderr=subprocess.DEVNULL, **quiet)
    kill_when(second, folder, "trials/*/summary.json", signal.SIGKILL)
    second.wait()
    before |= committed(folder)
    last = subprocess.run(
        command(storage, *options), cwd=ROOT, capture_output=True, text=True, timeout=900, check=False
    )
    assert last.returncode == 0, last.stderr
    return folder, before, last.stdout, last.stderr


def trainings(folder: Path) -> dict[str, list[str]]:
    """The committed trainings of a folder's cycles."""
    return {
        cycle.name: sorted(file.stem.removeprefix("stage-train-") for file in cycle.glob("stage-train-*"))
        for cycle in sorted(folder.glob("cycle-*"))
    }


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(1800)
def test_killed_twice_nothing_that_was_committed_is_done_again(swept):
    folder, before, _, said = swept
    assert before, "the first drivers had committed something"
    now = committed(folder)
    for file, stamp in before.items():
        assert now[file] == stamp, f"{file} was written again"
    assert "continuing sweep" in said


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_trials_share_one_baseline(swept):
    folder, *_ = swept
    (base,) = (folder / "baselines").iterdir()
    assert trainings(base) == {"cycle-000": ["fold-0", "fold-1", "main", "twin"]}
    results = read_sweep(str(folder / "results.json"))
    assert [trial.settings[KEY] for trial in results.trials] == [0.25, 0.0, 0.5]
    assert [trial.status for trial in results.trials] == ["finished"] * 3
    assert [[cycle.synthetic_frames for cycle in trial.cycles] for trial in results.trials] == [
        [0, 3], [0], [0, 6],
    ]  # fmt: skip
    for trial in results.trials:
        own = folder / "trials" / trial.id
        assert trainings(own) == ({"cycle-001": ["main"]} if trial.settings[KEY] else {})
        assert not (own / "data").exists()
        assert trial.cycles[0].val == results.trials[0].cycles[0].val
        assert trial.baseline == base.name
        assert evaluation_uri(str(own / "cycle-000")).startswith(str(base))
        assert (own / "best" / "detector.json").exists()
    (shared,) = results.baselines
    assert (shared.key, shared.trials) == (base.name, 3)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(1800)
def test_results_tell_of_val_alone_and_the_best_settings_can_be_run(swept):
    folder, _, table, said = swept
    results = read_sweep(str(folder / "results.json"))
    best = max(results.trials, key=lambda trial: trial.best_val or 0.0)
    assert results.best == best.id
    assert f"▸ {best.id}" in table
    rows = list(csv.DictReader((folder / "results.csv").read_text().splitlines()))
    assert [(row["trial"], float(row[KEY])) for row in rows] == [
        (trial.id, trial.settings[KEY]) for trial in results.trials
    ]
    config = load(folder / "best.yaml")
    assert config.aggregation.max_synthetic_ratio == best.settings[KEY]
    assert config.loop.cycles == best.best_cycle
    assert (config.run.name, config.run.storage) == ("s-best", str(folder.parent))
    assert config.train.steps == 8
    assert config.sweep.space == {}
    hidden = {
        repr(value)
        for file in folder.glob("*/*/cycle-*/stage-evaluate.json")
        for value in _numbers(json.loads(file.read_text())["metrics"]["test"])
    } - {
        repr(value)
        for file in folder.glob("*/*/cycle-*/stage-evaluate.json")
        for value in _numbers(json.loads(file.read_text())["metrics"]["val"])
    }
    hidden = {text for text in hidden if len(text) > 12}
    assert hidden
    seen = [folder / name for name in ("results.json", "results.csv", "best.yaml", "report.html")]
    seen += [file for file in (folder / "tune").rglob("*") if file.is_file()]
    assert any(file.name.startswith("events.out.tfevents") for file in seen)
    for file in seen:
        text = file.read_bytes().decode("latin-1")
        assert not [number for number in hidden if number in text], file
    assert not [number for number in hidden if number in table + said]
    curves = list((folder / "trials").rglob("events.out.tfevents*"))  # a run's own, by their tags
    assert any(b"val/" in file.read_bytes() for file in curves)
    assert not [file for file in curves if b"test/" in file.read_bytes()]


def _numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [number for inner in value.values() for number in _numbers(inner)]
    return [value] if isinstance(value, float) else []


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(1800)
def test_commands_work_on_a_trial_as_on_any_run(swept, tmp_path):
    folder, *_ = swept
    trial = folder / "trials" / read_sweep(str(folder / "results.json")).trials[0].id
    (trial / "report.html").unlink()
    for words in (["report", str(trial)], ["export", str(trial), "--to", "yolo", "--out", str(tmp_path)]):
        done = subprocess.run(
            [sys.executable, "-m", "cluster", *words], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert (trial / "report.html").stat().st_size > 10_000
    assert len(list((tmp_path / "images").rglob("*.*"))) == 12 + 6 + 6 + 3
