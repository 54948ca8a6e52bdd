"""Image bytes to pixels and back, with errors that name the file.

An image is the upright one: its EXIF orientation, if it has one, is applied. Labels that give the size of the
stored pixels, where the upright picture has another, mean those (`load_frame_image`).
"""

from __future__ import annotations

import io
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, BinaryIO, TypeVar

import numpy as np
from PIL import Image, ImageOps, JpegImagePlugin

from imitation.common import storage
from imitation.common.settings import DataError
from imitation.data.records import Frame

T = TypeVar("T")
Decoder = Callable[[bytes, str, tuple[int, int] | None], np.ndarray]
"""Bytes, a name for errors, the labels' size -> pixels, as `decode_image`."""

THREADS = 2
AHEAD = 16  # frames that threads look at
MAX_PIXELS = 80_000_000  # a decompression bomb is refused by its header
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
"""Of files that are images; what is in them is found out from their bytes."""
ORIENTATION = 0x0112  # EXIF's tag: 1 upright, 2-4 mirrored or upside down
TURNED = 5  # to 8: by 90 degrees, width and height interchanged
# What Pillow raises for bytes that are not the image they claim to be.
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


@contextmanager
def open_image(uri: str) -> Iterator[BinaryIO]:
    """An image's file, open to read. Raises `DataError` naming it if it is missing or may not be read,
    `StorageError` when the storage itself fails."""
    with storage.data_errors(uri, "image"), storage.open_input(uri) as source:
        yield source


def open_picture(data: bytes | BinaryIO, where: str) -> Image.Image:
    if isinstance(data, str):  # Pillow would take it for a path
        raise DataError(where, "the image is text, not the bytes of an image file")
    try:
        image = Image.open(io.BytesIO(data) if isinstance(data, bytes) else data, formats=FORMATS)
    except Image.UnidentifiedImageError:
        what = "not a JPEG or PNG (or WebP, BMP, TIFF) image, or empty, or cut short"
        raise DataError(where, what) from None
    except BROKEN as error:
        raise DataError(where, f"unreadable image: {error}") from error
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise DataError(
            where, f"the image says it is {width}x{height} px; more than {MAX_PIXELS} pixels are refused"
        )
    return image


def image_size(data: bytes | BinaryIO, where: str) -> tuple[int, int]:
    """(width, height) px of the upright image, from the header alone. Raises `DataError` naming `where`."""
    image = open_picture(data, where)
    width, height = image.size
    return (height, width) if orientation_of(image) >= TURNED else (width, height)


def size_of_file(uri: str) -> tuple[int, int]:
    """`image_size` of a file. Raises as `open_image` does."""
    with open_image(uri) as source:
        return image_size(source, uri)


def orientation_of(image: Image.Image) -> int:
    """EXIF's orientation, 1 (upright, as stored) to 8; 1 where there is none, and for TIFF, which Pillow
    turns itself. A PNG's that stands behind the pixels is not looked for."""
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return 1
    try:
        value = image.getexif().get(ORIENTATION, 1)
    except BROKEN:  # broken EXIF turns nothing
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def is_plain_jpeg(data: bytes, where: str) -> bool:
    """Whether it is a grey or RGB JPEG that is upright as it is stored, by its header. Raises `DataError`
    naming `where` for a JPEG whose header cannot be read or says more than `MAX_PIXELS`."""
    if not data.startswith(b"\xff\xd8"):
        return False
    image = open_picture(data, where)
    return image.format == "JPEG" and image.mode in ("RGB", "L") and orientation_of(image) == 1


def decode_image(data: bytes, where: str, size: tuple[int, int] | None = None) -> np.ndarray:
    """Image bytes as a writable array, uint8 (height, width, 3), RGB, upright; as stored where the labels'
    `size` (width, height; px) is that of the stored pixels alone.

    Grey is repeated in the three channels, a palette is looked up, alpha is dropped, 16 bits keep
    their high byte. Raises `DataError` naming `where` for a truncated or unreadable image.
    """
    image = open_picture(data, where)
    try:
        image.load()
        orientation = orientation_of(image)
        if orientation != 1:
            upright = image.size if orientation < TURNED else image.size[::-1]
            if size != image.size or upright == size:
                image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):  # 16-bit grey, which Pillow would clip at 255
            high = (np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
            return np.repeat(high[:, :, None], 3, axis=2)
        return np.array(image if image.mode == "RGB" else image.convert("RGB"))
    except BROKEN as error:
        raise DataError(where, f"unreadable image: {error}") from error


def ahead(frames: Iterable[Frame], look: Callable[[Frame], T]) -> Iterator[tuple[Frame, Future[T]]]:
    """Each frame, in order, with what `look` makes of it in a thread, some frames ahead."""
    with ThreadPoolExecutor(THREADS) as threads:
        looked: deque[tuple[Frame, Future[T]]] = deque()
        for frame in frames:
            looked.append((frame, threads.submit(look, frame)))
            if len(looked) >= AHEAD:
                yield looked.popleft()
        yield from looked


def read_image_bytes(frame: Frame) -> bytes:
    """The bytes of the frame's image file, from itself or from its `image_uri`. Raises `DataError` naming the
    file if it is missing or may not be read; `StorageError` when the storage itself fails."""
    if frame.image is not None:
        return frame.image
    if frame.image_uri is None:
        raise DataError(f"frame {frame.frame_id}", "has neither image bytes nor an image_uri")
    with storage.data_errors(frame.image_uri, "image"):
        return storage.read_bytes(frame.image_uri)


def load_frame_image(frame: Frame, decode: Decoder = decode_image) -> np.ndarray:
    """The frame's pixels, uint8 (height, width, 3), RGB, writable. `decode` is `decode_image`, or, where
    torch is at work anyway, `imitation.data.torch_decoder.decode_with_torch`, which gives the same sooner.

    Raises `DataError` naming the file (or the frame, where the bytes are its own) if the image is
    missing, truncated or unreadable, or not of the size that the frame says.
    """
    where = frame.image_uri or f"frame {frame.frame_id}"
    pixels = decode(read_image_bytes(frame), where, (frame.width, frame.height))
    height, width = pixels.shape[:2]
    if (width, height) != (frame.width, frame.height):
        what = f"the image is {width}x{height} px, but its labels are for {frame.width}x{frame.height}"
        if (height, width) == (frame.width, frame.height):
            what += ": width and height are interchanged"
        raise DataError(where, what)
    return pixels


def portable_bytes(frame: Frame) -> bytes:
    """The frame's image as any other tool reads it, too: a JPEG or PNG without EXIF orientation. Its bytes as
    they are, or encoded anew where they are something else. Raises `DataError` as `load_frame_image` does."""
    where = frame.image_uri or f"frame {frame.frame_id}"
    data = read_image_bytes(frame)
    image = open_picture(data, where)
    if orientation_of(image) == 1 and image.format in ("JPEG", "MPO", "PNG"):
        return data
    return encode_like(load_frame_image(replace(frame, image=data)), data)


def encode_jpeg(image: np.ndarray, quality: int = 92) -> bytes:
    """uint8 (height, width, 3) RGB as JPEG bytes; `quality` 1-100."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="JPEG", quality=quality)
    return buffer.getvalue()


def encode_png(image: np.ndarray) -> bytes:
    """uint8 (height, width, 3) RGB as PNG bytes, lossless."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", compress_level=3)
    return buffer.getvalue()


def encode_like(image: np.ndarray, data: bytes) -> bytes:
    """uint8 (height, width, 3) RGB in the format of another image file: PNG for PNG; for JPEG the same
    quantization and chroma subsampling, so that blocks with the same pixels come out nearly the same."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as source:
        if not isinstance(source, JpegImagePlugin.JpegImageFile):
            return encode_png(image)
        sampling = JpegImagePlugin.get_sampling(source)
        tables = source.quantization
    buffer = io.BytesIO()
    options: dict[str, Any] = {"qtables": tables} | ({"subsampling": sampling} if sampling >= 0 else {})
    Image.fromarray(image).save(buffer, format="JPEG", **options)
    return buffer.getvalue()
