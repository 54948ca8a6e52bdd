"""Frames in KITTI's terms."""

from dataclasses import replace

import pytest

from imitation.data.records import Box, Camera, Cuboid, Frame, Object
from imitation.datasets.common.tally import Tally
from imitation.datasets.kitti.writer import as_kitti
from tests.imitation.data.some_frames import CAR, CROWD, HEIGHT, WIDTH

CAMERA = Camera(700, 700, 32, 24)


def taken(obj: Object) -> tuple[Object, Tally]:
    tally = Tally()
    (result,) = as_kitti(Frame("a", WIDTH, HEIGHT, (obj,), camera=CAMERA), tally).objects
    return result, tally


@pytest.mark.parametrize(
    ("category", "expected"),
    [
        *[("Car", "Car"), ("car", "Car"), ("PERSON_sitting", "Person_sitting"), ("truck", "Truck")],
        *[("bus", "Misc"), ("traffic light", "Misc"), ("DontCare", "Misc"), ("dontcare", "Misc")],
    ],
)
def test_categories_take_kittis_spelling_or_become_misc(category: str, expected: str) -> None:
    obj, tally = taken(replace(CAR, category=category))
    assert obj.category == expected
    told = {(f"{category} as {expected} of", "object"): 1} if category != expected else {}
    assert {key: n for key, n in tally.changed.items() if " as " in key[0]} == told


def test_ignored_objects_are_dont_care() -> None:
    obj, tally = taken(CROWD)
    assert (obj.category, obj.ignore) == ("DontCare", True)
    assert tally.changed == {("Person as DontCare of", "ignore region"): 1}
    assert taken(replace(CROWD, category="DontCare"))[1] == Tally()


@pytest.mark.parametrize(
    ("share", "level", "expected"),
    [
        (0.05, None, 0),
        (0.1, None, 0),
        (0.3, None, 1),
        (0.5, None, 1),
        (0.9, None, 2),
        (0.9, 0, 0),
        (None, 3, 3),
    ],
)
def test_occlusion_is_a_level(share: float | None, level: int | None, expected: int) -> None:
    obj, tally = taken(replace(CAR, occlusion=share, occlusion_level=level))
    assert (obj.occlusion, obj.occlusion_level) == (None, expected)
    told = ("KITTI's occlusion level from the share of", "object")
    assert (told in tally.changed) == (level is None)
    assert (("occlusion shares of", "object") in tally.dropped) == (share is not None)


def test_the_amodal_box_is_the_box_of_what_is_not_truncated_and_else_lost() -> None:
    obj, tally = taken(replace(CAR, occlusion=None))
    assert obj.amodal_box == Box(10.25, 8.5, 30.75, 20.12)  # to even, as str.format does
    assert not tally.dropped
    other = replace(CAR, occlusion=None, truncation=0.4)
    obj, tally = taken(other)
    assert obj.amodal_box is None
    assert tally.dropped == {("amodal boxes of", "object"): 1}


@pytest.mark.parametrize("cuboid", [Cuboid(1, 1, 9, 0.004, 1, 1, 0), Cuboid(-1000, -1000, -1000, 1, 1, 1, 0)])
def test_a_cuboid_that_two_decimals_would_lose_is_dropped(cuboid: Cuboid) -> None:
    obj, tally = taken(replace(CAR, cuboid=cuboid))
    assert obj.cuboid is None
    assert tally.dropped[("cuboids of", "object")] == 1


def test_a_frame_without_camera_gets_one_and_it_is_told() -> None:
    tally = Tally()
    frame = as_kitti(Frame("a", 100, 60, sequence="s"), tally)
    assert frame.camera == Camera(100, 100, 50, 30)
    assert tally.changed == {("a made-up camera in", "frame"): 1}
    assert tally.dropped == {("sequences of", "frame"): 1}


def test_height_and_pitch_of_the_camera_are_lost() -> None:
    tally = Tally()
    frame = as_kitti(Frame("a", 100, 60, camera=replace(CAMERA, height=1.6)), tally)
    assert frame.camera == CAMERA
    assert tally.dropped == {("camera height and pitch of", "frame"): 1}


def test_what_two_decimals_cannot_say_is_told() -> None:
    exact = Object(
        "Car", Box(1.25, 2.5, 30, 40), truncation=0.25, alpha=-1.5, cuboid=Cuboid(1, 1, 9, 4, 2, 1, 0)
    )
    assert not taken(exact)[1].changed
    fine = replace(
        exact,
        box=Box(1.254, 2.5, 30, 40),
        truncation=0.251,
        alpha=-1.501,
        cuboid=Cuboid(1, 1, 9.0001, 4, 2, 1, 0),
    )
    assert taken(fine)[1].changed == {
        (f"to two decimals: {name} of", "object"): 1
        for name in ("boxes", "truncations", "observation angles", "cuboids")
    }
    assert not taken(replace(exact, cuboid=Cuboid(1, 1, 9, 0.001, 2, 1, 0)))[1].changed, "it is dropped"
