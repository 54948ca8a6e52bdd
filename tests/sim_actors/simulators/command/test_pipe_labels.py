"""What a program answers of a scene, held against ids that are painted by hand."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imitation.common.settings import UserError
from imitation.data.images import decode_image
from imitation.data.records import Box, Camera, Cuboid
from sim_actors.scene.projection import projected_box
from sim_actors.scene.records import Actor, Scene
from sim_actors.simulators.command.labels import frame_of
from sim_actors.simulators.command.messages import Rendered, read
from sim_actors.simulators.command.settings import CommandSettings
from sim_actors.simulators.contract import checked_frame

NEAR = Actor("car", Cuboid(-2.0, 1.0, 10.0, 4.0, 1.8, 1.5, 0.0))
FAR = Actor("van", Cuboid(-1.0, 1.0, 20.0, 4.0, 1.8, 2.0, 0.0))
CLUTTER = Actor("bin", Cuboid(4.0, 1.0, 12.0, 1.0, 1.0, 1.0, 0.0), labelled=False)
SCENE = Scene("one", 60, 40, Camera(50.0, 50.0, 30.0, 15.0), (NEAR, FAR, CLUTTER))
SETTINGS = CommandSettings(command=("none",))


def encoded(pixels: np.ndarray, kind: str = "PNG") -> str:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, kind)
    return base64.b64encode(data.getvalue()).decode()


PICTURE = encoded(np.full((40, 60, 3), 128, np.uint8))


def painted() -> np.ndarray:
    """NEAR in columns 9 to 30; of FAR, in columns 22 to 33, a third shows beside it; CLUTTER."""
    ids = np.zeros((40, 60), np.uint16)
    ids[13:18, 22:34] = 2
    ids[12:20, 9:30] = 1
    ids[14:19, 46:50] = 3
    return ids


def frame(scene: Scene = SCENE, settings: CommandSettings = SETTINGS, **answer: Any):
    given = {"scene_id": "one", "image_base64": PICTURE} | answer
    given = {key: value for key, value in given.items() if value is not None}
    return frame_of(read(Rendered, given, "it"), scene, settings, "it")


def test_boxes_and_occlusion_come_of_the_ids():
    objects = [
        {"actor": 2},
        {"actor": 1, "amodal_box": [22, 13, 34, 18], "pixels": 60, "cuboid": cuboid(FAR)},
        {"actor": 0, "amodal_box": [9, 12, 30, 20], "pixels": 168},
    ]  # fmt: skip
    found = checked_frame(frame(ids_base64=encoded(painted()), objects=objects), SCENE, "it")
    near, far = found.objects
    assert (near.category, near.visible_box, near.occlusion) == ("car", Box(9, 12, 30, 20), 0.0)
    assert (far.category, far.visible_box) == ("van", Box(30, 13, 34, 18))
    assert far.box == far.amodal_box == Box(22, 13, 34, 18)
    assert (far.occlusion, far.occlusion_level, far.truncation) == (pytest.approx(2 / 3), 2, 0.0)
    assert (far.cuboid, near.cuboid, near.alpha) == (FAR.cuboid, None, None)
    assert not far.ignore


def cuboid(actor: Actor) -> dict[str, float]:
    return {name: getattr(actor.cuboid, name) for name in Cuboid.__slots__}


def test_what_no_pixel_shows_has_no_label():
    ids = painted()
    ids[ids == 2] = 0
    objects = [{"actor": k, "amodal_box": box} for k, box in ((0, [9, 12, 30, 20]), (1, [22, 13, 34, 18]))]
    assert [o.category for o in frame(ids_base64=encoded(ids), objects=objects).objects] == ["car"]


def test_the_box_is_what_the_scene_calls_one():
    objects = [{"actor": 0, "visible_box": [0, 12, 30, 20], "amodal_box": [-10, 12, 30, 20]}]
    boxes = {}
    for convention in ("amodal_clipped", "visible", "cuboid_clipped"):
        (label,) = frame(SCENE.replace(convention=convention), objects=objects).objects
        boxes[convention] = label.box
    assert boxes["visible"] == Box(0, 12, 30, 20)
    assert boxes["amodal_clipped"] == Box(0, 12, 30, 20)
    assert boxes["cuboid_clipped"] == projected_box(NEAR.cuboid, SCENE.camera).clipped(60, 40)
    assert label.truncation == pytest.approx(0.25)


def test_the_ignored_are_those_that_the_options_say():
    objects = [{"actor": 0, "visible_box": [9, 12, 12, 14], "amodal_box": [9, 12, 30, 20], "occlusion": 0.95}]
    assert frame(objects=objects).objects[0].ignore
    lax = CommandSettings(command=("none",), ignore_below_px=5, ignore_occlusion_above=1.0)
    assert not frame(settings=lax, objects=objects).objects[0].ignore


@pytest.mark.parametrize("kind", ["PNG", "PPM", "BMP", "TIFF"])
def test_pictures_of_several_kinds(kind):
    pixels = np.random.default_rng(3).integers(0, 255, (40, 60, 3), np.uint8)
    scene = SCENE.replace(sensor=SCENE.sensor.__class__(jpeg_quality=0))
    found = frame(scene, image_base64=encoded(pixels, kind))
    assert (decode_image(found.image, "it") == pixels).all()


@pytest.mark.parametrize("kind", ["PNG", "PPM"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_ids_of_several_kinds(kind, dtype):
    convention = SCENE.replace(convention="visible")
    found = frame(convention, ids_base64=encoded(painted().astype(dtype), kind))
    assert [label.box for label in found.objects] == [Box(9, 12, 30, 20), Box(30, 13, 34, 18)]


def test_a_path_is_seen_from_where_the_program_runs(tmp_path):
    (tmp_path / "look.png").write_bytes(base64.b64decode(PICTURE))
    there = CommandSettings(command=("none",), cwd=str(tmp_path))
    assert frame(settings=there, image_base64=None, image="look.png").image == base64.b64decode(PICTURE)
    assert frame(image_base64=None, image=str(tmp_path / "look.png")).image == base64.b64decode(PICTURE)


CAR = {"actor": 0, "amodal_box": [9, 12, 30, 20]}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"image_base64": None}, "no picture: image .* or image_base64 is required"),
        ({"image": "a.png"}, "has both image and image_base64"),
        ({"image_base64": None, "image": "no-such.png"}, "there is no file 'no-such.png'"),
        ({"image_base64": None, "image": "/dev/zero"}, "there is no file '/dev/zero'"),
        ({"image_base64": "???"}, "image_base64 is no base64"),
        ({"image_base64": base64.b64encode(b"GIF89a").decode()}, "image cannot be decoded .*b'GIF89a'"),
        ({"ids_base64": encoded(np.zeros((4, 6), np.uint8))}, "ids is 6x4 px, the scene 60x40"),
        ({"ids_base64": PICTURE}, "ids is a picture of mode RGB; it has one channel"),
        ({"ids_base64": encoded(np.full((40, 60), 9, np.uint8))}, "ids holds 9, but the scene has 3 actors"),
        ({"objects": [{"actor": 7}]}, "objects name actor 7 .*, the scene has 3"),
        ({"objects": [CAR, CAR]}, "objects name actor 0 twice"),
        ({"objects": [{"actor": 0}]}, r"actor 0 \(car\): it has no amodal_box, which labels of"),
        ({"objects": [CAR | {"amodal_box": [30, 12, 9, 20]}]}, "x1, y1, x2, y2] with x1 < x2"),
        ({"objects": [CAR | {"amodal_box": [9, 12, float("nan"), 20]}]}, "finite number"),
        ({"objects": [CAR | {"amodal_box": [9, 12, 30]}]}, r"objects\[0\].amodal_box\[3\]: .*required"),
        ({"objects": [CAR | {"occlusion": 40}]}, "occlusion: input should be less than or equal to 1"),
        ({"objects": [CAR | {"amodal_boxes": []}]}, "did you mean 'amodal_box'"),
        ({"objects": [CAR | {"visible_box": [5, 12, 30, 20]}]}, "reaches out of its amodal_box"),
        (
            {"objects": [CAR | {"visible_box": [9, 12, 20, 20]}], "ids_base64": encoded(painted())},
            "its visible_box is .*, its pixels in ids span",
        ),
    ],
)  # fmt: skip
def test_an_answer_that_cannot_be(answer, message):
    with pytest.raises(UserError, match=message):
        frame(**answer)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"image_base64": encoded(np.zeros((4, 6, 3), np.uint8))}, "6x4"),
        ({"image_base64": PICTURE[: len(PICTURE) // 8 * 4]}, "unreadable image"),
        ({"objects": [{"actor": 0, "amodal_box": [50, 30, 58, 38]}]}, "lies elsewhere than its actor"),
    ],
)
def test_what_the_contract_of_every_simulator_refuses(answer, message):
    with pytest.raises(UserError, match=message):
        checked_frame(frame(**answer), SCENE, "it")


def test_no_file_of_the_machine_is_taken_for_a_picture(tmp_path: Path):
    (tmp_path / "secret").write_text("root:x:0:0")
    with pytest.raises(UserError, match="image cannot be decoded"):
        frame(image_base64=None, image=str(tmp_path / "secret"))
