"""Axes, angles and films, against Unreal's own formulas as the stand-in server has them."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imitation.data.records import Box, Camera, Cuboid
from sim_actors.scene.projection import projected_box
from sim_actors.scene.records import Actor, Scene
from sim_actors.simulators.unrealcv.geometry import (
    actor_pose,
    camera_pose,
    extent,
    main_film,
    number,
    rotation,
    rotator,
    rounded,
    wide_film,
)
from sim_actors.simulators.unrealcv.manifest import Measures, Model, Place
from tests.sim_actors.simulators.unrealcv.fake_level import axes

LEVEL = Camera(500.0, 500.0, 320.0, 120.0, 1.6, 0.0)
CAR = Model(category="car", model="sedan", spawn="BP_C", size=Measures(length=4, width=2, height=1.5))
angles = st.floats(-179, 179)
places = st.tuples(st.floats(-20, 20), st.floats(-1, 3), st.floats(4, 80))


def test_the_axes_of_the_plugin():
    """X = 100 z, Y = 100 x, Z = -100 y of the camera, and yaw = degrees + 90."""
    pose, scale = actor_pose(Cuboid(2.0, 1.6, 10.0, 4, 2, 1.5, 0.3), CAR, LEVEL, Place(x=0, y=0, z=0))
    assert pose.location == pytest.approx((1000.0, 200.0, 0.0))
    assert (pose.pitch, pose.roll) == pytest.approx((0, 0))
    assert pose.yaw == pytest.approx(math.degrees(0.3) + 90)
    assert scale == pytest.approx((1, 1, 1))
    assert camera_pose(LEVEL, Place(x=5, y=6, z=7, yaw=8)).location == (5, 6, 167)


@given(angles, angles, st.floats(-89, 89))
def test_rotators_are_unreals(yaw, roll, pitch):
    theirs = axes(pitch, yaw, roll)
    assert pytest.approx(theirs, abs=1e-9) == rotation(pitch, yaw, roll).T
    assert axes(*rotator(theirs.T)) == pytest.approx(theirs, abs=1e-6)


@given(places, st.floats(-3.1, 3.1), st.sampled_from([0, 90, 180, 270]), st.floats(-0.3, 0.3), angles)
def test_a_model_fills_its_cuboid(place, yaw, turn, pitch, heading):
    """Its corners, by Unreal's matrices, are the cuboid's in the camera's axes."""
    cuboid = Cuboid(*place, 4.4, 1.7, 1.9, yaw)
    camera = replace(LEVEL, pitch=pitch)
    level = Place(x=300, y=-900, z=40, yaw=heading)
    model = CAR.model_copy(update={"turn": turn, "pivot": (0.3, -0.1, -0.8)})
    pose, scale = actor_pose(cuboid, model, camera, level)
    own = axes(pose.pitch, pose.yaw, pose.roll)
    c, s = round(math.cos(math.radians(turn))), round(math.sin(math.radians(turn)))
    corners = []
    for front in (-2, 2):
        for right in (-1, 1):
            for up in (0, 1.5):
                ahead, aside = front + 0.3, right - 0.1  # of its origin, the way it faces
                local = np.array([c * ahead - s * aside, s * ahead + c * aside, up - 0.8]) * scale
                corners.append(np.array(pose.location) + 100 * local @ own)
    eye = camera_pose(camera, level)
    seen = (np.array(corners) - eye.location) @ axes(eye.pitch, eye.yaw, eye.roll).T / 100
    found = np.stack([seen[:, 1], -seen[:, 2], seen[:, 0]], axis=1)
    expected = cuboid.corners()
    for corner in expected:
        assert np.abs(found - corner).max(axis=1).min() < 1e-6


@given(st.floats(allow_nan=False, allow_infinity=False, width=32, min_value=-1e9, max_value=1e9))
def test_numbers_are_those_that_the_plugin_matches(value):
    assert re.fullmatch(r"[-+]?\d*[.]?\d+", number(value))


@given(st.floats(-100, 900), st.floats(-100, 400), st.integers(33, 700), st.integers(33, 300))
def test_a_film_has_the_principal_point_in_its_middle_and_holds_the_image(cx, cy, width, height):
    camera = rounded(Camera(500.0, 500.2, cx, cy))
    assert max(abs(camera.cx - cx), abs(camera.cy - cy)) <= 0.25
    film = main_film(Scene("s", width, height, camera))
    assert film.left + film.width / 2 == camera.cx
    assert film.top + film.height / 2 == camera.cy
    assert film.left <= 0 <= width <= film.left + film.width
    assert film.top <= 0 <= height <= film.top + film.height
    assert film.left == int(film.left)
    assert film.top == int(film.top)
    assert math.tan(math.radians(film.fov) / 2) == pytest.approx(film.width / 2 / 500)


def test_a_wide_film_holds_what_lies_beyond_the_border():
    boxes = [Box(-700, 20, 100, 200), Box(300, 30, 500, 190)]
    film = wide_film(boxes, LEVEL, 4096)
    assert film.left <= -700
    assert film.top <= 20
    assert film.scale == 1
    assert film.left + film.span[0] / 2 == LEVEL.cx
    small = wide_film(boxes, LEVEL, 512)
    assert max(small.width, small.height) <= 512
    assert small.span == pytest.approx((2 * 1022, 2 * 102), abs=8)
    assert math.tan(math.radians(small.fov) / 2) == pytest.approx(small.span[0] / 2 / 500)


@given(places, st.floats(-3.1, 3.1))
def test_the_extent_of_what_lies_before_the_lens_is_its_projection(place, yaw):
    cuboid = Cuboid(*place, 3, 2, 1.5, yaw)
    assert extent(cuboid, LEVEL) == pytest.approx(projected_box(cuboid, LEVEL))


def test_the_extent_of_what_runs_past_the_camera_ends_at_the_lens():
    cuboid = Cuboid(1.5, 1.6, 1.0, 5, 1.8, 1.5, math.pi / 2)
    found = extent(cuboid, LEVEL)
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (200_000, 3)) * (1.8, 1.5, 5) + (1.5, 0.85, 1.0)
    pixels = LEVEL.project(points[points[:, 2] >= 0.2])
    inner = Box(*pixels.min(axis=0), *pixels.max(axis=0))
    assert found.x1 <= inner.x1
    assert inner.x2 <= found.x2
    assert found.area < 1.1 * inner.area
    assert extent(replace(cuboid, z=-9.0), LEVEL) is None


def test_actors_are_cars():
    assert CAR.stretch(Actor("car", Cuboid(0, 0, 9, 5, 2, 1.0, 0))) == pytest.approx(1.5)
