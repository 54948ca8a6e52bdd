"""YOLO folders: layouts, rows, and what is refused by file and line."""

import io
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imitation.common.settings import DataError, UserError
from imitation.data.images import load_frame_image
from imitation.data.records import Box, Frame, Object
from imitation.data.splits import SplitSettings
from imitation.datasets.registry import open_dataset
from imitation.datasets.yolo.labels import YoloClasses, parse_yolo
from imitation.datasets.yolo.reader import YoloReader, label_of
from tests.imitation.datasets.kitti.kitti_folder import HEIGHT, WIDTH, png

ROW = "1 0.5 0.25 0.1 0.5"
DOG = Object("dog", Box(90, 0, 110, 40))
CLASSES = YoloClasses({0: "car", 1: "dog"})


def put(
    root: Path, name: str, rows: str | bytes | None = ROW, folder: str = "images/{}", suffix: str = "png"
) -> Path:
    """One image (noise of 200x80 px) and its label file; `name` is "train/a"."""
    split, _, stem = name.rpartition("/")
    image = root / folder.format(split) / f"{stem}.{suffix}"
    image.parent.mkdir(parents=True, exist_ok=True)
    image.write_bytes(png())
    if rows is not None:
        label = Path(label_of(str(image), str(root)))
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_bytes(rows if isinstance(rows, bytes) else rows.encode())
    return image


def say(root: Path, **said: Any) -> Path:
    (root / "data.yaml").write_text(yaml.safe_dump({"names": ["car", "dog"], "nc": 2} | said))
    return root


def reader_of(root: Path) -> YoloReader:
    return YoloReader(str(root), SplitSettings())


def frames_of(reader: YoloReader, problems: list[DataError] | None = None) -> dict[str, Frame]:
    handed = None if problems is None else problems.append
    return {f.frame_id: f for split in ("train", "val", "test") for f in reader.frames(split, handed)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images to train on and two to validate, with a data.yaml as Ultralytics writes it."""
    root = tmp_path / "set"
    for name in ("train/a", "train/b", "train/c", "val/d", "val/e"):
        put(root, name)
    return say(root, path="../datasets/set", train="images/train", val="images/val", test=None)


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


def test_a_yaml_that_swells_is_no_trouble(folder: Path) -> None:
    bomb = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    bomb += [f"{n}: &{n} [{','.join([f'*{m}'] * 9)}]" for m, n in zip("abcdefgh", "bcdefghi")]
    for text, message in (
        ("names: *i\ntrain: images/train", "'names' has 0"),
        ("names: [car]\ntrain: *i", "train is"),
    ):
        (folder / "data.yaml").write_text("\n".join([*bomb, text, "val: images/val"]))
        with pytest.raises(UserError, match=message):
            list(reader_of(folder).frames("train"))
    (folder / "data.yaml").write_text("names: " + "[" * 3000 + "]" * 3000)
    with pytest.raises(UserError, match=r"data\.yaml: not valid YAML: nested too deeply"):
        reader_of(folder).splits()
    (folder / "data.yaml").write_text("names: [a")
    with pytest.raises(UserError, match=r"data\.yaml: not valid YAML"):
        reader_of(folder).splits()


def test_lists_that_lead_elsewhere_are_not_followed(folder: Path) -> None:
    put(folder.parent, "secret", folder=".")
    (folder / "train.txt").write_text("../secret.png\n/etc/passwd\nimages/train/a.png\n")
    reader = reader_of(say(folder, train="train.txt", val="images/val"))
    problems: list[DataError] = []
    assert [f.frame_id for f in reader.frames("train", problems.append)] == ["train_a"]
    assert [p.where for p in problems] == [f"{folder}/train.txt:{line}" for line in (1, 2)]
    with pytest.raises(DataError, match="leads out of its folder"):
        list(reader.frames("train"))


def test_links_that_lead_elsewhere_are_not_followed(folder: Path) -> None:
    secret = put(folder.parent, "secret", folder=".")
    (folder / "images/train/b.png").unlink()
    (folder / "images/train/b.png").symlink_to(secret)
    (folder / "labels/train/c.txt").unlink()
    (folder / "labels/train/c.txt").symlink_to("/etc/passwd")
    problems: list[DataError] = []
    assert [f.frame_id for f in reader_of(folder).frames("train", problems.append)] == ["train_a"]
    assert ["symbolic link, not followed" in p.what for p in problems] == [True, True]


def test_a_folder_that_is_a_link_inside_makes_no_frames(folder: Path, tmp_path: Path) -> None:
    """A loop, the other list, and a folder outside; a link to a folder of the same list adds nothing."""
    (tmp_path / "outside").mkdir()
    put(tmp_path / "outside", "x", folder=".")
    put(folder, "train/more/f")
    for name, target in (
        ("loop", ".."),
        ("other", "../val"),
        ("out", tmp_path / "outside"),
        ("same", "more"),
    ):
        (folder / "images/train" / name).symlink_to(target)
    problems: list[DataError] = []
    frames = reader_of(folder).frames("train", problems.append)
    assert [f.frame_id for f in frames] == ["train_a", "train_b", "train_c", "train_more_f"]
    assert [p.where for p in problems] == [
        f"{folder}/images/train/{name}" for name in ("loop", "other", "out")
    ]
    assert all("is a symbolic link, not followed" in p.what for p in problems)


def test_labels_in_a_folder_that_is_a_link_outside_are_not_read(folder: Path) -> None:
    put(folder, "train/more/f")
    (folder / "labels/train/more").rename(folder.parent / "more")
    (folder / "labels/train/more").symlink_to(folder.parent / "more")
    problems: list[DataError] = []
    assert len(list(reader_of(folder).frames("train", problems.append))) == 3
    assert [p.where for p in problems] == [f"{folder}/labels/train/more/f.txt"]
    assert "is a symbolic link, not followed" in problems[0].what


def test_a_link_to_an_image_makes_no_second_frame_of_it(folder: Path) -> None:
    (folder / "images/val/d.png").unlink()
    (folder / "images/val/d.png").symlink_to("../train/a.png")
    (folder / "images/train/z.png").symlink_to("a.png")
    problems: list[DataError] = []
    assert sorted(frames_of(reader_of(folder), problems)) == ["train_a", "train_b", "train_c", "val_e"]
    assert sorted(p.where for p in problems) == [f"{folder}/images/{n}.png" for n in ("train/z", "val/d")]
    assert all(f"is the same file as {folder}/images/train/a.png; keep one" in p.what for p in problems)


def test_a_link_to_a_file_elsewhere_in_the_dataset_is_followed(folder: Path) -> None:
    (folder / "all").mkdir()
    (folder / "images/train/b.png").rename(folder / "all/b.png")
    (folder / "images/train/b.png").symlink_to("../../all/b.png")
    assert len(list(reader_of(folder).frames("train"))) == 3


@pytest.mark.parametrize("kind", ["folder", "link to nothing", "pipe"])
def test_a_label_that_is_no_file_is_no_image_without_objects(folder: Path, kind: str) -> None:
    label = folder / "labels/train/b.txt"
    label.unlink()
    if kind == "folder":
        label.mkdir()
    elif kind == "pipe":
        os.mkfifo(label)
    else:
        label.symlink_to("nowhere.txt")
    problems: list[DataError] = []
    assert [f.frame_id for f in reader_of(folder).frames("train", problems.append)] == ["train_a", "train_c"]
    assert [str(p) for p in problems] == [f"{label}: the label is no file that can be read"]


def test_byte_order_marks_are_passed_over(folder: Path) -> None:
    (folder / "train.txt").write_text("images/train/a.png\n")
    expected = frames_of(reader_of(say(folder, train="train.txt", val="images/val")))
    for path in [*folder.rglob("*.txt"), folder / "data.yaml"]:
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert frames_of(reader_of(folder)) == expected
    (folder / "data.yaml").unlink()
    (folder / "classes.txt").write_bytes(b"\xef\xbb\xbfcar\r\ndog\r\n")
    assert frames_of(reader_of(folder))["train_a"] == expected["train_a"]


def test_lines_are_counted_as_an_editor_counts_them(folder: Path) -> None:
    (folder / "labels/train/b.txt").write_text(f"{ROW}\x0c\n{ROW}\u2028\n7 .5 .5 .1 .1")
    with pytest.raises(DataError, match=r"b\.txt:3: there is no class 7"):
        list(reader_of(folder).frames("train"))


@pytest.mark.parametrize("row", ["9" * 100_000 + " .5 .5 .1 .1", "0 .5 .5 .1 " + "x" * 100_000])
def test_a_value_without_end_is_cut_in_the_message(folder: Path, row: str) -> None:
    (folder / "labels/train/b.txt").write_text(row)
    with pytest.raises(DataError, match=r"b\.txt:1: ") as caught:
        list(reader_of(folder).frames("train"))
    assert len(caught.value.what) < 200


@pytest.mark.parametrize("line", ["images/{}/a.png", "images/train/{}.png", "{}", "images/train/a\0.png"])
def test_any_line_of_a_list_leaves_out_no_more_than_itself(folder: Path, line: str) -> None:
    (folder / "train.txt").write_text(line.format("x" * 5000) + "\nimages/train/a.png\n")
    reader = reader_of(say(folder, train="train.txt", val="images/val"))
    problems: list[DataError] = []
    assert [f.frame_id for f in reader.frames("train", problems.append)] == ["train_a"]
    assert len(problems) == 1
    assert len(str(problems[0])) < 700


def test_names_that_are_not_utf8_are_told(folder: Path) -> None:
    base = os.fsencode(folder / "images/train")
    os.rename(base + b"/b.png", base + b"/caf\xe9.png")
    problems: list[DataError] = []
    assert [f.frame_id for f in reader_of(folder).frames("train", problems.append)] == ["train_a", "train_c"]
    assert r"caf\xe9.png: the image cannot be read" in str(problems[1])


def test_a_folder_of_images_may_be_a_link_of_its_owner(folder: Path) -> None:
    (folder / "images/train").rename(folder.parent / "disk")
    (folder / "images/train").symlink_to(folder.parent / "disk")
    (folder / "labels/train").rename(folder.parent / "disk labels")
    (folder / "labels/train").symlink_to(folder.parent / "disk labels")
    assert [frame.objects for frame in reader_of(folder).frames("train")] == [(DOG,)] * 3
    (folder.parent / "link").symlink_to(folder)
    assert len(list(reader_of(folder.parent / "link").frames("train"))) == 3


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
