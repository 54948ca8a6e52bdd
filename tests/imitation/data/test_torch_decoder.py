"""torchvision's decoder gives what Pillow gives, of sound files and of broken ones."""

import io

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from PIL import Image

from imitation.common.settings import DataError
from imitation.data.images import decode_image
from imitation.data.torch_decoder import decode_with_torch

KINDS = {
    "plain": {"quality": 90},
    "coarse": {"quality": 30, "subsampling": 0},
    "halved": {"quality": 75, "subsampling": 1},
    "progressive": {"progressive": True},
    "rgb": {"quality": 95, "keep_rgb": True},
}


def jpeg(mode: str = "RGB", **options: object) -> bytes:
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (12, 20, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    small.resize((61, 37), Image.Resampling.BICUBIC).convert(mode).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def either(decode: object, data: bytes) -> np.ndarray | str:
    try:
        return decode(data, "x", None)
    except DataError as error:
        return str(error)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_the_same_pixels(kind: str, mode: str) -> None:
    if mode != "RGB" and kind == "rgb":
        pytest.skip("only RGB is kept as RGB")
    data = jpeg(mode, **KINDS[kind])
    pixels = decode_with_torch(data, "x")
    np.testing.assert_array_equal(pixels, decode_image(data, "x"))
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable


def test_what_is_turned_or_no_jpeg_is_as_it_was() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = jpeg(exif=exif)
    assert decode_with_torch(turned, "x").shape == (61, 37, 3)
    buffer = io.BytesIO()
    Image.new("RGB", (5, 4), (1, 2, 3)).save(buffer, "PNG")
    assert decode_with_torch(buffer.getvalue(), "x").tolist() == [[[1, 2, 3]] * 5] * 4


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(sorted(KINDS)), cut=st.floats(0, 1), data=st.data())
def test_of_a_broken_file_the_same_pixels_or_the_same_words(
    kind: str, cut: float, data: st.DataObject
) -> None:
    whole = bytearray(jpeg(**KINDS[kind]))
    if data.draw(st.booleans()):
        broken = bytes(whole[: int(cut * len(whole))])
    else:
        for _ in range(2):
            whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
        broken = bytes(whole)
    expected, found = either(decode_image, broken), either(decode_with_torch, broken)
    if isinstance(expected, str):
        assert found == expected
    else:
        np.testing.assert_array_equal(found, expected)
