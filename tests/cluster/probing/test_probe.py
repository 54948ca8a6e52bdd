"""The command, on a whole run of toys: what it takes, what it writes, what it refuses."""

import json
import shutil
from unittest import mock

import numpy as np
import pytest

from cluster.cli.main import main
from imitation.data.images import decode_image
from imitation.diagnosis.counterfactuals import Probe
from imitation.diagnosis.failure_tracking import FrameFailures, Judge
from imitation.evaluation.detection_files import read_categories, read_detections
from tests.cluster import light_run


def said(capsys):
    out, err = capsys.readouterr()
    return out, err


def test_it_stages_the_failing_objects_of_the_run_and_puts_them_into_its_report(run_folder, capsys):
    assert main(["probe", str(run_folder), "--cycle", "0", "--failures", "6", "--json"]) == 0
    out, err = said(capsys)
    told = json.loads(out)
    probe = Probe.from_dict(json.loads((run_folder / "probe" / "probe.json").read_text()))
    assert told == probe.to_dict()
    assert (probe.cycle, probe.split, len(probe.cases)) == (0, "mine", 6)
    # the objects that the run's own evaluation says fail, by the folds' thresholds
    stage = json.loads((run_folder / "cycle-000" / "stage-evaluate.json").read_text())
    uri = str(run_folder / "cycle-000" / "evaluation" / "detections.parquet")
    failing = 0
    for row in read_detections(uri, split="mine"):
        judge = Judge(read_categories(uri), stage["fold_thresholds"][row.detector])
        failing += len(FrameFailures.of(row, judge).objects)
    assert probe.there == failing > 6
    for name in ("sheet.png", "factors.png"):
        if name == "sheet.png" or any(group.enough for group in probe.groups):
            image = decode_image((run_folder / "probe" / name).read_bytes(), name)
            assert np.ptp(image) > 100
    page = (run_folder / "report.html").read_text()
    assert "What failures hang on" in page
    assert "in the run" in err
    assert page.count("data:image/jpeg") > 0


def test_a_second_call_renders_nothing_again_and_says_the_same(run_folder, capsys):
    words = ["probe", str(run_folder), "--cycle", "0", "--failures", "3", "--json"]
    assert main(words) == 0
    first, _ = said(capsys)
    with mock.patch.object(light_run.Pool, "render", side_effect=AssertionError("rendered again")):
        assert main(words) == 0
    assert said(capsys)[0] == first
    # other failures take the place of those
    assert main([*words[:-2], "2", "--json"]) == 0
    assert len(json.loads(said(capsys)[0])["cases"]) == 2


def test_a_mode_a_factor_and_a_folder_of_ones_own(run_folder, tmp_path, capsys):
    words = [
        "probe",
        str(run_folder),
        "--mode",
        "missed",
        "--factor",
        "nearer",
        "--out",
        str(tmp_path / "out"),
    ]
    assert main([*words, "--split", "val"]) == 0
    out, _ = said(capsys)
    assert "val: " in out
    probe = Probe.from_dict(json.loads((tmp_path / "out" / "probe.json").read_text()))
    assert probe.split == "val"
    assert {effect.factor for group in probe.groups for effect in group.effects} == {"nearer"}
    assert all("missed" in case.mode for case in probe.cases)
    assert not (run_folder / "probe").exists()
    assert "What failures hang on" not in (run_folder / "report.html").read_text()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--mode", "zeppelin"], "no object fails in such a mode"),
        (["--cycle", "7"], "has cycles 0 to 1"),
        (["--factor", "occluders"], "did you mean 'occluder'"),
        (["--split", "test"], "decides nothing"),
        (["--split", "mine", "--cycle", "1"], "mined no frames"),
    ],
)
def test_what_is_not_there_is_named(run_folder, words, why, capsys):
    assert main(["probe", str(run_folder), *words]) == 1
    assert why in said(capsys)[1]


def test_what_is_no_run_is_said(tmp_path, capsys):
    assert main(["probe", str(tmp_path)]) == 1
    assert "is no run" in said(capsys)[1]


def test_detectors_that_were_cleaned_away_are_named_and_the_chosen_one_is_not_missed(run_folder, capsys):
    best = json.loads((run_folder / "summary.json").read_text())["best_cycle"]
    for folder in run_folder.glob("cycle-*/detector/*"):
        shutil.rmtree(folder)
    capsys.readouterr()
    assert main(["probe", str(run_folder), "--cycle", "0", "--split", "mine"]) == 1
    assert "is gone" in said(capsys)[1]
    chosen = ["--cycle", str(best), "--split", "val", "--failures", "1", "--factor", "paint"]
    assert main(["probe", str(run_folder), *chosen]) == 0
