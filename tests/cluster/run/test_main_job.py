"""The whole loop by its command, killed for real and continued."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cluster.workspace.processor import processor
from imitation.diagnosis.failure_tracking import STATUSES
from imitation.report.run.record import read_summary

ROOT = Path(__file__).resolve().parents[3]
TINY = [
    "world.train=12",
    "world.val=6",
    "world.test=6",
    "world.width=160",
    "world.height=64",
    "detector.backbone=resnet10",
    "detector.weights=null",
    "train.steps=8",
    "train.batch_size=4",
    "train.threads=1",
    "evaluate.threads=1",
    "loop.cycles=1",
    "simulate.frames_per_file=1",
    "aggregation.synthetic_per_cycle=0.5",
    "report.gallery=2",
]


def command(storage: Path, name: str, *options: str) -> list[str]:
    words = [sys.executable, "-m", "cluster", "run", "ray_config.yaml"]
    return [*words, f"run.storage={storage}", f"run.name={name}", *TINY, *options]


def run(storage: Path, name: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(storage, name, *options), capture_output=True, text=True, cwd=ROOT, timeout=600, check=False
    )


def kill_when(storage: Path, name: str, appears: str) -> None:
    """Starts the run and sends SIGKILL to its driver as soon as a file of that pattern is there."""
    driver = subprocess.Popen(
        command(storage, name), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 500
        while not list((storage / name).glob(appears)):
            assert driver.poll() is None, f"the run ended before {appears} appeared"
            assert time.monotonic() < deadline, f"{appears} did not appear"
            time.sleep(0.02)
    finally:
        driver.kill()
        driver.wait()


def frames(folder: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for file in sorted(folder.glob("*.parquet")):
        table = pq.read_table(file, columns=["frame_id", "image"])
        for frame_id, image in zip(*(column.to_pylist() for column in table.columns), strict=True):
            assert frame_id not in found, f"{frame_id} was rendered twice"
            found[frame_id] = image
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    storage = tmp_path_factory.mktemp("runs")
    done = run(storage, "undisturbed")
    assert done.returncode == 0, done.stderr
    assert "imitation, cycle 1" in done.stdout
    assert "demonstration" in done.stdout.lower()
    return storage / "undisturbed"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_leaves_what_the_documentation_promises(undisturbed):
    summary = read_summary(str(undisturbed / "summary.json"))
    assert [cycle.cycle for cycle in summary.cycles] == [0, 1]
    assert [cycle.synthetic_frames for cycle in summary.cycles] == [0, 6]
    assert summary.run.stand_in
    (where,) = summary.run.computed_on
    assert where.startswith(f"{processor()}, "), "the processor that trained, and its threads"
    assert summary.cycles[0].mined is not None
    assert (undisturbed / "report.html").stat().st_size > 10_000
    checkpoint = json.loads((undisturbed / "best" / "detector.json").read_text())
    assert checkpoint["categories"] == ["car", "truck", "pedestrian", "cyclist"]
    assert checkpoint["operating_threshold"] == summary.best.metrics.val.threshold
    table = pq.read_table(undisturbed / "cycle-001" / "synthetic" / "part-00000.parquet")
    origin = table["origin"][0].as_py()
    parents = set(
        pq.read_table(undisturbed / "data" / "train" / "part-00000.parquet")["frame_id"].to_pylist()
    )
    assert origin["failures"]
    assert origin["parent"].startswith("standin-train-") or origin["parent"] in parents
    fates = pq.read_table(undisturbed / "cycle-001" / "fates.parquet").to_pylist()
    assert summary.cycles[1].followed is not None
    for split, followed in summary.cycles[1].followed.items():
        counts = Counter(row["status"] for row in fates if row["split"] == split)
        assert counts == Counter({status: getattr(followed, status) for status in STATUSES}), split
    with (undisturbed / "fates.csv").open(newline="") as file:
        told = [row["fate"] for row in csv.DictReader(file) if row["split"] == "test"]
    assert told.count("fixed in cycle 1") == summary.cycles[1].followed["test"].fixed
    assert len(told) - told.count("fixed in cycle 1") == sum(summary.cycles[1].failures.values())
    assert 'href="fates.csv"' in (undisturbed / "report.html").read_text()


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(1500)
def test_killed_anywhere_the_same_command_ends_with_the_same_run(undisturbed, tmp_path):
    name = "killed"
    places = [
        "data/train/part-00003.parquet",
        "cycle-000/stage-train-main.json",
        "cycle-001/synthetic/part-*",
    ]
    before: dict[Path, float] = {}
    for place in places:
        kill_when(tmp_path, name, place)
        for file in (tmp_path / name).rglob("*.parquet"):
            stamp = file.stat().st_mtime
            assert before.setdefault(file, stamp) == stamp, f"{file} was written again"
    done = run(tmp_path, name)
    assert done.returncode == 0, done.stderr
    assert "continuing run" in done.stderr
    for part in ("data/train", "data/val", "data/test", "cycle-001/synthetic"):
        assert frames(tmp_path / name / part) == frames(undisturbed / part), part
    ours = read_summary(str(tmp_path / name / "summary.json"))
    theirs = read_summary(str(undisturbed / "summary.json"))
    assert [cycle.metrics for cycle in ours.cycles] == [cycle.metrics for cycle in theirs.cycles]


@contextmanager
def heard_ctrl_c() -> Iterator[None]:
    """What is started here hears SIGINT, though this process may not: a shell without job control
    (`pytest &` in a script) has all that runs in its background ignore it, children included."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ctrl_c_says_how_to_go_on(tmp_path):
    with heard_ctrl_c():
        driver = subprocess.Popen(
            command(tmp_path, "stopped"),
            cwd=ROOT,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
    while not list((tmp_path / "stopped").glob("data/train/part-*")):
        assert driver.poll() is None
        time.sleep(0.05)
    os.kill(driver.pid, signal.SIGINT)
    _, said = driver.communicate(timeout=400)
    assert driver.returncode == 130
    assert said.strip().splitlines()[-1] == "imitate: stopped; the same command continues the run"


def test_another_configuration_on_an_old_run_is_refused(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "old"
    folder.mkdir()
    from cluster.cli.main import main
    from cluster.config.parse import load
    from cluster.workspace.run_folder import Workspace

    options = list(command(tmp_path, "old")[5:])
    Workspace(str(folder)).open(load(ROOT / "ray_config.yaml", options).plain())
    (folder / "data").mkdir()
    (folder / "data" / "stage-prepare.json").write_text("{}")
    monkeypatch.chdir(ROOT)
    assert main(command(tmp_path, "old", "train.steps=9")[3:]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("imitate: ")
    assert "train.steps was 8, now 9" in line
