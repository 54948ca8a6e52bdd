"""A corrected copy of a kind of data whose files are not edited: its frames as Parquet, without what is bad.

nuScenes' rows and Waymo's name one another across tables, with lidar and all: with rows taken out, their own
tools would stumble over what is left. What this project reads of them stands whole in Parquet.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain

from imitation.common.settings import DataError
from imitation.common.texts import shown
from imitation.data.images import BROKEN, image_size, open_picture, portable_bytes, read_image_bytes
from imitation.data.records import Frame
from imitation.data.splits import SPLITS
from imitation.datasets.common.left_out import OTHERS
from imitation.datasets.mending.mender import GONE, JUDGING, LEAK, Mender
from imitation.datasets.mending.records import OTHER_SIZE
from imitation.datasets.parquet.files import write_frames

FRAME = "left out: frames that cannot be used"


class Rewriter(Mender):
    """Finds what is wrong by reading all frames, and writes those that are right, without bad rows."""

    copies_as = "parquet"

    def look(self) -> None:
        dataset = self.dataset
        dataset.keep_lists()
        dataset.skip_rows(tell_all=True)
        splits = dataset.splits()
        train = set(splits["train"])
        found: dict[str, dict[str, bytes]] = {}
        self._told: set[str] = set()
        self._rows_bad: Counter[str] = Counter()  # of what a frame is read without, what was told by itself
        for split in SPLITS:
            if split == "mine" and train.issuperset(splits["mine"]):
                continue
            names = [name for name in splits[split] if name not in train] if split == "mine" else None
            before = Counter(dataset.left_out)
            for frame in dataset.frames(split, self._problem, names):
                self.rows += len(frame.objects)
                for what, count in (dataset.left_out - before - self._rows_bad).items():
                    for _ in range(count):
                        self._change(dataset.place_of(split, frame), f"left out: {what}", None)
                before, self._rows_bad = Counter(dataset.left_out), Counter()
                if (digest := self._digest(split, frame)) is not None:
                    found.setdefault(split, {})[frame.frame_id] = digest
        judged = {digest for split in JUDGING for digest in found.get(split, {}).values()}
        for split, digests in found.items():
            for name in [] if split in JUDGING else [i for i, digest in digests.items() if digest in judged]:
                self._change(f"{self.root}: frame {shown(name)}", LEAK, None)
                del digests[name]
        self._kept = {split: set(digests) for split, digests in found.items()}

    def _problem(self, error: DataError) -> None:
        row = any(error is one for one in self.dataset._bad_rows)
        if row:
            self._rows_bad[error.reason or OTHERS] += 1
        if str(error) not in self._told:  # a row of nuScenes is of six cameras
            self._told.add(str(error))
            self.rows += row
            self.bad_rows += row
            self._change(error.where, f"left out: {error.reason or OTHERS}" if row else FRAME, error.what)

    def _change(self, where: str, what: str, before: str | None) -> None:
        file, _, place = where.partition(": ")
        self.changes.add(self.name(file) or os.path.basename(file), place, what, before)

    def _digest(self, split: str, frame: Frame) -> bytes | None:
        """What tells a frame's picture from others; None, and a change, for one that cannot be used."""
        where = self.dataset.place_of(split, frame)
        try:
            data = read_image_bytes(frame)
            open_picture(data, where).load()
            size = image_size(data, where)
        except DataError as error:
            self._change(where, GONE, error.what)
            return None
        except BROKEN as error:
            self._change(where, GONE, f"unreadable image: {error}")
            return None
        if size != (frame.width, frame.height):
            told = f"it is {size[0]}x{size[1]} px, but labelled as {frame.width}x{frame.height}"
            self._change(where, OTHER_SIZE, told)
            return None
        return hashlib.blake2b(data, digest_size=12).digest()

    def write(self, part: str, progress: Callable[[int], None]) -> int:
        own_lists = None not in self.dataset._listed
        done = 0
        for split, names in self._kept.items():
            frames = self._frames(split, names)
            if (first := next(frames, None)) is not None:
                uri = os.path.join(part, split if own_lists else "", "frames.parquet")
                os.makedirs(os.path.dirname(uri), exist_ok=True)
                write_frames(chain([first], frames), uri, numbering=self.dataset.numbering())
                done += 1
                progress(done)
        return done

    def _frames(self, split: str, names: set[str]) -> Iterator[Frame]:
        for frame in self.dataset.frames(split, lambda error: None, names):
            yield replace(frame, image=portable_bytes(frame), image_uri=None)
