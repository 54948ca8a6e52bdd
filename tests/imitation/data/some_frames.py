"""Frames for the tests of what reads and writes them: hypothesis strategies, and a few by hand."""

import math
from functools import lru_cache

import numpy as np
from hypothesis import strategies as st

from imitation.data.images import encode_jpeg, encode_png
from imitation.data.records import Box, Camera, Cuboid, Frame, Object, Origin

WIDTH, HEIGHT = 64, 48


@lru_cache
def picture(seed: int = 0, width: int = WIDTH, height: int = HEIGHT, jpeg: bool = False) -> bytes:
    """One colour by seed: a few bytes, so that what hypothesis finds can be read."""
    colour = np.random.default_rng(seed).integers(0, 256, 3, dtype=np.uint8)
    pixels = np.broadcast_to(colour, (height, width, 3)).copy()
    return encode_jpeg(pixels) if jpeg else encode_png(pixels)


CAR = Object(
    "Car",
    Box(10.25, 8.5, 30.75, 20.125),
    amodal_box=Box(10.25, 8.5, 30.75, 20.125),
    truncation=0.0,
    occlusion=0.25,
    cuboid=Cuboid(-1.5, 1.6, 12.0, 3.9, 1.6, 1.5, -1.57),
    alpha=-1.4,
    occlusion_level=1,
)
CROWD = Object("Person", Box(40, 2, 60, 30), ignore=True)
ORIGIN = Origin(1, "a", ("a/0",), "imitation", "{}", "opengl", "1", 7)

_share = st.floats(0, 1)
_x, _y = st.floats(-5, WIDTH + 5), st.floats(-5, HEIGHT + 5)


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    """Boxes that reach over the image's edges, may be empty, and never lie outside."""
    x1, x2 = sorted((draw(_x), draw(_x)))
    y1, y2 = sorted((draw(_y), draw(_y)))
    return Box(min(x1, float(WIDTH)), min(y1, float(HEIGHT)), max(x2, 0.0), max(y2, 0.0))


_place, _size = st.floats(-80, 80), st.floats(0.01, 30)
_angle = st.floats(-math.pi, math.pi)
_category = st.sampled_from(
    ["Car", "car", "PEDESTRIAN", "truck", "DontCare", "traffic light", "Straße", "yes"]
)
objects = st.builds(
    Object,
    category=_category,
    box=boxes(),
    visible_box=st.none() | boxes(),
    amodal_box=st.none() | boxes(),
    truncation=st.none() | _share,
    occlusion=st.none() | _share,
    ignore=st.booleans(),
    cuboid=st.none() | st.builds(Cuboid, _place, _place, _place, _size, _size, _size, _angle),
    alpha=st.none() | _angle,
    occlusion_level=st.none() | st.integers(0, 3),
    difficulty=st.none() | st.integers(1, 2),
)
_px = st.floats(1, 5000)
_focal = st.floats(50, 3000)
_text = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=8)
_origins = st.builds(
    Origin,
    cycle=st.integers(0, 9),
    parent=st.none() | _text,
    failures=st.lists(_text, max_size=2).map(tuple),
    policy=_text,
    scene=_text,
    simulator=_text,
    simulator_version=_text,
    seed=st.integers(0, 2**31),
)


@st.composite
def frame_lists(draw: st.DrawFn, max_size: int = 4) -> list[Frame]:
    """Frames of unique ids, some of which cannot be file names, with images of their own."""
    ids = draw(st.lists(_text.filter(bool) | st.sampled_from(["a", "A", "a/b", "a_b", "..", "syn-a"]),
                        min_size=1, max_size=max_size, unique=True))  # fmt: skip
    return [
        Frame(
            frame_id,
            WIDTH,
            HEIGHT,
            tuple(draw(st.lists(objects, max_size=3))),
            sequence=draw(st.none() | _text),
            image=picture(number, jpeg=draw(st.booleans())),
            camera=draw(
                st.none() | st.builds(Camera, _focal, _focal, _px, _px, st.none() | _px, st.none() | _angle)
            ),
            conditions=draw(st.none() | st.dictionaries(_text.filter(bool), _text, max_size=2)),
            origin=draw(st.none() | _origins),
        )
        for number, frame_id in enumerate(ids)
    ]
