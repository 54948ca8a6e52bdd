import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from imitation.data.records import Camera, Cuboid
from sim_actors.scene.ground import ground_y
from sim_actors.scene.projection import iou, projected_box
from sim_actors.scene.sizes import SIZES, size_prior
from sim_actors.staging.cuboid_estimation import depth_on_ground, estimate_cuboid, fit_ground
from tests.sim_actors.scenes import KITTI, SIZE, cuboid


def estimate(category: str, shape: Cuboid, camera: Camera) -> Cuboid:
    prior = size_prior(category)
    assert prior is not None
    return estimate_cuboid(
        projected_box(shape, camera).clipped(*SIZE),
        prior,
        camera,
        image_size=SIZE,
        border=1.5,
        road_yaw=-math.pi / 2,
        pitch_spread=0.012,
        height_spread=0.15,
        far=120.0,
    )


@settings(max_examples=120, deadline=None)
@given(
    category=st.sampled_from(["Car", "Van", "Truck", "Pedestrian", "Cyclist", "Tram"]),
    x=st.floats(-15, 15),
    z=st.floats(7, 60),
    yaw=st.floats(-math.pi, math.pi),
    scale=st.tuples(*[st.floats(0.9, 1.1)] * 3),
    pitch=st.floats(-0.01, 0.01),
)
def test_untruncated_box_comes_back(
    category: str, x: float, z: float, yaw: float, scale: tuple[float, float, float], pitch: float
) -> None:
    """The guess projects onto its box (IoU > 0.8) and lies within 30% of the true depth."""
    camera = replace(KITTI, height=1.65, pitch=pitch)
    usual = cuboid(category, x, z, yaw, camera)
    shape = replace(
        usual,
        length=usual.length * scale[0],
        width=usual.width * scale[1],
        height=usual.height * scale[2],
    )
    assume(shape.corners()[:, 2].min() > 2)
    box = projected_box(shape, camera)
    assume(box.x1 > 5 and box.y1 > 5 and box.x2 < SIZE[0] - 5 and box.y2 < SIZE[1] - 5)
    guess = estimate(category, shape, camera)
    assert iou(projected_box(guess, camera), box) > 0.8
    assert guess.z == pytest.approx(z, rel=0.3, abs=1.0 + shape.length / 4)


@pytest.mark.parametrize("side", [-1, 1])
def test_object_cut_by_the_edge_goes_on_beyond_it(side: int) -> None:
    camera = replace(KITTI, height=1.65, pitch=0.0)
    shape = cuboid("Car", side * 9.2, 10.5)
    whole = projected_box(shape, camera)
    assert whole.x1 < 0 or whole.x2 > SIZE[0]
    guess = projected_box(estimate("Car", shape, camera), camera)
    assert guess.x1 < -10 or guess.x2 > SIZE[0] + 10
    assert iou(guess.clipped(*SIZE), whole.clipped(*SIZE)) > 0.8
    assert iou(guess, whole) > 0.6


def test_feet_below_the_picture_mean_near() -> None:
    camera = replace(KITTI, height=1.65, pitch=0.0)
    shape = cuboid("Car", 0.4, 6.0)
    assert projected_box(shape, camera).y2 > SIZE[1]
    guess = estimate("Car", shape, camera)
    assert guess.z == pytest.approx(6.0, rel=0.35)
    assert projected_box(guess, camera).y2 > SIZE[1] - 2


@given(height=st.floats(1.3, 2.2), pitch=st.floats(-0.02, 0.02), seed=st.integers(0, 1000))
def test_ground_is_found_despite_outliers(height: float, pitch: float, seed: int) -> None:
    truth = replace(KITTI, height=height, pitch=pitch)
    rng = np.random.default_rng(seed)
    depths = np.linspace(5, 60, 24)
    bottoms = [(ground_y(truth, z) + rng.normal(0, 0.03), z) for z in depths]
    bottoms[20] = (bottoms[20][0] - 2.5, depths[20])  # on a bridge
    fitted = fit_ground(KITTI, bottoms, height_spread=0.3, pitch_spread=0.03)
    for z in (6.0, 20.0, 50.0):
        assert ground_y(fitted, z) == pytest.approx(ground_y(truth, z), abs=0.15)


def test_ground_without_objects_is_the_prior() -> None:
    fitted = fit_ground(KITTI, [], height_spread=0.15, pitch_spread=0.012)
    assert (fitted.height, fitted.pitch) == (1.65, 0.0)
    stated = fit_ground(replace(KITTI, height=2.1, pitch=0.03), [], height_spread=0.15, pitch_spread=0.012)
    assert (stated.height, stated.pitch) == pytest.approx((2.1, 0.03))


@given(z=st.floats(3, 80), height=st.floats(1, 3), pitch=st.floats(-0.05, 0.05))
def test_depth_on_ground_inverts_projection(z: float, height: float, pitch: float) -> None:
    camera = replace(KITTI, height=height, pitch=pitch)
    row = camera.project(np.array([[0.0, ground_y(camera, z), z]]))[0, 1]
    assume(ground_y(camera, z) > 0.05)
    assert depth_on_ground(row, camera, far=500.0) == pytest.approx(z, rel=1e-6)


def test_depth_above_the_horizon_is_far() -> None:
    assert depth_on_ground(KITTI.cy - 5, replace(KITTI, height=1.65, pitch=0.0), far=99.0) == 99.0


def test_sizes_are_case_insensitive_and_plausible() -> None:
    assert size_prior("PEDESTRIAN") == size_prior("pedestrian") == SIZES["pedestrian"]
    assert size_prior("Person sitting") == SIZES["person_sitting"]
    assert size_prior("zeppelin") is None
    assert all(prior.length >= prior.width for prior in SIZES.values())
