"""What a simulator gives back is held against its scene: each way to break the contract, and what is said."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from imitation.data.images import encode_png
from imitation.data.records import Box, Camera, Cuboid, Frame, Object
from sim_actors.scene.projection import projected_box
from sim_actors.scene.records import Actor, Scene
from sim_actors.simulators.contract import ContractError, checked_frame, pixels_changed, truth_changed
from sim_actors.simulators.opengl.renderer import OpenGLSimulator
from sim_actors.simulators.registry import SimulatorSpec
from sim_actors.simulators.worker import SceneJob, SimulatorHost, decode_frame
from tests.sim_actors.scene.test_backdrop import SCENE as IN_PHOTO
from tests.sim_actors.simulators.opengl.staged import random_scene
from tests.sim_actors.simulators.toy_simulators import make_jobs

CAMERA = Camera(300.0, 300.0, 160.0, 60.0, 1.65, 0.0)
ACTORS = (
    Actor("Car", Cuboid(-5.0, 1.65, 16.0, 4.2, 1.8, 1.5, 0.3)),
    Actor("Pedestrian", Cuboid(0.5, 1.65, 9.0, 0.7, 0.6, 1.75, 0.0)),
    Actor("Car", Cuboid(3.0, 1.65, 22.0, 4.2, 1.8, 1.5, 0.0), labelled=False),
    Actor("Car", Cuboid(6.0, 1.65, 20.0, 4.2, 1.8, 1.5, 1.2)),
)
SCENE = Scene("s", 320, 120, CAMERA, ACTORS)
PICTURE = encode_png(np.zeros((120, 320, 3), dtype=np.uint8))


def label(actor: Actor, **changes) -> Object:
    box = projected_box(actor.cuboid, CAMERA).clipped(320, 120)
    return replace(Object(actor.category, box, visible_box=box, cuboid=actor.cuboid), **changes)


FIRST, WALKER, LAST = (label(ACTORS[k]) for k in (0, 1, 3))


def frame(*objects: Object, **changes) -> Frame:
    return replace(Frame("s", 320, 120, objects, image=PICTURE, camera=CAMERA), **changes)


def refusal(value) -> str:
    with pytest.raises(ContractError) as caught:
        checked_frame(value, SCENE, "mine")
    assert str(caught.value).startswith("simulator 'mine', scene 's': ")
    return str(caught.value)


@pytest.mark.parametrize(
    "good",
    [
        frame(FIRST, WALKER, LAST),
        frame(),  # all of them may be hidden
        frame(FIRST, LAST),
        frame(LAST),  # a car, but not the first: where it is says which
        frame(*(replace(obj, cuboid=None, visible_box=None) for obj in (FIRST, WALKER, LAST))),
        frame(WALKER, Object("DontCare", Box(0, 0, 320, 40), ignore=True)),
        frame(FIRST, camera=None),
        frame(replace(FIRST, amodal_box=Box(-900, 0, 100, 100), box=Box(-1.5, 60, 90, 121))),
    ],
)
def test_what_the_scene_can_have_given_is_taken(good):
    assert checked_frame(good, SCENE, "mine") is good


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (None, "render() gave None and not a Frame"),
        ((PICTURE, ()), "a value of type 'tuple' and not a Frame"),
        (frame(image=np.zeros((120, 320, 3))), "a value of type 'ndarray' and not the bytes of a JPEG"),
        (frame(replace(FIRST, category="car")), "'car', which a detector"),
        (frame(replace(FIRST, category="car")), "'Car' is meant"),
        (frame(replace(FIRST, category="vehicle")), "its labelled actors are Car, Pedestrian"),
        (frame(replace(FIRST, box=Box(0, 10, 5000, 80))), "reaches 4680 px beyond the 320x120 image"),
        (frame(replace(FIRST, visible_box=Box(-40, 9, 50, 80))), "visible_box (-40, 9, 50, 80) reaches 40"),
        (frame(WALKER, FIRST), "in the order of the scene's actors"),
        (frame(FIRST, FIRST), "each at most once"),
        (frame(FIRST, WALKER, LAST, LAST), "has 4 labelled objects, the scene 3 labelled actors"),
        (frame(label(ACTORS[2])), "none of the scene's 2 labelled actors of this category is where it is"),
        (frame(replace(WALKER, box=Box(0.1, 0.2, 0.3, 0.9))), "not fractions of the image"),
        (frame(replace(WALKER, cuboid=Cuboid(0.5, 0.8, 9.0, 0.7, 0.6, 1.75, 0.0))), "its cuboid stands at"),
        (frame(replace(FIRST, box=(1, 2, 3, 4))), "a value of type 'tuple' and not a Box"),
        (frame({"category": "Car"}), "object 0 is a value of type 'dict'"),
        (frame(replace(FIRST, truncation="none")), "a value of the wrong type"),
        (frame(FIRST, camera=replace(CAMERA, fx=600.0)), "camera has fx = 600 px, the scene's 300"),
    ],
)  # fmt: skip
def test_what_it_cannot_have_given_is_refused_in_a_sentence(bad, said):
    assert said in refusal(bad)


def test_in_a_photo_its_own_labels_come_first():
    assert IN_PHOTO.backdrop is not None
    photo = IN_PHOTO.backdrop.photo
    assert photo is not None
    assert photo.objects
    good = replace(photo, frame_id=IN_PHOTO.scene_id, image_uri=None)
    assert checked_frame(good, IN_PHOTO, "mine") is good
    with pytest.raises(ContractError, match="labels have to come back first"):
        checked_frame(replace(good, objects=good.objects[1:]), IN_PHOTO, "mine")


def test_the_embedded_renderer_keeps_it_in_every_hard_case(simulator: OpenGLSimulator) -> None:
    """Crowds, things across the camera's plane, both asset families (the scenes of the labels' own tests)."""
    labelled = 0
    for seed in range(8):
        scene = random_scene(seed)
        labelled += len(checked_frame(simulator.render(scene), scene, "opengl").objects)
    assert labelled > 20


@pytest.mark.parametrize(
    ("again", "said"),
    [
        (frame(FIRST, LAST), "3 objects, then 2"),
        (frame(FIRST, replace(WALKER, ignore=True), LAST), "was Pedestrian, then Pedestrian (ignored)"),
        (frame(FIRST, WALKER, replace(LAST, box=Box(240, 50, 300, 90))), "the box of object 2 (Car) was"),
        (frame(replace(FIRST, occlusion=0.5), WALKER, LAST), "the occlusion of object 0 (Car) was None"),
        (frame(replace(FIRST, cuboid=replace(FIRST.cuboid, yaw=1.0)), WALKER, LAST), "the yaw of object 0's"),
    ],
)  # fmt: skip
def test_labels_that_change_are_named(again, said):
    assert said in (truth_changed(frame(FIRST, WALKER, LAST), again) or "")


def test_rounding_is_no_change():
    moved = replace(FIRST, box=Box(*(v + 0.2 for v in FIRST.box)))
    assert truth_changed(frame(FIRST), frame(moved)) is None
    assert pixels_changed(frame(FIRST), frame(FIRST)) is None
    pixels = np.zeros((120, 320, 3), dtype=np.uint8)
    pixels[:12] = 7
    assert (
        pixels_changed(frame(), frame(image=encode_png(pixels)))
        == "10.0% of its pixels change, by up to 7 of 255"
    )
    assert "not its pixels" in (pixels_changed(frame(), frame(image=PICTURE + b"\0")) or "")


class Drifting:
    """Renders something else each time: the picture, or the labels too."""

    name, version = "drifting", "1"

    def __init__(self, labels: bool) -> None:
        self.labels, self.renders = labels, 0

    def supports(self, scene: Scene) -> list[str]:
        return []

    def render(self, scene: Scene) -> Frame:
        self.renders += 1
        image = encode_png(np.full((scene.height, scene.width, 3), self.renders, dtype=np.uint8))
        box = Box(1.0, 2.0, 9.0 + self.renders * self.labels, 8.0)
        return Frame(scene.scene_id, scene.width, scene.height, (Object("Car", box),), image=image)

    def close(self) -> None:
        pass


def rendered_twice(labels: bool):
    host = SimulatorHost(
        SimulatorSpec("tests.sim_actors.simulators.test_contract:Drifting", {"labels": labels})
    )
    assert host.start().error is None
    (job,) = make_jobs(1, twice=True)
    return host.render(job)


def test_other_pixels_of_the_same_scene_are_a_remark():
    answer = rendered_twice(labels=False)
    assert answer.error is None
    assert decode_frame(answer.payload).frame_id == "s000"
    assert "100.0% of its pixels change, by up to 1 of 255, the labels do not" in answer.remark


def test_other_labels_of_the_same_scene_end_it():
    answer = rendered_twice(labels=True)
    assert answer.payload is None
    assert answer.hopeless
    assert "the box of object 0 (Car) was (1, 2, 10, 8), then (1, 2, 11, 8)" in answer.error


def test_a_wrong_answer_of_supports_is_a_sentence(monkeypatch):
    host = SimulatorHost(
        SimulatorSpec("tests.sim_actors.simulators.test_contract:Drifting", {"labels": False})
    )
    host.start()
    answers: list[Callable] = [lambda scene: None, lambda scene: "no llamas"]
    for supports in answers:
        host._simulator.supports = supports
        answer = host.render(SceneJob(make_jobs(1)[0].scene))
        assert "supports() gave" in answer.error
        assert "Traceback" not in answer.error
