"""Waymo Open v2 components: frames, keys, lists, and what is refused."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imitation.common.settings import DataError, UserError
from imitation.data.images import load_frame_image
from imitation.data.records import Box, Frame, Object
from imitation.datasets.base import ALL, DatasetReader
from imitation.datasets.base import frames_of as frames_of_split
from imitation.datasets.registry import open_dataset
from imitation.datasets.waymo.reader import WaymoReader
from imitation.datasets.waymo.settings import CAMERAS
from tests.imitation.datasets.kitti.kitti_folder import png
from tests.imitation.datasets.waymo.waymo_folder import (
    HEIGHT,
    WIDTH,
    box,
    pose,
    write_boxes,
    write_calibration,
    write_images,
    write_lidar,
    write_stats,
    write_synced,
)

T = 1_550_000_000_000_000  # microseconds


def reader_of(root: Path, **options: Any) -> DatasetReader:
    return open_dataset("waymo", str(root), options=options)


def frames_of(reader: DatasetReader, problems: list[DataError] | None = None) -> dict[str, Frame]:
    handed = None if problems is None else problems.append
    return {f.frame_id: f for split in ("train", "val", "test") for f in reader.frames(split, handed)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four segments of two moments and two cameras; one box in each front image."""
    for number in range(4):
        keys = [(T + moment, camera) for moment in (0, 1) for camera in (1, 3)]
        write_images(tmp_path, f"s{number}", keys, group=3)
        write_boxes(tmp_path, f"s{number}", [box(T, 1, (50, 40, 20, 10)), box(T + 1, 1, (60, 40, 20, 10))])
    return tmp_path


def test_frames_are_images_of_one_camera(root: Path) -> None:
    rows = [
        box(T, 1, (50, 40, 20, 10)),
        box(T, 1, (100.5, 64, 9, 12), kind=2, level=2),
        box(T + 1, 3, (20, 20, 8, 8), kind=4, level=0),
        box(T + 1, 3, (40, 20, 8, 8), kind=3, level=1),
    ]
    write_boxes(root, "s0", rows)
    write_stats(root, "s0", [(T, "Day", "sunny", "location_sf"), (T + 1, "Dawn/Dusk", None, None)])
    reader = open_dataset("waymo", str(root))
    frames = frames_of(reader)  # type: ignore[arg-type]
    assert len(frames) == 16
    front, right = frames[f"s0_{T}_FRONT"], frames[f"s0_{T + 1}_FRONT_RIGHT"]
    first, second = Box(40, 35, 60, 45), Box(96, 58, 105, 70)
    assert front.objects == (
        Object("TYPE_VEHICLE", first, visible_box=first, difficulty=1),
        Object("TYPE_PEDESTRIAN", second, visible_box=second, difficulty=2),
    )
    assert [(o.category, o.difficulty) for o in right.objects] == [("TYPE_CYCLIST", 1), ("TYPE_SIGN", 1)]
    assert (front.width, front.height, front.sequence, front.camera) == (WIDTH, HEIGHT, "s0", None)
    assert front.conditions == {
        "camera": "FRONT", "time_of_day": "Day", "weather": "sunny", "location": "location_sf",
    }  # fmt: skip
    assert right.conditions == {"camera": "FRONT_RIGHT", "time_of_day": "Dawn/Dusk"}
    assert frames[f"s1_{T}_FRONT"].conditions == {"camera": "FRONT"}
    assert load_frame_image(front).shape == (HEIGHT, WIDTH, 3)
    assert WaymoReader.categories.apply(right).labels.tolist() == [3, 0]


def test_splits_go_by_segment(root: Path) -> None:
    reader = reader_of(root)
    segments = [{name.partition("_")[0] for name in names} for names in reader.splits().values()]
    assert [len(names) for names in segments] == [2, 2, 1, 1]
    assert "none of the 4 sequences of 16 frames is divided" in reader.note()
    for split, names in reader.splits().items():
        assert [frame.frame_id for frame in reader.frames(split)] == names


def test_training_and_validation_are_lists(tmp_path: Path) -> None:
    for folder, segments in (("training", "ab"), ("validation", "cd"), ("testing", "e")):
        for segment in segments:
            write_images(tmp_path / folder, segment, [(T, 1)])
            if folder != "testing":  # Waymo's has no labels
                write_boxes(tmp_path / folder, segment, [])
    reader = reader_of(tmp_path)
    assert reader.splits()["train"] == [f"a_{T}_FRONT", f"b_{T}_FRONT"]
    assert sorted(reader.splits()["val"] + reader.splits()["test"]) == [f"c_{T}_FRONT", f"d_{T}_FRONT"]
    assert len(frames_of(reader)) == 4


@pytest.mark.parametrize("kind", [pa.int8(), pa.int64(), pa.string(), pa.dictionary(pa.int32(), pa.string())])
@pytest.mark.parametrize("boxes", [pa.int8(), pa.string()])
def test_camera_names_of_every_type(tmp_path: Path, kind: pa.DataType, boxes: pa.DataType) -> None:
    def as_told(camera: int, column: pa.DataType, named: bool) -> Any:
        return camera if pa.types.is_integer(column) else CAMERAS[camera - 1] if named else str(camera)

    for number, named in enumerate((True, False, True)):
        keys = [(T, as_told(camera, kind, named)) for camera in (1, 5)]
        write_images(tmp_path, f"s{number}", keys, camera=kind)
        write_boxes(
            tmp_path, f"s{number}", [box(T, as_told(5, boxes, not named), (50, 40, 20, 10))], camera=boxes
        )
    frames = frames_of(reader_of(tmp_path))
    assert {name: len(frame.objects) for name, frame in frames.items()} == {
        f"s{number}_{T}_{camera}": count
        for number in range(3)
        for camera, count in (("FRONT", 0), ("SIDE_RIGHT", 1))
    }


def test_cameras_are_chosen(root: Path) -> None:
    reader = reader_of(root, cameras=["FRONT_RIGHT"])
    assert {frame.conditions["camera"] for frame in frames_of(reader).values()} == {"FRONT_RIGHT"}  # type: ignore[index]
    with pytest.raises(
        UserError, match=r"options\.cameras\.1 is 'REAR': Input should be 'FRONT', 'FRONT_LEFT'"
    ):
        reader_of(root, cameras=["FRONT", "REAR"])
    with pytest.raises(UserError, match="no image of SIDE_LEFT could be listed"):
        reader_of(root, cameras=["SIDE_LEFT"]).splits()


def test_without_the_column_the_difficulty_is_unknown(root: Path) -> None:
    write_boxes(root, "s0", [box(T, 1, (50, 40, 20, 10))], levels=False)
    assert frames_of(reader_of(root))[f"s0_{T}_FRONT"].objects[0].difficulty is None


def test_chunks_are_read_alone(root: Path) -> None:
    reader = pickle.loads(pickle.dumps(reader_of(root)))  # noqa: S301 (our own)
    for split in ("train", "val", "test"):
        chunks = list(reader.chunks(split, 3))
        assert all(len({name.partition("_")[0] for name in chunk}) == 1 for chunk in chunks)
        parts = [frame for chunk in chunks for frame in reader.frames(split, None, chunk)]
        assert parts == list(reader.frames(split))


def test_images_stream_out_of_a_large_row_group(tmp_path: Path) -> None:
    """A segment may be one row group of 300 MB: no more than a few pages of it are in memory."""
    noise = [np.random.default_rng(i).bytes(200_000) for i in range(120)]
    for segment in "abc":
        count = 120 if segment == "a" else 1
        keys = [(T + i, 1) for i in range(count)]
        write_images(tmp_path, segment, keys, image=lambda i: png(i, WIDTH, HEIGHT) + noise[i])
        table = pq.read_table(tmp_path / f"camera_image/{segment}.parquet")
        pq.write_table(
            table, tmp_path / f"camera_image/{segment}.parquet", use_dictionary=False, write_batch_size=4
        )
        write_boxes(tmp_path, segment, [])
    del table
    reader = reader_of(tmp_path)
    split = next(split for split, names in reader.splits().items() if len(names) >= 120)
    before, most = pa.total_allocated_bytes(), 0
    for frame in reader.frames(split):
        most = max(most, pa.total_allocated_bytes() - before)
        assert len(frame.image or b"") > 200_000
    assert 200_000 < most < 6e6, "of 33 MB"


# What is refused


def _rewrite(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    pq.write_table(change(pq.read_table(path)), path)


def test_a_file_cut_short_is_named_and_skipped(root: Path) -> None:
    file = root / "camera_image/s1.parquet"
    file.write_bytes(file.read_bytes()[:-50])
    reader = reader_of(root)
    problems: list[DataError] = []
    assert {name[:2] for name in frames_of(reader, problems)} == {"s0", "s2", "s3"}
    assert [problem.where for problem in problems] == [str(file)]
    with pytest.raises(DataError, match=r"s1\.parquet: not a readable Parquet file; it may be cut short"):
        list(reader.frames("test"))


@pytest.mark.parametrize("component", ["camera_box", "camera_calibration", "stats", "lidar_box"])
def test_a_component_cut_short_costs_its_segment(root: Path, component: str) -> None:
    write_calibration(root, "s1", {1: pose((1, 0, 2)), 3: pose((1, 0, 2))})
    write_lidar(root, "s1", [(T, "car", 1, (20, 0, 1, 4, 2, 2, 0))])
    write_stats(root, "s1", [(T, "Day", None, None)])
    file = root / component / "s1.parquet"
    file.write_bytes(file.read_bytes()[:-50])
    problems: list[DataError] = []
    assert {name[:2] for name in frames_of(reader_of(root), problems)} == {"s0", "s2", "s3"}
    assert [problem.where for problem in problems] == [str(file)]


def test_a_segment_without_labels_is_no_background(root: Path) -> None:
    (root / "camera_box/s2.parquet").unlink()
    problems: list[DataError] = []
    assert {name[:2] for name in frames_of(reader_of(root), problems)} == {"s0", "s1", "s3"}
    assert "has no file in camera_box" in problems[0].what
    with pytest.raises(DataError, match="has no file in camera_box"):
        frames_of(reader_of(root))


def test_a_missing_column_is_named(root: Path) -> None:
    _rewrite(root / "camera_box/s1.parquet", lambda t: t.drop_columns("[CameraBoxComponent].box.size.x"))
    with pytest.raises(DataError, match=r"s1\.parquet: has no column \[CameraBoxComponent\]\.box\.size\.x"):
        frames_of(reader_of(root))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (box(T, 1, (50, 40, -2, 10)), "the box's size is -2.0 x 10.0 px, below 0"),
        (box(T, 1, (50, 40, float("nan"), 10)), "the box's size is nan"),
        (box(T, 1, (float("inf"), 40, 2, 10)), "a number that is not finite"),
        (box(T, 1, (50, None, 2, 10)), "the box has a null"),
        (box(T, 1, (50, 40, 2, 10), kind=9), "type is 9; known are TYPE_UNKNOWN"),
        (box(T, 1, (50, 40, 2, 10), kind=None), "type is None; known are"),
        (box(T, 1, (5000, 40, 2, 10)), "lies outside the 192x128 image"),
    ],
)
def test_a_bad_box_leaves_its_frame_out(root: Path, row: dict, message: str) -> None:
    write_boxes(root, "s1", [box(T + 1, 1, (50, 40, 20, 10)), row])
    problems: list[DataError] = []
    assert len(frames_of(reader_of(root), problems)) == 15
    (problem,) = problems
    assert message in problem.what
    assert problem.where in (f"{root}/camera_box/s1.parquet: row 1", f"{root}/camera_image/s1.parquet: row 0")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ([(T, 1), (T, 6)], "key.camera_name is 6; known are FRONT"),
        ([(T, 1), (T, 0)], "key.camera_name is 0; known are FRONT"),
        ([(T, 1), (T, None)], "key.camera_name is None; known are FRONT"),
        ([(T, 1), (None, 1)], "key.frame_timestamp_micros is None"),
        ([(T, 1), (T, 1)], "was already found in"),
    ],
)
def test_bad_keys_are_told_once(root: Path, keys: list, message: str) -> None:
    write_images(root, "s1", keys)
    write_boxes(root, "s1", [])
    problems: list[DataError] = []
    assert len(frames_of(reader_of(root), problems)) == 13
    assert [problem.where for problem in problems] == [f"{root}/camera_image/s1.parquet: row 1"]
    assert message in problems[0].what


@pytest.mark.parametrize(("image", "message"), [(None, "image is null"), (b"GIF89a", "not a JPEG or PNG")])
def test_bad_images_are_named_by_row(root: Path, image: bytes | None, message: str) -> None:
    write_images(root, "s1", [(T, 1), (T, 3)], image=lambda i: image if i else png(0, WIDTH, HEIGHT))
    write_boxes(root, "s1", [])
    problems: list[DataError] = []
    assert len(frames_of(reader_of(root), problems)) == 13
    assert [problem.where for problem in problems] == [f"{root}/camera_image/s1.parquet: row 1"]
    assert message in problems[0].what


def test_a_calibration_of_another_size(root: Path) -> None:
    write_calibration(root, "s1", {1: pose((1, 0, 2))}, width=WIDTH + 1)
    with pytest.raises(
        DataError, match=r"the calibration of FRONT is for 193x128 px, but the image is 192x128"
    ):
        frames_of(reader_of(root))


@pytest.mark.parametrize("values", [(20, 0, 1, 4, 0, 2, 0), (float("nan"), 0, 1, 4, 2, 2, 0)])
@pytest.mark.parametrize("writer", [write_lidar, write_synced])
def test_a_bad_3d_box_costs_the_images_of_its_moment(root: Path, values: tuple, writer: Callable) -> None:
    write_calibration(root, "s1", {1: pose((1, 0, 2)), 3: pose((1, 0, 2))})
    writer(root, "s1", [(T, "car", 1, values)])
    problems: list[DataError] = []
    assert len(frames_of(reader_of(root), problems)) == 14
    assert ["the 3D box" in problem.what for problem in problems] == [True, True]


def test_what_is_no_waymo_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no camera_image, nor training/camera_image"):
        reader_of(tmp_path).splits()


def test_the_real_sample(shared_data: Path) -> None:
    """One moment of five cameras: too little to be cut, but enough to look at."""
    reader = reader_of(shared_data / "waymo_v2")
    with pytest.raises(UserError, match="cannot make 3 splits"):
        reader.splits()
    reader.undivide()
    assert {split: len(names) for split, names in reader.splits().items()} == {
        "train": 5, "mine": 5, "val": 0, "test": 0,
    }  # fmt: skip
    frames = frames_of(reader)
    assert [frame.conditions for frame in frames.values()] == [{"camera": name} for name in CAMERAS]
    assert sum(len(frame.objects) for frame in frames.values()) == 66
    assert sum(obj.difficulty == 2 for frame in frames.values() for obj in frame.objects) == 11
    for frame in frames.values():
        assert load_frame_image(frame).shape == (frame.height, frame.width, 3)


# One segment


@pytest.mark.parametrize("place", [".", "camera_image/s1.parquet", "camera_box/s1.parquet"])
def test_a_single_segment_is_read_whole(root: Path, place: str) -> None:
    if place == ".":
        for path in root.glob("*/s[023].parquet"):
            path.unlink()
    dataset = reader_of(root / place)
    with pytest.raises(UserError, match=r"cannot make 3 splits.*--split all"):
        dataset.splits()
    frames = list(frames_of_split(dataset.undivide(), ALL))
    assert [(f.sequence, len(f.objects)) for f in frames] == [("s1", 1), ("s1", 0), ("s1", 1), ("s1", 0)]
    assert "taken as train" in dataset.note()


def test_a_file_that_is_no_segment_is_refused(root: Path) -> None:
    other = root / "elsewhere.parquet"
    other.write_bytes((root / "camera_image" / "s1.parquet").read_bytes())
    for place in (other, root / "camera_box" / "s1.parquet"):
        (root / "camera_image" / "s1.parquet").unlink(missing_ok=True)
        with pytest.raises(UserError, match="is no file of a Waymo segment's images"):
            reader_of(place).splits()
