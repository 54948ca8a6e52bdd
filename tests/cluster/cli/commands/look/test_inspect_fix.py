"""`imitate inspect --fix` as a person uses it."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

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
    assert told["fix"] == {"out": None, "log": None, "refused": None, "changes": [], "splits": None}
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


def test_splits_that_leak_are_cut_anew_into_lists_that_a_run_takes(broken, tmp_path, capsys):
    """The picture of val, brighter by a grey value, is in train too."""
    with Image.open(broken / "images/val/5.png") as image:
        brighter = Image.fromarray(np.asarray(image).clip(0, 254) + 1)
    brighter.save(broken / "images/train/again.png")
    (broken / "labels/train/again.txt").write_text("0 0.5 0.5 0.25 0.25\n")
    out = tmp_path / "out"
    assert main(["inspect", str(broken), "--fix", str(out), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [(one["frame"], one["like"]) for one in told["lookalikes"]] == [("val_5", "train_again")]
    lists = told["fix"]["splits"]
    pairs = ", ".join(f"{split}: {file}" for split, file in lists.items())
    setting = f"data.splits.lists={{{pairs}}}"
    names = {split: (out / file).read_text().split() for split, file in lists.items()}
    assert not {"val_5", "train_again"} <= {*names["val"], *names["test"], *names["train"]} or any(
        {"val_5", "train_again"} <= set(members) for members in names.values()
    )
    assert main(["inspect", f"data.root={out}", setting, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["lookalikes"] == []


def test_five_frames_are_said_to_be_too_few_as_a_run_would(tmp_path, capsys):
    for folder in ("images", "labels"):
        (tmp_path / "in" / folder).mkdir(parents=True)
    for number in range(2):
        noise = np.random.default_rng(number).integers(0, 255, (32, 48, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / f"in/images/{number}.png")
        (tmp_path / f"in/labels/{number}.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "in/classes.txt").write_text("car\n")
    assert main(["inspect", "data.kind=yolo", f"data.root={tmp_path / 'in'}"]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "Would it run? No, for 1 reason" in said
    assert "cannot make 3 splits" in said


def test_what_can_be_staged_stands_beside_each_category(broken, capsys):
    with (broken / "data.yaml").open("a") as file:
        file.write("  2: unicorn\n")
    (broken / "labels/train/0.txt").write_text("2 0.5 0.5 0.5 0.5\n0 0.4 0.4 0.3 0.3\n1 0.6 0.5 0.2 0.2\n")
    main(["inspect", str(broken), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["staging"] == {"car": "yes", "bus": "yes", "unicorn": "needs a body"}
    assert (told["with_3d"], told["with_camera"]) == (0, 0)
    main(["inspect", str(broken)])
    assert "needs a body" in capsys.readouterr().out


def test_a_page_is_written(broken, tmp_path, capsys):
    main(["inspect", str(broken), "--html", str(tmp_path / "page.html")])
    page = (tmp_path / "page.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    for said in ("Balance by split", "Would it run?", "labels/train/1.txt:3: 2 columns"):
        assert said in page
    assert f"page: {tmp_path / 'page.html'}" in capsys.readouterr().err
