"""Each factor changes one thing, and only where it applies."""

import math
from dataclasses import replace

import numpy as np
import pytest

from imitation.common.settings import UserError
from imitation.data.images import load_frame_image
from imitation.data.records import Box, Camera, Cuboid, Object
from sim_actors.changes.factor import Factor, Subject, at_distance, subject_label
from sim_actors.changes.light import lit
from sim_actors.changes.occlusion import before, covered
from sim_actors.changes.registry import FACTORS, factors
from sim_actors.scene.ground import ground_y
from sim_actors.scene.projection import projected_box
from sim_actors.scene.records import Actor, Environment, Prop, Road, Scene

SIZE = (320, 120)
CAMERA = Camera(220.0, 220.0, 150.0, 50.0, 1.65, 0.01)


def car(x, z, yaw=-1.4, **more):
    return Actor("car", Cuboid(x, ground_y(CAMERA, z), z, 3.9, 1.6, 1.5, yaw), seed=3, **more)


def scene(*actors, props=(), **light):
    road = Road(heading=0.1, offset=-1.0, curvature=0.005)
    return Scene("s", *SIZE, CAMERA, actors, props, road, Environment(**light), seed=5, focus=(0,))


def subject(of, actor=0, occlusion=0.0, image=None):
    box = projected_box(of.actors[actor].cuboid, of.camera).clipped(*SIZE)
    label = Object("car", box, occlusion=occlusion, cuboid=of.actors[actor].cuboid)
    return Subject(actor, label, np.full((SIZE[1], SIZE[0], 3), 90, np.uint8) if image is None else image)


def apply(name, of, about=None):
    return factors([name])[name](of, about or subject(of), np.random.default_rng(0))


def test_nearer_keeps_bearing_ground_and_the_rest():
    old = scene(car(6.0, 30.0), car(-4.0, 12.0))
    new = apply("nearer", old)
    was, now = old.actors[0].cuboid, new.actors[0].cuboid
    assert math.hypot(was.x, was.z) - math.hypot(now.x, now.z) == pytest.approx(10.0)
    assert math.atan2(now.x, now.z) == pytest.approx(math.atan2(was.x, was.z))
    assert now.y == pytest.approx(ground_y(CAMERA, now.z))
    assert now.yaw == was.yaw
    assert new.actors[1:] == old.actors[1:]
    assert replace(new, actors=old.actors) == old


def test_nearer_does_not_apply_where_there_is_no_room():
    assert apply("nearer", scene(car(0.0, 14.0))) is None  # nearer than 5 m
    assert apply("nearer", scene(car(0.0, 30.0), car(0.5, 20.5))) is None  # taken
    assert at_distance(scene(car(0.0, 30.0)), 0, 60.0).actors[0].cuboid.z == pytest.approx(60.0)


def test_turned_is_the_same_place_the_other_way():
    new = apply("turned", scene(car(3.0, 20.0, yaw=0.3)))
    assert new.actors[0].cuboid.yaw == pytest.approx(0.3 - math.pi)
    assert apply("turned", new).actors[0].cuboid.yaw == pytest.approx(0.3)


def test_mirrored_twice_is_the_scene_itself_and_boxes_swap_sides():
    prop = Prop("tree", 7.0, 25.0, 4.0, 4.0, 7.0, yaw=0.4)
    old = scene(car(6.0, 30.0), car(-4.0, 12.0, yaw=2.5), props=(prop,))
    new = apply("mirrored", old)
    for one, other in zip(old.actors, new.actors, strict=True):
        a, b = projected_box(one.cuboid, old.camera), projected_box(other.cuboid, new.camera)
        assert (b.x1, b.y1, b.x2, b.y2) == pytest.approx((SIZE[0] - a.x2, a.y1, SIZE[0] - a.x1, a.y2))
    assert new.road.curvature == -0.005
    assert new.road.heading == -0.1
    back = apply("mirrored", new)
    solids = [[*(actor.cuboid for actor in each.actors), *each.props] for each in (old, back)]
    for one, other in zip(*solids, strict=True):
        assert (other.x, other.z, other.yaw) == pytest.approx((one.x, one.z, one.yaw))


def test_mirrored_does_not_apply_in_the_middle():
    middle = scene(car(0.9, 20.0))
    assert abs(projected_box(middle.actors[0].cuboid, CAMERA).x1 + 8 - 160) < 30
    assert apply("mirrored", middle) is None


def test_the_occluder_goes_and_the_subject_keeps_its_focus():
    hider, wall = car(2.2, 10.0), Prop("wall", 1.8, 8.0, 3.0, 0.3, 1.6)
    behind, aside = car(8.0, 60.0), car(-8.0, 12.0)
    old = replace(scene(hider, car(4.0, 20.0), behind, aside, props=(wall,)), focus=(1,))
    new = apply("occluder", old, subject(old, 1, occlusion=0.4))
    assert before(old, 1) == ([0], [0])
    assert new.actors == (old.actors[1], behind, aside)
    assert new.props == ()
    assert new.focus == (0,)


def test_without_occlusion_there_is_no_occluder():
    old = scene(car(4.0, 20.0), car(2.2, 10.0))
    assert apply("occluder", old, subject(old, 0, occlusion=0.01)) is None
    assert (
        apply("occluder", scene(car(4.0, 20.0)), subject(old, 0, occlusion=0.5)) is None
    )  # nothing is there


def test_noon_and_clear_only_where_it_is_not():
    assert apply("noon", scene(car(4.0, 20.0), hour=13.0)) is None
    assert apply("clear", scene(car(4.0, 20.0))) is None
    night = lit(scene(car(4.0, 20.0)), hour=22.0)
    assert night.actors[0].lights
    noon = apply("noon", night)
    assert noon.environment.hour == 12.0
    assert not noon.actors[0].lights
    fog = lit(scene(car(4.0, 20.0), hour=9.0), weather="fog")
    clear = apply("clear", fog)
    assert clear.environment.weather == "clear"
    assert clear.environment.haze < 0.001 < fog.environment.haze
    assert clear.environment.hour == 9.0


def test_paint_differs_and_comes_from_the_generator():
    old = scene(car(4.0, 20.0, color=(0.012, 0.012, 0.014)))
    one, two = apply("paint", old), apply("paint", old)
    assert one == two
    assert min(one.actors[0].color) > 0.1
    assert replace(one.actors[0], color=old.actors[0].color) == old.actors[0]


@pytest.mark.parametrize(("around", "lightest"), [(30, True), (220, False)])
def test_contrast_goes_against_the_surroundings(around, lightest):
    old = scene(car(4.0, 20.0, color=(0.2, 0.2, 0.2)))
    about = subject(old, image=np.full((SIZE[1], SIZE[0], 3), around, np.uint8))
    assert (min(apply("contrast", old, about).actors[0].color) > 0.5) == lightest


def test_what_stands_out_needs_no_contrast():
    old = scene(car(4.0, 20.0))
    about = subject(old)
    box = about.label.box
    about.image[int(box.y1) : int(box.y2), int(box.x1) : int(box.x2)] = 250
    assert apply("contrast", old, about) is None


@pytest.mark.parametrize("share", [0.3, 0.6])
@pytest.mark.parametrize("x", [-5.0, 5.0])
def test_covered_hides_about_that_share_of_it_as_the_renderer_sees(simulator, share, x):
    asked = covered(scene(car(x, 22.0)), 0, share)
    frame = simulator.render(asked)
    found = frame.objects[subject_label(frame, asked)]
    assert found.occlusion == pytest.approx(share, abs=0.12)


def test_uncovered_takes_what_hides_away(simulator):
    old = scene(car(4.0, 20.0), car(2.4, 10.0))
    hidden, bare = simulator.render(old), simulator.render(covered(old, 0, 0.0))
    assert hidden.objects[0].occlusion > 0.2
    assert bare.objects[0].occlusion == 0.0


def test_a_mirrored_scene_is_rendered_mirrored(simulator):
    old = scene(car(6.0, 24.0), car(-4.0, 12.0))
    new = apply("mirrored", old)
    boxes = [[obj.box for obj in simulator.render(one).objects] for one in (old, new)]
    for a, b in zip(*boxes, strict=True):
        assert (b.x1, b.y1, b.x2, b.y2) == pytest.approx(
            (SIZE[0] - a.x2, a.y1, SIZE[0] - a.x1, a.y2), abs=2.0
        )
    one, other = (load_frame_image(simulator.render(each)).mean() for each in (old, new))
    assert one == pytest.approx(other, abs=6)


def test_every_factor_of_ours_is_known_and_says_what_it_does():
    found = factors()
    assert list(found) == list(FACTORS)
    assert all(factor.said for factor in found.values())
    assert found["occluder"].shows
    assert not found["paint"].shows


def test_a_factor_of_ones_own_by_import_path():
    own = factors(["tests.sim_actors.changes.test_factors:closer_lens"])
    (factor,) = own.values()
    assert isinstance(factor, Factor)
    assert factor(scene(car(4.0, 20.0)), None, None).camera.fx == 440.0
    with pytest.raises(UserError, match="did you mean 'nearer'"):
        factors(["nearr"])


def closer_lens(scene, subject, rng):
    return replace(scene, camera=replace(scene.camera, fx=2 * scene.camera.fx))


def test_the_label_of_the_subject_is_found_by_its_place():
    old = replace(scene(car(4.0, 20.0), car(-4.0, 12.0)), focus=(1,))
    labels = [Object("car", Box(0, 0, 1, 1), cuboid=actor.cuboid) for actor in old.actors]

    class Seen:
        objects = labels

    assert subject_label(Seen, old) == 1
    assert subject_label(Seen, replace(old, actors=(old.actors[0], car(9.0, 40.0)))) is None
