"""What can be mended of Parquet frames."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from imitation.common import storage
from imitation.common.settings import DataError
from imitation.data.images import image_size
from imitation.data.records import Frame
from imitation.datasets.common.left_out import OTHERS
from imitation.datasets.common.validation import FrameChecker, without_nothings
from imitation.datasets.mending.mender import Mender
from imitation.datasets.numbering import parquet_numbering
from imitation.datasets.parquet.files import part_files, read_frames, write_frames

if TYPE_CHECKING:
    from imitation.datasets.parquet.reader import ParquetReader

FRAME = "left out: frames that cannot be used"


class ParquetMender(Mender):
    """Files with a bad row or a bad object are written anew without it, in the contract's columns; pictures
    that are beside them are looked at, and left as they are."""

    dataset: ParquetReader

    def look(self) -> None:
        check = FrameChecker(self._bad)  # of all files: an id may stand in two
        for place in self.dataset._sources.values():
            for part in part_files(place, lambda error: self.stray(error.where, error.what)):
                self._file = part
                before = len(self.changes)
                ids = [frame.frame_id for frame in self._sound(part, check, tell=True)]
                if len(self.changes) > before:
                    if ids:
                        self.put(part, partial(self._anew, part, frozenset(ids)))
                    else:
                        self.remove(part)

    def _bad(self, error: DataError) -> None:
        self.bad_rows += 1
        row = error.where.removeprefix(self._file).removeprefix(": ")
        self.changes.add(self.name(self._file), row, f"left out: {error.reason or OTHERS}", error.what)

    def _lost(self, error: DataError) -> None:
        row = error.where.removeprefix(self._file).removeprefix(": ")
        self.changes.add(self.name(self._file), row, FRAME, error.what)

    def _sound(self, part: str, check: FrameChecker, tell: bool) -> Iterator[Frame]:
        """The frames that can be used, without what nothing can be made of."""
        lost = self._lost if tell else _nobody
        for frame in read_frames(part, problems=lost, check=check):
            try:
                if frame.image_uri is not None:
                    with storage.data_errors(frame.image_uri, "image"):
                        image_size(storage.read_bytes(frame.image_uri), frame.image_uri)
                    self.use(frame.image_uri)
            except DataError as error:
                lost(error)
                continue
            counts: Counter[str] = Counter()
            dropped = without_nothings(frame, counts)
            if tell:
                self.rows += len(frame.objects)
                for what, count in counts.items():
                    for _ in range(count):
                        self.changes.add(self.name(part), f"frame {frame.frame_id}", f"left out: {what}")
            yield dropped

    def _anew(self, part: str, ids: frozenset[str]) -> bytes:
        """The file with these frames alone; where pictures lie is said as it was, from the file's folder."""
        folder = storage.parent(part)
        kept = (
            frame for frame in self._sound(part, FrameChecker(_nobody), tell=False) if frame.frame_id in ids
        )
        frames = (
            frame
            if frame.image_uri is None or not storage.is_local(frame.image_uri)
            else replace(frame, image_uri=os.path.relpath(frame.image_uri, folder))
            for frame in kept
        )
        with tempfile.TemporaryDirectory() as place:
            out = os.path.join(place, "part.parquet")
            write_frames(frames, out, numbering=parquet_numbering(part))
            return storage.read_bytes(out)


def _nobody(error: DataError) -> None:
    """What is wrong has been told."""
