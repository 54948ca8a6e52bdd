"""The road's coordinates, straight and curved, and the road that fits what was seen on it."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imitation.data.records import Cuboid
from sim_actors.scene.records import Road, Scene
from sim_actors.scene.roads import beside, fit_road, place, road_yaw, to_road, wrap
from tests.sim_actors.scenes import KITTI, cuboid

roads = st.builds(
    Road,
    heading=st.floats(-0.6, 0.6),
    offset=st.floats(-8, 8),
    curvature=st.one_of(st.just(0.0), st.floats(-0.012, 0.012)),
)


@given(roads, st.floats(-20, 110), st.floats(-30, 30))
def test_coordinates_invert(road: Road, along: float, across: float) -> None:
    assert to_road(road, *place(road, along, across)) == pytest.approx((along, across), abs=1e-5)


@given(roads, st.floats(-20, 110), st.floats(-30, 30))
def test_the_shader_s_formula_agrees(road: Road, along: float, across: float) -> None:
    """`shaders/road.glsl`, line by line."""
    x, z = place(road, along, across)
    c, s, k = math.cos(road.heading), math.sin(road.heading), road.curvature
    gx, gz = x - road.offset, z
    ax, ay = gx * s + gz * c, gx * c - gz * s
    turn, rest = k * ax, 1.0 - k * ay
    right = (2.0 * ay - k * (ax * ax + ay * ay)) / (1.0 + math.sqrt(turn * turn + rest * rest))
    forward = ax if abs(k) < 1e-6 else math.atan2(turn, rest) / k
    assert to_road(road, x, z) == pytest.approx((forward, right), abs=1e-3)


@given(roads, st.floats(0, 100))
def test_yaw_follows_the_bend(road: Road, along: float) -> None:
    (x0, z0), (x1, z1) = place(road, along - 0.01, 0.0), place(road, along + 0.01, 0.0)
    driven = math.atan2(-(z1 - z0), x1 - x0)  # KITTI's yaw: 0 along x, -pi/2 along z
    assert wrap(driven - road_yaw(road, along)) == pytest.approx(0.0, abs=1e-4)


def test_a_road_bends_to_the_side_of_its_sign() -> None:
    assert place(Road(offset=0.0, curvature=0.01), 50.0, 0.0)[0] > 5
    assert place(Road(offset=0.0, curvature=-0.01), 50.0, 0.0)[0] < -5


@given(st.floats(0, 60), st.floats(-30, 30))
def test_what_is_paved(along: float, across: float) -> None:
    plain = Road(lanes=2, lane_width=3.0, shoulder=1.0)
    assert beside(plain, along, across) == pytest.approx(abs(across) - 4.0)
    crossed = replace(plain, junction=30.0, cross_width=8.0)
    assert beside(crossed, along, across) <= beside(plain, along, across) + 1e-9
    if abs(along - 30.0) < 4.0:
        assert beside(crossed, along, across) <= 0
    if abs(along - 30.0) > 9.0:
        assert (beside(crossed, along, across) < 0) == (beside(plain, along, across) < 0)
    motorway = replace(plain, median=3.0)
    assert (beside(motorway, along, across) < 0) == (abs(across) < 4.0 or abs(across + 11.0) < 4.0)


def test_old_scenes_still_load() -> None:
    scene = Scene("s", 64, 32, KITTI)
    data = scene.to_json().replace(
        ',"curvature":0.0,"junction":0.0,"cross_width":7.0,"crossing":0.0,"shoulder":0.0,"median":0.0,"kind":""',
        "",
    )
    assert "curvature" not in data
    assert Scene.from_json(data) == scene


def on(road: Road, along: float, across: float, turn: float = 0.0) -> Cuboid:
    x, z = place(road, along, across)
    return replace(cuboid("Car", x, z), yaw=wrap(road_yaw(road, along) + turn))


@pytest.mark.parametrize("curvature", [-0.008, 0.0, 0.008])
def test_a_bend_is_found_from_the_cars_along_it(curvature: float) -> None:
    road = Road(offset=-1.7, curvature=curvature)
    cars = [on(road, a, c) for a, c in ((10, 1.7), (18, -1.7), (26, 1.7), (34, -1.7), (44, 1.7), (52, -1.7))]
    found = fit_road(cars)
    assert found.curvature == pytest.approx(curvature, abs=0.0025)
    for car in cars:
        assert abs(to_road(found, car.x, car.z)[1]) < found.half


def test_cross_traffic_asks_for_a_junction() -> None:
    road = Road(offset=-1.7)
    ours = [on(road, 12, 1.7), on(road, 20, -1.7)]
    assert fit_road(ours).junction == 0.0
    across = [on(road, 30, -8.0, math.pi / 2), on(road, 33, 3.0, -math.pi / 2)]
    found = fit_road([*ours, *across])
    assert found.junction == pytest.approx(31.5, abs=1.5)
    for car in across:
        assert abs(car.z - found.junction) < found.cross_width / 2
    assert fit_road([*ours, on(road, 30, 14.0, math.pi / 2)]).junction == 0.0, "one in a drive"


def test_a_parked_row_makes_a_residential_street() -> None:
    road = Road(offset=-1.7)
    row = [on(road, a, 4.4) for a in (9, 15, 21, 27)]
    assert fit_road([*row, on(road, 30, -1.7, math.pi)]).kind == "residential"
    assert fit_road([on(road, 15, 1.7), on(road, 40, 1.7)]).kind == ""


def test_no_vehicles_no_bend() -> None:
    assert fit_road([]).curvature == 0.0
    assert np.isfinite(fit_road([on(Road(), 10, 0)]).lane_width)
