import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitation.data.records import Cuboid
from sim_actors.scene.footprint import Footprint, bearings, hides, overlaps

footprints = st.builds(
    Footprint,
    x=st.floats(-6, 6),
    z=st.floats(2, 14),
    length=st.floats(0.5, 6),
    width=st.floats(0.5, 3),
    yaw=st.floats(-math.pi, math.pi),
)


def contains(rectangle: Footprint, points: np.ndarray) -> np.ndarray:
    c, s = math.cos(rectangle.yaw), math.sin(rectangle.yaw)
    dx, dz = points[:, 0] - rectangle.x, points[:, 1] - rectangle.z
    return (np.abs(c * dx - s * dz) <= rectangle.length / 2) & (
        np.abs(s * dx + c * dz) <= rectangle.width / 2
    )


@settings(max_examples=150, deadline=None)
@given(footprints, footprints, st.integers(0, 2**31))
def test_overlap_agrees_with_sampled_points(a: Footprint, b: Footprint, seed: int) -> None:
    """Oracle: points drawn inside one rectangle that lie inside the other prove an overlap, and a
    clear overlap (15% of the smaller) cannot be missed by 400 points."""
    assert overlaps(a, b) == overlaps(b, a)
    small, large = (a, b) if a.length * a.width <= b.length * b.width else (b, a)
    rng = np.random.default_rng(seed)
    uv = rng.uniform(-0.5, 0.5, (400, 2)) * (small.length, small.width)
    c, s = math.cos(small.yaw), math.sin(small.yaw)
    points = np.stack([small.x + c * uv[:, 0] + s * uv[:, 1], small.z - s * uv[:, 0] + c * uv[:, 1]], axis=1)
    if contains(large, points).any():
        assert overlaps(a, b)
    grown = Footprint(large.x, large.z, large.length * 0.98, large.width * 0.98, large.yaw)
    if not overlaps(a, b):
        assert not contains(grown, points).any()


@given(footprints)
def test_corners_are_the_cuboids(footprint: Footprint) -> None:
    cuboid = Cuboid(footprint.x, 1.6, footprint.z, footprint.length, footprint.width, 1.5, footprint.yaw)
    ours = np.array(sorted(footprint.corners()))
    theirs = np.array(sorted(map(tuple, cuboid.corners()[:4, [0, 2]])))
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


@given(footprints)
def test_distance_is_zero_inside_and_the_nearest_corner_bounds_it(footprint: Footprint) -> None:
    assert footprint.distance(footprint.x, footprint.z) == 0
    assert footprint.distance() <= min(math.hypot(*corner) for corner in footprint.corners()) + 1e-9


def test_hides_needs_to_be_in_front_and_in_line() -> None:
    car = Footprint(4.0, 20.0, 4.0, 1.7, 1.57)
    assert hides(Footprint(2.0, 10.0, 1.0, 1.0, 0.0), car)
    assert not hides(Footprint(8.0, 40.0, 1.0, 1.0, 0.0), car)
    assert not hides(Footprint(-2.0, 10.0, 1.0, 1.0, 0.0), car)


def test_bearings_of_a_wall_beside_the_camera() -> None:
    low, high = bearings(Footprint(5.0, 0.0, 20.0, 1.0, math.pi / 2))
    assert low == pytest.approx(math.atan2(4.5, 10.0), abs=0.03)
    assert high == pytest.approx(math.atan2(4.5, -10.0), abs=0.03)
