"""YOLO labels by hand, and what is counted as lost."""

from dataclasses import replace
from pathlib import Path

import yaml

from imitation.data.records import Box, Frame, Object
from imitation.datasets.common.tally import Tally
from imitation.datasets.yolo.labels import yolo_labels
from imitation.datasets.yolo.writer import write_data_yaml, write_yolo
from tests.imitation.data.some_frames import CAR, CROWD, HEIGHT, WIDTH, picture


def test_a_row_is_class_centre_and_size_as_shares() -> None:
    frame = Frame("a", 100, 50, (Object("b", Box(10, 5, 30, 25)), Object("a", Box(0, 0, 100, 50))))
    assert yolo_labels(frame, {"a": 0, "b": 1}, Tally()) == (
        "1 0.200000000 0.300000000 0.200000000 0.400000000\n"
        "0 0.500000000 0.500000000 1.000000000 1.000000000\n"
    )


def test_what_yolo_cannot_say_is_counted() -> None:
    over = Object("Car", Box(-10, 10, 10, 20))
    empty = Object("Car", Box(5, 5, 5, 20))
    tally = Tally()
    text = yolo_labels(Frame("a", WIDTH, HEIGHT, (CAR, CROWD, over, empty)), {"Car": 0}, tally)
    assert len(text.splitlines()) == 2
    assert tally.changed == {("cut at the image's edge:", "box"): 1}
    assert tally.dropped[("", "ignore region")] == 1
    assert tally.dropped[("without area:", "box")] == 1
    assert tally.dropped[("cuboids of", "object")] == 1
    assert ("cameras of", "frame") not in tally.dropped


def test_files_lie_where_ultralytics_looks(tmp_path: Path) -> None:
    frame = Frame("a", WIDTH, HEIGHT, (CAR,), image=picture(jpeg=True))
    for split in ("train", "val"):
        assert (
            write_yolo(
                [("a", frame), ("b", replace(frame, objects=()))], str(tmp_path), split, {"Car": 0}, Tally()
            )
            == 2
        )
    write_data_yaml(str(tmp_path), {"Car": 0}, {"train": 2, "val": 2, "test": 0})
    data = yaml.safe_load((tmp_path / "data.yaml").read_text())
    assert data == {"train": "images/train", "val": "images/val", "names": {0: "Car"}}
    for name in ("a", "b"):
        assert (tmp_path / data["val"] / f"{name}.jpg").is_file()
        assert (tmp_path / data["val"].replace("images", "labels") / f"{name}.txt").is_file()
    assert (tmp_path / "labels/train/b.txt").read_text() == ""


def test_names_that_yaml_takes_for_something_else_stay_names(tmp_path: Path) -> None:
    names = ["yes", "1", "null", "a: b", "Straße"]
    write_data_yaml(str(tmp_path), {name: i for i, name in enumerate(names)}, {"": 3})
    text = (tmp_path / "data.yaml").read_text(encoding="utf-8")
    assert text.startswith("# One set")
    assert yaml.safe_load(text) == {"names": dict(enumerate(names))}
