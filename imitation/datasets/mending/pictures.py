"""Pictures that have to be written anew: turned by EXIF, or of another format than their name says."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

from PIL import Image, ImageOps

from imitation.common import storage
from imitation.common.settings import DataError
from imitation.data.images import BROKEN, THREADS, TURNED, open_picture, orientation_of

TURNED_UPRIGHT = "pictures turned upright, as their EXIF orientation says"
ENCODED = "pictures encoded as the format that their name says"
ORIENTATION = 0x0112
FORMATS = {
    **{".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"},
    **{".webp": "WEBP", ".bmp": "BMP", ".tif": "TIFF", ".tiff": "TIFF"},
}
SAVED: dict[str, dict[str, Any]] = {"JPEG": {"quality": 95}, "WEBP": {"lossless": True}}
AT_ONCE = 64  # pictures that threads look at


class Looked(NamedTuple):
    """What a picture is: its size as it has to be seen (px), and what has to be done to it: `fault` says why
    it cannot be used; `repair` makes its new bytes, and `what` says why; all None where it is right."""

    uri: str
    size: tuple[int, int] | None
    stored: tuple[int, int] | None
    fault: str | None = None
    what: str | None = None
    repair: Callable[[], bytes] | None = None
    digest: bytes = b""


def look_at(uri: str, labelled: tuple[int, int] | None = None) -> Looked:
    """Decodes a picture. `labelled` is the size that its labels give, if they give one: where that is the one
    of the stored pixels, those are meant, and not the upright ones."""
    try:
        with storage.data_errors(uri, "image"):
            data = storage.read_bytes(uri)
        image = open_picture(data, uri)
        image.load()
    except DataError as error:
        return Looked(uri, None, None, fault=error.what)
    except BROKEN as error:
        return Looked(uri, None, None, fault=f"unreadable image: {error}")
    stored, turned = image.size, orientation_of(image)
    upright = stored if turned < TURNED else stored[::-1]
    as_stored = labelled is not None and labelled == stored != upright
    size = stored if as_stored else upright
    named = FORMATS.get("." + uri.rpartition(".")[2].lower())
    found = "JPEG" if image.format == "MPO" else image.format
    digest = hashlib.blake2b(data, digest_size=12).digest()
    if turned != 1:
        return Looked(uri, size, stored, None, TURNED_UPRIGHT, partial(_saved, uri, not as_stored), digest)
    if named is not None and found != named:
        return Looked(uri, size, stored, None, ENCODED, partial(_saved, uri, False), digest)
    return Looked(uri, size, stored, digest=digest)


def look_at_all(wanted: Iterable[tuple[str, tuple[int, int] | None]]) -> Iterator[Looked]:
    """`look_at` for each picture and the size of its labels, in order, in threads."""
    batch: list[tuple[str, tuple[int, int] | None]] = []
    with ThreadPoolExecutor(THREADS) as threads:
        for one in wanted:
            batch.append(one)
            if len(batch) == AT_ONCE:
                yield from threads.map(lambda pair: look_at(*pair), batch)
                batch = []
        yield from threads.map(lambda pair: look_at(*pair), batch)


def _saved(uri: str, turn: bool) -> bytes:
    """The picture in the format that its name says, without an orientation; what else its EXIF says stays."""
    data = storage.read_bytes(uri)
    image = Image.open(io.BytesIO(data))
    options: dict[str, Any] = dict(SAVED.get(named := FORMATS["." + uri.rpartition(".")[2].lower()], {}))
    if image.format in ("JPEG", "MPO") and named == "JPEG":  # as fine as it was
        options = {"qtables": image.quantization}  # type: ignore[attr-defined]
    pixels = ImageOps.exif_transpose(image) if turn else image
    exif = image.getexif()
    exif.pop(ORIENTATION, None)
    if named in ("JPEG", "BMP") and pixels.mode not in ("RGB", "L"):
        pixels = pixels.convert("RGB")
    pixels.info.pop("exif", None)
    sink = io.BytesIO()
    pixels.save(sink, format=named, **options, **({"exif": exif.tobytes()} if len(exif) else {}))
    return sink.getvalue()
