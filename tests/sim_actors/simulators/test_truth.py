"""Boxes, shares and labels of masks that are painted by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imitation.data.records import Box, Camera, Cuboid
from sim_actors.scene.projection import projected_box
from sim_actors.scene.records import Actor, Scene
from sim_actors.simulators.truth import Silhouette, label_of, seen_of

CAR = Actor("car", Cuboid(-2.0, 1.0, 10.0, 4.0, 1.8, 1.5, 0.4))
SCENE = Scene("one", 60, 40, Camera(50.0, 50.0, 30.0, 15.0), (Actor("van", CAR.cuboid), CAR))
SIZE = 60, 40


def mask(x1: int, y1: int, x2: int, y2: int, width: int = 60, height: int = 40) -> np.ndarray:
    found = np.zeros((height, width), bool)
    found[y1:y2, x1:x2] = True
    return found


def test_what_others_hide_is_a_share_of_what_shows_alone():
    alone = Silhouette(mask(10, 10, 30, 20), 0, 0, SIZE)
    seen = seen_of(1, (50, Box(10, 10, 15, 20)), alone, SIZE)
    assert (seen.occlusion, seen.truncation) == (0.75, 0.0)
    assert (seen.visible_box, seen.amodal_box) == (Box(10, 10, 15, 20), Box(10, 10, 30, 20))


def test_pixels_that_show_count_though_the_other_mask_lacks_them():
    """Two renders may differ by a pixel at a silhouette."""
    seen = seen_of(0, (12, Box(4, 4, 8, 7)), Silhouette(mask(4, 4, 7, 7), 0, 0, SIZE), SIZE)
    assert seen.occlusion == 0
    assert seen.amodal_box == Box(4, 4, 8, 7)


def test_what_lies_beyond_the_border_is_a_share_of_the_whole():
    alone = Silhouette(mask(0, 10, 10, 20), 0, 0, SIZE)
    whole = Silhouette(mask(70, 30, 110, 40, 160, 80), -100, -20, (160, 80))
    seen = seen_of(0, (100, Box(0, 10, 10, 20)), alone, SIZE, whole)
    assert seen.truncation == pytest.approx(0.75)
    assert seen.amodal_box == Box(-30, 10, 10, 20)
    known = seen_of(0, (100, Box(0, 10, 10, 20)), alone, SIZE, whole, extent=Box(-30.4, 9.8, 10, 20))
    assert known.amodal_box == Box(-30.4, 9.8, 10, 20)


@given(
    st.integers(0, 50), st.integers(1, 20), st.floats(-50, 50), st.sampled_from([0.25, 0.5, 1.0, 2.0])
)  # fmt: skip
def test_a_mask_of_another_scale_has_the_same_box_and_area(x, width, left, cell):
    shape = Silhouette(mask(x, 5, min(x + width, 60), 15), left, -3.0, (60 * cell, 40 * cell))
    box = shape.box()
    assert box.x1 == pytest.approx(left + x * cell)
    assert (box.height, box.y1) == pytest.approx((10 * cell, 5 * cell - 3))
    outside = box.area - box.clipped(20, 10).area if box.clipped(20, 10).area > 0 else box.area
    assert shape.area_outside(20, 10) == pytest.approx(outside)


def test_nothing_has_no_box():
    assert Silhouette(np.zeros((4, 6), bool), 0, 0, (6, 4)).box() is None


@pytest.mark.parametrize("convention", ["visible", "amodal_clipped", "cuboid_clipped"])
def test_the_box_is_what_the_scene_calls_one(convention):
    seen = seen_of(
        1, (50, Box(10, 10, 15, 20)), Silhouette(mask(10, 10, 30, 20), 0, 0, SIZE), SIZE
    )  # fmt: skip
    label = label_of(seen, SCENE.replace(convention=convention), 12, 0.9)
    boxes = {
        "visible": Box(10, 10, 15, 20),
        "amodal_clipped": Box(10, 10, 30, 20),
        "cuboid_clipped": projected_box(CAR.cuboid, SCENE.camera).clipped(*SIZE),
    }
    assert label.box == boxes[convention]
    assert (label.category, label.cuboid, label.occlusion_level, label.ignore) == (
        "car",
        CAR.cuboid,
        2,
        False,
    )


@pytest.mark.parametrize(
    ("pixels", "most", "dim", "ignored"),
    [(50, 0.9, False, False), (11, 0.99, False, True), (50, 0.7, False, True), (50, 0.9, True, True)],
)
def test_what_is_ignored(pixels, most, dim, ignored):
    seen = seen_of(0, (pixels, Box(10, 10, 15, 20)), Silhouette(mask(10, 10, 30, 20), 0, 0, SIZE), SIZE)
    assert label_of(seen, SCENE, 12, most, ignore=dim).ignore is ignored
