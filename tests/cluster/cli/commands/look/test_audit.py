"""`imitate audit` of an evaluation: from suspects to tasks and back to a dataset."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cluster.audit.evaluations import evaluations_of
from cluster.cli.main import main
from imitation.data.images import encode_png
from imitation.data.records import Box, Frame, Object
from imitation.datasets.parquet.files import read_frames, write_frames
from imitation.evaluation.detection_files import write_detections
from imitation.evaluation.detections import FrameDetections
from tests.imitation.audit.test_suspects import CATEGORIES, HEIGHT, WIDTH, judged, world


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root: Path = tmp_path_factory.mktemp("audit")
    made = world(4, 60)
    picture = encode_png(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    frames = [
        Frame(
            f"{f:04d}", WIDTH, HEIGHT,
            tuple(Object(CATEGORIES[label - 1], Box(*map(float, box))) for box, label in zip(boxes, labels)),
            image=picture,
        )
        for f, (boxes, labels) in enumerate(made.labels)
    ]  # fmt: skip
    write_frames(frames, str(root / "frames.parquet"))
    for name, seed in (("one", 1), ("two", 2)):
        rows: Iterator[FrameDetections] = iter(judged(made, seed).rows())
        write_detections(rows, str(root / name / "detections.parquet"), CATEGORIES)
    return {name: str(root / name) for name in ("one", "two", "frames.parquet")}


def test_from_suspects_to_a_corrected_dataset(places: dict[str, str], tmp_path: Path, capsys) -> None:
    words = ["audit", places["one"], places["two"], "--tasks", "20"]
    assert main([*words, "--json"]) == 0
    suspects = json.loads(capsys.readouterr().out)
    assert len(suspects) == 20
    assert all(suspect["others"] == 1 for suspect in suspects)
    tasks = tmp_path / "tasks"
    assert main([*words, "--out", str(tasks), "--frames", places["frames.parquet"]]) == 0
    out = capsys.readouterr().out
    assert "20 suspects in" in out
    assert max(len(line) for line in out.splitlines() if str(tmp_path) not in line) <= 80
    assert (
        main(["audit", "apply", str(tasks), str(tasks / "annotations.xml"), "--out", str(tmp_path / "same")])
        == 0
    )
    assert "0 moved, 0 renamed, 0 added, 0 removed; 0 frames untouched" in " ".join(
        capsys.readouterr().out.split()
    )
    same = list(read_frames(str(tmp_path / "same" / "train")))
    assert same == list(read_frames(places["frames.parquet"]))
    text = (tasks / "annotations.xml").read_text().replace('label="suspect"', 'label="van"')
    (tasks / "corrected.xml").write_text(text)
    coco = tmp_path / "coco"
    assert (
        main(["audit", "apply", str(tasks), str(tasks / "corrected.xml"), "--out", str(coco), "--to", "coco"])
        == 0
    )
    (file,) = coco.rglob("instances_*.json")
    count = sum(len(frame.objects) for frame in same)
    written = len(json.loads(file.read_text())["annotations"])
    assert count < written <= count + 20


def test_label_studio_gets_its_tasks(places: dict[str, str], tmp_path: Path, capsys) -> None:
    tasks = tmp_path / "tasks"
    words = [
        "audit",
        places["one"],
        "--tasks",
        "5",
        "--frames",
        places["frames.parquet"],
        "--out",
        str(tasks),
    ]
    assert main([*words, "--to", "label-studio"]) == 0
    assert {path.name for path in tasks.iterdir()} == {
        "audit.json",
        "images",
        "label-config.xml",
        "tasks.json",
    }
    assert main(words) == 1
    assert "not empty" in capsys.readouterr().err


def test_errors_say_what_is_missing(places: dict[str, str], tmp_path: Path, capsys) -> None:
    for words, said in (
        ([places["one"], "--out", str(tmp_path / "x")], "an evaluation holds no pixels"),
        (["apply", "x"], "write imitate audit apply DIR CORRECTED --out DIR"),
        ([places["one"], "--split", "test"], "has no frames of split 'test'"),
    ):
        assert main(["audit", *words]) == 1
        assert said in capsys.readouterr().err


def test_of_a_run_the_latest_mined_cycle_counts_and_the_others_agree(
    places: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "config.yaml").write_text("{}")
    metrics = {
        split: {
            "split": split, "iou": 0.5, "frames": 1, "errors": 0, "objects": 1, "detections": 1, "map50": 0.5,
            "map": 0.5, "ap50": dict.fromkeys(CATEGORIES, 0.5), "ap": dict.fromkeys(CATEGORIES, 0.5),
            "threshold": 0.4, "f1": 0.5, "precision": 0.5, "recall": 0.5, "zero_one_loss": 0.5,
            "failures": {},
        }
        for split in ("val", "test")
    }  # fmt: skip
    for cycle, name in ((0, "one"), (1, "two")):
        folder = tmp_path / f"cycle-00{cycle}"
        (folder / "evaluation").mkdir(parents=True)
        data = (Path(places[name]) / "detections.parquet").read_bytes()
        (folder / "evaluation" / "detections.parquet").write_bytes(data)
        stage = {"metrics": metrics, "mined": {}, "fold_thresholds": {"main": 0.4}}
        (folder / "stage-evaluate.json").write_text(json.dumps(stage))
    audited = evaluations_of([str(tmp_path)], None)
    assert (audited.split, [one.name for one in audited.evaluations]) == ("mine", ["cycle 1", "cycle 0"])
    assert audited.categories == CATEGORIES
    assert audited.frames is not None
    assert audited.frames.endswith("data/train")
    assert len(list(audited.evaluations[0].rows())) == 60
