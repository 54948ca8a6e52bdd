"""`imitate export` as a person uses it."""

import json
from pathlib import Path

import pytest

from cluster.cli.main import main
from imitation.datasets.parquet.files import read_frames


def export(source: Path, layout: str, out: Path, *words: str) -> int:
    return main(["export", str(source), "--to", layout, "--out", str(out), *words])


@pytest.mark.parametrize("layout", ["coco", "kitti", "yolo", "parquet"])
def test_an_exported_run_is_a_dataset(run, tmp_path, capsys, layout):
    out = tmp_path / "out"
    assert export(run, layout, out) == 0
    said = capsys.readouterr().out
    assert "12 frames (train 6, val 3, test 3), 24 objects" in said
    assert "synthetic: 3 frames" in said
    assert main(["inspect", f"data.kind={layout}", f"data.root={out}", "--json"]) == 0
    splits = json.loads(capsys.readouterr().out)["splits"]
    assert {name: split["frames"] for name, split in splits.items()} == {"train": 6, "val": 3, "test": 3}


def test_export_says_what_is_lost_and_what_changed(run, tmp_path, capsys):
    assert export(run, "kitti", tmp_path / "out") == 0
    said = capsys.readouterr().out
    assert "changed: car as Car of 12 objects" in said
    assert "dropped: conditions of 12 frames, lineage of 3 frames" in said


@pytest.mark.parametrize(("which", "count"), [("real", 9), ("synthetic", 3)])
def test_export_of_real_or_synthetic_frames_alone(run, tmp_path, which, count):
    out = tmp_path / "out"
    assert export(run, "coco", out, "--frames", which) == 0
    images = [
        image for file in out.rglob("instances_*.json") for image in json.loads(file.read_text())["images"]
    ]
    assert len(images) == count
    marked = [image["file_name"].startswith("syn-") for image in images]
    assert all(marked) == any(marked) == (which == "synthetic")


def test_export_of_parquet_is_one_set(run, tmp_path, capsys):
    out = tmp_path / "out"
    assert export(run / "data" / "train", "parquet", out) == 0
    assert sorted(f.frame_id for f in read_frames(str(out))) == ["train0", "train1", "train2"]
    assert "3 frames, 6 objects, as parquet\ndropped: nothing" in capsys.readouterr().out


def test_export_refuses_a_used_folder_and_a_run_without_data(run, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    assert export(run, "coco", out) == 1
    assert "is not empty" in capsys.readouterr().err
    (run / "data" / "stage-prepare.json").unlink()
    assert export(run, "coco", tmp_path / "other") == 1
    assert "before its data was prepared" in capsys.readouterr().err
    assert export(tmp_path / "none", "coco", tmp_path / "other") == 1
    assert "there is nothing there" in capsys.readouterr().err


@pytest.mark.parametrize("layout", ["coco", "yolo"])
def test_export_numbers_the_runs_categories_in_their_order(run, tmp_path, layout, capsys):
    told = {
        "categories": ["truck", "car", "bus"],
        "mapping": {n: n for n in ("truck", "car", "bus")},
        "ignore": [],
    }
    (run / "data" / "stage-prepare.json").write_text(json.dumps({"categories": told}))
    numbers = []
    for which in ("all", "synthetic"):
        out = tmp_path / which
        assert export(run, layout, out, "--frames", which) == 0
        first = 0 if layout == "yolo" else 1
        assert f"classes: {first} truck, {first + 1} car, {first + 2} bus" in capsys.readouterr().out
        if layout == "yolo":
            rows = [row for file in out.rglob("labels/**/*.txt") for row in file.read_text().splitlines()]
            numbers.append({int(row.split()[0]) for row in rows})
        else:
            data = json.loads((out / "annotations/instances_train.json").read_text())
            numbers.append({e["category_id"] for e in data["annotations"] if not e["iscrowd"]})
    assert numbers == [{1}, {1}] if layout == "yolo" else [{2}, {2}]


def test_export_calls_objects_as_the_runs_classes_are_called(run, tmp_path, capsys):
    told = {"categories": ["vehicle"], "mapping": {"car": "vehicle"}, "ignore": []}
    (run / "data" / "stage-prepare.json").write_text(json.dumps({"categories": told}))
    assert export(run, "yolo", tmp_path / "out") == 0
    said = capsys.readouterr().out
    assert "classes: 0 vehicle (" in said
    assert "car as vehicle of 12 objects" in said


@pytest.mark.parametrize("how", ["settings", "file"])
def test_any_dataset_exports(kitti, tmp_path, capsys, how):
    words = ["data.kind=kitti", f"data.root={kitti}"]
    if how == "file":
        config = tmp_path / "mine.yaml"
        config.write_text(f"data: {{kind: kitti, root: {kitti}}}\n")
        words = [str(config)]
    out = tmp_path / "out"
    assert main(["export", *words, "--to", "coco", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "9 frames (train 5, val 4), 27 objects, as coco" in said
    assert "classes: 1 Car, 2 Pedestrian, 3 Cyclist, 4 Misc, 5 Van" in said
    data = json.loads((out / "annotations" / "instances_val.json").read_text())
    assert len(data["images"]) == 4
    assert main(["inspect", "data.kind=coco", f"data.root={out}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["objects"] == 27


def test_export_says_what_it_cannot_do(run, kitti, tmp_path, capsys):
    out = tmp_path / "out"
    assert export(run, "coco", out, "data.kind=kitti") == 1
    assert "data.kind=kitti: a run and Parquet frames take no settings" in capsys.readouterr().err
    assert main(["export", "--to", "coco", "--out", str(out)]) == 1
    assert "data.kind=kitti data.root=FOLDER" in capsys.readouterr().err
    assert main(["export", "data.kind=kitti", f"data.root={kitti}", "--to", "coco", "--out", str(out),
                 "data.mapping={Van: Car}"]) == 0  # fmt: skip
    assert "categories: the dataset's own" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        ("cocco", "--to: there is no dataset 'cocco'; did you mean 'coco'?"),
        ("waymo", "--to: 'waymo' data cannot be written; layouts are kitti, coco, yolo, parquet"),
        ("world", "--to: 'world' data cannot be written"),
    ],
)
def test_a_layout_that_there_is_not(tmp_path, capsys, layout, said):
    assert export(tmp_path, layout, tmp_path / "out") == 1
    assert said in capsys.readouterr().err
