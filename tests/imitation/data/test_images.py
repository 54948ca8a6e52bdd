"""Pixels from bytes: kinds of images, and errors that name the file."""

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from imitation.common.settings import DataError
from imitation.data import images
from imitation.data.images import encode_png, load_frame_image, open_image
from imitation.data.records import Frame


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def _encoded(array: np.ndarray, mode: str | None = None, form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(buffer, format=form, **options)
    return buffer.getvalue()


def test_png_round_trip_is_exact_and_writable(pixels: np.ndarray) -> None:
    back = images.decode_image(images.encode_png(pixels), "x.png")
    assert back.dtype == np.uint8
    np.testing.assert_array_equal(back, pixels)
    back[0, 0, 0] = 1


def test_jpeg_round_trip_is_close() -> None:
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    smooth = np.stack([np.tile(ramp, (48, 1))] * 3, axis=2)
    back = images.decode_image(images.encode_jpeg(smooth, quality=95), "x.jpg")
    assert back.shape == (48, 64, 3)
    assert np.abs(back.astype(int) - smooth).max() <= 6


def test_alpha_is_dropped_and_palette_looked_up(pixels: np.ndarray) -> None:
    rgba = np.dstack([pixels, np.zeros(pixels.shape[:2], np.uint8)])
    np.testing.assert_array_equal(images.decode_image(_encoded(rgba), "x"), pixels)
    few = (pixels // 128) * 255  # 8 colours: a palette holds them exactly
    np.testing.assert_array_equal(images.decode_image(_encoded(few, "P"), "x"), few)


def test_grey_is_repeated(pixels: np.ndarray) -> None:
    for form in ("PNG", "JPEG"):
        back = images.decode_image(_encoded(pixels[:, :, 0], form=form), "x")
        assert back.shape == (20, 30, 3)
        assert (back == back[:, :, :1]).all()
    np.testing.assert_array_equal(
        images.decode_image(_encoded(pixels[:, :, 0]), "x")[:, :, 1], pixels[:, :, 0]
    )


def test_16_bit_grey_keeps_the_high_byte() -> None:
    deep = np.array([[0, 255, 256, 32768, 65535]], dtype=np.uint16)
    back = images.decode_image(_encoded(deep), "x")
    np.testing.assert_array_equal(back[0, :, 0], [0, 0, 1, 128, 255])
    assert back.shape == (1, 5, 3)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_the_upright_one(pixels: np.ndarray, form: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = _encoded(pixels, form=form, exif=exif, **({"lossless": True} if form == "WEBP" else {}))
    upright = np.array(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    width, height = images.image_size(data, "x")
    assert (height, width) == upright.shape[:2]
    np.testing.assert_array_equal(images.decode_image(data, "x"), upright)
    np.testing.assert_array_equal(images.load_frame_image(Frame("f", width, height, image=data)), upright)


def test_labels_that_give_the_stored_size_mean_the_stored_pixels(pixels: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # "rotate by 90 degrees"
    data = _encoded(pixels, exif=exif)
    np.testing.assert_array_equal(images.load_frame_image(Frame("f", 30, 20, image=data)), pixels)
    np.testing.assert_array_equal(
        images.load_frame_image(Frame("f", 20, 30, image=data)), np.rot90(pixels, -1)
    )
    with pytest.raises(DataError, match="20x30: width and height are interchanged"):
        images.load_frame_image(Frame("f", 20, 30, image=_encoded(pixels)))


def test_exif_that_says_nothing_turns_nothing(pixels: np.ndarray) -> None:
    for nonsense in (0, 9, 77):
        exif = Image.Exif()
        exif[0x0112] = nonsense
        assert images.image_size(_encoded(pixels, form="JPEG", exif=exif), "x") == (30, 20)
    broken = b"\xff\xd8\xff\xe1\x00\x10Exif\0\0" + bytes(8) + _encoded(pixels, form="JPEG")[2:]
    assert images.image_size(broken, "x") == (30, 20)
    with pytest.raises(DataError, match=r"^x: not a JPEG or PNG"):
        images.image_size(b"", "x")


@pytest.mark.parametrize("form", ["WEBP", "BMP", "TIFF"])
def test_other_tools_get_a_jpeg_or_png_of_the_same_pixels(pixels: np.ndarray, form: str) -> None:
    data = _encoded(pixels, form=form, **({"lossless": True} if form == "WEBP" else {}))
    told = images.portable_bytes(Frame("f", 30, 20, image=data))
    with Image.open(io.BytesIO(told)) as image:
        assert image.format == "PNG"
        np.testing.assert_array_equal(np.array(image), pixels)


def test_other_tools_get_the_bytes_themselves_or_pixels_that_nothing_turns(pixels: np.ndarray) -> None:
    plain = Frame("f", 30, 20, image=_encoded(pixels, form="JPEG"))
    assert images.portable_bytes(plain) is plain.image
    exif = Image.Exif()
    exif[0x0112] = 8
    turned = Frame("f", 20, 30, image=_encoded(pixels, form="JPEG", exif=exif, quality=95))
    told = images.portable_bytes(turned)
    with Image.open(io.BytesIO(told)) as image:
        assert (image.format, image.size, image.getexif().get(0x0112)) == ("JPEG", (20, 30), None)
    difference = images.decode_image(told, "x").astype(int) - images.load_frame_image(turned)
    assert np.abs(difference).mean() < 10, (
        "noise twice through a JPEG's colours; another turn would differ by 85"
    )


@pytest.mark.parametrize("mode", ["RGBA", "LA", "L", "1", "P", "CMYK"])
def test_every_kind_of_image_becomes_three_channels_of_a_byte(pixels: np.ndarray, mode: str) -> None:
    image = Image.fromarray(pixels).convert("RGB").convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG" if mode == "CMYK" else "PNG")
    back = images.decode_image(buffer.getvalue(), "x")
    assert (back.shape, back.dtype) == ((20, 30, 3), np.uint8)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


@pytest.mark.parametrize(("colour", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_16_bit_png_of_every_colour_keeps_the_high_byte(colour: int, channels: int) -> None:
    """Written by hand: Pillow itself writes 16 bits of grey only."""
    values = np.random.default_rng(0).integers(0, 65536, (4, 5, channels), dtype=np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = (5).to_bytes(4, "big") + (4).to_bytes(4, "big") + bytes([16, colour, 0, 0, 0])
    data = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows))
    back = images.decode_image(data + _chunk(b"IEND", b""), "x")
    expected = values[:, :, :3] >> 8 if channels >= 3 else np.repeat(values[:, :, :1] >> 8, 3, axis=2)
    np.testing.assert_array_equal(back, expected)


def test_a_text_that_swells_is_no_trouble(pixels: np.ndarray) -> None:
    """A compressed comment of 100 MB in a small PNG: refused by name."""
    text = _chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(100 << 20)))
    data = images.encode_png(pixels)
    for place in (33, len(data) - 12):  # behind the header, and behind the pixels
        swollen = data[:place] + text + data[place:]
        with pytest.raises(DataError, match=r"^dir/x\.png: unreadable image"):
            images.decode_image(swollen, "dir/x.png")


def test_size_from_the_header_alone(pixels: np.ndarray) -> None:
    data = images.encode_png(pixels)
    assert images.image_size(data[:64], "x") == (30, 20)
    assert images.image_size(io.BytesIO(data), "x") == (30, 20)


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_an_image_cut_short_anywhere_is_refused_or_whole(pixels: np.ndarray, form: str) -> None:
    """Every prefix either is refused by name or has lost no pixel (only checksums and the end marker)."""
    data = _encoded(pixels, form=form)
    whole = images.decode_image(data, "x")
    places = []
    for length in range(len(data)):
        try:
            np.testing.assert_array_equal(images.decode_image(data[:length], "dir/cut.img"), whole)
        except DataError as error:
            places.append(error.where)
    assert set(places) == {"dir/cut.img"}
    assert len(places) >= len(data) - 32


@pytest.mark.parametrize(
    "data", [b"", b"not an image", b"GIF89a" + bytes(20), b"\x89PNG\r\n\x1a\n" + bytes(30)]
)
def test_what_is_no_image(data: bytes) -> None:
    for read in (images.image_size, images.decode_image):
        with pytest.raises(DataError, match=r"^dir/x\.png: "):
            read(data, "dir/x.png")


def test_decompression_bomb_is_refused_by_its_header() -> None:
    header = (40_000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    chunk = b"IHDR" + header
    bomb = b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    bomb += (0).to_bytes(4, "big") + b"IDAT" + zlib.crc32(b"IDAT").to_bytes(4, "big")
    with pytest.raises(DataError, match=r"bomb\.png"):
        images.image_size(bomb, "bomb.png")


def test_frame_image_from_bytes_and_from_a_file(tmp_path: Path, pixels: np.ndarray) -> None:
    data = images.encode_png(pixels)
    (tmp_path / "x.png").write_bytes(data)
    for place in (
        {"image": data},
        {"image_uri": str(tmp_path / "x.png")},
        {"image_uri": f"file://{tmp_path}/x.png"},
    ):
        np.testing.assert_array_equal(images.load_frame_image(Frame("f", 30, 20, **place)), pixels)


def test_frame_image_errors_name_the_file(tmp_path: Path, pixels: np.ndarray) -> None:
    data = images.encode_png(pixels)
    (tmp_path / "cut.png").write_bytes(data[: len(data) // 2])
    cases = {
        r"none\.png: the image cannot be read: no such file": {"image_uri": str(tmp_path / "none.png")},
        r"cut\.png: unreadable image": {"image_uri": str(tmp_path / "cut.png")},
        "frame f: unreadable image": {"image": data[:-200]},
        "frame f: has neither": {},
    }
    for message, place in cases.items():
        with pytest.raises(DataError, match=message):
            images.load_frame_image(Frame("f", 30, 20, **place))
    with pytest.raises(DataError, match="the image is 30x20 px, but its labels are for 31x20"):
        images.load_frame_image(Frame("f", 31, 20, image=data))


@pytest.mark.parametrize(
    "uri",
    [
        *("x" * 300 + ".png", "x/" * 3000, "a\0b.png", "missing.png", ".", "", "~nobody/x.png", "\udcff.png"),
        *("foo://x/y.png", "file://%zz", "file:///tmp/%00", "file://", "://", "http://[", "file://host/x"),
        *("github://x", "s3://"),
    ],
)
def test_a_path_that_leads_to_no_image_is_wrong_with_the_data(uri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as caught, open_image(uri):
        pass
    assert len(str(caught.value)) < 1000
    with pytest.raises(DataError):
        load_frame_image(Frame("f", 4, 4, image_uri=uri))


def test_text_is_never_taken_for_a_path(tmp_path):
    path = tmp_path / "real.png"
    path.write_bytes(encode_png(np.zeros((4, 4, 3), np.uint8)))
    with pytest.raises(DataError, match="is text"):
        load_frame_image(Frame("f", 4, 4, image=str(path)))  # type: ignore[arg-type]


def test_a_picture_is_encoded_like_another(pixels: np.ndarray) -> None:
    as_png = images.encode_like(pixels, _encoded(pixels, form="PNG"))
    np.testing.assert_array_equal(images.decode_image(as_png, "x"), pixels)
    across, down = np.meshgrid(np.linspace(20, 230, 64), np.linspace(0, 25, 48))
    smooth = np.stack([across, across * 0.8 + down, across * 0.9], axis=2).astype(np.uint8)
    for options in ({"quality": 60, "subsampling": 2}, {"quality": 95, "subsampling": 0}):
        old = _encoded(smooth, form="JPEG", **options)
        stored = images.decode_image(old, "x")
        again = images.decode_image(images.encode_like(stored, old), "x")
        assert np.median(np.abs(again.astype(int) - stored)) <= 1
        grey = images.encode_like(smooth, _encoded(smooth, "L", "JPEG"))
        assert images.decode_image(grey, "x").shape == smooth.shape
