import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imitation.data.images import encode_png
from imitation.data.records import Box, Frame, Object, Origin
from imitation.evaluation.failures import KINDS, Failure
from imitation.report.run.gallery import GalleryItem
from imitation.report.run.pictures import (
    DETECTION,
    TRUTH,
    build_entry,
    counterpart,
    crop_region,
    describe,
    facts,
)

BOX = Box(100, 40, 140, 70)


def failure(**changes: object) -> Failure:
    known = Failure(
        "f#missed-o0", "f", "mine", "m", "missed", "car", None, 0, BOX, None, None, 0.0, 30.0, occlusion=0.5
    )
    return replace(known, **changes)  # type: ignore[arg-type]


def frame(*objects: Object, name: str = "f", size: tuple[int, int] = (320, 120), grey: int = 90) -> Frame:
    pixels = np.full((size[1], size[0], 3), grey, dtype=np.uint8)
    return Frame(name, *size, objects, image=encode_png(pixels))


def pixels(uri: str | None) -> np.ndarray:
    assert uri is not None
    kind, data = uri.split(",", 1)
    assert kind == "data:image/jpeg;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))).astype(int)


def share(picture: np.ndarray, colour: tuple[int, int, int]) -> float:
    return float((np.abs(picture - np.array(colour)).sum(axis=2) < 90).mean())


sides = st.integers(1, 3000)
fractions = st.floats(0, 1)


@given(sides, sides, fractions, fractions, fractions, fractions)
def test_a_crop_is_whole_pixels_inside_the_image_and_holds_what_it_can(
    width: int, height: int, a: float, b: float, c: float, d: float
) -> None:
    focus = Box(min(a, b) * width, min(c, d) * height, max(a, b) * width, max(c, d) * height)
    crop = crop_region(focus, width, height)
    assert all(float(v).is_integer() for v in crop)
    assert 0 <= crop.x1 < crop.x2 <= width
    assert 0 <= crop.y1 < crop.y2 <= height
    assert crop.x1 <= focus.x1 + 1
    assert crop.y1 <= focus.y1 + 1
    assert crop.x2 >= focus.x2 - 1
    assert crop.y2 >= focus.y2 - 1


def test_draws_the_object_the_detection_and_the_restaged_object() -> None:
    parent = frame(Object("car", BOX), Object("truck", Box(5, 5, 60, 60)))
    there = frame(Object("car", Box(108, 42, 150, 74)), name="c01-f-v00", grey=40)
    there = replace(there, origin=Origin(1, "f", ("f#missed-o0",), "imitation", "{}", "toy", "1", 0))
    wrong = failure(
        kind="localization", detection_box=Box(110, 45, 155, 78), predicted="car", score=0.5, iou=0.4
    )
    entry = build_entry(GalleryItem(wrong, parent, (there,)))
    real = pixels(entry.real.uri)
    assert real.shape[:2] == (entry.real.height, entry.real.width)
    assert share(real, TRUTH) > 0.002
    assert share(real, DETECTION) > 0.002
    synthetic = pixels(entry.synthetic[0].uri)
    assert share(synthetic, TRUTH) > 0.002
    assert share(synthetic, DETECTION) == 0
    assert entry.real.caption == "real frame"
    assert entry.synthetic[0].caption == "synthetic, cycle 1"


def test_a_false_detection_has_no_object_to_draw() -> None:
    wrong = failure(
        kind="background",
        category=None,
        predicted="car",
        object_index=None,
        object_box=None,
        detection_box=BOX,
    )
    entry = build_entry(GalleryItem(wrong, frame(Object("car", Box(5, 5, 40, 40))), (frame(name="s"),)), True)
    assert share(pixels(entry.real.uri), DETECTION) > 0.002
    assert share(pixels(entry.real.uri), TRUTH) == 0
    assert entry.headline == "car detected where there is none"
    assert entry.real.caption == "stand-in frame"


def test_an_image_that_cannot_be_read_is_told() -> None:
    parent = replace(frame(Object("car", BOX)), image=None, image_uri="/nowhere/000001.png")
    entry = build_entry(GalleryItem(failure(), parent, (replace(frame(name="s"), image=b"junk"),)))
    assert entry.real.uri is None
    assert "/nowhere/000001.png" in entry.real.caption
    assert entry.synthetic[0].uri is None


def test_counterpart_is_the_nearest_of_its_category() -> None:
    parent = frame(Object("Car", BOX))
    near, far = Object("car", Box(104, 44, 146, 74)), Object("car", Box(250, 40, 290, 70))
    truck = Object("truck", BOX)
    assert counterpart(parent, failure(), frame(truck, far, near)) == 2
    assert counterpart(parent, failure(), frame(truck, far)) is None
    assert counterpart(parent, failure(), frame(replace(near, ignore=True))) is None
    double = [Object("car", Box(*(2 * v for v in near.box))), Object("car", near.box)]
    assert counterpart(parent, failure(), frame(*double, size=(640, 240))) == 0  # rendered at twice the size


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_told_in_words(kind: str) -> None:
    text = describe(failure(kind=kind, predicted="truck"))
    assert "car" in text or "truck" in text
    assert "None" not in text


def test_facts_leave_out_the_unknown() -> None:
    assert facts(failure()) == ("30 px high", "occlusion 0.50")
    assert facts(
        failure(occlusion=None, occlusion_level=2, distance_m=21.6, conditions={"weather": "fog"})
    ) == (
        "30 px high",
        "22 m away",
        "occlusion level 2",
        "fog",
    )
