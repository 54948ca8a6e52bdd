"""`imitate inspect` and `imitate export` as a person uses them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from cluster.cli.main import main
from imitation.data.images import encode_jpeg
from imitation.data.records import Box, Camera, Cuboid, Frame, Object, Origin
from imitation.datasets.parquet.files import read_frames, write_frames

LINE = "Car 0.00 0 1.57 100.00 20.00 160.00 60.00 1.50 1.60 3.90 0.00 1.65 20.00 1.57"
VAN = LINE.replace("Car", "Van")
BUS = LINE.replace("Car", "Misc")
CALIB = "P2: 700 0 128 0 0 700 32 0 0 0 1 0\n"
ORIGIN = Origin(1, "train0", ("train0/0",), "imitation", "{}", "opengl", "1", 7)


def jpeg(seed: int) -> bytes:
    return encode_jpeg(np.random.default_rng(seed).integers(0, 256, (64, 256, 3), dtype=np.uint8))


@pytest.fixture
def kitti(tmp_path: Path) -> Path:
    root = tmp_path / "kitti"
    for folder in ("image_2", "label_2", "calib"):
        (root / "training" / folder).mkdir(parents=True)
    for i in range(9):
        (root / f"training/image_2/{i:06}.jpg").write_bytes(jpeg(i))
        (root / f"training/label_2/{i:06}.txt").write_text(f"{LINE}\n{VAN}\n{BUS}\n")
        (root / f"training/calib/{i:06}.txt").write_text(CALIB)
    (root / "ImageSets").mkdir()
    (root / "ImageSets/train.txt").write_text("".join(f"{i:06}\n" for i in range(5)))
    (root / "ImageSets/val.txt").write_text("".join(f"{i:06}\n" for i in range(5, 9)))
    return root


def frames(name: str, count: int, seed: int) -> list[Frame]:
    car = Object("car", Box(100, 20, 160, 60), truncation=0.0, cuboid=Cuboid(0, 1.6, 20, 3.9, 1.6, 1.5, 1.57))
    crowd = Object("DontCare", Box(10, 10, 40, 40), ignore=True)
    camera = Camera(700, 700, 128, 32)
    return [
        Frame(f"{name}{i}", 256, 64, (car, crowd), image=jpeg(seed + i), camera=camera,
              conditions={"weather": "fog" if i else "clear"})
        for i in range(count)
    ]  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder as its stages leave it, as far as an export looks."""
    root = tmp_path / "runs" / "mine"
    for place, split in enumerate(("train", "val", "test")):
        write_frames(frames(split, 3, 100 * place), str(root / "data" / split / "frames.parquet"))
    (root / "config.yaml").write_text("data: {kind: kitti}\n")
    (root / "data" / "stage-prepare.json").write_text("{}")
    for cycle in (1, 2):
        rendered = [replace(frame, origin=ORIGIN) for frame in frames(f"c0{cycle}-", cycle, 1000 * cycle)]
        write_frames(rendered, str(root / f"cycle-00{cycle}" / "synthetic" / "part-00000.parquet"))
    (root / "cycle-003" / "synthetic").mkdir(parents=True)  # begun, nothing rendered yet
    return root


def inspect(*words: object) -> int:
    return main(["inspect", *map(str, words)])


def test_inspect_says_what_is_there(kitti, capsys):
    assert inspect("data.kind=kitti", f"data.root={kitti}") == 0
    said = capsys.readouterr()
    assert "9 frames, 27 objects" in said.out
    assert "No problems." in said.out
    assert "ignored for Car" in said.out
    assert "Background to the detector: Misc (9)." in said.out
    assert max(map(len, said.out.splitlines())) <= 100
    assert "inspecting" in said.err  # the progress is no part of the result


def test_inspect_follows_the_mapping_of_the_configuration(kitti, tmp_path, capsys):
    config = tmp_path / "mine.yaml"
    config.write_text(f"data: {{kind: kitti, root: {kitti}, mapping: {{Misc: thing, Van: Car}}}}\n")
    assert inspect(config, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["unmapped"] == {}
    assert {c["name"]: (c["class"], c["role"]) for c in said["categories"]} == {
        "Car": ("Car", "class"),
        "Misc": ("thing", "class"),
        "Van": ("Car", "class"),
    }


@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_inspect_lists_every_problem_and_ends_with_1(kitti, capsys, on_error):
    bad = kitti / "training/label_2/000002.txt"
    bad.write_text(f"{LINE}\nCar what\n")
    (kitti / "training/image_2/000007.jpg").write_bytes(jpeg(7)[:900])
    assert inspect("data.kind=kitti", f"data.root={kitti}", f"data.on_error={on_error}") == 1
    said = capsys.readouterr().out
    assert "2 problems:" in said
    assert f"  {bad}:2: 2 columns instead of 15\n" in said
    assert f"  {kitti}/training/image_2/000007.jpg: " in said
    assert inspect("data.kind=kitti", f"data.root={kitti}", "--json") == 1
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert problems[0]["where"] == f"{bad}:2"


def problems_of(capsys, *words: object) -> list[str]:
    """The problems of `inspect --json`, which ends with 1 where there are any, as "where: what"."""
    rc = inspect(*words, "--json")
    said = [f"{p['where']}: {p['what']}" for p in json.loads(capsys.readouterr().out)["problems"]]
    assert rc == int(bool(said))
    return said


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["data.mapping={Vann: Car}"], ["data.mapping: no object is called 'Vann'; did you mean 'Van'?"]),
        (["data.ignore=[van, Misk]"], [
            "data.ignore: no object is called 'van'; did you mean 'Van'?",
            "data.ignore: no object is called 'Misk'; did you mean 'Misc'?",
        ]),
        (["data.mapping={Zebra: Car}"], [
            "data.mapping: no object is called 'Zebra'; the dataset has Car, Misc, Van",
        ]),
        (["data.categories=[Car, Carr]"], [
            "data.categories: the class 'Carr' has no object in train, and cannot be learned; "
            "did you mean 'Car'?",
        ]),
        (["data.mapping={Van: car}"], [
            "data.categories: the classes 'Car' and 'car' differ in case alone, and are learned as different "
            "ones; give them one spelling with data.mapping",
        ]),
        (["data.ignore=[DontCare, Misc]", "data.mapping={Person_sitting: Pedestrian}"], []),
    ],
)  # fmt: skip
def test_inspect_finds_categories_that_are_misspelt(kitti, capsys, options, expected):
    said = problems_of(capsys, "data.kind=kitti", f"data.root={kitti}", "data.verify_images=false", *options)
    assert said == expected


def test_inspect_finds_what_a_run_refuses(kitti, capsys):
    words = ("data.kind=kitti", f"data.root={kitti}", "data.verify_images=false")
    said = problems_of(capsys, *words, "data.categories=[Bus]")
    for split in ("train", "val", "test"):
        assert any(f"split '{split}' has no object of Bus: nothing to learn" in problem for problem in said)
    (kitti / "ImageSets/val.txt").unlink()
    (said,) = problems_of(capsys, *words)
    assert said == f"{kitti}/ImageSets: the list 'val' is missing or empty; found ['train']"


def overlapping(root: Path, kitti: Path) -> str:
    (kitti / "ImageSets/val.txt").write_text("000001\n000007\n")
    return "kitti"


def twice(root: Path, kitti: Path) -> str:
    (kitti / "ImageSets/train.txt").write_text("000001\n000001\n")
    return "kitti"


def cut_coco(root: Path, kitti: Path) -> str:
    (root / "train.json").write_text('{"images": [{"id": 1, "file_n')
    return "coco"


def null_category(root: Path, kitti: Path) -> str:
    data = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "Car"}, None]}
    (root / "train.json").write_text(json.dumps(data))
    return "coco"


def empty_val(root: Path, kitti: Path) -> str:
    for split, name in (("train", "a"), ("train", "b"), ("val", "")):
        (root / "images" / split).mkdir(parents=True, exist_ok=True)
        (root / "labels" / split).mkdir(parents=True, exist_ok=True)
        if name:
            (root / f"images/{split}/{name}.jpg").write_bytes(jpeg(len(name)))
            (root / f"labels/{split}/{name}.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (root / "data.yaml").write_text("{train: images/train, val: images/val, names: [car]}")
    return "yolo"


def wrong_column(root: Path, kitti: Path) -> str:
    rows = {"frame_id": [1.5], "width": ["wide"], "height": [2], "objects": ["x"], "image": [b""]}
    pq.write_table(pa.table(rows), root / "train.parquet")
    return "parquet"


@pytest.mark.parametrize("spoil", [overlapping, twice, cut_coco, null_category, empty_val, wrong_column])
def test_inspect_gives_its_result_whatever_is_wrong_with_the_data(kitti, tmp_path, capsys, spoil):
    root = tmp_path / "spoilt"
    root.mkdir()
    kind = spoil(root, kitti)
    root = kitti if kind == "kitti" else root
    said = problems_of(capsys, f"data.kind={kind}", f"data.root={root}")
    assert said
    assert said[0].startswith(str(root))
    assert inspect(f"data.kind={kind}", f"data.root={root}") == 1
    table = capsys.readouterr().out
    assert f"{kind}  {root}" in table
    assert said[0] in table


def test_inspect_draws_the_first_frames(kitti, tmp_path, capsys):
    sheet = tmp_path / "new" / "sheet.png"
    assert inspect("data.kind=kitti", f"data.root={kitti}", "--sheet", sheet, "--count", 4) == 0
    with Image.open(sheet) as image:
        assert image.width > 1800
        assert image.height == pytest.approx(2 * image.width / 8 + 160, abs=60)
    assert f"sheet: {sheet}" in capsys.readouterr().err


def test_inspect_shows_conditions_of_parquet(run, capsys):
    assert inspect("data.kind=parquet", f"data.root={run / 'data'}") == 0
    said = capsys.readouterr().out
    assert "frames by weather" in said
    assert "of all 9 frames, 1 different, focal length 700 px" in said
    assert "9 ignored" in said


def test_the_embedded_world_has_nothing_to_inspect(capsys):
    assert inspect() == 1
    said = capsys.readouterr().err
    assert "data.kind is 'world'" in said
    assert "data.kind=kitti data.root=FOLDER" in said


def test_inspect_names_a_root_that_is_not_there(tmp_path, capsys):
    assert inspect("data.kind=kitti", f"data.root={tmp_path / 'none'}") == 1
    assert "there is nothing there" in capsys.readouterr().err


def export(source: Path, layout: str, out: Path, *words: str) -> int:
    return main(["export", str(source), "--to", layout, "--out", str(out), *words])


@pytest.mark.parametrize("layout", ["coco", "kitti", "yolo", "parquet"])
def test_an_exported_run_is_a_dataset(run, tmp_path, capsys, layout):
    out = tmp_path / "out"
    assert export(run, layout, out) == 0
    said = capsys.readouterr().out
    assert "12 frames (train 6, val 3, test 3), 24 objects" in said
    assert "synthetic: 3 frames" in said
    assert inspect(f"data.kind={layout}", f"data.root={out}", "--json") == 0
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
    assert inspect("data.kind=coco", f"data.root={out}", "--json") == 0
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
