"""`imitate compare` as a person uses it."""

import json
from pathlib import Path

import pytest

from cluster.cli.main import main
from imitation.evaluation.detection_files import write_detections
from imitation.report.run.record import Summary, write_summary
from tests.imitation.metrics.driving import CATEGORIES, evaluated
from tests.imitation.report.conftest import cycle, run


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """An evaluation of `imitate evaluate --out`, and the cycle folder of a run."""
    root: Path = tmp_path_factory.mktemp("evaluations")
    write_detections(
        evaluated(60, 1, hit=0.5, detector="checkpoint"), str(root / "a" / "detections.parquet"), CATEGORIES
    )
    (root / "a" / "metrics.json").write_text(json.dumps({"threshold": 0.5}))
    rows = [*evaluated(62, 2, hit=0.95), *evaluated(30, 2, split="val", first=100)]
    write_detections(rows, str(root / "run/cycle-002/evaluation/detections.parquet"), CATEGORIES)
    return str(root / "a"), str(root / "run/cycle-002")


def test_table_is_narrow_and_ends_in_a_plain_sentence(places: tuple[str, str], capsys) -> None:
    assert main(["compare", *places, "--resamples", "50"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"A: {places[0]}"
    assert lines[1] == "   operating threshold 0.500 (metrics.json)"
    assert lines[3].endswith("(greatest F1 on val)")
    assert "60 frames in both evaluations" in lines[4]
    assert lines[5] == "Frames left out: 2 only in B."
    assert " ".join(lines[6:8]).endswith("Paired bootstrap over 60 frames, 50 resamples, seed 0.")
    assert max(len(line) for line in lines if not line.startswith(("A: ", "B: "))) <= 80
    first = next(line for line in lines if line.startswith("  mAP50 "))
    assert first.endswith("better")
    assert any(line.startswith("  wrong (less is better)") and line.endswith("better") for line in lines)
    assert any(line.startswith("  weather: fog") for line in lines)
    text = " ".join(" ".join(lines).split())
    assert "Two trainings on the same data differ as well" in text
    assert "mAP@[.5:.95]" in text
    assert "exploratory: B is called better or worse there only if Holm's" in text
    assert "B is better than A on mAP50 by " in " ".join(lines[-2:])


def test_json_says_the_same_and_the_seed(places: tuple[str, str], capsys) -> None:
    words = ["compare", *places, "--resamples", "50", "--seed", "7", "--json"]
    assert main(words) == 0
    text = capsys.readouterr().out
    told = json.loads(text)
    assert (told["seed"], told["resamples"], told["frames"]["both"]) == (7, 50, 60)
    assert told["rows"][0]["verdict"] == "better"
    assert told["conclusion"].startswith("B is better than A on mAP50 by ")
    assert main(words) == 0
    assert capsys.readouterr().out == text


def test_the_split_that_both_have_is_compared(places: tuple[str, str], tmp_path: Path, capsys) -> None:
    """Evaluations of `imitate mine` have the split that it was told, and often no test."""
    mined = {"x": ["train", "val"], "y": ["train"], "z": ["val", "train"]}
    for name, splits in mined.items():
        rows = [row for split in splits for row in evaluated(20, 1, split=split, first=len(split))]
        write_detections(rows, str(tmp_path / name / "detections.parquet"), CATEGORIES)
    at = {name: str(tmp_path / name) for name in mined}
    assert main(["compare", at["x"], at["y"], "--resamples", "20"]) == 0
    assert "Split train: 20 frames in both evaluations" in capsys.readouterr().out
    assert main(["compare", at["x"], at["z"], "--resamples", "20"]) == 1
    assert "share the splits train, val; choose one with --split" in capsys.readouterr().err
    assert main(["compare", at["y"], places[0], "--resamples", "20"]) == 1
    assert "has frames of train, " in capsys.readouterr().err


def test_parts_are_merged(tmp_path: Path, capsys) -> None:
    parts = [str(tmp_path / name / "detections.parquet") for name in "ab"]
    for number, part in enumerate(parts):
        write_detections(evaluated(10, 1, first=10 * number), part, CATEGORIES)
    assert main(["merge", *parts, "--out", str(tmp_path / "all")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'all'}: 20 rows, one a frame and detector\n"
    assert main(["merge", parts[0], parts[0], "--out", str(tmp_path / "twice")]) == 1
    assert "was already judged by the detector 'main'" in capsys.readouterr().err


def test_settings_are_not_passed_over(places: tuple[str, str], capsys) -> None:
    assert main(["compare", *places, "data.kind=kitti"]) == 1
    assert "data.kind=kitti: two evaluations take no settings" in capsys.readouterr().err


def test_a_mistake_is_a_sentence(places: tuple[str, str], tmp_path: Path, capsys) -> None:
    assert main(["compare", places[0], str(tmp_path)]) == 1
    assert "no evaluation there" in capsys.readouterr().err
    assert main(["compare", *places, "--split", "mine"]) == 1
    assert "has no frames of split 'mine'; it has test" in capsys.readouterr().err


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    """A finished run whose first cycle is the chosen one, and one that was stopped after its baseline."""
    finished, stopped = tmp_path / "finished", tmp_path / "stopped"
    for folder, hits in ((finished, (0.4, 0.95, 0.6)), (stopped, (0.4, 0.5))):
        folder.mkdir()
        (folder / "config.yaml").write_text("{}")
        for number, hit in enumerate(hits):
            place = folder / f"cycle-{number:03d}"
            rows = [*evaluated(40, 1, hit=hit), *evaluated(20, 1, split="val", first=100)]
            write_detections(rows, str(place / "evaluation" / "detections.parquet"), CATEGORIES)
            if folder is finished or number == 0:
                (place / "stage-evaluate.json").write_text("{}")
    ap = dict.fromkeys(CATEGORIES, 0.5)
    summary = Summary.of(
        run=run(), categories=CATEGORIES, splits={"train": 60, "val": 20, "test": 40},
        cycles=[cycle(0, ap, ap), cycle(1, ap, ap), cycle(2, ap, ap)], best_cycle=1, stop_reason="x",
        seconds_total=1.0,
    )  # fmt: skip
    write_summary(summary, str(finished / "summary.json"))
    return finished, stopped


def test_of_a_run_the_chosen_detector_is_compared_or_the_last_and_it_is_said(runs, capsys) -> None:
    finished, stopped = map(str, runs)
    assert main(["compare", stopped, finished, "--resamples", "50"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"A: {stopped}/cycle-000"
    assert lines[1] == "   cycle 0, the last evaluated; the run is not finished"
    assert f"B: {finished}/cycle-001" in lines
    assert "   imitation, cycle 1, the chosen of 3 detectors (best on val)" in lines
    assert any(line.startswith("Split test: 40 frames") for line in lines)
    assert main(["compare", stopped, finished, "--resamples", "50", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["taken"]["b"].startswith("imitation, cycle 1, the chosen")
    assert main(["compare", f"{finished}/cycle-001", finished, "--resamples", "50", "--json"]) == 0
    same = json.loads(capsys.readouterr().out)
    assert set(same["taken"]) == {"b"}
    assert same["rows"][0]["difference"] == 0


def test_a_run_without_an_evaluation_says_so(runs, capsys) -> None:
    (runs[1] / "cycle-000" / "stage-evaluate.json").unlink()
    assert main(["compare", str(runs[0]), str(runs[1])]) == 1
    assert "stopped: is a run in which no detector has been evaluated yet" in capsys.readouterr().err
