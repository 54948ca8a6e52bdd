"""Image bytes to pixels and back, with errors that name the file.

Pixels are those stored in the file: an EXIF orientation is NOT applied, because labels refer to
stored pixels (KITTI, Waymo and COCO boxes all do).
"""

from __future__ import annotations

import io
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, BinaryIO, TypeVar

import numpy as np
from PIL import Image, JpegImagePlugin

from imitation.common import storage
from imitation.common.settings import DataError
from imitation.data.records import Frame

T = TypeVar("T")

THREADS = 2
AHEAD = 16  # frames that threads look at
MAX_PIXELS = 80_000_000  # a decompression bomb is refused by its header
FORMATS = ("JPEG", "PNG")
_ORIENTATION = 0x0112  # EXIF's tag: 1 upright, 2-4 mirrored or upside down, 5-8 turned by 90 degrees
# What Pillow raises for bytes that are not the image they claim to be.
_BROKEN = (
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


def _open(data: bytes | BinaryIO, where: str) -> Image.Image:
    if isinstance(data, str):  # Pillow would take it for a path
        raise DataError(where, "the image is text, not the bytes of a JPEG or PNG file")
    try:
        image = Image.open(io.BytesIO(data) if isinstance(data, bytes) else data, formats=FORMATS)
    except Image.UnidentifiedImageError:
        raise DataError(where, "not a JPEG or PNG image, or empty, or cut short") from None
    except _BROKEN as error:
        raise DataError(where, f"unreadable image: {error}") from error
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise DataError(
            where, f"the image says it is {width}x{height} px; more than {MAX_PIXELS} pixels are refused"
        )
    return image


def image_size(data: bytes | BinaryIO, where: str) -> tuple[int, int]:
    """(width, height) px, from the header alone. Raises `DataError` naming `where`."""
    return _open(data, where).size


def size_of_file(uri: str) -> tuple[int, int]:
    """`image_size` of a file. Raises as `open_image` does."""
    with open_image(uri) as source:
        return image_size(source, uri)


def exif_orientation(data: bytes | BinaryIO, where: str) -> int:
    """EXIF's orientation, 1 (upright, as stored) to 8; 1 where there is none. Raises `DataError`."""
    image = _open(data, where)
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except _BROKEN:  # broken EXIF turns nothing
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def decode_image(data: bytes, where: str) -> np.ndarray:
    """JPEG or PNG bytes as a writable array, uint8 (height, width, 3), RGB.

    Grey is repeated in the three channels, a palette is looked up, alpha is dropped, 16 bits keep
    their high byte. Raises `DataError` naming `where` for a truncated or unreadable image.
    """
    image = _open(data, where)
    try:
        image.load()
        if image.mode.startswith("I"):  # 16-bit grey, which Pillow would clip at 255
            high = (np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
            return np.repeat(high[:, :, None], 3, axis=2)
        return np.array(image if image.mode == "RGB" else image.convert("RGB"))
    except _BROKEN as error:
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
    """The frame's JPEG or PNG bytes, from itself or from its `image_uri`. Raises `DataError` naming the
    file if it is missing or may not be read; `StorageError` when the storage itself fails."""
    if frame.image is not None:
        return frame.image
    if frame.image_uri is None:
        raise DataError(f"frame {frame.frame_id}", "has neither image bytes nor an image_uri")
    with storage.data_errors(frame.image_uri, "image"):
        return storage.read_bytes(frame.image_uri)


def load_frame_image(frame: Frame) -> np.ndarray:
    """The frame's pixels, uint8 (height, width, 3), RGB, writable.

    Raises `DataError` naming the file (or the frame, where the bytes are its own) if the image is
    missing, truncated or unreadable, or not of the size that the frame says.
    """
    where = frame.image_uri or f"frame {frame.frame_id}"
    data = read_image_bytes(frame)
    pixels = decode_image(data, where)
    height, width = pixels.shape[:2]
    if (width, height) != (frame.width, frame.height):
        what = f"the image is {width}x{height} px, but its labels are for {frame.width}x{frame.height}"
        if (height, width) == (frame.width, frame.height):
            what += _why_turned(exif_orientation(data, where))
        raise DataError(where, what)
    return pixels


def _why_turned(orientation: int) -> str:
    if orientation < 5:
        return ": width and height are interchanged"
    return (
        f": its EXIF orientation ({orientation}) turns it, and boxes count stored pixels here; turn the "
        "pixels themselves and remove the tag (exiftran -a, or Pillow's ImageOps.exif_transpose)"
    )


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
