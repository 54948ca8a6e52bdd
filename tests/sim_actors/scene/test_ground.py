"""The ground plane against its definition and against Camera.project."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imitation.data.records import Camera
from sim_actors.scene.ground import DEFAULT_CAMERA_HEIGHT, ground_rotation, ground_y, horizon_row

cameras = st.builds(
    Camera, st.floats(100, 1500), st.floats(100, 1500), st.floats(0, 1000), st.floats(0, 500),
    st.one_of(st.none(), st.floats(0.5, 4.0)), st.one_of(st.none(), st.floats(-0.3, 0.3)),
)  # fmt: skip


@given(cameras, st.floats(0.5, 200), st.floats(0.5, 200))
def test_the_ground_is_a_plane_at_the_cameras_height(camera: Camera, z1: float, z2: float) -> None:
    a, b = (np.array([0.0, ground_y(camera, z), z]) for z in (z1, z2))
    normal = ground_rotation(camera)[:, 1]
    height = DEFAULT_CAMERA_HEIGHT if camera.height is None else camera.height
    assert a @ normal == pytest.approx(height, abs=1e-9)
    assert b @ normal == pytest.approx(height, abs=1e-9)


@given(cameras)
def test_far_ground_projects_to_the_horizon(camera: Camera) -> None:
    z = 1e7
    row = camera.project(np.array([[0.0, ground_y(camera, z), z]]))[0, 1]
    assert row == pytest.approx(horizon_row(camera), abs=0.01)


def test_looking_down_raises_the_horizon() -> None:
    level, down = (Camera(700, 700, 600, 180, 1.6, pitch) for pitch in (0.0, 0.05))
    assert horizon_row(level) == 180
    assert horizon_row(down) == pytest.approx(180 - 700 * math.tan(0.05))
    assert ground_y(down, 30.0) < ground_y(level, 30.0)
    assert np.allclose(ground_rotation(down) @ ground_rotation(down).T, np.eye(3))
