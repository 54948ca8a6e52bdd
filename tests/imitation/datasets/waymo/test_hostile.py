"""Waymo components with values, types and bytes that cannot be: named by row, and little is lost."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imitation.common.settings import DataError
from imitation.data.records import Frame
from imitation.data.splits import SplitSettings
from imitation.datasets.inspection.statistics import inspect_dataset, listed_frames
from imitation.datasets.waymo.reader import WaymoReader
from imitation.datasets.waymo.settings import WaymoOptions
from tests.imitation.datasets.kitti.kitti_folder import png
from tests.imitation.datasets.waymo.waymo_folder import (
    CAMERA,
    CAMERA_ID,
    HEIGHT,
    LASER_ID,
    SEGMENT,
    TIME,
    WIDTH,
    box,
    pose,
    write_boxes,
    write_calibration,
    write_images,
    write_lidar,
    write_partners,
    write_stats,
    write_synced,
)

nan, inf = float("nan"), float("inf")
CAR = (20.0, 0.0, 1.0, 4.0, 2.0, 2.0, 0.0)
GOOD = [box(10, 1, (96, 64, 20, 20), name="c10"), box(11, 1, (96, 64, 20, 20), name="c11")]
IMAGES = [png(i, WIDTH, HEIGHT) for i in range(4)]
COMPONENTS = (
    *("camera_image", "camera_box", "camera_calibration", "stats", "lidar_box"),
    *("lidar_camera_synced_box", "camera_to_lidar_box_association"),
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four segments of two moments and two cameras, with every component."""
    for segment in ("s0", "s1", "s2", "s3"):
        write_images(
            tmp_path, segment, [(t, c) for t in (10, 11) for c in (1, 3)], image=IMAGES.__getitem__, group=3
        )
        write_boxes(tmp_path, segment, GOOD)
        write_calibration(tmp_path, segment, {1: pose((1, 0, 2)), 3: pose((1, 0, 2))})
        write_stats(tmp_path, segment, [(10, "Day", "sunny", "sf"), (11, "Day", None, None)])
        write_lidar(tmp_path, segment, [(t, "a", 1, CAR) for t in (10, 11)])
        write_synced(tmp_path, segment, [(t, "a", 1, CAR) for t in (10, 11)])
        write_partners(tmp_path, segment, [(10, 1, "c10", "a")])
    return tmp_path


def read_all(root: Path, problems: list[DataError] | None) -> dict[str, Frame]:
    reader = WaymoReader(str(root), SplitSettings())
    handed = None if problems is None else problems.append
    return {f.frame_id: f for split in ("train", "val", "test") for f in reader.frames(split, handed)}


def rewrite(file: Path, name: str, column: Any) -> None:
    table = pq.read_table(file)
    pq.write_table(table.set_column(table.schema.get_field_index(name), name, column), file)


def text(*values: bytes) -> pa.Array:
    return pa.Array.from_buffers(pa.string(), len(values), pa.array(values, pa.binary()).buffers())


def lost(root: Path, problems: list[DataError]) -> set[str]:
    """The frames of segment s1 that were not read; all others have to be."""
    found = set(read_all(root, problems))
    everything = {f"s{s}_{t}_{c}" for s in range(4) for t in (10, 11) for c in ("FRONT", "FRONT_RIGHT")}
    assert found <= everything
    assert all(name.startswith("s1_") for name in everything - found)
    return {name.removeprefix("s1_") for name in everything - found}


def test_the_whole_is_sound(root: Path) -> None:
    frames = read_all(root, None)
    assert len(frames) == 16
    assert sum(obj.cuboid is not None for frame in frames.values() for obj in frame.objects) == 4


@pytest.mark.parametrize(
    ("row", "message", "gone"),
    [
        (box(10, 1, (nan, 64, 20, 20)), "the box has a number that is not finite", {"10_FRONT"}),
        (box(10, 1, (96, 64, 20, 1e400)), "the box has a number that is not finite", {"10_FRONT"}),
        (box(10, 1, (9e9, 64, 20, 20)), "lies outside the 192x128 image", {"10_FRONT"}),
        (box(10, 1, (96, 64, 20, 20), level=7), "detection is 7, not 1 or 2", {"10_FRONT"}),
        (box(None, 1, (96, 64, 20, 20)), "key.frame_timestamp_micros is None", set()),
        (box(10, 9, (96, 64, 20, 20)), "key.camera_name is 9; known are FRONT", set()),
        (box(10, None, (96, 64, 20, 20)), "key.camera_name is None; known are FRONT", set()),
        (box(99, 1, (96, 64, 20, 20)), "timestamp 99 and camera FRONT has no image in", set()),
        (box(10, 2, (96, 64, 20, 20)), "timestamp 10 and camera FRONT_LEFT has no image in", set()),
    ],
)
def test_a_bad_label_is_named_by_its_own_row(root: Path, row: dict, message: str, gone: set[str]) -> None:
    write_boxes(root, "s1", [*GOOD, row])
    problems: list[DataError] = []
    assert lost(root, problems) == gone
    (problem,) = problems
    assert problem.where == f"{root}/camera_box/s1.parquet: row 2"
    assert message in problem.what
    with pytest.raises(DataError, match=r"camera_box/s1\.parquet: row 2"):
        read_all(root, None)


def test_many_labels_without_images_are_one_problem(root: Path) -> None:
    write_boxes(root, "s1", [*GOOD, *(box(t, 1, (96, 64, 20, 20)) for t in range(20, 60))])
    problems: list[DataError] = []
    assert lost(root, problems) == set()
    (problem,) = problems
    assert problem.where == f"{root}/camera_box/s1.parquet: row 2"
    assert "nor have 39 more boxes" in problem.what


def test_labels_of_a_camera_that_is_not_read_are_no_problem(root: Path) -> None:
    reader = WaymoReader(str(root), SplitSettings(), WaymoOptions(cameras=["FRONT_RIGHT"]))
    assert len([f for split in ("train", "val", "test") for f in reader.frames(split)]) == 8


def test_parts_of_a_segment_tell_its_problems_once(root: Path) -> None:
    write_boxes(root, "s1", [*GOOD, box(None, 1, (96, 64, 20, 20)), box(99, 1, (96, 64, 20, 20))])
    reader = WaymoReader(str(root), SplitSettings())
    problems: list[DataError] = []
    for split in ("train", "val", "test"):
        for names in reader.chunks(split, 1):
            assert [f.frame_id for f in reader.frames(split, problems.append, names)] == names
    assert sorted(problem.where.rpartition(" ")[2] for problem in problems) == ["2", "3"]


POSE = "[CameraCalibrationComponent].extrinsic.transform"
SIZE_X, WEATHER = "[CameraBoxComponent].box.size.x", "[StatsComponent].weather"
PICTURE, HEADING = "[CameraImageComponent].image", "[LiDARBoxComponent].box.heading"
EVERY = {f"{t}_{c}" for t in (10, 11) for c in ("FRONT", "FRONT_RIGHT")}


@pytest.mark.parametrize(
    ("component", "name", "column", "message"),
    [
        ("camera_box", SIZE_X, ["20", "20"], f"column {SIZE_X} is string; expected numbers"),
        ("camera_box", TIME, pa.array([10, 11], pa.timestamp("us")), "is timestamp[us]; expected numbers"),
        ("camera_image", PICTURE, ["/etc/passwd"] * 4, f"column {PICTURE} is string; expected bytes"),
        ("camera_image", PICTURE, [1] * 4, f"column {PICTURE} is int64; expected bytes"),
        ("camera_image", SEGMENT, [1] * 4, f"column {SEGMENT} is int64; expected text"),
        ("lidar_box", HEADING, ["north"] * 2, f"column {HEADING} is string; expected numbers"),
        ("camera_calibration", POSE, [1.0] * 2, "lists of numbers"),
        ("stats", WEATHER, [[1], [2]], f"column {WEATHER} is list<element: int64>; expected text"),
    ],
)  # fmt: skip
def test_a_column_of_another_type_costs_its_segment(
    root: Path, component: str, name: str, column: Any, message: str
) -> None:
    file = root / component / "s1.parquet"
    rewrite(file, name, pa.array(column) if isinstance(column, list) else column)
    problems: list[DataError] = []
    assert lost(root, problems) == EVERY
    assert {problem.where for problem in problems} == {str(file)}
    assert message in problems[0].what
    with pytest.raises(DataError, match=rf"{component}/s1\.parquet: column"):
        read_all(root, None)


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_folder_for_a_file(root: Path, component: str) -> None:
    (root / component / "s1.parquet").unlink()
    (root / component / "s1.parquet").mkdir()
    problems: list[DataError] = []
    assert lost(root, problems) == EVERY
    (problem,) = problems
    assert problem.where == f"{root}/{component}/s1.parquet"


@pytest.mark.parametrize(
    ("component", "name", "column", "row", "gone"),
    [
        ("camera_image", SEGMENT, text(b"s1", b"\xff\xfe", b"s1", b"s1"), 1, {"10_FRONT_RIGHT"}),
        ("camera_image", TIME, pa.array([10, inf, 11, 11]), 1, {"10_FRONT_RIGHT"}),
        ("camera_image", TIME, pa.array([10, 10.5, 11, 11]), 1, {"10_FRONT_RIGHT"}),
        ("camera_image", CAMERA, text(b"1", b"\xff", b"1", b"3"), 1, {"10_FRONT_RIGHT"}),
        ("camera_box", TIME, pa.array([10, inf]), 1, set()),
        ("camera_box", CAMERA, text(b"FRONT", b"\xff"), 1, set()),
        ("stats", WEATHER, text(b"sunny", b"\xff"), 1, set()),
        ("stats", TIME, pa.array([10, nan]), 1, set()),
        ("lidar_box", TIME, pa.array([10, None], pa.int64()), 1, set()),
        ("lidar_box", LASER_ID, text(b"a", b"\xff"), 1, {"11_FRONT", "11_FRONT_RIGHT"}),
        ("lidar_camera_synced_box", TIME, pa.array([10, None], pa.int64()), 1, set()),
        ("camera_calibration", CAMERA, pa.array([1, 77], pa.int8()), 1, set()),
        ("camera_calibration", "[CameraCalibrationComponent].intrinsic.f_u", pa.array([1.0, inf]), 1,
         {"10_FRONT_RIGHT", "11_FRONT_RIGHT"}),
        ("camera_to_lidar_box_association", TIME, pa.array([None], pa.int64()), 0, set()),
        ("camera_to_lidar_box_association", CAMERA_ID, text(b"\xff"), 0, set()),
    ],
)  # fmt: skip
def test_a_bad_value_costs_its_row(
    root: Path, component: str, name: str, column: pa.Array, row: int, gone: set[str]
) -> None:
    file = root / component / "s1.parquet"
    rewrite(file, name, column)
    problems: list[DataError] = []
    assert lost(root, problems) == gone
    assert {problem.where for problem in problems} == {f"{file}: row {row}"}
    with pytest.raises(DataError, match=rf"{component}/s1\.parquet: row {row}"):
        read_all(root, None)


def test_a_row_group_that_cannot_be_read_costs_its_images(root: Path) -> None:
    file = root / "camera_image/s1.parquet"
    data = bytearray(file.read_bytes())
    chunks = [pq.ParquetFile(file).metadata.row_group(1).column(i) for i in range(4)]
    (start,) = (c.dictionary_page_offset or c.data_page_offset for c in chunks if c.path_in_schema == PICTURE)
    data[start : start + 40] = bytes(40)
    file.write_bytes(bytes(data))
    problems: list[DataError] = []
    assert lost(root, problems) == {"11_FRONT_RIGHT"}  # the first group has three of the four
    assert [problem.where for problem in problems] == [f"{file} (row group 1)"]


def test_two_segments_of_one_file_keep_their_frames(root: Path) -> None:
    for component in COMPONENTS[1:]:
        (root / component / "s1.parquet").unlink()
    rewrite(root / "camera_image/s1.parquet", SEGMENT, pa.array(["s1", "s1", "x", "x"]))
    rewrite(root / "camera_image/s1.parquet", TIME, pa.array([10, 10, 10, 10]))
    write_boxes(root, "s1", [])
    names = {name for name in read_all(root, None) if not name.startswith(("s0", "s2", "s3"))}
    assert names == {f"{s}_10_{c}" for s in ("s1", "x") for c in ("FRONT", "FRONT_RIGHT")}


def test_why_there_is_nothing_to_read_is_said(root: Path) -> None:
    for segment in ("s0", "s1", "s2", "s3"):
        rewrite(root / f"camera_image/{segment}.parquet", SEGMENT, pa.array([1] * 4))
    with pytest.raises(DataError, match=r"s0\.parquet: column key\.segment_context_name is int64"):
        WaymoReader(str(root), SplitSettings()).splits()


values = st.sampled_from(
    [None, nan, inf, -1, 0, 2**40, 256.5, 1e300, "x", "", b"\xff\xfe", True, [1], {"a": 1}]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), component=st.sampled_from(COMPONENTS))
def test_no_component_stops_the_other_segments(root: Path, data: st.DataObject, component: str) -> None:
    file = root / component / "s1.parquet"
    table = pq.read_table(root / component / "s0.parquet")
    if component in ("camera_image", "camera_box"):
        table = table.set_column(0, SEGMENT, pa.array(["s1"] * len(table)))
    place = data.draw(st.integers(0, table.num_columns - 1))
    column, bad = table.column(place).to_pylist(), data.draw(values)
    column[data.draw(st.integers(0, len(column) - 1))] = bad
    kind = data.draw(st.sampled_from([None, table.schema.types[place]]))
    try:
        found = pa.array(column, kind)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        found = pa.array([bad] * len(column))
    pq.write_table(table.set_column(place, table.column_names[place], found), file, row_group_size=3)
    problems: list[DataError] = []
    names = set(read_all(root, problems))
    assert len({name for name in names if name.startswith(("s0_", "s2_", "s3_"))}) == 12
    assert all("s1.parquet" in problem.where for problem in problems)


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_file_that_is_a_link_out_of_the_dataset_is_not_followed(
    root: Path, tmp_path_factory: pytest.TempPathFactory, component: str
) -> None:
    file, disk = root / component / "s1.parquet", tmp_path_factory.mktemp("disk")
    file.rename(disk / "s1.parquet")
    file.symlink_to(disk / "s1.parquet")
    problems: list[DataError] = []
    assert len(read_all(root, problems)) == 12
    (problem,) = problems
    assert problem.where == str(file)
    assert "is a symbolic link, not followed" in problem.what


def test_a_component_may_lie_elsewhere_as_a_whole(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    disk = tmp_path_factory.mktemp("disk")
    for component in ("camera_image", "stats"):
        (root / component).rename(disk / component)
        (root / component).symlink_to(disk / component)
    assert len(read_all(root, None)) == 16


def test_labels_of_another_segment_are_not_taken_for_its_own(root: Path) -> None:
    """Segments share timestamps here: two files that were mistaken for each other would fit."""
    rewrite(root / "camera_box/s1.parquet", SEGMENT, pa.array(["s1", "s2"]))
    problems: list[DataError] = []
    assert lost(root, problems) == {"11_FRONT"}
    (problem,) = problems
    assert problem.where == f"{root}/camera_box/s1.parquet: row 1"
    assert "is 's2', but the image of this moment is of 's1'" in problem.what


def test_an_id_that_a_cuboid_is_joined_by_stands_once_in_an_image(root: Path) -> None:
    write_boxes(root, "s1", [*GOOD, box(10, 1, (20, 64, 20, 20), name="c10")])
    problems: list[DataError] = []
    assert lost(root, problems) == {"10_FRONT"}
    (problem,) = problems
    assert problem.where == f"{root}/camera_box/s1.parquet: row 2"
    assert "key.camera_object_id 'c10' of this image already stands in row 0" in problem.what


def test_a_broken_image_is_named_by_file_and_row(root: Path) -> None:
    rewrite(
        root / "camera_image/s1.parquet",
        "[CameraImageComponent].image",
        pa.array([*IMAGES[:3], IMAGES[3][:90]]),
    )
    reader = WaymoReader(str(root), SplitSettings())
    found = inspect_dataset(reader, listed_frames(reader))
    places = [problem.where for problem in found.problems if "byte for byte" not in problem.what]
    assert places == [f"{root}/camera_image/s1.parquet: row 3"]
