"""With `data.on_error=skip` one bad row of labels costs itself and not its frame, whatever the layout."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.data.parallel_reading import _rows
from imitation.common.settings import DataError
from imitation.data.records import Box, Frame, Object
from imitation.datasets.base import ALL, ROWS_TOLD, DatasetReader, frames_of
from imitation.datasets.cityscapes.labels import STUFF
from imitation.datasets.common.left_out import BOXES, CATEGORIES, COLUMNS, NUMBERS, OUTSIDE, RANGES
from imitation.datasets.inspection.statistics import inspect_dataset, listed_frames
from imitation.datasets.parquet.files import write_frames
from imitation.datasets.registry import open_dataset
from imitation.datasets.settings import DataSettings
from tests.imitation.data.some_frames import HEIGHT, WIDTH, picture
from tests.imitation.datasets.layouts.content import two_lists
from tests.imitation.datasets.layouts.write_driving import write_cityscapes, write_nuscenes
from tests.imitation.datasets.test_odd_inputs import COUNT, P2, ROW, coco, kitti, voc, yolo
from tests.imitation.datasets.waymo.waymo_folder import box, write_boxes, write_images

BAD: list[tuple[str, str, str]] = [
    ("kitti", "Car 0 0\n", COLUMNS),
    ("kitti", ROW.replace("-1.58", "x"), NUMBERS),
    ("kitti", ROW.replace("Car", "Caar"), CATEGORIES),
    ("kitti", ROW.replace("10 20 40 45", "40 20 10 45"), BOXES),
    ("kitti", ROW.replace("10 20 40 45", "310 20 340 45"), OUTSIDE),
    ("kitti", ROW.replace("Car 0.00 0", "Car 0.00 7"), RANGES),
    ("yolo", "0 0.5\n", COLUMNS),
    ("yolo", "0 nan 0.5 0.1 0.1\n", NUMBERS),
    ("yolo", "7 0.5 0.5 0.1 0.1\n", CATEGORIES),
    ("yolo", "0 0.5 1.5 0.1 0.1\n", OUTSIDE),
    ("coco", "bbox=x", BOXES),
    ("coco", "category_id=9", CATEGORIES),
    ("coco", "iscrowd=maybe", RANGES),
    ("voc", "<object><name>car</name></object>", BOXES),
    ("voc", "<object></object>", CATEGORIES),
    ("parquet", "", BOXES),
]


def made(kind: str, root: Path, row: str, where: int) -> None:
    """Six frames of one object each, and a bad row in one of them."""
    if kind == "kitti":
        label = kitti(root, ROW, P2) / f"label_2/{where:06}.txt"
        label.write_text(row + ROW)
    elif kind == "yolo":
        yolo(root)
        label = root / ("train" if where < 4 else "valid") / f"labels/{where}.txt"
        label.write_text(label.read_text() + row)
    elif kind == "coco":

        def change(data: dict) -> None:
            name, _, value = row.partition("=")
            data["annotations"].append({**data["annotations"][where], "bbox": [1, 2, 3, 4], name: value})

        coco(root, change)
    elif kind == "voc":
        label = voc(root) / f"Annotations/{where}.xml"
        label.write_text(label.read_text().replace("</annotation>", row + "</annotation>"))
    else:
        good = Object("car", Box(1, 2, 30, 40))
        frames = [Frame(f"f{i}", WIDTH, HEIGHT, (good,), image=picture(i)) for i in range(COUNT)]
        bad = replace(good, box=Box(30, 2, 1, 40))
        frames[where] = replace(frames[where], objects=(bad, good))
        write_frames(frames, str(root / "frames.parquet"))


def opened(kind: str, root: Path, on_error: str = "skip") -> DatasetReader:
    return DataSettings(kind=kind, root=str(root), on_error=on_error).open()


@pytest.mark.parametrize(("kind", "row", "reason"), BAD)
def test_one_bad_row_costs_itself(tmp_path: Path, kind: str, row: str, reason: str) -> None:
    made(kind, tmp_path, row, 2)
    dataset = opened(kind, tmp_path)
    problems: list[DataError] = []
    frames = list(frames_of(dataset, ALL, problems.append))
    assert (len(frames), sum(len(frame.objects) for frame in frames)) == (COUNT, COUNT)
    assert dataset.left_out == {reason: 1}
    assert len(problems) == 1, "it is told, with its place"
    list(frames_of(dataset, ALL))
    assert dataset.left_out == {reason: 1}, "a frame that is read again counts once"
    strict = opened(kind, tmp_path, "stop")
    with pytest.raises(DataError) as told:
        list(frames_of(strict, ALL))
    assert (told.value.where, told.value.what) == (problems[0].where, problems[0].what)
    told_of: list[DataError] = []
    assert len(list(frames_of(strict, ALL, told_of.append))) == COUNT - 1
    assert len(set(map(str, told_of))) == 1


def test_one_bad_row_of_waymo_costs_itself(tmp_path: Path) -> None:
    write_images(tmp_path, "seg", [(1, 1), (2, 1)])
    rows = [box(1, 1, (30, 30, 10, 10)), box(1, 1, (30, 30, -3, 10)), box(2, 1, (9, 9, 4, 4))]
    write_boxes(tmp_path, "seg", rows)
    skip, stop = (opened("waymo", tmp_path, how).undivide() for how in ("skip", "stop"))
    frames = list(frames_of(skip, ALL, lambda problem: None))
    assert [len(frame.objects) for frame in frames] == [1, 1]
    assert skip.left_out == {BOXES: 1}
    assert len(list(frames_of(stop, ALL, lambda problem: None))) == 1


def test_one_bad_polygon_of_cityscapes_costs_itself(tmp_path: Path) -> None:
    write_cityscapes(tmp_path, two_lists(np.random.default_rng(0)))
    label = sorted((tmp_path / "gtFine/train").rglob("*.json"))[0]
    sound = list(frames_of(opened("cityscapes", tmp_path), ALL))
    said = json.loads(label.read_text())
    bad = [{"label": "car"}, {"label": "car", "polygon": [[1, "x"]]}, {"label": "car", "polygon": []}, 7]
    said["objects"] += bad
    label.write_text(json.dumps(said))
    skip, stop = (opened("cityscapes", tmp_path, how) for how in ("skip", "stop"))
    problems: list[DataError] = []
    assert list(frames_of(skip, ALL, problems.append)) == sound
    assert (skip.left_out.total() - skip.left_out[STUFF], len(problems)) == (len(bad), len(bad))
    assert all(": object " in problem.where for problem in problems)
    assert len(list(frames_of(stop, ALL, lambda problem: None))) == len(sound) - 1


def test_one_bad_row_of_nuscenes_costs_itself(tmp_path: Path) -> None:
    lists = two_lists(np.random.default_rng(0))
    write_nuscenes(tmp_path, lists)
    sound = {frame.frame_id: frame for frame in frames_of(opened("nuscenes", tmp_path), ALL)}
    tables = tmp_path / "v1.0-mini"

    def change(name: str, how: Callable[[list], object]) -> None:
        rows = json.loads((tables / f"{name}.json").read_text())
        how(rows)
        (tables / f"{name}.json").write_text(json.dumps(rows))

    good = json.loads((tables / "sample_annotation.json").read_text())[0]
    bad = [{"size": [1, 0, 1]}, {"rotation": [1, 1, 1, 1]}, {"translation": "?"}, {"instance_token": "no"}]
    change("sample_annotation", lambda rows: rows.extend({**good, **one} for one in bad))
    skip, stop = (opened("nuscenes", tmp_path, how) for how in ("skip", "stop"))
    problems: list[DataError] = []
    assert {frame.frame_id: frame for frame in frames_of(skip, ALL, problems.append)} == sound
    assert (skip.left_out.total(), len(problems)) == (len(bad), len(bad))
    assert len(list(frames_of(stop, ALL, lambda problem: None))) == len(sound) - 1

    change("ego_pose", lambda rows: rows[1].update(rotation=[0, 0, 0, 0]))  # costs the image of that moment
    change("sample", lambda rows: rows.append({"scene_token": "of no token"}))
    problems.clear()
    left = {frame.frame_id for frame in frames_of(opened("nuscenes", tmp_path), ALL, problems.append)}
    assert len(sound.keys() - left) == 1
    assert any("unit quaternion" in problem.what for problem in problems)
    assert any("its token is None" in problem.what for problem in problems)
    change("calibrated_sensor", lambda rows: rows[0].update(camera_intrinsic=[]))
    assert not list(frames_of(opened("nuscenes", tmp_path), ALL, problems.append))
    assert any("no matrix of a camera" in problem.what for problem in problems)


def test_rows_of_a_frame_that_is_lost_as_a_whole_are_not_counted(tmp_path: Path) -> None:
    made("kitti", tmp_path, "Car 0 0\n", 2)
    (tmp_path / "image_2/000002.png").write_bytes(b"no image")
    (tmp_path / "calib/000003.txt").write_text("P2: 0 0 0 0 0 0 0 0 0 0 0 0\n")
    dataset = opened("kitti", tmp_path)
    assert len(list(frames_of(dataset, ALL, lambda problem: None))) == COUNT - 2
    assert not dataset.left_out


def test_an_inspection_counts_them_by_reason(tmp_path: Path) -> None:
    made("kitti", tmp_path, "Car 0 0\n" * 3, 2)
    dataset = opened("kitti", tmp_path)
    found = inspect_dataset(dataset, listed_frames(dataset))
    assert (found.frames, found.to_json(None)["left_out"]) == (COUNT, {COLUMNS: 3})
    assert f"left out: 3 {COLUMNS}" in found.notes


def test_of_very_many_bad_rows_the_first_are_told_and_all_counted(tmp_path: Path) -> None:
    made("kitti", tmp_path, "Car 0 0\n" * (ROWS_TOLD + 5), 2)
    dataset, problems = opened("kitti", tmp_path), []
    list(frames_of(dataset, ALL, problems.append))
    assert (len(problems), dataset.left_out[COLUMNS]) == (ROWS_TOLD, ROWS_TOLD + 5)


def test_a_parallel_task_hands_its_counts_to_the_driver(tmp_path: Path) -> None:
    made("kitti", tmp_path, "Car 0 0\n", 2)
    task, driver = opened("kitti", tmp_path), opened("kitti", tmp_path)
    for _ in range(2):  # a task that Ray runs twice
        rows = [row for split in ("train", "val", "test") for row in _rows(
            task, split, task.splits()[split], False)]  # fmt: skip
        for row in rows:
            if row.get("left_out"):
                counts = {one["reason"]: one["count"] for one in row["left_out"]}
                driver.count_left_out(row["frame_id"], counts)
    assert driver.left_out == {COLUMNS: 1}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.lists(st.sampled_from(["good", "bad", "nothing", "twice"]), max_size=12))
def test_what_is_left_is_what_is_good(tmp_path_factory: pytest.TempPathFactory, words: list[str]) -> None:
    root = tmp_path_factory.mktemp("rows")
    make: dict[str, Callable[[int], str]] = {
        "good": lambda i: f"0 0.5 0.5 0.2 {0.1 + i / 100}\n",
        "bad": lambda i: "0 0.5 0.5\n",
        "nothing": lambda i: "0 0.5 0.5 0 0.2\n",
        "twice": lambda i: "0 0.25 0.25 0.2 0.2\n",
    }
    yolo(root)
    (root / "train/labels/0.txt").write_text("".join(make[word](i) for i, word in enumerate(words)))
    dataset = opened("yolo", root)
    frame = next(iter(dataset.frames("train")))
    assert len(frame.objects) == words.count("good") + ("twice" in words)
    assert dataset.left_out.total() == len(words) - len(frame.objects)


def test_coco_keeps_what_is_sound_of_an_image_with_several_faults(tmp_path: Path) -> None:
    def change(data: dict) -> None:
        row = data["annotations"][0]
        data["annotations"] += [
            {**row, "category_id": 9},
            {**row, "bbox": [1, 2, -3, 4]},
            {**row, "bbox": "?"},
        ]

    coco(tmp_path, change)
    dataset = opened("coco", tmp_path)
    assert sum(len(frame.objects) for frame in frames_of(dataset, ALL)) == COUNT
    assert dataset.left_out == {CATEGORIES: 1, BOXES: 2}
    assert json.dumps(dict(dataset.left_out))


def test_a_pickled_error_keeps_its_reason() -> None:
    again = copy.copy(DataError("a", "b", "c"))  # by __reduce__, as pickle does
    assert (again.where, again.what, again.reason) == ("a", "b", "c")


def test_open_dataset_alone_stops(tmp_path: Path) -> None:
    made("kitti", tmp_path, "Car 0 0\n", 2)
    with pytest.raises(DataError):
        list(frames_of(open_dataset("kitti", str(tmp_path)), ALL))
