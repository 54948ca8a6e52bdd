"""`imitate inspect` as a person uses it."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from cluster.cli.main import main
from tests.cluster.cli.commands.conftest import LINE, jpeg


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
