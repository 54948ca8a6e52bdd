"""YOLO folders: layouts, rows, and what is refused by file and line."""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imitation.common.settings import DataError, UserError
from imitation.data.images import load_frame_image
from imitation.data.records import Box, Object
from imitation.data.splits import SplitSettings
from imitation.datasets.registry import open_dataset
from imitation.datasets.yolo.labels import YoloClasses, parse_yolo
from imitation.datasets.yolo.reader import YoloReader, label_of
from tests.imitation.datasets.kitti.kitti_folder import HEIGHT, WIDTH
from tests.imitation.datasets.yolo.yolo_folder import CLASSES, DOG, ROW, frames_of, put, reader_of, say


def test_data_yaml(folder: Path) -> None:
    put(folder, "train/b", None).with_suffix(".png")
    (folder / "labels/train/b.txt").unlink()
    (folder / "labels/train/c.txt").write_text("\n")
    reader = open_dataset("yolo", str(folder))
    assert reader.splits()["train"] == reader.splits()["mine"] == ["train_a", "train_b", "train_c"]
    assert sorted(reader.splits()["val"] + reader.splits()["test"]) == ["val_d", "val_e"]
    frames = list(reader.frames("train"))
    assert [frame.objects for frame in frames] == [(DOG,), (), ()]
    assert (frames[0].width, frames[0].height, frames[0].sequence) == (WIDTH, HEIGHT, None)
    assert load_frame_image(frames[1]).shape == (HEIGHT, WIDTH, 3)
    assert frames_of(YoloReader(str(folder / "data.yaml"), SplitSettings())) == frames_of(reader_of(folder))


@pytest.mark.parametrize(
    "said",
    [
        {"train": "train/images", "val": "valid/images"},
        {"train": "../train/images", "val": "../valid/images"},  # as Roboflow writes it
        {"path": ".", "train": ["train/images"], "valid": "./valid/images/"},
        {"path": "/somewhere/else", "train": "train/images", "val": "valid/images"},
        {},
    ],
)
def test_roboflows_layout(tmp_path: Path, said: dict[str, Any]) -> None:
    for name in ("train/a", "valid/b", "valid/c"):
        put(tmp_path, name, folder="{}/images")
    reader = reader_of(say(tmp_path, **said))
    assert reader.splits()["train"] == ["train_a"]
    assert sorted(frames_of(reader)) == ["train_a", "valid_b", "valid_c"]
    assert all(frame.objects == (DOG,) for frame in frames_of(reader).values())


def test_without_data_yaml(tmp_path: Path) -> None:
    for name in ("train/a", "val/b", "test/c"):
        put(tmp_path, name)
    reader = reader_of(tmp_path)
    assert {k: len(v) for k, v in reader.splits().items()} == {"train": 1, "mine": 1, "val": 1, "test": 1}
    assert frames_of(reader)["train_a"].objects == (Object("1", DOG.box),)
    (tmp_path / "labels/classes.txt").write_text("cat\nfox\n")
    assert frames_of(reader_of(tmp_path))["test_c"].objects == (Object("fox", DOG.box),)


def test_one_folder_is_cut_by_seed(tmp_path: Path) -> None:
    for name in "abcde":
        put(tmp_path, name, folder="images")
    reader = reader_of(tmp_path)
    assert sorted(frames_of(reader)) == list("abcde")
    assert "5 frames were cut by seed 0" in reader.note()


def test_lists_of_images(folder: Path) -> None:
    (folder / "train.txt").write_text("./images/train/a.png\n\nimages/train/c.png\n")
    (folder / "lists").mkdir()
    (folder / "lists/val.txt").write_text("images/val/d.png\nimages/val/e.png\n")
    reader = reader_of(say(folder, train="train.txt", val="lists/val.txt"))
    assert sorted(frames_of(reader)) == ["train_a", "train_c", "val_d", "val_e"]


def test_a_folder_called_images_above_the_dataset_means_nothing(tmp_path: Path) -> None:
    root = tmp_path / "images/set"
    for name in ("a", "b", "c"):
        put(root, name, folder="pictures")
    reader = reader_of(say(root, train="pictures"))
    with pytest.raises(UserError, match="the list 'val' is missing"):
        reader.splits()
    assert label_of(f"{root}/pictures/a.png", str(root)) == f"{root}/pictures/a.txt"
    assert label_of(f"{root}/x/images/y/images/z/a.b.png", str(root)) == f"{root}/x/images/y/labels/z/a.b.txt"


# Rows


@pytest.mark.parametrize(
    ("row", "box"),
    [
        ("0 0.5 0.5 1 1", Box(0, 0, 200, 80)),
        ("0.0 0.25 0.5 0.5 0.25", Box(0, 30, 100, 50)),
        ("0 0.1 0.2 0.4 0.3 0.2 0.9", Box(20, 16, 80, 72)),  # a triangle
        ("0 0.1 0.1 0.2 0.1 0.2 0.3 0.1 0.3", Box(20, 8, 40, 24)),
        ("0 1.0005 0.5 0 1", Box(200, 0, 200, 80)),
    ],
)
def test_rows(row: str, box: Box) -> None:
    ((line, obj),) = parse_yolo(f"\n{row}\n", "x.txt", CLASSES, WIDTH, HEIGHT)
    assert line == 2
    assert obj.category == "car"
    np.testing.assert_allclose(obj.box, box, atol=1e-9)


def test_keypoints_are_passed_over() -> None:
    classes = YoloClasses({0: "person"}, keypoints=4)
    ((_, obj),) = parse_yolo("0 .5 .5 .2 .5 .5 .5 .1 .1", "x", classes, WIDTH, HEIGHT)
    np.testing.assert_allclose(obj.box, (80, 20, 120, 60))
    with pytest.raises(
        DataError, match=r"x:1: 5 columns; expected 9 \(class, x, y, width, height, keypoints\)"
    ):
        parse_yolo(ROW.replace("1", "0", 1), "x", classes, WIDTH, HEIGHT)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("2 .5 .5 .1 .1", "there is no class 2; data.yaml names 0 to 1"),
        ("-1 .5 .5 .1 .1", "the class is '-1', not a whole number"),
        ("0.5 .5 .5 .1 .1", "the class is '0.5', not a whole number"),
        ("car .5 .5 .1 .1", "column 1 is 'car', not a number"),
        ("0 .5 .5 .1 x", "column 5 is 'x', not a number"),
        ("0 .5 nan .1 .1", "column 3 is nan, not a finite number"),
        ("0 .5 .5 .1 inf", "column 5 is inf, not a finite number"),
        ("0 100 20 30 40", r"column 2 is 100, not in \[0, 1\]: YOLO's numbers are shares"),
        ("0 .5 .5 .1 1.06", r"column 5 is 1.06, not in"),
        ("0 .5 .5 -.1 .1", r"column 4 is -0.1, not in"),
        ("0 .5 .5 .1", "4 columns; expected 5"),
        ("0 .5 .5 .1 .1 .9", r"6 columns \(a prediction with its score\?\)"),
        ("0 .5 .5 .1 .1 .9 .3 .4", "8 columns; expected 5"),
        ("0", "1 columns; expected 5"),
    ],
)
def test_bad_rows_are_named_by_line_and_leave_their_frame_out(folder: Path, row: str, message: str) -> None:
    (folder / "labels/train/b.txt").write_text(f"{ROW}\n{row}\n")
    reader = reader_of(folder)
    with pytest.raises(DataError, match=message):
        list(reader.frames("train"))
    problems: list[DataError] = []
    assert [f.frame_id for f in reader.frames("train", problems.append)] == ["train_a", "train_c"]
    assert [p.where for p in problems] == [f"{folder}/labels/train/b.txt:2"]


def test_labels_that_are_no_text(folder: Path) -> None:
    (folder / "labels/train/b.txt").write_bytes(ROW.encode() + b"\n0 \xff .5 .1 .1\n")
    with pytest.raises(DataError, match=r"labels/train/b\.txt:2: not UTF-8 text"):
        list(reader_of(folder).frames("train"))


# What is refused


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"train": "../../outside"}, "there is no such place in .*paths out of the dataset's folder are not"),
        ({"train": "/etc"}, "there is no such place in"),
        ({"path": "/", "train": "etc"}, "there is no such place in"),
        ({"train": {"a": 1}}, "expected a folder or a list of images"),
        ({"names": None}, "'names' is missing"),
        ({"names": []}, "'names' is missing"),
        ({"names": {"car": 0}}, "'names' has 'car': 0"),
        ({"names": [["car"]]}, r"'names' has 0: \['car'\]"),
        ({"nc": 3}, "'nc' is 3, but 'names' has 2"),
        ({"kpt_shape": "17"}, "'kpt_shape' is '17'"),
        ({"train": "empty"}, "the list train has no image"),
        ({"val": "images/train"}, "the splits 'train' and 'val' share"),
    ],
)
def test_what_data_yaml_may_not_say(folder: Path, said: dict[str, Any], message: str) -> None:
    (folder.parent / "outside").mkdir()
    put(folder.parent / "outside", "x", folder=".")
    (folder / "empty").mkdir()
    with pytest.raises(UserError, match=message):
        list(reader_of(say(folder, **{"train": "images/train", "val": "images/val"} | said)).frames("train"))


def test_images_that_share_a_label_and_labels_without_image(folder: Path) -> None:
    put(folder, "train/a", suffix="jpg")
    (folder / "labels/train/z.txt").write_text(ROW)
    problems: list[DataError] = []
    reader = pickle.loads(pickle.dumps(reader_of(folder)))  # noqa: S301 (our own)
    assert [f.frame_id for f in reader.frames("train", problems.append)] == ["train_b", "train_c"]
    assert "there is no image of this name" in str(problems[0])
    assert "has the same label file or the same id; keep one" in str(problems[1])


@pytest.mark.parametrize(("orientation", "size"), [(3, (30, 20)), (6, (20, 30))])
def test_an_image_is_meant_upright_as_yolos_tools_take_it(
    folder: Path, orientation: int, size: tuple[int, int]
) -> None:
    exif, sink = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    Image.new("RGB", (30, 20)).save(sink, "JPEG", exif=exif)
    (folder / "images/train/b.png").write_bytes(sink.getvalue())
    frame = next(f for f in reader_of(folder).frames("train") if f.frame_id == "train_b")
    assert (frame.width, frame.height) == size
    assert load_frame_image(frame).shape == (*size[::-1], 3)


def test_what_is_no_yolo_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a YOLO folder"):
        reader_of(tmp_path).splits()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 1),
            st.tuples(st.floats(0, WIDTH), st.floats(0, WIDTH)).map(sorted),
            st.tuples(st.floats(0, HEIGHT), st.floats(0, HEIGHT)).map(sorted),
        ),
        max_size=8,
    )
)
def test_any_boxes_come_back(rows: list[tuple[int, list[float], list[float]]]) -> None:
    text = "".join(
        f"{c} {(x1 + x2) / 2 / WIDTH!r} {(y1 + y2) / 2 / HEIGHT!r} "
        f"{(x2 - x1) / WIDTH!r} {(y2 - y1) / HEIGHT!r}\n"
        for c, (x1, x2), (y1, y2) in rows
    )
    found = [obj for _, obj in parse_yolo(text, "x", CLASSES, WIDTH, HEIGHT)]
    assert [obj.category for obj in found] == [["car", "dog"][c] for c, _, _ in rows]
    expected = [(x1, y1, x2, y2) for _, (x1, x2), (y1, y2) in rows]
    found_boxes = np.reshape([obj.box for obj in found], (-1, 4))
    np.testing.assert_allclose(found_boxes, np.reshape(expected, (-1, 4)), atol=1e-9)
