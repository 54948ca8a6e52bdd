"""`imitate power` of runs and of evaluations."""

import json
from pathlib import Path

import pytest

from cluster.cli.main import main
from imitation.evaluation.detection_files import write_detections
from imitation.evaluation.detections import FrameDetections
from tests.imitation.metrics.driving import CATEGORIES, evaluated

QUICK = ["--resamples", "80"]


def written(folder: Path, *rows: list[FrameDetections]) -> str:
    write_detections([row for part in rows for row in part], str(folder / "detections.parquet"), CATEGORIES)
    return str(folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A run of two cycles, whose baseline has a twin."""
    root = tmp_path_factory.mktemp("power")
    (root / "config.yaml").write_text("{}")
    for cycle, detectors in enumerate((("main", "twin"), ("main",))):
        folder = root / f"cycle-00{cycle}"
        parts = [
            list(
                evaluated(
                    60, 10 * cycle + i, hit=0.7 + 0.1 * cycle, detector=name, split=split,
                    frames_a_sequence=2, first=first,
                )
            )
            for i, name in enumerate(detectors)
            for split, first in (("val", 500), ("test", 0))
        ]  # fmt: skip
        written(folder / "evaluation", *parts)
        (folder / "stage-evaluate.json").write_text("{}")
    return str(root)


def test_of_a_run_the_twin_and_the_cycles_tell(run: str, capsys) -> None:
    assert main(["power", run, "--measure", "car", "--effect", "5", *QUICK, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["effect"], told["split"], told["power"]) == (0.05, "test", 0.8)
    measured = told["measured"]
    assert (measured["frames"], measured["clusters"], measured["unit"], measured["seeds"]) == (
        60,
        30,
        "sequences",
        2,
    )
    assert [pair["b"].partition(": ")[2] for pair in measured["pairs"]] == ["its twin", "cycle 1"]
    assert [design["seeds"] for design in told["designs"]] == [1, 2, 3, 5, 10]
    first = told["designs"][0]
    assert first["clusters"] <= first["of_all"] <= first["frames"]
    assert first["frames"] == pytest.approx(2 * first["of_all"], abs=1)
    assert main(["power", run, "--measure", "car", "--effect", "10", *QUICK, "--json"]) == 0
    double = json.loads(capsys.readouterr().out)["designs"][0]["clusters"]
    assert double == pytest.approx(
        first["clusters"] / 4, rel=0.1
    )  # twice the effect: a quarter of the frames


def test_it_is_said_in_words_that_fit(run: str, tmp_path: Path, capsys) -> None:
    assert main(["power", run, *QUICK]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    text = " ".join(" ".join(lines).split())
    assert "To see a difference of 2 points in mAP50" in text
    for said in ("its twin", "one seed to the next", "That interval is wide"):
        assert said in text
    alone = written(tmp_path / "alone", list(evaluated(60, 1)))
    other = written(tmp_path / "other", list(evaluated(60, 2)))
    assert main(["power", alone, *QUICK]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "One detector is known, so two are taken to share nothing" in text
    assert "no second seed was trained" in text
    assert "No sequence of a frame is known" in text
    assert main(["power", alone, "--against", other, *QUICK]) == 0
    assert "share nothing" not in capsys.readouterr().out
    assert main(["power", alone, other, *QUICK]) == 0
    assert "one seed to the next" in " ".join(capsys.readouterr().out.split())


def test_errors_say_what_there_is(run: str, tmp_path: Path, capsys) -> None:
    for words, said in (
        ([str(tmp_path / "nothing")], "no evaluation there"),
        ([run, "--measure", "cow"], "--measure cow: there is map50"),
        ([run, "--split", "mine"], "has no frames of split 'mine'"),
    ):
        assert main(["power", *words, *QUICK]) == 1
        assert said in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["power", run, "--effect", "0"])
