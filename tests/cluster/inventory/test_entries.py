"""What lies in a storage, read from folders alone."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from cluster.cli.main import main
from cluster.inventory.entries import Entry, places, read_entries, state_of
from cluster.workspace.driven import DRIVER, Driven
from cluster.workspace.holder import Looker
from imitation.common.settings import UserError


def metrics(map50: float | None, wrong: float = 0.5) -> dict[str, object]:
    return {"map50": map50, "map": 0.1, "own": {}, "zero_one_loss": wrong, "failures": {"missed": 3}}


def make_run(folder: Path, scores: tuple[float, ...] = (), kind: str = "world", **driver: object) -> Path:
    """A run's folder as a driver leaves it: its cycles have these scores on val, and 10 points less on
    test."""
    folder.mkdir(parents=True)
    data = {"kind": kind, "root": None if kind == "world" else f"/data/{kind.upper()}"}
    (folder / "config.yaml").write_text(
        yaml.safe_dump({"data": data, "loop": {"metric": "map50", "cycles": 2}})
    )
    (folder / "run.json").write_text(json.dumps({"started": "2026-01-02T03:04:05Z"}))
    for cycle, score in enumerate(scores):
        place = folder / f"cycle-{cycle:03d}"
        place.mkdir()
        by_split = {"val": metrics(score), "test": metrics(score - 0.1)}
        (place / "stage-evaluate.json").write_text(json.dumps({"metrics": by_split}))
        trained = {"real_frames": 20, "synthetic_frames": 5 * cycle, "steps": 100}
        (place / "stage-train-main.json").write_text(json.dumps(trained))
    if driver:
        told = {"started": "2026-01-02T03:04:05Z", "ended": None, "how": None, "reason": None} | driver
        (folder / DRIVER).write_text(json.dumps(told))
    return folder


def found(place: Path) -> dict[str, Entry]:
    return {entry.name: entry for entry in read_entries(places(str(place)), Looker(), wait=True)}


@pytest.mark.parametrize(
    ("held", "how", "results", "state"),
    [
        (True, None, True, "running"),
        (False, None, False, "killed"),
        (False, "stopped", False, "stopped"),
        (False, "failed", True, "failed"),
        (False, "finished", True, "finished"),
    ],
)
def test_the_state_is_the_lock_then_the_last_driver(held, how, results, state):
    assert state_of(held, Driven("then", None, how), results) == state


def test_a_run_of_an_earlier_version_is_finished_where_it_has_results():
    assert state_of(False, None, True) == "finished"
    assert state_of(False, None, False) == "unfinished"


def test_a_storage_is_told_run_by_run(tmp_path):
    make_run(tmp_path / "a", (0.2, 0.4, 0.4), how="finished", ended="2026-01-02T04:00:00Z")
    make_run(tmp_path / "b", (0.3,), kind="kitti", how="failed", reason="no more disk")
    make_run(tmp_path / "c", started="2026-01-03T00:00:00Z")
    make_run(tmp_path / ".hidden")
    (tmp_path / "notes").mkdir()
    entries = found(tmp_path)
    assert list(entries) == ["a", "b", "c"]
    assert [(e.kind, e.state, e.data) for e in entries.values()] == [
        ("run", "finished", "stand-in world"),
        ("run", "failed", "kitti KITTI"),
        ("run", "killed", "stand-in world"),
    ]
    best = entries["a"].best
    assert (best.cycle, best.val, best.test, best.synthetic_frames) == (1, 0.4, pytest.approx(0.3), 5)
    assert entries["b"].reason == "no more disk"
    assert entries["c"].best is None


def test_one_broken_folder_hides_no_other(tmp_path):
    make_run(tmp_path / "good", (0.2,))
    (make_run(tmp_path / "torn", (0.2,)) / "cycle-000" / "stage-evaluate.json").write_text("{")
    (make_run(tmp_path / "odd") / "config.yaml").write_text("[1, 2]")
    entries = found(tmp_path)
    assert entries["good"].best.val == 0.2
    assert "its folder cannot be read" in entries["torn"].reason
    assert "stage-evaluate.json" in entries["torn"].reason
    assert "its folder cannot be read" in entries["odd"].reason


def test_a_comparison_counts_its_trials_and_has_its_answer(tmp_path):
    folder = tmp_path / "comparison"
    make_run(folder / "trials" / "real-0", (0.2,), how="finished")
    make_run(folder / "trials" / "random-0", (0.2,), how="failed", reason="x")
    make_run(folder / "trials" / "random-1", started="x")
    (folder / "comparison.yaml").write_text("data: {kind: kitti, root: /data/A}\n")
    (folder / "comparison.json").write_text(json.dumps({"primary": {"answer": "Shown: it helps."}}))
    entry = found(tmp_path)["comparison"]
    assert (entry.kind, entry.state, entry.headline) == ("comparison", "finished", "Shown: it helps.")
    assert entry.trials == {"finished": 1, "failed": 1, "killed": 1}
    assert list(places(str(folder))) == [
        "comparison", "comparison/trials/random-0", "comparison/trials/random-1", "comparison/trials/real-0",
    ]  # fmt: skip


def test_a_sweep_names_its_best_settings(tmp_path):
    folder = tmp_path / "sweep"
    folder.mkdir()
    (folder / "sweep.yaml").write_text("data: {kind: world}\n")
    trial = {"id": "t1", "settings": {"train.steps": 50}, "best_val": 0.5}
    (folder / "results.json").write_text(json.dumps({"best": "t1", "trials": [trial]}))
    assert found(tmp_path)["sweep"].headline == "best of 1 trials: train.steps=50, 50.0 on val"


def test_a_trial_takes_its_baseline_from_its_base(tmp_path):
    base = make_run(tmp_path / "baselines" / "k", (0.25,))
    trial = make_run(tmp_path / "trials" / "one")
    (trial / "base.json").write_text(json.dumps({"base": "../../baselines/k"}))
    entry = found(tmp_path / "trials")["one"]
    assert entry.best.val == 0.25
    shutil.rmtree(base)
    assert found(tmp_path / "trials")["one"].best is None


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match="nowhere: no folder of runs here"):
        places(str(tmp_path / "nowhere"))


def test_the_command_lists_and_shows(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "runs" / "a", (0.2, 0.4), how="finished")
    make_run(tmp_path / "runs" / "b", (0.3,), kind="kitti", how="failed", reason="no more disk")
    (tmp_path / "runs" / "b" / "progress.json").write_text(
        json.dumps({"work": [{"stage": "train", "cycle": 1, "detector": "main", "done": 60, "total": 150}]})
    )
    assert main(["runs"]) == 0
    told = capsys.readouterr().out
    assert [line.split()[:1] for line in told.splitlines() if " run " in line] == [["a"], ["b"]]
    assert re.search(r"40\.0 +30\.0 +20 \+ 5 ", told)
    assert "b: failed while training main of cycle 1, 60 of 150 after 1 evaluated cycle; no more disk" in told
    assert max(map(len, told.splitlines())) <= 100
    assert main(["runs", "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)
    assert [entry["best"] for entry in entries] == [1, 0]
    sizes = [sum(p.stat().st_size for p in (tmp_path / "runs" / n).rglob("*") if p.is_file()) for n in "ab"]
    assert [entry["bytes"] for entry in entries] == sizes
    assert main(["runs", "show", "b"]) == 0, "a bare name is looked for under runs"
    told = capsys.readouterr().out
    assert "b, kitti KITTI: failed." in told
    assert "▸ baseline" in told
    assert main(["runs", "show", "b", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "failed"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["runs"], "there is no folder 'runs' here"),
        (["runs", "shwo", "x"], "did you mean 'show'?"),
        (["runs", "show"], "imitate runs show takes RUN, and was given nothing"),
        (["runs", "rerender", "x"], "takes RUN FRAME, and was given x"),
        (["runs", "show", "nothing"], "nothing: no run, comparison or sweep here"),
        (["runs", ".", "--yes"], "--yes is for imitate runs clean"),
        (["runs", "show", "x", "--out", "y"], "--out is for imitate runs rerender"),
    ],
)
def test_mistakes_are_told_in_a_sentence(words, told, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 1
    assert told in capsys.readouterr().err
