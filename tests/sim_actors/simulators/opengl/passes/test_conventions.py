"""Which box trains: the whole object's pixels, its cuboid, or what is visible of it."""

from dataclasses import replace

import pytest

from imitation.data.records import Camera, Cuboid
from sim_actors.scene.projection import projected_box
from sim_actors.scene.records import Actor, Scene
from sim_actors.simulators.opengl.renderer import OpenGLSimulator

CAMERA = Camera(300.0, 300.0, 160.0, 60.0, 1.65, 0.0)
FAR = Actor("car", Cuboid(0.3, 1.65, 16.0, 3.9, 1.6, 1.5, -1.2))
NEAR = Actor("car", Cuboid(0.9, 1.65, 9.0, 3.9, 1.6, 1.5, -1.5))


@pytest.fixture(scope="module")
def simulator():
    simulator = OpenGLSimulator()
    yield simulator
    simulator.close()


def test_each_convention_gives_its_own_box(simulator):
    scene = Scene("s", 320, 128, CAMERA, (FAR, NEAR))
    found = {
        convention: simulator.render(replace(scene, convention=convention)).objects
        for convention in ("amodal_clipped", "cuboid_clipped", "visible")
    }
    for amodal, cuboid, visible, actor in zip(*found.values(), scene.actors, strict=True):
        assert amodal.box == amodal.amodal_box.clipped(320, 128)
        assert cuboid.box == projected_box(actor.cuboid, CAMERA).clipped(320, 128)
        assert visible.box == visible.visible_box
        assert cuboid.box.area >= amodal.box.area, "the body fits into its cuboid"
    far = found["visible"][0]
    assert far.occlusion > 0.2
    assert far.box.area < found["amodal_clipped"][0].box.area


def test_a_cuboid_across_the_near_plane_falls_back_to_its_pixels(simulator):
    beside = Actor("car", Cuboid(1.5, 1.65, 1.4, 3.9, 1.6, 1.5, -1.57))
    scene = Scene("s", 320, 128, CAMERA, (beside,), convention="cuboid_clipped")
    (found,) = simulator.render(scene).objects
    assert found.box == found.amodal_box.clipped(320, 128)
