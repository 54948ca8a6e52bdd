"""Every fault of a frame is refused by name, and sound frames pass."""

import math
from dataclasses import replace

import pytest

from imitation.common.settings import DataError
from imitation.data.records import Box, Camera, Cuboid, Frame, Object
from imitation.datasets.common.validation import FrameChecker, check_frame, handled

CAR = Object(
    "car",
    Box(1, 2, 30, 40),
    visible_box=Box(1, 2, 20, 40),
    amodal_box=Box(-20, 2, 30, 40),
    truncation=0.0,
    occlusion=1.0,
    cuboid=Cuboid(1, 2, 3, 4, 2, 1.5, 0.1),
)
FRAME = Frame("a", 100, 50, (CAR,), camera=Camera(700, 700, 50, 25))
nan, inf = math.nan, math.inf


def _with(**changes: object) -> Frame:
    return replace(FRAME, objects=(CAR, replace(CAR, **changes)))


def _cuboid(**changes: float) -> Frame:
    assert CAR.cuboid is not None
    return _with(cuboid=replace(CAR.cuboid, **changes))


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (_with(box=Box(nan, 2, 30, 40)), "box has a number that is not finite"),
        (_with(box=Box(1, 2, inf, 40)), "box has a number that is not finite"),
        (_with(box=Box(30, 2, 1, 40)), "box is inverted"),
        (_with(box=Box(1, 40, 30, 2)), "box is inverted"),
        (_with(box=Box(101, 2, 130, 40)), "lies outside the 100x50 image"),
        (_with(box=Box(1, -40, 30, -2)), "lies outside the 100x50 image"),
        (_with(visible_box=Box(1, 2, 0, 3)), "visible_box is inverted"),
        (_with(amodal_box=Box(1, 2, nan, 3)), "amodal_box has a number that is not finite"),
        (_with(truncation=1.01), "truncation is 1.01"),
        (_with(truncation=-0.1), "truncation is -0.1"),
        (_with(occlusion=nan), "occlusion is nan"),
        (_with(alpha=inf), "alpha is inf"),
        (_with(occlusion_level=9), "occlusion_level is 9, not one of 0, 1, 2, 3"),
        (_with(difficulty=0), "difficulty is 0, not one of 1, 2"),
        (_with(category=""), "category is empty"),
        (_cuboid(z=nan), "cuboid's z is nan"),
        (_cuboid(width=0.0), "cuboid's width is 0 m"),
        (_cuboid(length=-1.0), "cuboid's length is -1 m"),
        (replace(FRAME, frame_id=""), "frame_id is empty"),
        (replace(FRAME, width=0), "image size is 0x50"),
        (replace(FRAME, height=-1), "image size is 100x-1"),
        (replace(FRAME, camera=Camera(0, 700, 1, 1)), "focal lengths are 0 and 700"),
        (replace(FRAME, camera=Camera(700, 700, nan, 1)), "camera has a number"),
        (replace(FRAME, camera=Camera(700, 700, 1, 1, nan)), "camera has a number"),
        (replace(FRAME, camera=Camera(700, 700, 1, 1, 1.6, inf)), "camera has a number"),
    ],
)
def test_faults_are_named(frame: Frame, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        check_frame(frame, "part.parquet: row 3")
    assert caught.value.where == "part.parquet: row 3"


@pytest.mark.parametrize(
    "frame",
    [
        FRAME,
        replace(FRAME, objects=(), camera=None),
        _with(box=Box(-5, -5, 200, 200)),  # reaches beyond every edge
        _with(box=Box(5, 5, 5, 9)),  # without area, but not inverted
        _with(truncation=None, occlusion=None, cuboid=None, visible_box=None, amodal_box=None),
        _with(amodal_box=Box(-500, -300, -200, -100)),  # may lie wholly outside
    ],
)
def test_sound_frames_pass(frame: Frame) -> None:
    check_frame(frame, "x")


def test_an_id_used_twice_names_both_places() -> None:
    check = FrameChecker()
    with pytest.raises(DataError):
        check(replace(FRAME, width=0), "row 0")
    check(FRAME, "row 1")
    with pytest.raises(DataError, match="row 2: the frame_id 'a' was already used in row 1"):
        check(FRAME, "row 2")


def test_problems_are_collected_or_raised() -> None:
    def bad() -> Frame:
        raise DataError("x:1", "bad")

    def broken() -> Frame:
        raise RuntimeError("a bug")

    problems: list[DataError] = []
    assert list(handled([lambda: FRAME, bad, lambda: FRAME], problems.append)) == [FRAME, FRAME]
    assert [str(p) for p in problems] == ["x:1: bad"]
    with pytest.raises(DataError, match="x:1"):
        list(handled([bad], None))
    with pytest.raises(RuntimeError):
        list(handled([broken], problems.append))
