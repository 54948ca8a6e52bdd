"""COCO annotations: layouts, what is read, and what is refused by name."""

import json
import pickle
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


def test_an_image_in_train_and_val_is_refused(tmp_path: Path) -> None:
    pictures(tmp_path / "images", "1.png", "2.png", "3.png")
    write(tmp_path / "annotations/instances_train.json", [image(1), image(2)], [])
    write(tmp_path / "annotations/instances_val.json", [image(8, "2.png"), image(3)], [])
    with pytest.raises(UserError, match=r"the image '2\.png' is in the lists 'train' and 'val'"):
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
