"""`imitate score kitti` and `imitate score waymo` as a person uses them."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cluster.cli.main import main
from imitation.evaluation.detection_files import FILE, write_detections
from imitation.evaluation.detections import Detections, FrameDetections, GroundTruth

ROOT = Path(__file__).resolve().parents[6]
MICRO = ROOT / "tests" / "imitation" / "metrics" / "protocols" / "kitti_micro"


def score(case: str, *flags: str) -> int:
    return main(["score", "kitti", str(MICRO / case / "label_2"), str(MICRO / case / "results"), *flags])


@pytest.mark.parametrize("case", ["duplicates", "class_without_ground_truth", "class_never_detected"])
def test_json_is_the_official_verdict(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert score(case, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    official = json.loads((MICRO / case / "official.json").read_text())["classes"]
    assert list(told) == ["Car", "Pedestrian", "Cyclist", "remarks"]
    for name, levels in official.items():
        if levels is None:
            assert told[name] is None
            continue
        assert list(told[name]) == ["easy", "moderate", "hard"]
        for level, numbers in levels.items():
            assert set(told[name][level]) == {"ap_r40", "ap_r11", "precision"}
            assert told[name][level]["ap_r40"] == pytest.approx(numbers["AP_R40"], abs=1e-12)
            assert told[name][level]["ap_r11"] == pytest.approx(numbers["AP_R11"], abs=1e-12)
            assert told[name][level]["precision"] == pytest.approx(numbers["precision"], abs=1e-12)


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert score("duplicates") == 0
    assert score("class_never_detected") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    official = json.loads((MICRO / "duplicates" / "official.json").read_text())["classes"]["Car"]
    points = [f"{100 * official[level][ap]:.2f}" for ap in ("AP_R40", "AP_R11") for level in official]
    assert points[:3] == ["96.98"] * 3
    assert ["Car", *points] in lines
    assert ["Cyclist:", "not", "evaluated:", "never", "detected"] in lines


def test_frames_without_a_result_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert score("missing_result_file", "--json") == 0
    told = capsys.readouterr()
    assert "1 frame has labels but no result file" in told.err
    assert "000003.txt" in told.err
    said = json.loads(told.out)
    assert said["Car"]["easy"]["ap_r40"] == 1.0
    assert said["remarks"][0].startswith("1 frame has labels but no result file")


def test_a_bad_line_is_told_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "000000.txt").write_text("Car 0 0\n")
    assert main(["score", "kitti", str(MICRO / "baseline" / "label_2"), str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"imitate: {tmp_path / '000000.txt'}:1: 3 columns instead of 16\n"


def test_it_starts_without_what_it_does_not_need() -> None:
    case = MICRO / "baseline"
    words = ["score", "kitti", str(case / "label_2"), str(case / "results")]
    code = (
        f"import sys; from cluster.cli.main import main; assert main({words!r}) == 0\n"
        "print([m for m in ('ray', 'torch', 'pyarrow', 'pandas', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def row(frame_id: str, split: str, difficulty: int, detector: str = "d") -> FrameDetections:
    box = np.array([[10.0, 10, 60, 60]])
    return FrameDetections(
        *(frame_id, split, detector, 200, 100),
        Detections(box if split == "test" else box + 100, np.array([0.9]), np.array([1])),
        GroundTruth(box, np.array([1]), difficulty=np.array([difficulty])),
    )


def test_waymo_scores_each_split_of_an_evaluation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [row("a", "test", 1), row("b", "test", 2), row("c", "val", 2)]
    write_detections(rows, str(tmp_path / FILE), ("car", "pedestrian"))
    assert main(["score", "waymo", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert "emulation" in told["protocol"]
    car = {"level_1": 1.0, "level_2": 1.0, "objects_level_1": 1, "objects_level_2": 2, "iou": 0.7}
    assert told["splits"]["test"]["car"] == pytest.approx(car)
    assert told["splits"]["val"]["car"]["level_1"] is None
    assert told["splits"]["val"]["car"]["level_2"] == 0.0
    assert main(["score", "waymo", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert out.count("emulation") == 2
    lines = [line.split() for line in out.splitlines()]
    assert ["car", "100.00", "100.00", "0.7", "1", "/", "2"] in lines
    assert ["pedestrian", "-", "-", "0.5", "0", "/", "0"] in lines


def test_waymo_scores_what_counts_of_a_runs_detectors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Main on test, beside a fold's idle rows; the two folds as one on mine."""
    miss = replace(row("a", "test", 1, "fold-0"), detections=Detections.empty())
    rows = [row("a", "test", 1, "main"), miss, row("b", "mine", 1, "fold-0"), row("c", "mine", 1, "fold-1")]
    write_detections(rows, str(tmp_path / FILE), ("car",))
    assert main(["score", "waymo", str(tmp_path), "--json"]) == 0
    splits = json.loads(capsys.readouterr().out)["splits"]
    assert list(splits) == ["test", "mine"]
    assert splits["test"]["car"]["level_1"] == 1.0
    assert splits["mine"]["car"]["objects_level_1"] == 2
    write_detections([row("a", "test", 1, "x"), row("a", "test", 1, "y")], str(tmp_path / FILE), ("car",))
    assert main(["score", "waymo", str(tmp_path)]) == 1
    assert "rows of several detectors (x, y)" in capsys.readouterr().err


def test_waymo_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "waymo", str(tmp_path)]) == 1
    assert "no evaluation there" in capsys.readouterr().err
    write_detections([], str(tmp_path / FILE), ("car",))
    assert main(["score", "waymo", str(tmp_path)]) == 1
    assert "holds no frames" in capsys.readouterr().err


LABEL = "Car 0.00 0 0 {0}.00 90.00 {1}.00 140.00 1.50 1.60 3.90 1.0 1.65 20.00 0.00\n"
FOUND = "Car -1 -1 -10 {0} {1} {2} {3} -1 -1 -1 -1000 -1000 -1000 -10 {4}\n"


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        (lambda i, box: (*box, 0.05 + i / 20), []),
        (lambda i, box: (*box, 0.9), ["all scores are equal (0.9)"]),
        (lambda i, box: (*box, 0.3 + i / 20), ["the lowest score is 0.3"]),
        (lambda i, box: (*box[:2], 130, 50, 0.05 + i / 20), ["look like x, y, width, height (xywh)"]),
        (lambda i, box: (*(v / 1242 for v in box), 0.05 + i / 20), ["look normalised"]),
    ],
)
def test_odd_results_are_remarked(tmp_path, capsys, odd, said) -> None:
    for folder in ("label_2", "results"):
        (tmp_path / folder).mkdir()
    for i in range(12):
        box = (100 + i, 90, 230 + i, 140)
        (tmp_path / f"label_2/{i:06}.txt").write_text(LABEL.format(100 + i, 230 + i))
        (tmp_path / f"results/{i:06}.txt").write_text(FOUND.format(*odd(i, box)))
    words = ["score", "kitti", str(tmp_path / "label_2"), str(tmp_path / "results")]
    assert main([*words, "--json"]) == 0
    remarks = json.loads(capsys.readouterr().out)["remarks"]
    assert len(remarks) == len(said)
    assert all(part in remark for part, remark in zip(said, remarks))
    assert main(words) == 0
    assert [
        line.removeprefix("remark: ")
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("remark: ")
    ] == remarks
