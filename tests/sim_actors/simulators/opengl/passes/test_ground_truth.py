"""Labels of scenes made by hand, where things leave the picture, and the parts of the measurement."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imitation.data.records import Box, Object
from sim_actors.scene.projection import visible_extents
from sim_actors.scene.records import Actor, Scene
from sim_actors.simulators.opengl.passes.ground_truth import pack
from sim_actors.simulators.opengl.renderer import OpenGLSimulator
from tests.sim_actors.simulators.opengl.staged import CAMERA, HEIGHT, SIZES, WIDTH, actor, scene


def gap(a: Box, b: Box) -> float:
    return max(abs(p - q) for p, q in zip(a, b))


def iou(a: Box, b: Box) -> float:
    overlap = Box(max(a.x1, b.x1), max(a.y1, b.y1), min(a.x2, b.x2), min(a.y2, b.y2))
    shared = overlap.area if overlap.x2 > overlap.x1 and overlap.y2 > overlap.y1 else 0.0
    return shared / (a.area + b.area - shared)


def _paired(objects: tuple[Object, ...], staged: Scene) -> list[tuple[Object, Actor]]:
    """Objects with the actors they label: cuboids are unique in a random scene."""
    by_cuboid = {a.cuboid: a for a in staged.actors}
    return [(o, by_cuboid[o.cuboid]) for o in objects if o.cuboid]


@pytest.mark.parametrize("category", sorted(SIZES))
def test_amodal_box_lies_in_and_fills_the_projected_cuboid(simulator: OpenGLSimulator, category: str) -> None:
    for yaw in (0.0, 0.6, math.pi / 2, 2.5):
        one = actor(category, 1.0, 14.0, yaw)
        (label,) = simulator.render(scene(one)).objects
        corners = CAMERA.project(one.cuboid.corners())
        cuboid = Box(*corners.min(axis=0), *corners.max(axis=0))
        assert label.amodal_box is not None
        # An ellipsoidal head or a tilted bonnet leaves the cuboid's far corners empty; the bodies of
        # people are slimmer than their strides.
        assert iou(label.amodal_box, cuboid) > (0.6 if category in ("Pedestrian", "Cyclist") else 0.8)
        assert label.amodal_box.x1 >= cuboid.x1 - 1
        assert label.amodal_box.x2 <= cuboid.x2 + 1
        assert label.amodal_box.y1 >= cuboid.y1 - 1
        assert label.amodal_box.y2 <= cuboid.y2 + 1


def test_a_known_cuboid_is_drawn_where_the_camera_projects_it(simulator: OpenGLSimulator) -> None:
    # A box truck seen from behind shows its cargo body's rear wall, which spans the cuboid.
    one = replace(actor("Truck", 0.5, 20.0, -math.pi / 2), model="box_truck")
    label = simulator.render(scene(one)).objects[0]
    c = one.cuboid
    rear = c.z - c.length / 2
    x1, y1 = CAMERA.project(np.array([[c.x - c.width / 2, c.y - c.height, rear]]))[0]
    x2, y2 = CAMERA.project(np.array([[c.x + c.width / 2, c.y, rear]]))[0]
    assert label.amodal_box is not None
    assert gap(label.amodal_box._replace(y2=y2), Box(x1, y1, x2, y2)) <= 1.0
    assert y2 - 6 <= label.amodal_box.y2 <= y2 + 1  # the wheels touch the ground a little further on


def test_behind_outside_and_hidden_give_no_object(simulator: OpenGLSimulator) -> None:
    behind, beside = actor("Car", 0.0, -8.0), actor("Car", 40.0, 12.0)
    front, hidden = actor("Van", 0.0, 10.0, labelled=False), actor("Pedestrian", 0.0, 24.0)
    assert simulator.render(scene(behind, beside, front, hidden)).objects == ()
    assert len(simulator.render(scene(hidden)).objects) == 1


def test_occlusion_of_half_a_car(simulator: OpenGLSimulator) -> None:
    car = actor("Car", 0.0, 20.0)
    alone = simulator.render(scene(car)).objects[0]
    wall = replace(actor("Truck", 4.0, 12.0), labelled=False)  # its left end covers the car's right half
    label = simulator.render(scene(car, wall)).objects[0]
    assert alone.occlusion is not None
    assert alone.occlusion < 0.01  # where the tyres meet the road, a pixel may be either's
    assert alone.occlusion_level == 0
    assert label.occlusion is not None
    assert 0.2 < label.occlusion < 0.8
    assert label.occlusion_level == (1 if label.occlusion < 0.5 else 2)
    assert label.amodal_box == alone.amodal_box
    assert label.box == alone.box
    assert label.visible_box is not None
    assert label.visible_box.x2 < alone.box.x2 - 2
    seen = simulator.render(scene(car, wall, convention="visible")).objects[0]
    assert seen.box == seen.visible_box == label.visible_box


def test_a_car_across_the_near_plane(simulator: OpenGLSimulator) -> None:
    label = simulator.render(scene(actor("Car", 1.8, 0.5, math.pi / 2))).objects[0]
    assert label.truncation is not None
    assert 0.5 < label.truncation < 1.0
    assert label.box.x2 == WIDTH
    assert label.amodal_box is not None
    assert label.amodal_box.x2 > WIDTH


positions = st.tuples(
    st.sampled_from(sorted(SIZES)), st.floats(-30, 30), st.floats(-10, 40), st.floats(-math.pi, math.pi)
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(positions, min_size=1, max_size=6, unique_by=lambda place: place[1:3]))
def test_labels_are_consistent_wherever_actors_stand(simulator: OpenGLSimulator, placed: list[Any]) -> None:
    actors = [actor(*place) for place in placed]
    frame = simulator.render(scene(*actors))
    found = [o.cuboid for o in frame.objects]
    assert found == [a.cuboid for a in actors if a.cuboid in found]
    for label, one in _paired(frame.objects, scene(*actors)):
        _check(label)
        assert one.cuboid.z + 5.0 > 0.2  # nothing that is wholly behind
        assert label.alpha is not None
        assert (
            abs(
                math.remainder(
                    label.alpha + math.atan2(one.cuboid.x, one.cuboid.z) - one.cuboid.yaw, 2 * math.pi
                )
            )
            < 1e-9
        )


def _check(label: Object) -> None:
    visible, amodal = label.visible_box, label.amodal_box
    assert visible is not None
    assert amodal is not None
    assert label.occlusion is not None
    assert label.truncation is not None
    assert 0 <= label.occlusion < 1
    assert 0 <= label.truncation < 1
    assert 0 <= visible.x1 < visible.x2 <= WIDTH
    assert 0 <= visible.y1 < visible.y2 <= HEIGHT
    assert amodal.x1 <= visible.x1 < visible.x2 <= amodal.x2
    assert amodal.y1 <= visible.y1 < visible.y2 <= amodal.y2
    assert label.box == amodal.clipped(WIDTH, HEIGHT)
    assert (label.truncation > 0) <= (amodal != label.box)


def test_visible_extents_of_a_hand_made_id_image() -> None:
    ids = np.zeros((5, 7), dtype=np.uint16)
    ids[1:3, 2:6] = 4
    ids[4, 0] = 9
    assert visible_extents(ids) == {4: (8, Box(2, 1, 6, 3)), 9: (1, Box(0, 4, 1, 5))}


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 30)), max_size=40))
def test_packed_tiles_do_not_overlap(sizes: list[tuple[int, int]]) -> None:
    pages = pack(sizes, (40, 30))
    assert sorted(k for page in pages for k in page) == list(range(len(sizes)))
    for page in pages:
        taken = np.zeros((30, 40), dtype=int)
        for k, (x, y) in page.items():
            assert x + sizes[k][0] <= 40
            assert y + sizes[k][1] <= 30
            taken[y : y + sizes[k][1], x : x + sizes[k][0]] += 1
        assert taken.max(initial=0) <= 1
