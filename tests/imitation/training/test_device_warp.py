"""Pictures warped by the batch, as a GPU does it: those of Pillow, picture by picture, to rounding."""

import math
from collections.abc import Sequence

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from PIL import Image
from torch.nn import functional as F

from imitation.training import device_warp
from imitation.training.augment import BORDER, Changes, Colour, Window, draw_changes
from imitation.training.batches import Batch, Batches, SamplePlan
from imitation.training.device_warp import Unwarped
from imitation.training.samples import ArraySource
from imitation.training.settings import AugmentSettings

CPU = torch.device("cpu")
PAD = 200


def photo(seed: int, width: int, height: int) -> np.ndarray:
    """Smooth noise with hard edges."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (max(height // 6, 1), max(width // 6, 1), 3), dtype=np.uint8)
    picture = np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    picture[height // 3 : height // 2, width // 4 : width // 2] = (255, 0, 0)
    return picture


def warped(images: Sequence[np.ndarray], changes: Sequence[Changes]) -> np.ndarray:
    """Levels of 255, float32 (B, H, W, 3)."""
    return (Unwarped.of(images, changes).warped() * 255).permute(0, 2, 3, 1).numpy()


def by_pillow(image: np.ndarray, window: Window) -> np.ndarray:
    """The window by Pillow, exact to a fraction of a pixel everywhere: its picture lies on a larger one,
    which goes on as its edge does."""
    wide = Image.fromarray(np.pad(image, ((PAD, PAD), (PAD, PAD), (0, 0)), mode="edge"))
    x, y = window.x + PAD, window.y + PAD
    size = (window.out_width, window.out_height)
    box = (x, y, x + window.width, y + window.height)
    result = np.asarray(wide.resize(size, Image.Resampling.BILINEAR, box=box))
    return result[:, ::-1] if window.flip else result


def test_in_the_picture_it_is_pillows_antialiased_resampling() -> None:
    image = photo(0, 160, 90)
    for size in ((160, 90), (320, 180), (61, 37), (40, 90)):  # as it is, larger, smaller, narrower
        for flip in (False, True):
            window = Window(7.3, 4.6, 120.9, 70.2, *size, flip)
            pixels = warped([image], [Changes(window, None)])[0]
            difference = np.abs(pixels - window.image(image))
            assert difference.max() <= 1
            assert (difference > 0).mean() < 0.01


def test_it_is_torchs_antialiased_resampling_too() -> None:
    image = photo(1, 160, 90)
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    for width, height in ((64, 48), (200, 120)):
        expected = F.interpolate(tensor, (height, width), mode="bilinear", antialias=True)[0]
        pixels = warped([image], [Changes(Window(0.0, 0.0, 160, 90, width, height), None)])[0]
        assert np.abs(pixels - expected.permute(1, 2, 0).numpy()).max() <= 1.01


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_around_a_smaller_picture_is_grey_and_its_edge_lies_where_its_boxes_do(seed: int) -> None:
    rng = np.random.default_rng(seed)
    image = photo(seed % 7, 90 + seed % 5, 60)
    small = AugmentSettings(scale_min=0.5, scale_max=0.9, brightness=0, contrast=0, saturation=0, tint=0)
    changes = draw_changes(image, 80, 50, small, rng)
    window = changes.window
    pixels = warped([image], [changes])[0]
    height, width = image.shape[:2]
    x1, y1, x2, y2 = window.boxes(np.float32([[0, 0, width, height]]))[0]
    across = np.clip(np.minimum(np.arange(1, 81), x2) - np.maximum(np.arange(80), x1), 0, 1)
    down = np.clip(np.minimum(np.arange(1, 51), y2) - np.maximum(np.arange(50), y1), 0, 1)
    shown = (down[:, None] * across)[..., None]
    expected = BORDER + shown * (by_pillow(image, window).astype(np.float32) - BORDER)
    inside = np.zeros(shown.shape, bool)
    inside[int(y1) + 3 : int(y2) - 3, int(x1) + 3 : int(x2) - 3] = True
    assert np.abs(pixels - expected)[inside[..., 0]].max(initial=0) <= 1.01
    outside = np.broadcast_to(shown == 0, pixels.shape)
    assert (pixels[outside] == BORDER).all()
    edge = (shown > 0) & ~inside
    # the source ends there: its last pixels weigh a little more than if they went on
    assert np.abs(pixels - expected)[np.broadcast_to(edge, pixels.shape)].mean() < 12


def centre(picture: np.ndarray) -> np.ndarray:
    """The centre of light (x, y) of one channel (H, W), px."""
    ys, xs = np.mgrid[: picture.shape[0], : picture.shape[1]] + 0.5
    return np.array([(xs * picture).sum(), (ys * picture).sum()]) / picture.sum()


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32), scale=st.floats(0.4, 1.3))
def test_a_light_is_found_where_its_box_says_to_a_hundredth_of_a_pixel(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    ys, xs = np.mgrid[:120, :200] + 0.5
    where = rng.uniform((90, 50), (110, 70))
    light = 250 * np.exp(-((xs - where[0]) ** 2 + (ys - where[1]) ** 2) / (2 * 5.0**2))
    image = np.repeat(np.round(light).astype(np.uint8)[..., None], 3, axis=2)
    still = AugmentSettings(scale_min=scale, scale_max=scale, brightness=0, contrast=0, saturation=0, tint=0)
    changes = draw_changes(image, 200, 120, still, rng)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device_warp, "_rounded", lambda values: values)  # to levels: a hundredth itself
        pixels = warped([image], [changes])[0, :, :, 0].astype(np.float64)
    x, y = changes.window.boxes(np.float32([[*centre(image[..., 0]), 0, 0]]))[
        0, [2 if changes.window.flip else 0, 1]
    ]
    reach = math.ceil(21 * scale)  # all of the light, and none of the grey border
    if not (reach <= x <= 200 - reach and reach <= y <= 120 - reach):
        return
    left, top = round(x) - reach, round(y) - reach
    around = pixels[max(top, 0) : top + 2 * reach, max(left, 0) : left + 2 * reach]
    found = centre(around) + np.array([max(left, 0), max(top, 0)])
    # a triangle filter that shrinks by little weighs pixels unevenly: 0.0111 was the most in 700 draws
    np.testing.assert_allclose(found, (x, y), atol=0.013)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_colours_are_those_of_the_host(seed: int) -> None:
    rng = np.random.default_rng(seed)
    image = photo(seed % 5, 50, 30)
    strong = AugmentSettings(scale_min=1.1, scale_max=1.5, aspect=0, tint=0.2)
    changes = draw_changes(image, 50, 30, strong, rng)
    difference = np.abs(warped([image], [changes])[0] - changes.image(image))
    assert difference.max() <= 3  # one of resampling, times the strongest gains, and one of rounding
    assert (difference > 0).mean() < 0.03


def test_pictures_of_any_size_in_any_company_come_out_the_same() -> None:
    shapes = ((90, 60), (60, 90), (91, 61), (200, 33))
    images = [photo(i, *shape) for i, shape in enumerate(shapes)]
    rng = np.random.default_rng(4)
    changes = [draw_changes(image, 64, 48, AugmentSettings(), rng) for image in images]
    together = warped(images, changes)
    for image, change, pixels in zip(images, changes, together):
        np.testing.assert_array_equal(warped([image], [change])[0], pixels)


def test_no_change_of_colour_and_none_at_all() -> None:
    image = photo(0, 64, 48)
    same = Changes(Window(0.0, 0.0, 64, 48, 64, 48), None)
    np.testing.assert_array_equal(warped([image], [same])[0], image)
    neutral = Changes(same.window, Colour(1.0, 1.0, np.ones(3, np.float32)))
    np.testing.assert_array_equal(warped([image], [neutral])[0], image)


def batches(warp: str, threads: int = 2, rank: int = 0, world_size: int = 1) -> list[Batch]:
    rng = np.random.default_rng(0)
    images = [photo(i, 70 + i, 50) for i in range(9)]
    boxes = [np.sort(rng.uniform(0, 50, (i % 3, 2, 2)), axis=1).reshape(-1, 4) for i in range(9)]
    labels = [
        (
            b.astype(np.float32),
            np.ones(len(b), np.int64),
            np.zeros(len(b), bool),
            np.zeros(len(b), np.float32),
        )
        for b in boxes
    ]
    source = ArraySource(images, labels)
    plan = SamplePlan(np.zeros(9), 6, seed=3)
    place = {"rank": rank, "world_size": world_size, "threads": threads}
    with Batches(source, plan, 64, 32, AugmentSettings(), start=0, stop=3, warp=warp, **place) as all_:
        return list(all_)


def test_the_device_sees_the_samples_of_the_host_whatever_the_threads_and_ranks() -> None:
    host, device = batches("host"), batches("device")
    for one, other in zip(host, device, strict=True):
        for a, b in zip(one.targets, other.targets, strict=True):
            assert all(torch.equal(a[name], b[name]) for name in a)
        a, b = one.pixels(CPU), other.pixels(CPU)
        assert a.shape == b.shape == (6, 3, 32, 64)
        assert a.dtype == b.dtype == torch.float32
        assert b.is_contiguous(memory_format=torch.channels_last)
        # a border on the host is of whole pixels: moved by up to half of one
        assert (a - b).abs().mean() < 0.03
    for again in (batches("device", threads=5),):
        assert all(torch.equal(a.pixels(CPU), b.pixels(CPU)) for a, b in zip(device, again))
    halves = [batches("device", rank=rank, world_size=2) for rank in range(2)]
    for whole, *parts in zip(device, *halves, strict=True):
        assert torch.equal(whole.pixels(CPU), torch.cat([part.pixels(CPU) for part in parts]))
