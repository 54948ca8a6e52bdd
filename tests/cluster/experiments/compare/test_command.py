"""A whole comparison by its command: killed for real half-way, continued, and counted."""

import csv
import io
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cluster.cli.main import main
from imitation.report.comparison.record import read_comparison

ROOT = Path(__file__).resolve().parents[4]
TINY = [
    "world.train=12", "world.val=6", "world.test=10", "world.width=160", "world.height=64",
    "detector.backbone=resnet10", "detector.weights=null", "train.steps=8", "train.batch_size=4",
    "train.threads=1", "evaluate.threads=1", "loop.cycles=1", "loop.twin=false", "simulate.frames_per_file=1",
    "aggregation.synthetic_per_cycle=0.5", "report.gallery=2", "compare.seeds=1", "compare.synthetic_test=5",
    "compare.resamples=200", "compare.max_concurrent=1",
    "compare.arms=[real,random,imitation,oversample]",
]  # fmt: skip


def command(storage: Path, *options: str) -> list[str]:
    words = [sys.executable, "-m", "cluster", "compare", "ray_config.yaml", f"run.storage={storage}"]
    return [*words, *TINY, *options]


def stages(folder: Path) -> dict[Path, float]:
    """Committed stages, and when each was written."""
    return {file: file.stat().st_mtime for file in folder.rglob("stage-*.json")}


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(900)
def test_killed_half_way_the_same_command_ends_with_one_baseline_and_the_whole_table(tmp_path):
    folder = tmp_path / "comparison"
    driver = subprocess.Popen(
        command(tmp_path), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 600
        while not list(folder.glob("trials/imitation-seed0/cycle-001/stage-train-main.json")):
            assert driver.poll() is None, "it ended before the arm was there"
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        driver.kill()
        driver.wait()
    before = stages(folder)
    assert (folder / "states" / "real-seed0.json").exists()
    done = subprocess.run(
        command(tmp_path, "compare.max_hours=5"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "continuing comparison" in done.stderr
    assert "1 of 4 runs are finished already" in done.stderr
    after = stages(folder)
    assert {file: after[file] for file in before} == before, "a finished stage was done again"
    # one baseline (the detector and two folds), then a training for each of the three arms that add frames
    trained = sorted(str(f.relative_to(folder)) for f in after if f.name.startswith("stage-train-"))
    assert [name for name in trained if name.startswith("trials/")] == [
        f"trials/{arm}-seed0/cycle-001/stage-train-main.json" for arm in ("imitation", "oversample", "random")
    ]
    assert [name.split("/", 2)[2] for name in trained if name.startswith("baselines/")] == [
        f"cycle-000/stage-train-{name}.json" for name in ("fold-0", "fold-1", "main")
    ]
    told = read_comparison(str(folder / "comparison.json"))
    rows = {row.key: row for row in told.rows}
    assert list(rows) == ["real", *(f"{arm}, {what}" for arm in ("oversample", "random", "imitation")
                                    for what in ("cycle 1", "chosen"))]  # fmt: skip
    frames = {key: (row.real_frames, row.synthetic_frames, row.repeated_frames) for key, row in rows.items()}
    assert frames["imitation, cycle 1"] == frames["random, cycle 1"] == (12, 6, 0)
    assert frames["oversample, cycle 1"] == (12, 0, 6)
    assert {row.steps for row in told.rows} == {8}
    assert told.frames == 10
    assert told.synthetic_frames == 5
    assert all(row.test and row.synthetic for row in told.rows)
    assert [against.arms for against in told.primary.against] == [["random"], ["real", "oversample"]]
    assert "Primary endpoint: " in done.stdout
    assert len(list(csv.DictReader((folder / "table.csv").open()))) == len(told.rows)
    assert (folder / "comparison.html").stat().st_size > 10_000
    names = {json.loads(file.read_text())["status"] for file in (folder / "states").iterdir()}
    assert names == {"finished"}


def test_another_configuration_in_the_folder_is_refused(tmp_path, monkeypatch, capsys):
    from tests.cluster.experiments.compare.toy import plan_of

    plan = plan_of(tmp_path)
    plan.home.open(plan.config)
    monkeypatch.chdir(ROOT)
    capsys.readouterr()
    assert main(command(tmp_path)[3:]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("imitate: ")
    assert "holds a comparison of another configuration" in line


def test_what_an_arm_has_to_render_is_known_before_anything_runs(tmp_path, monkeypatch):
    """The configuration itself renders nothing; its arm `sim` does."""
    import sim_actors.simulators.opengl.preflight
    from cluster.config.parse import load_defaults
    from cluster.experiments.compare.command import compare
    from cluster.observability.console import Reporter
    from imitation.common.settings import UserError
    from imitation.data.images import encode_png
    from imitation.data.records import Box, Frame, Object
    from imitation.datasets.parquet.files import write_frames

    monkeypatch.setattr(
        sim_actors.simulators.opengl.preflight, "problem", lambda: "no OpenGL here; install libegl1"
    )
    image = encode_png(np.zeros((40, 80, 3), dtype=np.uint8))
    objects = (Object("car", Box(5, 5, 30, 30)),)
    data = tmp_path / "all.parquet"
    write_frames((Frame(f"{i:03d}", 80, 40, objects, image=image) for i in range(9)), str(data))
    config = load_defaults([
        f"run.storage={tmp_path / 'runs'}", "data.kind=parquet", f"data.root={data}", "loop.cycles=0",
        "policy.name=none", "compare.arms=[real,sim]", "compare.primary.arm=sim",
        "compare.primary.against=[[real]]",
    ])  # fmt: skip
    with pytest.raises(UserError, match="no OpenGL here"):
        compare(config, Reporter(io.StringIO()), "imitate compare")
    assert not (tmp_path / "runs").exists()
