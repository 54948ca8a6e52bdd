"""`imitate inspect --fix` as a person uses it."""

import json
from pathlib import Path

import pytest

from cluster.cli.main import main
from tests.imitation.datasets.mending.breaks import make_yolo
from tests.imitation.datasets.mending.test_mending import tree


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    root = tmp_path / "in"
    make_yolo(root)
    with (root / "labels/train/1.txt").open("a") as file:
        file.write("0 0.5\n")
    (root / "labels/val/9.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    return root


def test_without_a_place_it_says_what_it_would_do(broken, tmp_path, capsys):
    before = tree(tmp_path)
    assert main(["inspect", str(broken), "--fix"]) == 1
    said = capsys.readouterr().out
    assert "fix: 2 changes in 2 files would be made (--fix OUT writes the copy)" in said
    assert "left out: rows with too many or too few columns: 1 in 1 file (labels/train/1.txt)" in said
    assert tree(tmp_path) == before


def test_the_copy_has_no_problem_and_every_change_is_written_down(broken, tmp_path, capsys):
    before, out = tree(broken), tmp_path / "out"
    assert main(["inspect", str(broken), "--fix", str(out)]) == 1
    said = capsys.readouterr().out
    assert f"fix: {out}: 2 changes in 2 files" in said
    assert f"every change: {out}.changes.jsonl" in said
    changes = [json.loads(line) for line in Path(f"{out}.changes.jsonl").read_text().splitlines()]
    assert {key: value for key, value in changes[1].items() if key != "what"} == {
        "file": "labels/train/1.txt",
        "where": "3",
        "before": "0 0.5",
        "after": None,
    }
    assert tree(broken) == before
    assert main(["inspect", str(out), "--json", "--fix"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["fix"] == {"out": None, "log": None, "refused": None, "changes": []}
    assert told["problems"] == []
    assert main(["inspect", str(broken), "--fix", str(out)]) == 1
    assert "is not empty" in capsys.readouterr().err


def test_what_cannot_be_mended_is_said_beside_the_inspection(tmp_path, capsys):
    make_yolo(tmp_path / "in")
    for label in (tmp_path / "in/labels").rglob("*.txt"):
        label.write_text("0 100 200 30 40\n")
    assert main(["inspect", str(tmp_path / "in"), "--json", "--fix", str(tmp_path / "out")]) == 1
    told = json.loads(capsys.readouterr().out)
    assert "written in another way" in told["fix"]["refused"]
    assert told["problems"]
    assert not (tmp_path / "out").exists()
