"""A scene's camera as one of CARLA's, whose principal point is its picture's middle."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imitation.data.records import Box, Camera
from sim_actors.scene.records import Scene
from sim_actors.simulators.carla.town.lens import camera_of, lens_of, lens_problems, wide_lens


def scene(cx, cy, width=240, height=144, fx=150.0, fy=150.0):
    return Scene("s", width, height, Camera(fx, fy, cx, cy, 1.5, 0.0))


@given(st.floats(-100, 400), st.floats(-50, 300), st.integers(1, 700), st.integers(1, 400))
def test_the_scenes_picture_lies_in_the_whole_one_and_its_principal_point_moves_by_a_quarter_pixel(
    cx, cy, width, height
):
    one = scene(cx, cy, width, height)
    lens, camera = lens_of(one), camera_of(one)
    assert lens.cut(np.zeros((lens.height, lens.width, 4)), one).shape == (height, width, 4)
    assert min(lens.left, lens.top) >= 0
    assert abs(camera.cx - cx) <= 0.25
    assert abs(camera.cy - cy) <= 0.25
    # One side or the other of it is not wasted.
    assert lens.left == 0 or lens.left + width == lens.width


def test_a_point_is_on_the_same_pixel_before_and_after_the_cut():
    one = scene(84, 52)
    lens, camera = lens_of(one), camera_of(one)
    point = np.array([[0.7, 0.3, 9.0]])
    whole = Camera(lens.focal, lens.focal, lens.width / 2, lens.height / 2)
    assert whole.project(point) - [lens.left, lens.top] == pytest.approx(camera.project(point))
    assert lens.fov == pytest.approx(math.degrees(2 * math.atan(lens.width / 2 / 150)))


def test_a_middle_principal_point_renders_no_pixel_more():
    assert (lens_of(scene(120, 72)).width, lens_of(scene(120, 72)).height) == (240, 144)
    assert lens_problems(scene(120, 72)) == []


def test_what_carla_has_no_camera_for_is_told():
    (square,) = lens_problems(scene(120, 72, fy=151.0))
    assert "150 and 151 px" in square
    (far,) = lens_problems(scene(-900, 72))
    assert "2280x144 px" in far
    assert "degrees are the most" in far


def test_a_wide_lens_shows_all_that_reaches_out_of_the_picture():
    one = scene(120.5, 72)
    camera = camera_of(one)
    box = Box(-300.0, 40.0, 30.0, 130.0)
    lens = wide_lens([box], camera)
    cell = camera.fx / lens.focal
    left = camera.cx - cell * lens.width / 2
    top = camera.cy - cell * lens.height / 2
    assert cell == 1
    assert left <= box.x1
    assert top <= box.y1
    assert top + lens.height >= box.y2
    # Its pixels are the picture's.
    assert left == round(left)
    assert top == round(top)


def test_a_wide_lens_has_larger_pixels_where_it_would_have_too_many():
    one = Scene("s", 1200, 360, Camera(700.0, 700.0, 600.0, 180.0))
    lens = wide_lens([Box(-9000.0, 40.0, 30.0, 130.0)], camera_of(one))
    assert max(lens.width, lens.height) <= 2049
    assert lens.focal < 700
    assert lens.fov < 150
