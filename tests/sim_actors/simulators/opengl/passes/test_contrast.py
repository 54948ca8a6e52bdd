"""Whether a thing can be seen: on pictures whose contrast is known beforehand."""

import math

import numpy as np
import pytest

from imitation.data.records import Box
from sim_actors.simulators.opengl.passes.contrast import contrast

THING = Box(40.0, 20.0, 60.0, 70.0)


def picture(back: int, thing: int, box: Box = THING, size: tuple[int, int] = (100, 120)) -> tuple:
    pixels = np.full((*size, 3), back, dtype=np.uint8)
    mask = np.zeros(size, dtype=bool)
    mask[int(box.y1) : int(box.y2), int(box.x1) : int(box.x2)] = True
    pixels[mask] = thing
    return pixels, mask


def lightness(grey: int) -> float:
    """CIE L* of an sRGB grey, by the definition."""
    level = grey / 255
    y = level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4
    return 116 * y ** (1 / 3) - 16 if y > (6 / 29) ** 3 else (29 / 3) ** 3 * y


@pytest.mark.parametrize(("back", "thing"), [(10, 14), (0, 0), (128, 100), (255, 0), (20, 90)])
def test_of_two_even_fields_it_is_the_difference_in_lightness(back, thing):
    pixels, mask = picture(back, thing)
    assert contrast(pixels, mask, THING) == pytest.approx(
        abs(lightness(back) - lightness(thing)), rel=1e-3, abs=1e-6
    )


def test_noise_alone_is_not_to_be_seen_and_a_lamp_is():
    pixels, mask = picture(12, 12)
    noisy = pixels.astype(int) + np.random.default_rng(0).normal(0, 3, pixels.shape)
    noisy = noisy.clip(0, 255).astype(np.uint8)
    assert contrast(noisy, mask, THING) < 1.0
    noisy[60:64, 42:46] = 250  # 16 of its 1000 pixels
    assert contrast(noisy, mask, THING) > 8.0


def test_only_what_is_near_counts():
    """Before a wall that is half bright and half dark, a thing that is everywhere as its own part of it."""
    pixels, mask = picture(0, 0, Box(20.0, 10.0, 100.0, 90.0))
    pixels[:, 60:] = 200
    far = contrast(pixels, mask, Box(20.0, 10.0, 100.0, 90.0))
    pixels[mask] = 100
    assert contrast(pixels, mask, Box(20.0, 10.0, 100.0, 90.0)) > 30
    assert far < 20  # the seam between the two alone; held against one mean of all it would be 40


def test_large_things_are_looked_at_more_coarsely_and_come_out_the_same():
    box = Box(50.0, 40.0, 950.0, 640.0)
    pixels, mask = picture(30, 40, box, (700, 1000))
    assert contrast(pixels, mask, box) == pytest.approx(lightness(40) - lightness(30), rel=1e-2)


def test_what_fills_the_picture_is_seen():
    pixels, mask = picture(5, 5, Box(0.0, 0.0, 120.0, 100.0))
    assert contrast(pixels, mask, Box(0.0, 0.0, 120.0, 100.0)) == math.inf


def test_at_the_images_edge_the_part_inside_is_judged():
    box = Box(0.0, 0.0, 10.0, 12.0)
    pixels, mask = picture(60, 20, box)
    assert contrast(pixels, mask, box) == pytest.approx(lightness(60) - lightness(20), rel=1e-3)
