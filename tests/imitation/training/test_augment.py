"""Augmentation: boxes stay on their pixels."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from pydantic import ValidationError

from imitation.training.augment import GREY, augment, clip_targets, draw_colour, draw_window
from imitation.training.settings import AugmentSettings

OUT_WIDTH, OUT_HEIGHT = 208, 64
GEOMETRY = AugmentSettings(scale_min=0.7, scale_max=1.6, brightness=0, contrast=0, saturation=0, tint=0)


def one_object(width: int, height: int, box: tuple[int, int, int, int]) -> tuple[np.ndarray, tuple]:
    image = np.full((height, width, 3), (20, 20, 200), dtype=np.uint8)
    image[box[1] : box[3], box[0] : box[2]] = (255, 30, 20)
    targets = (
        np.array([box], dtype=np.float32),
        np.array([1]),
        np.array([False]),
        np.array([0.25], dtype=np.float32),
    )
    return image, targets


def painted(image: np.ndarray) -> np.ndarray:
    """The bounding box of the object's colour; the border is grey, the background blue."""
    rows, columns = np.nonzero((image[..., 0].astype(int) - image[..., 2]) > 60)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    width=st.integers(150, 700),
    height=st.integers(60, 300),
    place=st.tuples(*[st.floats(0, 1)] * 4),
)
def test_a_painted_object_is_found_where_its_box_says(
    seed: int, width: int, height: int, place: tuple[float, float, float, float]
) -> None:
    box_width, box_height = int(30 + place[0] * (width // 2 - 30)), int(20 + place[1] * (height // 2 - 20))
    x, y = int(place[2] * (width - box_width)), int(place[3] * (height - box_height))
    image, targets = one_object(width, height, (x, y, x + box_width, y + box_height))
    pixels, (boxes, labels, ignore, occlusion) = augment(
        image, targets, OUT_WIDTH, OUT_HEIGHT, GEOMETRY, np.random.default_rng(seed)
    )
    assert pixels.shape == (OUT_HEIGHT, OUT_WIDTH, 3)
    assert pixels.dtype == np.uint8
    assert len(boxes) == len(labels) == len(ignore) == len(occlusion)
    if len(boxes) and not ignore[0]:
        np.testing.assert_allclose(painted(pixels), boxes[0], atol=2.5)
        assert (boxes >= 0).all()
        assert (boxes[:, 2] <= OUT_WIDTH).all()
        assert (boxes[:, 3] <= OUT_HEIGHT).all()


def test_the_same_generator_gives_the_same_sample_and_another_does_not() -> None:
    image, targets = one_object(416, 128, (100, 40, 200, 90))
    first, again, other = (
        augment(image, targets, OUT_WIDTH, OUT_HEIGHT, AugmentSettings(), np.random.default_rng(seed))
        for seed in (5, 5, 6)
    )
    assert (first[0] == again[0]).all()
    assert (first[1][0] == again[1][0]).all()
    assert (first[0] != other[0]).any()


def test_flips_come_as_often_as_asked() -> None:
    rng = np.random.default_rng(0)
    for probability in (0.0, 0.5, 1.0):
        asked = AugmentSettings(flip=probability)
        share = np.mean([draw_window(100, 50, 100, 50, asked, rng).flip for _ in range(400)])
        assert abs(share - probability) < 0.1
    image, targets = one_object(100, 50, (10, 10, 40, 30))
    still = GEOMETRY.model_copy(update={"scale_min": 1.0, "scale_max": 1.0, "aspect": 0.0, "flip": 1.0})
    pixels, flipped = augment(image, targets, 100, 50, still, rng)
    assert (pixels == image[:, ::-1]).all()
    assert flipped[0].tolist() == [[60, 10, 90, 30]]


def test_disabled_only_resizes() -> None:
    image, targets = one_object(100, 50, (10, 10, 40, 30))
    pixels, same = augment(image, targets, 100, 50, AugmentSettings(enabled=False), np.random.default_rng(0))
    assert (pixels == image).all()
    assert same[0].tolist() == targets[0].tolist()
    _, double = augment(image, targets, 200, 200, AugmentSettings(enabled=False), np.random.default_rng(0))
    assert double[0].tolist() == [[20, 40, 80, 120]]


def test_objects_mostly_cropped_away_are_ignored_and_lost_ones_dropped() -> None:
    boxes = np.float32([[10, 10, 50, 50], [-30, 10, 10, 50], [-60, 0, -20, 40], [20, 20, 22, 60]])
    targets = (boxes, np.array([1, 2, 1, 2]), np.zeros(4, bool), np.float32([0.1, 0.2, 0.3, np.nan]))
    clipped, labels, ignore, occlusion = clip_targets(targets, boxes, 100, 100, min_visible=0.3)
    assert clipped.tolist() == [[10, 10, 50, 50], [0, 10, 10, 50], [20, 20, 22, 60]]
    assert labels.tolist() == [1, 2, 2]
    assert ignore.tolist() == [False, True, True]  # a quarter is left; thinner than 3 px
    np.testing.assert_array_equal(occlusion, np.array([0.1, 0.2, np.nan], np.float32))


def test_no_objects() -> None:
    empty = (np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, bool), np.zeros(0, np.float32))
    image = np.zeros((50, 100, 3), dtype=np.uint8)
    _, targets = augment(image, empty, 64, 32, AugmentSettings(), np.random.default_rng(0))
    assert [len(part) for part in targets] == [0, 0, 0, 0]
    assert targets[0].shape == (0, 4)


def test_colour_changes_stay_in_their_ranges() -> None:
    grey = np.full((10, 10, 3), 100, dtype=np.uint8)
    bright = AugmentSettings(brightness=0.2, contrast=0, saturation=1, tint=0)
    values = {int(draw_colour(bright, np.random.default_rng(s)).image(grey)[0, 0, 0]) for s in range(200)}
    assert 80 <= min(values) < 85
    assert 115 < max(values) <= 120
    none = AugmentSettings(brightness=0, contrast=0, saturation=0, tint=0)
    photo = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    assert (draw_colour(none, np.random.default_rng(1)).image(photo) == photo).all()


def as_formulas(image: np.ndarray, saturation: float, contrast: float, gains: np.ndarray) -> np.ndarray:
    """The change of colour as it is written down, the whole picture at a time."""
    pixels = image.astype(np.float32)
    grey = pixels @ GREY
    pixels = pixels * np.float32(saturation) + (grey * np.float32(1 - saturation))[..., None]
    middle = np.float32(grey.mean())
    pixels = ((pixels - middle) * np.float32(contrast) + middle) * gains
    return np.clip(pixels + 0.5, 0, 255).astype(np.uint8)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32), width=st.integers(1, 90), height=st.integers(1, 90), mirrored=st.booleans()
)
def test_colours_by_parts_are_those_of_the_whole_to_the_last_digit(
    seed: int, width: int, height: int, mirrored: bool
) -> None:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)[:, :: -1 if mirrored else 1]
    colour = draw_colour(AugmentSettings(tint=0.3), rng)
    expected = as_formulas(image, colour.saturation, colour.contrast, colour.gains)
    np.testing.assert_array_equal(colour.image(image), expected)


def test_a_smallest_scale_above_the_largest_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"scale_min 2\.0 is above"):
        AugmentSettings(scale_min=2.0, scale_max=1.0)
