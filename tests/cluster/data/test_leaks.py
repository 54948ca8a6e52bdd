"""Runs and comparisons warn of splits that share what they show, by a look at some frames."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cluster.cli.main import main
from cluster.config.schema import Config
from cluster.data.leaks import leaks, look_for_leaks
from imitation.datasets.inspection import lookalikes
from tests.imitation.datasets.mending.breaks import make_yolo


@pytest.fixture
def leaking(tmp_path: Path) -> Path:
    make_yolo(tmp_path)
    with Image.open(tmp_path / "images/val/5.png") as image:
        brighter = Image.fromarray(np.asarray(image).clip(0, 254) + 1)
    brighter.save(tmp_path / "images/train/again.png")
    (tmp_path / "labels/train/again.txt").write_text("0 0.5 0.5 0.25 0.25\n")
    return tmp_path


def config(root: Path) -> Config:
    return Config.model_validate({"data": {"kind": "yolo", "root": str(root)}})


def test_what_looks_alike_is_warned_of_and_how_many_frames_were_looked_at(leaking, monkeypatch):
    (said,) = leaks([config(leaking)] * 2)
    assert said.startswith("note: of 7 frames: 1 frame of val and test look like frames to train on (")
    assert "val_5 like train_again" in said
    monkeypatch.setattr(lookalikes, "LOOKED_AT", 2)
    looked = look_for_leaks(config(leaking).data.open())
    assert all(one.startswith("by a look at 4 of 7 frames") for one in looked), "each split has one or two"


def test_splits_without_a_leak_and_the_stand_in_are_passed_over(tmp_path):
    make_yolo(tmp_path)
    assert leaks([config(tmp_path)]) == []
    assert leaks([Config()]) == []


def test_data_that_cannot_be_split_is_left_to_the_run(leaking):
    (leaking / "data.yaml").write_text("train: images/train\nnames: [car, bus]\n")
    assert leaks([config(leaking)]) == []


def test_a_comparison_says_it_before_it_starts(leaking, tmp_path, capsys):
    words = ["compare", "ray_config.yaml", "--dry-run", f"run.storage={tmp_path / 'runs'}"]
    assert main([*words, "data.kind=yolo", f"data.root={leaking}"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "1 frame of val and test look like frames to train on" in said
    assert "val_5 like train_again" in said


@pytest.mark.slow
def test_a_run_says_it_when_it_has_read_its_data(leaking, tmp_path):
    """As a process of its own, stopped once the sentence stands there."""
    words = ["run", "ray_config.yaml", f"run.storage={tmp_path / 'runs'}", "run.name=leaks"]
    words += ["data.kind=yolo", f"data.root={leaking}"]
    command = [sys.executable, "-u", "-m", "cluster.cli.main", *words]
    lines = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if "val_5 like train_again" in " ".join("".join(lines).split()):
                break
        os.killpg(process.pid, signal.SIGTERM)
    said = " ".join("".join(lines).split())
    assert "1 frame of val and test look like frames to train on" in said, said
