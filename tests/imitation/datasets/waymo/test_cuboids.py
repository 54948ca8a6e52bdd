"""Waymo's 3D boxes in the camera: by hand, by homogeneous coordinates, and put together with 2D boxes."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imitation.common.settings import DataError
from imitation.data.records import Box, Camera, Cuboid, Frame, Object
from imitation.data.splits import SplitSettings
from imitation.datasets.waymo.cuboids import Calibration, LaserBox, associate, projected_box
from imitation.datasets.waymo.reader import WaymoReader
from tests.imitation.datasets.waymo.waymo_folder import (
    FOCAL,
    HEIGHT,
    WIDTH,
    box,
    pose,
    write_boxes,
    write_calibration,
    write_images,
    write_lidar,
    write_partners,
    write_synced,
)

INTRINSIC = (1000.0, 1000.0, 960.0, 640.0)
SIZE = (1920, 1280)


def calibration(values: list[float]) -> Calibration:
    return Calibration.of(INTRINSIC, SIZE, values, "here")


def close(found: Cuboid, expected: Cuboid) -> None:
    for name in Cuboid.__slots__:
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=1e-9), name


def test_a_car_straight_ahead_by_hand() -> None:
    """The camera stands 1.5 m ahead and 2 m up; the car's centre is 20 m before it, its floor on the road."""
    ahead = calibration(pose((1.5, 0, 2)))
    cuboid = ahead.cuboid((21.5, 0, 1, 4, 2, 2, 0))
    close(cuboid, Cuboid(0, 2, 20, length=4, width=2, height=2, yaw=-math.pi / 2))
    assert ahead.camera == Camera(*INTRINSIC, height=2, pitch=0)
    # its near face is 18 m away, 2 m wide, its roof at the camera's height
    expected = (960 - 1000 / 18, 640, 960 + 1000 / 18, 640 + 2000 / 18)
    np.testing.assert_allclose(projected_box(cuboid, ahead), expected, atol=1e-9)


@pytest.mark.parametrize(
    ("heading", "yaw"),
    [(0, 0), (math.pi / 2, -math.pi / 2), (math.pi, math.pi), (-math.pi / 2, math.pi / 2), (0.3, -0.3)],
)
def test_headings_seen_from_a_camera_that_looks_left(heading: float, yaw: float) -> None:
    """What drives ahead drives to the right in its picture (yaw 0)."""
    left = calibration(pose((1, 0.5, 2), turn=math.pi / 2))
    found = left.cuboid((3, 10.5, 1, 4, 2, 1.5, heading))
    close(found, Cuboid(2, 1.75, 10, length=4, width=2, height=1.5, yaw=found.yaw))
    assert math.remainder(found.yaw - yaw, 2 * math.pi) == pytest.approx(0, abs=1e-9)


def test_height_and_pitch_of_the_camera() -> None:
    down = calibration(pose((1.5, 0, 2.1), pitch=0.1))
    assert down.camera.height == pytest.approx(2.1)
    assert down.camera.pitch == pytest.approx(0.1)
    # 2.1 m below and 2.1 / tan(0.1) ahead of the camera lies the point of the road on its axis
    far = 2.1 / math.tan(0.1)
    found = down.cuboid((1.5 + far, 0, 0.75, 4, 2, 1.5, 0))
    assert (found.x, found.y) == (pytest.approx(0, abs=1e-9), pytest.approx(0, abs=1e-9))
    assert found.z == pytest.approx(math.hypot(far, 2.1))


lengths = st.floats(0.3, 20)
angles = st.floats(-math.pi, math.pi)
places = st.floats(-60, 60)


@given(
    place=st.tuples(places, places, st.floats(0, 4)),
    turn=angles,
    center=st.tuples(places, places, places),
    size=st.tuples(lengths, lengths, lengths),
    heading=angles,
)
def test_corners_are_where_homogeneous_coordinates_put_them(
    place: tuple, turn: float, center: tuple, size: tuple, heading: float
) -> None:
    c, s = math.cos(heading), math.sin(heading)
    own = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)]) * size
    vehicle = own @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]).T + center
    extrinsic = pose(place, turn)
    seen = np.linalg.inv(np.reshape(extrinsic, (4, 4))) @ np.c_[vehicle, np.ones(8)].T
    expected = np.stack([-seen[1], -seen[2], seen[0]], axis=1)
    found = calibration(extrinsic).cuboid((*center, *size, heading)).corners()
    distances = np.linalg.norm(found[:, None] - expected[None], axis=2)
    assert distances.min(axis=1).max() < 1e-6
    assert sorted(distances.argmin(axis=1)) == list(range(8))


def test_a_cuboid_beside_and_behind_the_camera_is_cut() -> None:
    ahead = calibration(pose((0, 0, 1)))
    beside = ahead.cuboid((0, 3, 1, 10, 2, 2, 0))  # from 5 m behind to 5 m ahead, 2 to 4 m to the left
    found = projected_box(beside, ahead)
    assert found is not None
    assert found.x1 == found.y1 == 0
    assert found.y2 == SIZE[1]
    assert found.x2 == pytest.approx(960 - 1000 * 2 / 5)
    assert projected_box(ahead.cuboid((-20, 0, 1, 4, 2, 2, 0)), ahead) is None
    assert projected_box(ahead.cuboid((20, 60, 1, 4, 2, 2, 0)), ahead) is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0] * 16, "is not a rotation and a place"),
        ([float("nan"), *pose((0, 0, 0))[1:]], "a number that is not finite or beyond 1e"),
        (pose((1e7, 0, 0)), "a number that is not finite or beyond 1e"),
        ([1.0] * 9, "not a calibration"),
        (None, "not a calibration"),
    ],
)
def test_extrinsics_that_are_none(values: list[float] | None, message: str) -> None:
    with pytest.raises(DataError, match=f"here: .*{message}"):
        calibration(values)  # type: ignore[arg-type]


# Which 2D box is which cuboid's


def thing(category: str, sides: Box) -> Object:
    return Object(category, sides, visible_box=sides)


def lasers(*rows: tuple[str, str | None, tuple[float, ...]]) -> list[LaserBox]:
    return [LaserBox(name, category).with_lidar(values, "here") for name, category, values in rows]


AHEAD = calibration(pose((0, 0, 2)))
NEAR = ("near", "TYPE_VEHICLE", (20.0, 0.0, 1.0, 4.0, 2.0, 2.0, 0.0))
FAR = ("far", "TYPE_VEHICLE", (40.0, 2.2, 1.0, 4.0, 2.0, 2.0, 0.0))
MAN = ("man", "TYPE_PEDESTRIAN", (20.0, 0.0, 1.0, 1.0, 1.0, 2.0, 0.0))


def seen(laser: tuple[str, str | None, tuple[float, ...]]) -> Box:
    found = projected_box(AHEAD.cuboid(laser[2]), AHEAD)
    assert found is not None
    return found


def partners_of(objects: list[Object], boxes: list[LaserBox], known: list[str | None] | None = None) -> list:
    found = associate(objects, known or [None] * len(objects), boxes, "FRONT", AHEAD)
    names = {AHEAD.cuboid(laser.lidar): laser.laser_id for laser in boxes if laser.lidar}
    return [None if obj.cuboid is None else names[obj.cuboid] for obj in found]


def test_visible_parts_find_their_cuboids_in_any_order() -> None:
    whole, behind = seen(NEAR), seen(FAR)
    part = Box(
        behind.x1, behind.y1, whole.x1, behind.y2
    )  # what the near car leaves to be seen of the far one
    objects = [thing("TYPE_VEHICLE", part), thing("TYPE_VEHICLE", whole)]
    for boxes in (lasers(NEAR, FAR), lasers(FAR, NEAR)):
        assert partners_of(objects, boxes) == ["far", "near"]
        assert partners_of(objects[::-1], boxes) == ["near", "far"]


def test_no_cuboid_is_given_twice_nor_to_another_category_nor_from_afar() -> None:
    whole = seen(NEAR)
    twins = [thing("TYPE_VEHICLE", whole), thing("TYPE_VEHICLE", whole)]
    assert partners_of(twins, lasers(NEAR)) == ["near", None]
    assert partners_of([thing("TYPE_CYCLIST", whole)], lasers(NEAR)) == [None]
    assert partners_of([thing("TYPE_CYCLIST", whole)], lasers(("near", None, NEAR[2]))) == ["near"]
    shifted = Box(whole.x1 + 60, whole.y1, whole.x2 + 60, whole.y2)
    assert partners_of([thing("TYPE_VEHICLE", shifted)], lasers(NEAR)) == [None]
    assert partners_of([], lasers(NEAR)) == []
    assert partners_of(twins, []) == [None, None]


def test_what_the_dataset_says_goes_first() -> None:
    objects = [thing("TYPE_VEHICLE", seen(NEAR)), thing("TYPE_PEDESTRIAN", Box(0, 0, 5, 5))]
    assert partners_of(objects, lasers(NEAR, MAN), [None, "man"]) == ["near", "man"]
    assert partners_of(objects, lasers(NEAR, MAN), ["unknown", "near"]) == [None, "near"]


def scene(root: Path, *, synced: bool, lidar: bool, partners: bool = False) -> Frame:
    """The front image of a segment in which a car stands 10 m before the camera, 8 m when it was synced."""
    for segment in "abc":
        write_images(root, segment, [(7, 1), (7, 4)])
        write_boxes(root, segment, [])
    sides = (WIDTH / 2, HEIGHT / 2 + FOCAL * 2 / 7 / 2, 2 * FOCAL / 7, 2 * FOCAL / 7)  # a near face 7 m away
    rows = [
        box(7, 1, sides, name="x"),
        box(7, 4, (20, 20, 8, 8), name="y"),
        box(7, 1, (9, 9, 4, 4), 2, name="z"),
    ]
    write_boxes(root, "a", rows)
    write_calibration(root, "a", {1: pose((1, 0, 2)), 4: pose((1, 0, 2), turn=math.pi / 2)})
    if lidar:
        write_lidar(root, "a", [(7, "car", 1, (10, 0, 1, 4, 2, 2, 0)), (7, "man", 2, (9, 5, 1, 1, 1, 2, 0))])
    if synced:
        write_synced(root, "a", [(7, "car", 1, (10.25, 0, 1, 4, 2, 2, 0))])
    if partners:
        write_partners(root, "a", [(7, 1, "z", "man")])
    reader = WaymoReader(str(root), SplitSettings())
    frames = [frame for split in ("train", "val", "test") for frame in reader.frames(split)]
    return next(frame for frame in frames if frame.frame_id == "a_7_FRONT")


@pytest.mark.parametrize(
    ("synced", "lidar", "z"), [(True, True, 9.25), (True, False, 9.25), (False, True, 9.0)]
)
def test_components_become_cuboids(tmp_path: Path, synced: bool, lidar: bool, z: float) -> None:
    frame = scene(tmp_path, synced=synced, lidar=lidar)
    car, man = frame.objects
    assert frame.camera == Camera(FOCAL, FOCAL, WIDTH / 2, HEIGHT / 2, height=2, pitch=0)
    assert car.cuboid is not None
    close(car.cuboid, Cuboid(0, 2, z, length=4, width=2, height=2, yaw=-math.pi / 2))
    assert man.cuboid is None


def test_pedestrians_have_waymos_own_partners(tmp_path: Path) -> None:
    _, man = scene(tmp_path, synced=True, lidar=True, partners=True).objects
    assert man.cuboid is not None
    close(man.cuboid, Cuboid(-5, 2, 8, length=1, width=1, height=2, yaw=-math.pi / 2))


def test_without_3d_there_are_no_cuboids(tmp_path: Path) -> None:
    frame = scene(tmp_path, synced=False, lidar=False)
    assert [obj.cuboid for obj in frame.objects] == [None, None]
    assert frame.camera is not None
