"""`imitate gate` as a pipeline uses it: exit status, Markdown, JSON."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cluster.cli.main import ROOT, main
from imitation.evaluation.detection_files import write_detections
from imitation.evaluation.detections import FrameDetections
from tests.imitation.metrics.driving import CATEGORIES, evaluated

QUICK = ["--resamples", "60"]


def without(row: FrameDetections, weather: str) -> FrameDetections:
    """The frame with most detections gone where the weather is this."""
    if (row.conditions or {}).get("weather") != weather:
        return row
    found = row.detections
    keep = np.arange(len(found.scores)) % 3 == 0
    return replace(row, detections=type(found)(found.boxes[keep], found.scores[keep], found.labels[keep]))


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A baseline; the same detector blind in fog; a far worse one; a few frames; one of other frames."""
    root: Path = tmp_path_factory.mktemp("gate")
    good = list(evaluated(90, 1, hit=0.9, frames_a_sequence=3))
    sides = {
        "base": good,
        "foggy": [without(row, "fog") for row in good],
        "bad": list(evaluated(90, 2, hit=0.4, frames_a_sequence=3)),
        "few": good[:12],
        "other": list(evaluated(10, 1, first=500)),
    }
    for name, rows in sides.items():
        write_detections(rows, str(root / name / "detections.parquet"), CATEGORIES)
    return {name: str(root / name) for name in sides} | {"root": str(root)}


def test_the_same_detector_passes_and_a_far_worse_one_fails(places: dict[str, str], capsys) -> None:
    assert main(["gate", places["base"], places["base"], *QUICK]) == 0
    assert " ".join(capsys.readouterr().out.split()).endswith(
        "Passed. The candidate is not worse beyond chance."
    )
    assert main(["gate", places["bad"], places["base"], *QUICK]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Candidate: {places['bad']}"
    assert max(len(line) for line in lines if not line.startswith(("Candidate: ", "Baseline: "))) <= 80
    text = " ".join(" ".join(lines).split())
    assert "90 frames of 30 sequences in both evaluations" in text
    assert "Failed. The candidate is worse beyond chance: mAP50 by " in text
    assert main(["gate", places["base"], places["bad"], *QUICK]) == 0  # the other way round it is better
    assert main(["gate", places["bad"], places["base"], "--measure", "0-1-loss", *QUICK]) == 1
    assert main(["gate", places["base"], places["bad"], "--measure", "0-1-loss", *QUICK]) == 0


def test_a_slice_alone_that_is_worse_fails(places: dict[str, str], tmp_path: Path, capsys) -> None:
    words = ["gate", places["foggy"], places["base"], "--max-loss", "40", *QUICK]
    assert main(words) == 0  # overall the loss is within what is tolerated
    file = tmp_path / "comment.md"
    assert main([*words, "--slice", "weather=clear"]) == 0
    slices = ["--slice", "weather=fog", "--slice", "weather=clear"]
    capsys.readouterr()
    assert main([*words, "--max-loss", "20", *slices, "--json", "--markdown", str(file)]) == 1
    told = json.loads(capsys.readouterr().out)
    verdicts = {answer["value"]: answer["verdict"] for answer in told["answers"]}
    assert verdicts == {None: "worse, tolerated", "fog": "worse", "clear": "loss ruled out"}
    assert (told["passed"], told["max_loss"], told["seed"]) == (False, 0.2, 0)
    assert told["comparison"]["unit"] == "sequences"
    text = file.read_text()
    assert text.startswith("<!-- imitate gate -->\n\n**Detector gate: Failed.** ")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert rows[0] == "|  | candidate is | baseline | candidate | change | 95 % | sees 20 |"
    assert {line.count("|") for line in rows} == {8}
    assert [line for line in rows if "**worse**" in line] == [
        line for line in rows if line.startswith("| weather: fog |")
    ]
    assert "90 frames of 30 sequences" in text
    command = re.search(r"```\n(imitate .*)\n```", text)
    assert command is not None
    again = shlex.split(command[1])[1:]
    assert main([*again, "--markdown", str(tmp_path / "again.md")]) == 1
    assert (tmp_path / "again.md").read_text() == text


def test_too_few_data_pass_and_say_so(places: dict[str, str], tmp_path: Path, capsys) -> None:
    words = ["gate", places["few"], places["base"], *QUICK]
    assert main([*words, "--json", "--markdown", str(tmp_path / "c.md")]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["passed"], told["enough_data"], told["answers"][0]["verdict"]) == (
        True,
        False,
        "too few data",
    )
    text = (tmp_path / "c.md").read_text()
    assert "Passed, but the data are too few." in text
    assert "only 4 sequences with" in text
    assert "78 only in the baseline" in text


def test_errors_are_no_verdict(places: dict[str, str], tmp_path: Path, capsys) -> None:
    """2, so that a pipeline does not take a typing error for a worse detector."""
    base = places["base"]
    for words, said in (
        ([str(tmp_path / "nothing"), base], "no evaluation there"),
        ([places["other"], base], "share no frame"),
        ([base, base, "--slice", "weather=snow"], "of weather there is clear, fog, rain"),
        ([base, base, "--split", "train"], "has no frames of split 'train'"),
        ([base, base, "train.steps=3"], "takes no settings"),
    ):
        assert main(["gate", *words, *QUICK]) == 2
        assert said in capsys.readouterr().err
    for wrong in (["--max-loss", "0"], ["--measure", "speed"]):
        with pytest.raises(SystemExit) as end:
            main(["gate", base, base, *wrong])
        assert end.value.code == 2


def test_a_reader_who_has_had_enough_does_not_turn_a_failure_into_a_pass(places: dict[str, str]) -> None:
    words = [sys.executable, "-m", "cluster", "gate", places["bad"], places["base"], *QUICK]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(timeout=120) == 1


def test_of_runs_the_detector_that_counts_is_taken(places: dict[str, str], tmp_path: Path, capsys) -> None:
    for name, side in (("old", "base"), ("new", "bad")):
        folder = tmp_path / name / "cycle-000"
        (folder / "evaluation").mkdir(parents=True)
        (tmp_path / name / "config.yaml").write_text("{}")
        (folder / "stage-evaluate.json").write_text("{}")
        shutil.copy(Path(places[side]) / "detections.parquet", folder / "evaluation")
    assert main(["gate", str(tmp_path / "new"), str(tmp_path / "old"), "--json", *QUICK]) == 1
    assert json.loads(capsys.readouterr().out)["taken"] == dict.fromkeys(
        ("candidate", "baseline"), "cycle 0, the last evaluated; the run is not finished"
    )
