"""Where things are in CARLA's world, held against the matrices and boxes of CARLA's own Python types."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imitation.data.records import Camera, Cuboid
from sim_actors.scene.ground import ground_y
from sim_actors.simulators.carla.town.geometry import (
    Body,
    Pose,
    camera_pose,
    real_cuboid,
    stood,
    to_camera,
    to_world,
    to_world_yaw,
)

carla = pytest.importorskip("carla", reason="CARLA's Python client is not installed")

poses = st.builds(
    Pose,
    st.floats(-300, 300),
    st.floats(-300, 300),
    st.floats(-20, 20),
    st.floats(-40, 40),
    st.floats(-180, 180),
)
angles = st.floats(-math.pi, math.pi)


def transform(pose):
    return carla.Transform(
        carla.Location(pose.x, pose.y, pose.z), carla.Rotation(pitch=pose.pitch, yaw=pose.yaw, roll=0)
    )


def listed(vectors):
    return np.array([[v.x, v.y, v.z] for v in vectors])


@given(poses)
def test_a_pose_turns_as_carlas_transform_does(pose):
    matrix = np.array(transform(pose).get_matrix())
    assert np.allclose(matrix[:3, :3], pose.rotation, atol=1e-5)


@given(poses, st.floats(-30, 30), st.floats(-5, 5), st.floats(0.5, 60))
def test_right_down_and_ahead_of_a_camera_are_where_carla_has_them(pose, x, y, z):
    (found,) = to_world(np.array([[x, y, z]]), pose)
    (expected,) = listed([transform(pose).transform(carla.Location(z, x, -y))])
    assert np.allclose(found, expected, atol=2e-3)
    assert np.allclose(to_camera(found[None], pose), [[x, y, z]], atol=1e-9)


def test_a_camera_that_looks_down_has_a_negative_pitch_and_stands_over_its_ground():
    pose = camera_pose(Camera(700, 700, 600, 180, height=1.6, pitch=0.1), 5.0, -2.0, 3.0, 90.0)
    assert pose == pytest.approx((5, -2, 4.6, -math.degrees(0.1), 90))
    # A point of the scene's ground plane is on the town's ground, however far away.
    z = 25.0
    camera = Camera(700, 700, 600, 180, height=1.6, pitch=0.1)
    ((_, _, height),) = to_world(np.array([[3.0, ground_y(camera, z), z]]), pose)
    assert height == pytest.approx(3.0)


@given(
    angles,
    st.floats(-180, 180),
    st.tuples(st.floats(-0.5, 0.5), st.floats(-0.2, 0.2), st.floats(0, 1.5)),
    st.floats(-8, 8),
    st.floats(8, 40),
)
def test_a_body_fills_its_cuboid_by_carlas_own_box(yaw, heading, middle, x, z):
    camera = camera_pose(Camera(700, 700, 600, 180, height=1.6, pitch=0.0), 120.0, -45.0, 2.0, heading)
    body = Body("vehicle.any", 4.4, 1.8, 1.5, middle)
    asked = Cuboid(x, 1.6, z, 4.0, 1.7, 1.6, yaw)
    at = to_world(np.array([[x, 1.6, z]]), camera)[0]
    pose = stood(body, at[0], at[1], 2.25, to_world_yaw(yaw, camera))
    label = real_cuboid(asked, body, 2.25, camera)
    box = carla.BoundingBox(carla.Location(*middle), carla.Vector3D(2.2, 0.9, 0.75))
    vertices = to_camera(listed(box.get_world_vertices(transform(pose))), camera)
    ours = label.corners()
    nearest = np.linalg.norm(vertices[:, None] - ours[None], axis=2)
    assert nearest.min(axis=1).max() < 2e-3
    assert nearest.min(axis=0).max() < 2e-3
    # And its front is the cuboid's front.
    forward = transform(pose).get_forward_vector()
    tip = to_camera(at[None] + listed([forward]), camera) - to_camera(at[None], camera)
    assert tip[0] == pytest.approx([math.cos(yaw), 0, -math.sin(yaw)], abs=1e-4)
    assert (label.x, label.z, label.yaw) == pytest.approx((x, z, yaw), abs=1e-9)
    assert label.y == pytest.approx(1.6 - 0.25)
