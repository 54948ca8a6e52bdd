"""Frames that belong together where no sequence says so: proposed sequences, and splits that keep them.

Three signs: the time that a camera wrote into its pictures (EXIF), running numbers in their names, and their
looks (`lookalikes`). Names prove nothing: KITTI's object frames are numbered in random order. So running
numbers count only where neighbours in number look alike far more often than others do.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

import numpy as np
from PIL import Image

from imitation.common.settings import UserError
from imitation.common.wording import counted
from imitation.data.images import BROKEN
from imitation.data.splits import JUDGES, cut
from imitation.datasets.inspection.lookalikes import ALIKE, SIDE, Lookalike

TIME, SUBSECOND, MODEL, EXIF = 0x9003, 0x9291, 0x0110, 0x8769  # EXIF's tags
PAUSE_S = 10.0  # between pictures of one sequence, at most
LEAST_PAIRS = 20  # neighbours in number that have to be looked at
OFTEN = 0.1  # share of them that has to look alike,
FAR_OFTENER = 5  # and how many times as often as frames that are no neighbours
GAP = 20  # times the usual step between numbers, beyond which a sequence ends
LEAST_GROUPS, RUNS = 10, 20  # of fewer sequences than that, runs of consecutive frames are dealt out
COSTS = 0.1  # share of the training frames that may be given up instead of cutting anew


def taken_at(data: bytes) -> tuple[str, datetime] | None:
    """The camera and the time that a picture's EXIF gives; None where it gives no time."""
    try:
        exif = Image.open(io.BytesIO(data)).getexif()
        own = exif.get_ifd(EXIF)
        when = datetime.strptime(str(own.get(TIME)), "%Y:%m:%d %H:%M:%S")
        part = str(own.get(SUBSECOND, "0")).strip()
        part = part if part.isdecimal() else "0"
        return str(exif.get(MODEL, "")), when.replace(microsecond=round(float(f"0.{part}") * 1e6) % 1_000_000)
    except (*BROKEN, TypeError, KeyError):
        return None


@dataclass
class Signs:
    """What was seen of the frames by which they could belong together, by frame id: hashes of their looks
    (`lookalikes.picture_hash`), camera and time, and the sequences that are known."""

    hashes: dict[str, bytes] = field(default_factory=dict)
    times: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    known: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Proposal:
    """Sequences of frames that had none, and what they were made of (`by`), in words."""

    sequences: Mapping[str, str]
    by: str

    def shared(self, splits: Mapping[str, Sequence[str]]) -> list[tuple[str, str, str]]:
        """Frames of val and test whose sequence train has too: split, frame, a frame of train."""
        learnt: dict[str, str] = {}
        for split, names in splits.items():
            if split not in JUDGES:
                for name in names:
                    if name in self.sequences:
                        learnt.setdefault(self.sequences[name], name)
        return [
            (split, name, learnt[self.sequences[name]])
            for split in JUDGES
            for name in splits.get(split, ())
            if self.sequences.get(name) in learnt
        ]


def proposed(frame_ids: Sequence[str], signs: Signs) -> Proposal | None:
    """Sequences by the times in the pictures, else by running numbers that their looks bear out; None where
    neither says anything, or the sequences are known."""
    lacking = [name for name in frame_ids if name not in signs.known]
    if not lacking:
        return None
    timed = {name: signs.times[name] for name in lacking if name in signs.times}
    if 2 * len(timed) > len(lacking):
        return Proposal(by_time(timed), f"pictures taken within {PAUSE_S:g} s of one another (EXIF)")
    numbered = by_number(lacking)
    if numbered and _borne_out(numbered, signs.hashes):
        return Proposal(numbered, "running numbers in their names, whose neighbours look alike")
    return None


def by_time(times: Mapping[str, tuple[str, datetime]]) -> dict[str, str]:
    """Frame -> sequence: pictures of one camera, each at most `PAUSE_S` after the one before."""
    found: dict[str, str] = {}
    last: tuple[str, datetime] | None = None
    number = 0
    for name, (camera, when) in sorted(times.items(), key=lambda item: (item[1], item[0])):
        if last is None or last[0] != camera or (when - last[1]).total_seconds() > PAUSE_S:
            number += 1
        found[name], last = f"time-{number}", (camera, when)
    return found if number < len(times) else {}


def by_number(frame_ids: Iterable[str]) -> dict[str, str]:
    """Frame -> sequence: names that differ in their last number alone, and numbers that follow one another
    without a gap that is far larger than the others."""
    groups: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for name in frame_ids:
        if match := re.fullmatch(r"(.*?)(\d{1,18})(\D*)", name, re.DOTALL):
            groups.setdefault((match[1], match[3]), []).append((int(match[2]), name))
    found: dict[str, str] = {}
    for (before, after), members in groups.items():
        members.sort()
        steps = np.diff([number for number, _ in members])
        usual = float(np.median(steps)) if len(steps) else 0.0
        part = 0
        for place, (_, name) in enumerate(members):
            part += bool(place and steps[place - 1] > GAP * max(usual, 1.0))
            found[name] = f"{before}*{after}-{part}"
    return found


def _borne_out(sequences: Mapping[str, str], hashes: Mapping[str, bytes]) -> bool:
    """Whether neighbours in number look alike far oftener than frames of one name that are none."""
    members: dict[str, list[str]] = {}
    for name in sorted(sequences, key=_natural):
        if name in hashes:
            members.setdefault(sequences[name], []).append(name)
    every = [name for names in members.values() for name in names]
    pairs = [(a, b) for names in members.values() for a, b in pairwise(names)]
    if len(pairs) < LEAST_PAIRS:
        return False
    far = [(every[i], every[(i + len(every) // 2) % len(every)]) for i in range(len(every))]
    near_share, far_share = (
        float(np.mean([_alike(hashes[a], hashes[b]) for a, b in p])) for p in (pairs, far)
    )
    return near_share >= OFTEN and near_share >= FAR_OFTENER * far_share


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _alike(left: bytes, right: bytes) -> bool:
    a, b = (np.frombuffer(value, np.uint64) for value in (left, right))
    return int(np.bitwise_count(a ^ b).sum()) <= ALIKE * SIDE**2


def groups_of(
    frame_ids: Iterable[str],
    signs: Signs,
    proposal: Proposal | None,
    lookalikes: Iterable[Lookalike],
) -> dict[str, str]:
    """Frame -> what must stay together: a sequence that is known or proposed, and whatever looks like one of
    its frames."""
    parent: dict[str, str] = {}

    def top(key: str) -> str:
        while parent.setdefault(key, key) != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    def join(a: str, b: str) -> None:
        parent[top(a)] = top(b)

    names = list(frame_ids)
    parts = runs(proposal.sequences) if proposal else {}
    for name in names:
        sequence = signs.known.get(name) or parts.get(name)
        if sequence is not None:
            join(f"f {name}", f"s {sequence}")
    for one in lookalikes:
        join(f"f {one.frame_id}", f"f {one.like}")
    return {name: top(f"f {name}") for name in names}


def told_of(proposal: Proposal, splits: Mapping[str, Sequence[str]]) -> str | None:
    """What a person should know of a proposal, in sentences; None where no sequence lies in two splits."""
    if not (shared := proposal.shared(splits)):
        return None
    split, name, other = shared[0]
    number = counted(len(set(proposal.sequences.values())), "sequence")
    return (
        f"{counted(len(shared), 'frame')} of val and test ({split} {name}, ...) belong to a sequence that "
        f"train has too ({other}), of {number} that no list names: {proposal.by}. --fix OUT writes lists "
        "that keep them apart (data.splits.lists)"
    )


def runs(sequences: Mapping[str, str]) -> dict[str, str]:
    """The sequences, or where there are so few that no split could be made of them (one running number over
    all drives), runs of consecutive frames: their ends still touch."""
    if len(set(sequences.values())) >= LEAST_GROUPS:
        return dict(sequences)
    order = sorted(sequences, key=lambda name: (sequences[name], _natural(name)))
    size = -(-len(order) // RUNS)
    return {name: f"{sequences[name]}-{place // size}" for place, name in enumerate(order)}


def recut(
    splits: Mapping[str, Sequence[str]], groups: Mapping[str, str], seed: int
) -> tuple[dict[str, list[str]], str] | None:
    """Lists of the splits in which no group lies in two that must be apart, and a sentence that says how;
    None where none does, or where there are too few groups to cut.

    Where it costs little, the frames of train go that belong with frames of val or test, or of val with test;
    else the groups are dealt out anew by `seed`, in the proportions that the splits have.
    """
    named = {"train": list(dict.fromkeys([*splits.get("train", ()), *splits.get("mine", ())]))}
    named |= {split: list(splits.get(split, ())) for split in JUDGES}
    held = {split: {groups[name] for name in names} for split, names in named.items()}
    clean = {
        "train": [n for n in named["train"] if groups[n] not in held["val"] | held["test"]],
        "val": [n for n in named["val"] if groups[n] not in held["test"]],
        "test": named["test"],
    }
    lost = sum(map(len, named.values())) - sum(map(len, clean.values()))
    if not lost:
        return None
    enough = all(len(clean[s]) >= (1 - COSTS) * len(named[s]) for s in clean) and all(clean.values())
    if enough:
        return clean, f"without {counted(lost, 'frame')} of train or val that belong with frames that judge"
    names = [name for members in named.values() for name in members]
    shares = {split: float(len(members)) for split, members in named.items() if members}
    try:
        parts = cut(names, [groups[name] for name in names], shares, seed)
    except UserError:
        return None
    whole = Counter(groups.values())
    return (
        parts,
        f"{counted(len(whole), 'group')} of frames that belong together dealt out anew by seed {seed}",
    )
