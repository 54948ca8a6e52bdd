"""Frames of val and test that show what train shows: what is measured on them is known by heart.

A perceptual hash of 256 bits (the signs of an image's lowest frequencies, `imagehash.phash`) differs between
two pictures of one place in a fifth of its bits at most, between pictures of two places in a third or more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageStat

from imitation.common.wording import counted
from imitation.data.splits import JUDGES

SIDE = 16  # of the hash: as many bits, squared
ALIKE = 0.25  # share of bits that differ at most
LEAST_CONTRAST = 2.0  # standard deviation of grey values; below it a picture shows nothing
MOST = 20_000  # frames of a side that are compared; of more, so many evenly drawn
NAMED = 3


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
    import imagehash  # costs scipy and PyWavelets

    grey = Image.fromarray(pixels).convert("L")
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


def _some(names: Sequence[str]) -> list[str]:
    if len(names) <= MOST:
        return list(names)
    return [names[i] for i in np.linspace(0, len(names) - 1, MOST).astype(int)]


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
