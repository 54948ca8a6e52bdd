"""Every image of a dataset, decoded once: broken ones, those that stand in two splits, and how each looks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime

from imitation.common.settings import DataError
from imitation.data.images import ahead, load_frame_image, read_image_bytes
from imitation.data.records import Frame
from imitation.data.splits import JUDGES
from imitation.datasets.base import DatasetReader
from imitation.datasets.common.validation import Problems
from imitation.datasets.inspection.leaks import Signs, taken_at
from imitation.datasets.inspection.lookalikes import Hashes, picture_hash


class Pictures:
    """Decodes images ahead in threads, and knows those seen by a hash of their bytes, and how each looks."""

    def __init__(self, dataset: DatasetReader, problems: Problems) -> None:
        self._dataset = dataset
        self._problems = problems
        self._seen: dict[bytes, tuple[str, str]] = {}
        self.hashes = Hashes()
        self.signs = Signs()

    def checked(self, split: str, frames: Iterable[Frame]) -> Iterator[Frame]:
        """The frames, in order, whose image decodes to the size that the frame says."""
        for frame, digest in ahead(frames, _decoded):
            yield from self._good(split, frame, digest)

    def _good(self, split: str, frame: Frame, digest: Future[_Seen]) -> Iterator[Frame]:
        try:
            exact, look, taken = digest.result()
            other, other_id = self._seen.setdefault(exact, (split, frame.frame_id))
        except DataError as error:
            self._problems(DataError(self._dataset.place_of(split, frame), error.what))
            return
        if other != split and (split in JUDGES or other in JUDGES):
            what = (
                f"the image is that of frame {other_id} of split {other!r}, byte for byte: what decides or "
            )
            what += "is reported must not be trained on; remove it from one of the two"
            where = self._dataset.place_of(split, frame)
            self._problems(DataError(where, f"(split {split!r}) {what}"))
        else:
            self.hashes.add(split, frame.frame_id, look)
        if look:
            self.signs.hashes[frame.frame_id] = look
        if taken is not None:
            self.signs.times[frame.frame_id] = taken
        yield frame


_Seen = tuple[bytes, bytes, tuple[str, datetime] | None]


def _decoded(frame: Frame) -> _Seen:
    """A hash of the image's bytes, one of its looks, and the camera and time that its EXIF gives. Raises
    DataError naming file or frame."""
    data = read_image_bytes(frame)
    pixels = load_frame_image(replace(frame, image=data, image_uri=None))
    return hashlib.blake2b(data, digest_size=12).digest(), picture_hash(pixels), taken_at(data)
