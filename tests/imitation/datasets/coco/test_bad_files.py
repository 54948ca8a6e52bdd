"""COCO annotations of which a part is wrong: it is named, and costs nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imitation.common.settings import DataError, UserError
from imitation.data.images import load_frame_image
from imitation.data.splits import SplitSettings
from imitation.datasets.coco.reader import CocoReader
from tests.imitation.datasets.coco.test_reader import (
    CATEGORIES,
    FOUR,
    frames_of,
    image,
    label,
    pictures,
    single,
    write,
)
from tests.imitation.datasets.kitti.kitti_folder import HEIGHT, WIDTH


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../secret.png", r"leads out of its folder"),
        ("a/../../secret.png", r"leads out of its folder"),
        ("..\\secret.png", r"leads out of its folder"),
        ("/etc/passwd", "is an absolute path"),
        ("C:\\secret.png", "is an absolute path"),
        ("http://host/x.png", "is no path inside"),
        ("link.png", "through a symbolic link, not followed"),
        ("", "is no path"),
        (7, "is no path"),
        (None, "is no path"),
    ],
)
def test_file_names_that_lead_elsewhere_are_not_followed(tmp_path: Path, name: Any, message: str) -> None:
    root = tmp_path / "set"
    pictures(tmp_path, "secret.png")
    rows = [*FOUR, {"id": 77, "file_name": name, "width": WIDTH, "height": HEIGHT}]
    reader = single(root, rows, [])
    (root / "link.png").unlink(missing_ok=True)
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    problems: list[DataError] = []
    assert set(frames_of(reader, problems)) == {"1", "2", "5", "9"}
    assert len(problems) == 1
    assert problems[0].where == f"{root}/labels.json: image id 77"
    with pytest.raises(DataError, match=message):
        frames_of(reader)


BAD_LABELS: list[tuple[Any, str, str]] = [
    (label(31, 5, (1, 2, -3, 4)), "annotation id 31", "negative size"),
    (label(31, 5, (1, 2, 3)), "annotation id 31", "not four numbers"),
    (label(31, 5, None), "annotation id 31", "bbox is None, not four numbers"),
    (label(31, 5, "1 2 3 4"), "annotation id 31", "not four numbers"),
    (label(31, 5, (1, 2, "three", 4)), "annotation id 31", "not a finite number"),
    (label(31, 5, (1, float("nan"), 3, 4)), "annotation id 31", "not a finite number"),
    (label(31, 5, (1, 2, float("inf"), 4)), "annotation id 31", "not a finite number"),
    (label(31, 5, category=8), "annotation id 31", "category_id 8 is no category"),
    (label(31, 5, category=None), "annotation id 31", "category_id None is no category"),
    (label(31, 5, (900, 2, 3, 4)), "image id 5", "lies outside the 200x80 image"),
]


@pytest.mark.parametrize(("bad", "where", "message"), BAD_LABELS)
def test_a_bad_annotation_leaves_its_frame_out(tmp_path: Path, bad: Any, where: str, message: str) -> None:
    reader = single(tmp_path, FOUR, [label(30, 1), bad, label(32, 9)])
    with pytest.raises(DataError, match=message):
        frames_of(reader)
    problems: list[DataError] = []
    frames = frames_of(reader, problems)
    assert set(frames) == {"1", "2", "9"}
    assert [len(frames[key].objects) for key in ("1", "2", "9")] == [1, 0, 1]
    assert [(p.where, message in p.what) for p in problems] == [(f"{tmp_path}/labels.json: {where}", True)]


@pytest.mark.parametrize("bad", [label(31, 6), label(31, None), label(31, "six"), [1, 2], None, 3])
def test_an_annotation_of_no_image_costs_no_frame(tmp_path: Path, bad: Any) -> None:
    reader = single(tmp_path, FOUR, [label(30, 1), bad])
    problems: list[DataError] = []
    assert len(frames_of(reader, problems)) == 4
    (problem,) = problems
    assert "is no image of the file" in problem.what
    for split in ("train", "val", "test"):  # whichever is read: it is one file
        with pytest.raises(DataError, match="is no image of the file"):
            list(reader.frames(split))


def test_many_annotations_of_no_image_are_counted(tmp_path: Path) -> None:
    problems: list[DataError] = []
    frames_of(single(tmp_path, FOUR, [label(key, 999) for key in range(250)]), problems)
    assert len(problems) == 101
    assert problems[-1].what == "150 more annotations belong to no image"


@pytest.mark.parametrize(
    ("rows", "left", "where", "message"),
    [
        (
            [*FOUR, image(5, "other.png")],
            {"1", "2", "9"},
            "image id 5",
            "stands twice: '5.png' and 'other.png'",
        ),
        ([*FOUR, image(6, "5.png")], {"1", "2", "5", "9"}, "image id 6", "already belongs to image id 5"),
        ([*FOUR, image(6, width=-3)], {"1", "2", "5", "9"}, "image id 6", "-3 x 80, not two whole numbers"),
        ([*FOUR, image(6, height="9 px")], {"1", "2", "5", "9"}, "image id 6", "200 x '9 px', not two whole"),
        ([*FOUR, {"file_name": "6.png"}], {"1", "2", "5", "9"}, "image number 4", "has no id"),
        ([*FOUR, "6.png"], {"1", "2", "5", "9"}, "image number 4", "text): '6.png'"),
    ],
)
def test_bad_images(tmp_path: Path, rows: list, left: set[str], where: str, message: str) -> None:
    pictures(tmp_path, "6.png", "other.png", *(f"{key}.png" for key in (1, 2, 5, 9)))
    write(tmp_path / "labels.json", rows, [label(1, 5)])
    reader = CocoReader(str(tmp_path), SplitSettings())
    problems: list[DataError] = []
    assert set(frames_of(reader, problems)) == left
    assert len(problems) == 1
    assert where in str(problems[0])
    assert message in problems[0].what


def test_a_category_of_two_meanings(tmp_path: Path) -> None:
    categories = [*CATEGORIES, {"id": 3, "name": "van"}, {"id": 7, "name": "dog"}]
    reader = single(tmp_path, FOUR, [label(1, 5), label(2, 9, category=7)], categories=categories)
    problems: list[DataError] = []
    assert set(frames_of(reader, problems)) == {"1", "2", "9"}
    assert "category_id 3 stands for 'car' and 'van'" in str(problems[0])


def _cut(text: str) -> str:
    return text[: len(text) // 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_cut, "not valid JSON; is it cut short"),
        (lambda text: "", "not valid JSON"),
        (lambda text: text.replace("car", "c\udcffr"), "not valid JSON"),
        (lambda text: "[]", "has no list of 'categories'"),
        (lambda text: text.replace("images", "pictures"), "has no list of 'images'"),
        (
            lambda text: text.replace('"name"', '"title"'),
            "category number 0 has no whole-number id or no name",
        ),
    ],
)
def test_files_that_are_no_annotations(tmp_path: Path, change: Callable[[str], str], message: str) -> None:
    file = write(tmp_path / "labels.json", FOUR, [label(1, 5)])
    file.write_bytes(change(file.read_text()).encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match=message) as caught:
        CocoReader(str(tmp_path), SplitSettings()).splits()
    assert caught.value.where == str(file)


def test_a_missing_image_is_named_when_it_is_looked_at(tmp_path: Path) -> None:
    reader = single(tmp_path, FOUR, [])
    (tmp_path / "5.png").unlink()
    with pytest.raises(DataError, match=r"5\.png: the image cannot be read: no such file"):
        load_frame_image(frames_of(reader)["5"])


def test_folders_that_hold_no_annotations(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"found no \.json file; COCO annotations are"):
        CocoReader(str(tmp_path), SplitSettings()).splits()
    for name in ("a.json", "b.json"):
        write(tmp_path / name, FOUR, [])
    with pytest.raises(UserError, match=r"found a\.json, b\.json; COCO annotations are"):
        CocoReader(str(tmp_path), SplitSettings()).splits()
    write(tmp_path / "annotations/instances_train2014.json", FOUR, [])
    write(tmp_path / "annotations/instances_train2017.json", FOUR, [])
    with pytest.raises(UserError, match="is the list 'train' too; keep one of the two"):
        CocoReader(str(tmp_path), SplitSettings()).splits()
