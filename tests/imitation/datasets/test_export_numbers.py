"""The numbers of categories in an export: a user's own, and the same whichever frames are exported."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from imitation.datasets.export import Which, export, survey_frames
from imitation.datasets.export_sources import Source
from imitation.datasets.numbering import Classes
from imitation.datasets.parquet.files import write_frames
from tests.imitation.data.some_frames import CAR, HEIGHT, ORIGIN, WIDTH, picture
from tests.imitation.datasets.test_export import in_splits, made, through


def labels_of(out: Path) -> set[str]:
    return {path.read_text().split()[0] for path in out.rglob("labels/**/*.txt") if path.read_text().strip()}


@pytest.mark.parametrize("layout", ["yolo", "coco"])
def test_classes_do_not_depend_on_which_frames_are_exported(tmp_path: Path, layout: str) -> None:
    """Only the rendered frames have trucks, and only the real ones cars: each keeps its number."""
    sources = in_splits(tmp_path)
    truck = replace(CAR, category="truck")
    place = tmp_path / "cycle-001" / "synthetic"
    write_frames(made(2, "c01-", origin=ORIGIN, objects=(truck,)), str(place / "part-00000.parquet"))
    sources.append(Source("train", str(place), synthetic=True))
    told = {}
    whiches: tuple[Which, ...] = ("all", "real", "synthetic")
    for which in whiches:
        survey = survey_frames(sources, which, classes=Classes(None, ("pedestrian", "truck", "Car")))
        report = export(survey, layout, str(tmp_path / which))
        told[which] = dict(report.classes)
        assert any(line.startswith("classes: ") and "in their order" in line for line in report.lines())
    assert told["all"] == told["real"] == told["synthetic"]
    first = 0 if layout == "yolo" else 1
    assert [told["all"][n] for n in ("pedestrian", "truck", "Car")] == [first, first + 1, first + 2]
    if layout == "yolo":
        assert labels_of(tmp_path / "synthetic") == {"1"}
        assert labels_of(tmp_path / "real") == {"2"}


def yolo_of(root: Path, names: dict[int, str]) -> Path:
    """A YOLO dataset of one's own, a class an image."""
    for split in ("train", "val"):
        for number in names:
            for folder, suffix, data in (
                ("images", ".png", picture(number + len(split))),
                ("labels", ".txt", f"{number} 0.5 0.5 0.25 0.25\n".encode()),
            ):
                path = root / folder / split / f"{split}{number}{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
    text = "".join(f"  {number}: {name}\n" for number, name in names.items())
    (root / "data.yaml").write_text(f"train: images/train\nval: images/val\nnames:\n{text}")
    return root


def test_a_users_own_numbers_go_through_every_layout_and_back(tmp_path: Path) -> None:
    names = {0: "zebra", 1: "ant", 2: "unused", 3: "cat"}
    root = yolo_of(tmp_path / "own", names)
    for number, name in names.items():  # a class without objects keeps its number all the same
        if name == "unused":
            for path in root.rglob(f"labels/*/*{number}.txt"):
                path.write_text("")
    places: list[tuple[str, str]] = [("yolo", "coco"), ("coco", "parquet"), ("parquet", "yolo")]
    here = root
    for kind, layout in places:
        there = tmp_path / layout
        report = through(kind, here, layout, there)
        assert report.frames == {"train": 4, "val": 4}
        here = there
    data = json.loads((tmp_path / "coco/annotations/instances_val.json").read_text())
    assert [(c["id"], c["name"]) for c in data["categories"]] == [
        (1, "zebra"), (2, "ant"), (3, "unused"), (4, "cat"),
    ]  # fmt: skip
    assert yaml.safe_load((here / "data.yaml").read_text())["names"] == names
    for split in ("train", "val"):
        for path in sorted((root / "labels" / split).iterdir()):
            (copy,) = here.rglob(f"*{path.stem}.txt")
            assert copy.read_text().split()[:1] == path.read_text().split()[:1]


def test_coco_ids_with_gaps_stay_and_are_the_order_of_yolo(tmp_path: Path) -> None:
    images = tmp_path / "own" / "images"
    images.mkdir(parents=True)
    (images / "a.png").write_bytes(picture())
    box = {"id": 1, "image_id": 5, "category_id": 18, "bbox": [1, 2, 10, 10], "iscrowd": 0}
    told = {
        "images": [{"id": 5, "file_name": "a.png", "width": WIDTH, "height": HEIGHT}],
        "categories": [{"id": 18, "name": "dog"}, {"id": 3, "name": "car"}, {"id": 44, "name": "bottle"}],
        "annotations": [box],
    }
    (tmp_path / "own" / "labels.json").write_text(json.dumps(told))
    assert through("coco", tmp_path / "own", "coco", tmp_path / "c").classes == {
        "dog": 18,
        "car": 3,
        "bottle": 44,
    }
    data = json.loads((tmp_path / "c/annotations/instances_train.json").read_text())
    assert [entry["category_id"] for entry in data["annotations"]] == [18]
    report = through("coco", tmp_path / "own", "yolo", tmp_path / "y")
    assert report.classes == {"car": 0, "dog": 1, "bottle": 2}
    assert labels_of(tmp_path / "y") == {"1"}
