"""Frames of val and test that show what train shows: what is measured on them is known by heart.

A perceptual hash of 256 bits (the signs of an image's lowest frequencies, `imagehash.phash`) differs between
two pictures of one place in a fifth of its bits at most, between pictures of two places in a third or more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageStat

from imitation.common.settings import DataError
from imitation.common.wording import counted
from imitation.data.images import BROKEN, open_picture, read_image_bytes
from imitation.data.records import Frame
from imitation.data.splits import JUDGES

SIDE = 16  # of the hash: as many bits, squared
ALIKE = 0.25  # share of bits that differ at most
LEAST_CONTRAST = 2.0  # standard deviation of grey values; below it a picture shows nothing
MOST = 20_000  # frames of a side that are compared; of more, so many evenly drawn
NAMED = 3
DRAFT = 128  # px of the sides that a quick look decodes at least
LOOKED_AT = 200  # frames of a split that a quick look takes, evenly drawn


Read = Callable[[str, list[str]], Iterable[Frame]]


@dataclass(frozen=True)
class Lookalike:
    """A frame of a split that judges, the frame to train on that it looks most like, and the share of bits in
    which the two differ, in [0, ALIKE]."""

    split: str
    frame_id: str
    like: str
    difference: float


def picture_hash(pixels: np.ndarray) -> bytes:
    """The hash of RGB uint8 (H, W, 3): SIDE * SIDE bits, packed; empty for a picture of one colour, whose
    bits would be noise."""
    return _hash(Image.fromarray(pixels).convert("L"))


def quick_hash(frame: Frame) -> bytes:
    """Nearly `picture_hash` of a frame's picture, of which a JPEG is decoded at a fraction of its size; empty
    for one that cannot be read."""
    try:
        image = open_picture(read_image_bytes(frame), frame.frame_id)
        image.draft("L", (DRAFT, DRAFT))
        return _hash(image.convert("L"))
    except (DataError, *BROKEN):
        return b""


def _hash(grey: Image.Image) -> bytes:
    import imagehash  # costs scipy and PyWavelets

    if ImageStat.Stat(grey).stddev[0] < LEAST_CONTRAST:
        return b""
    return np.packbits(imagehash.phash(grey, hash_size=SIDE).hash).tobytes()


@dataclass
class Hashes:
    """Hashes of frames by split."""

    of: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def add(self, split: str, frame_id: str, value: bytes) -> None:
        if value:
            self.of.setdefault(split, {})[frame_id] = value

    def lookalikes(self) -> list[Lookalike]:
        """The frames of val and test that look like one of train (or mine), the most alike first."""
        learnt = {
            name: value
            for split, named in self.of.items()
            if split not in JUDGES
            for name, value in named.items()
        }
        found = []
        for split in JUDGES:
            found += _alike(split, self.of.get(split, {}), learnt)
        return sorted(found, key=lambda one: (one.difference, one.split, one.frame_id))


def _alike(split: str, judged: Mapping[str, bytes], learnt: Mapping[str, bytes]) -> list[Lookalike]:
    names, others = _some(list(judged)), _some(list(learnt))
    if not names or not others:
        return []
    left, right = _words([judged[name] for name in names]), _words([learnt[name] for name in others])
    found = []
    for name, words in zip(names, left, strict=True):
        differing = np.bitwise_count(right ^ words).sum(axis=1)
        nearest = int(differing.argmin())
        difference = float(differing[nearest]) / SIDE**2
        if difference <= ALIKE:
            found.append(Lookalike(split, name, others[nearest], difference))
    return found


def _words(hashes: Sequence[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(hashes), np.uint64).reshape(len(hashes), -1)


def _some(names: Sequence[str], most: int = MOST) -> list[str]:
    if len(names) <= most:
        return list(names)
    return [names[i] for i in np.linspace(0, len(names) - 1, most).astype(int)]


def quick_look(splits: Mapping[str, Sequence[str]], read: Read) -> str | None:
    """What a look at `LOOKED_AT` frames of each split shows of frames that look alike across splits, in
    sentences; None where it shows none. `read` gives the frames of a split that have these ids."""
    hashes = Hashes()
    looked = 0
    for split, names in splits.items():
        for frame in read(split, _some(names, LOOKED_AT)) if split != "mine" else ():
            hashes.add(split, frame.frame_id, quick_hash(frame))
            looked += 1
    if (said := told(hashes.lookalikes())) is None:
        return None
    every = sum(len(names) for split, names in splits.items() if split != "mine")
    some = f"by a look at {looked:,} of {every:,} frames" if looked < every else f"of {every:,} frames"
    return f"{some}: {said}; imitate inspect --fix OUT writes lists that keep them apart"


def told(found: Sequence[Lookalike]) -> str | None:
    """What a person should know of them, in two sentences; None where there are none."""
    if not found:
        return None
    first = ", ".join(f"{one.split} {one.frame_id} like {one.like}" for one in found[:NAMED])
    more = ", ..." if len(found) > NAMED else ""
    return (
        f"{counted(len(found), 'frame')} of val and test look like frames to train on ({first}{more}): what "
        "is measured there is known by heart. Look at the pairs (--json lists them), and leave such frames "
        "out (data.splits.leave_out) or cut whole sequences"
    )
