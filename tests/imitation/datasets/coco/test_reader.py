"""COCO annotations: layouts, what is read, and what is refused by name."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imitation.common.settings import DataError, UserError
from imitation.data.images import load_frame_image
from imitation.data.records import Box, Camera, Cuboid, Frame, Object
from imitation.data.splits import SplitSettings
from imitation.datasets.coco.index import read_coco
from imitation.datasets.coco.reader import CocoReader
from imitation.datasets.registry import open_dataset
from tests.imitation.datasets.kitti.kitti_folder import HEIGHT, WIDTH, png

CATEGORIES = [{"id": 3, "name": "car"}, {"id": 7, "name": "dog", "supercategory": "animal"}]


def image(key: int, name: str | None = None, **more: Any) -> dict[str, Any]:
    return {"id": key, "file_name": name or f"{key}.png", "width": WIDTH, "height": HEIGHT} | more


def label(key: int, image_id: Any, bbox: Any = (10, 20, 30.5, 8), category: Any = 3, **more: Any) -> dict:
    bbox = list(bbox) if isinstance(bbox, tuple) else bbox
    return {"id": key, "image_id": image_id, "bbox": bbox, "category_id": category, "iscrowd": 0} | more


def write(path: Path, images: list, labels: list, categories: list | None = None, order: str = "cia") -> Path:
    """An annotation file, its lists in a given order."""
    lists = {"c": ("categories", CATEGORIES if categories is None else categories)}
    lists |= {"i": ("images", images), "a": ("annotations", labels)}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"info": {"year": 2017}} | dict(lists[key] for key in order)))
    return path


def pictures(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(png(number))


def single(root: Path, images: list, labels: list, **more: Any) -> CocoReader:
    """A reader of one file; every split is read as one by `frames_of`."""
    pictures(root, *(row["file_name"] for row in images if _plain(row.get("file_name"))))
    write(root / "labels.json", images, labels, **more)
    return CocoReader(str(root), SplitSettings())


def _plain(name: Any) -> bool:
    return isinstance(name, str) and name.isascii() and name.replace(".", "").isalnum()


def frames_of(reader: CocoReader, problems: list[DataError] | None = None) -> dict[str, Frame]:
    handed = None if problems is None else problems.append
    return {f.frame_id: f for split in ("train", "val", "test") for f in reader.frames(split, handed)}


FOUR = [image(key) for key in (1, 2, 5, 9)]


@pytest.mark.parametrize("order", ["cia", "aic", "iac"])
def test_boxes_crowds_and_sizes(tmp_path: Path, order: str) -> None:
    crowd = label(12, 5, category=7, iscrowd=1, segmentation={"counts": [3, 9], "size": [HEIGHT, WIDTH]})
    polygon = label(11, 2, (0.25, 0, 3, 80), 7, segmentation=[[1, 2, 3, 4, 5, 6]], area=12.5)
    frames = frames_of(single(tmp_path, FOUR, [crowd, polygon, label(10, 5)], order=order))
    assert set(frames) == {"1", "2", "5", "9"}
    assert frames["1"].objects == frames["9"].objects == ()
    assert frames["2"].objects == (Object("dog", Box(0.25, 0, 3.25, 80)),)
    assert frames["5"].objects == (
        Object("dog", Box(10, 20, 40.5, 28), ignore=True),
        Object("car", Box(10, 20, 40.5, 28)),
    )
    assert all((f.width, f.height, f.image) == (WIDTH, HEIGHT, None) for f in frames.values())
    assert load_frame_image(frames["5"]).shape == (HEIGHT, WIDTH, 3)


def test_sizes_that_are_not_given_are_read(tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": "1.png"}, *FOUR[1:]]
    assert frames_of(single(tmp_path, images, []))["1"].width == WIDTH


def test_cocos_own_layout(tmp_path: Path) -> None:
    for name, keys in (("train2017", (1, 2, 3)), ("val2017", (4, 5))):
        pictures(tmp_path / name, *(f"{key:012}.jpg" for key in keys))
        rows = [image(key, f"{key:012}.jpg") for key in keys]
        write(tmp_path / f"annotations/instances_{name}.json", rows, [label(key, key) for key in keys])
        (tmp_path / f"annotations/captions_{name}.json").write_text('{"images": []}')
    reader = open_dataset("coco", str(tmp_path))
    assert reader.splits()["train"] == reader.splits()["mine"] == ["1", "2", "3"]
    assert sorted(reader.splits()["val"] + reader.splits()["test"]) == ["4", "5"]
    (frame,) = reader.frames("val")
    assert frame.image_uri == f"{tmp_path}/val2017/{int(frame.frame_id):012}.jpg"
    assert "lists (train, val), val cut in two" in reader.note()
    assert isinstance(reader, CocoReader)
    assert reader.image_ids("train") == {"1": 1, "2": 2, "3": 3}
    assert reader.category_ids("test") == {3: "car", 7: "dog"}


def test_roboflows_layout_and_ids_that_begin_anew(tmp_path: Path) -> None:
    for name, count in (("train", 3), ("valid", 2), ("test", 1)):
        rows = [image(key, f"{name}-{key}.jpg") for key in range(count)]
        pictures(tmp_path / name, *(row["file_name"] for row in rows))
        write(tmp_path / name / "_annotations.coco.json", rows, [label(key, key) for key in range(count)])
    reader = CocoReader(str(tmp_path), SplitSettings())
    assert reader.splits()["train"] == ["train_0", "train_1", "train_2"]
    assert reader.splits()["val"] == ["val_0", "val_1"]
    assert reader.splits()["test"] == ["test_0"]
    assert reader.image_ids("val") == {"val_0": 0, "val_1": 1}
    (frame,) = reader.frames("test")
    assert frame.image_uri == f"{tmp_path}/test/test-0.jpg"
    assert len(frame.objects) == 1


@pytest.mark.parametrize("folder", [".", "images", "data"])
@pytest.mark.parametrize("by_file", [False, True])
def test_one_file_with_its_images(tmp_path: Path, folder: str, by_file: bool) -> None:
    pictures(tmp_path / folder, *(f"{key}.png" for key in (1, 2, 5, 9)))
    file = write(tmp_path / "labels.json", FOUR, [])
    frames = frames_of(CocoReader(str(file if by_file else tmp_path), SplitSettings()))
    assert Path(frames["5"].image_uri or "") == tmp_path / folder / "5.png"


def test_a_folder_of_images_may_be_a_link_of_its_owner(tmp_path: Path) -> None:
    pictures(tmp_path / "disk", *(f"{key}.png" for key in (1, 2, 5, 9)))
    (tmp_path / "set").mkdir()
    (tmp_path / "set/images").symlink_to(tmp_path / "disk")
    write(tmp_path / "set/labels.json", FOUR, [])
    frames = frames_of(CocoReader(str(tmp_path / "set"), SplitSettings()))
    assert load_frame_image(frames["1"]).shape == (HEIGHT, WIDTH, 3)


def test_what_our_own_exports_add_is_read_back(tmp_path: Path) -> None:
    """An exporter of its own, so that both sides of the format are held to what it says."""
    told = {
        "truncation": 0.25,
        "cuboid": {"x": 1, "y": 2, "z": 9, "length": 4, "width": 2, "height": 1, "yaw": 0},
    }
    camera = {"fx": 700, "fy": 701, "cx": 100, "cy": 40, "height": None, "pitch": 0.1}
    for name, keys in (("train", (1, 2, 3)), ("val", (4, 5))):
        more = {"camera": camera, "conditions": [["weather", "rain"]], "image_uri": "/etc/passwd"}
        rows = [
            image(key, f"{key}.png", imitation={"frame_id": f"f{key}", "sequence": f"s{key}"} | more)
            for key in keys
        ]
        labels = [label(key, key, imitation=told | {"category": "x", "ignore": True}) for key in keys]
        pictures(tmp_path / name / "data", *(f"{key}.png" for key in keys))
        write(tmp_path / name / "labels.json", rows, labels)
    reader = CocoReader(str(tmp_path), SplitSettings())
    assert "none of the 5 sequences of 5 frames is divided" in reader.note()
    (first, *_) = reader.frames("train")
    expected = Object("car", Box(10, 20, 40.5, 28), truncation=0.25, cuboid=Cuboid(1, 2, 9, 4, 2, 1, 0))
    assert first == Frame(
        "f1", WIDTH, HEIGHT, (expected,), "s1", image_uri=f"{tmp_path}/train/data/1.png",
        camera=Camera(700, 701, 100, 40, None, 0.1), conditions={"weather": "rain"},
    )  # fmt: skip
    assert reader.image_ids("train") == {"f1": 1, "f2": 2, "f3": 3}


@pytest.mark.parametrize(
    "extra",
    [
        {"cuboid": {"x": 1}},
        {"cuboid": 3},
        {"truncation": "much"},
        {"box": {"x1": 0}},
        {"visible_box": [1, 2, 3, 4]},
    ],
)
def test_extras_that_are_none_of_ours(tmp_path: Path, extra: dict[str, Any]) -> None:
    reader = single(tmp_path, FOUR, [label(1, 5, imitation=extra)])
    problems: list[DataError] = []
    assert set(frames_of(reader, problems)) == {"1", "2", "9"}
    assert [problem.where for problem in problems] == [f"{tmp_path}/labels.json: image id 5"]


# What is refused


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
    (label(31, 5, (1, 2, "3", 4)), "annotation id 31", "not a finite number"),
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


def test_an_image_in_train_and_val_is_refused(tmp_path: Path) -> None:
    pictures(tmp_path / "images", "1.png", "2.png", "3.png")
    write(tmp_path / "annotations/instances_train.json", [image(1), image(2)], [])
    write(tmp_path / "annotations/instances_val.json", [image(8, "2.png"), image(3)], [])
    with pytest.raises(UserError, match=r"the image '2\.png' is in the lists 'train' and 'val'"):
        CocoReader(str(tmp_path), SplitSettings()).splits()


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


# Parts, memory, and any annotations


def test_a_part_is_read_alone_and_tells_its_own_problems(tmp_path: Path) -> None:
    rows = [image(key) for key in range(20)]
    labels = [label(1, 99), *(label(10 + key, key, (1, 2, -1, 3)) for key in (4, 11))]
    reader = pickle.loads(pickle.dumps(single(tmp_path, rows, labels)))  # noqa: S301 (our own)
    whole: list[DataError] = []
    expected = [f for split in ("train", "val", "test") for f in reader.frames(split, whole.append)]
    parts: list[DataError] = []
    found = [
        frame
        for split in ("train", "val", "test")
        for names in reader.chunks(split, 3)
        for frame in reader.frames(split, parts.append, names)
    ]
    assert found == expected
    assert len(expected) == 18
    assert [str(e) for e in parts] == [str(e) for e in whole]
    assert len(whole) == 3


def test_annotations_take_some_tens_of_bytes(tmp_path: Path) -> None:
    polygon = [[float(i) for i in range(40)]]
    file = write(tmp_path / "x.json", FOUR, [label(i, 5, segmentation=polygon) for i in range(5000)])
    index = read_coco(str(file))
    assert index.starts.tolist() == [0, 0, 0, 5000, 5000]
    assert index.nbytes <= 50 * 5000


numbers = st.floats(0, 150) | st.integers(0, 60)
sizes = st.floats(0, 1e3) | st.integers(0, 90)  # a box without area is none


@st.composite
def datasets(draw: st.DrawFn) -> tuple[list, list]:
    keys = draw(st.lists(st.integers(-(2**40), 2**40), min_size=3, max_size=8, unique=True))
    ids = draw(st.lists(st.integers(0, 2**40), max_size=20, unique=True))
    box = st.tuples(numbers, st.floats(0, HEIGHT) | st.integers(0, HEIGHT), sizes, sizes)
    labels = [
        label(key, draw(st.sampled_from(keys)), draw(box), draw(st.sampled_from([3, 7])))
        | draw(st.fixed_dictionaries({"iscrowd": st.sampled_from([0, 1])}))
        for key in ids
    ]
    return [image(key, f"{place}.png") for place, key in enumerate(keys)], labels


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=datasets(), order=st.permutations("cia"))
def test_any_annotations_come_back(tmp_path: Path, data: tuple[list, list], order: list[str]) -> None:
    images, labels = data
    frames = frames_of(single(tmp_path, images, labels, order="".join(order)))
    expected: dict[str, list[Object]] = {str(row["id"]): [] for row in images}
    for row in labels:
        x, y, w, h = row["bbox"]
        category = "car" if row["category_id"] == 3 else "dog"
        obj = Object(category, Box(x, y, x + w, y + h), ignore=row["iscrowd"] == 1)
        if obj.box.area and obj not in expected[str(row["image_id"])]:
            expected[str(row["image_id"])].append(obj)
    assert {key: list(frame.objects) for key, frame in frames.items()} == expected
    np.testing.assert_array_equal({f.width for f in frames.values()}, {WIDTH})
