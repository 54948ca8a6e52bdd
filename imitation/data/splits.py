"""Splits and folds, cut by sequence where it is known, and the checks that keep them apart.

Frames of one video are not independent: on both sides of a cut they would let a detector be
judged on what it was trained on. `train` and `mine` may be the same frames; `val` and `test` share
nothing with each other or with the rest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from imitation.common.formats import old_names
from imitation.common.settings import Settings, UserError
from imitation.data.stratified import deal

SPLITS = ("train", "mine", "val", "test")
LISTS = (*SPLITS, old_names.STOP)
"""What a dataset's own lists may be called."""
PREPARED = ("train", "val", "test")
"""Of which a run keeps the frames: `mine` is `train`, or frames of it."""
JUDGES = ("val", "test")


class SplitSettings(Settings):
    """How a dataset is cut where it brings no lists of its own. Shares count relative to their sum;
    where only a validation list is given, it is cut into val and test alone."""

    seed: int = Field(default=0, ge=0, description="Seed of the cuts.")
    train: float = Field(default=0.6, gt=0, le=1, description="Share of frames to train on.")
    val: float = Field(default=0.2, gt=0, le=1, description="Share that decides when to stop.")
    test: float = Field(default=0.2, gt=0, le=1, description="Share that is reported and decides nothing.")
    folds: int | None = Field(
        default=None,
        ge=2,
        description="Small data: pool all labelled frames, whatever lists there are, and cut them into "
        "so many "
        "parts; one is test, the rest is cut into train and val.",
    )
    fold: int = Field(default=0, ge=0, description="Which of the parts is test, from 0.")
    stratify: bool = Field(
        default=False,
        description="Deal sequences out so that each part gets its share of sequences, of frames and of the "
        "sequences that hold each category, and none is mostly one long sequence; folds of mining too. "
        "false: by frames alone, as earlier versions cut.",
    )
    val_from: Literal["val", "train"] = Field(
        default="val",
        description="Where only a validation list is given: val: it is cut into val and test; train: all of "
        "it is test, and val is cut from the training list.",
    )
    lists: dict[str, str] = Field(
        default={},
        description="Lists of frame ids, a line each, in place of the dataset's own: train, val, ... -> a "
        "file, in the dataset's folder if its name is no path of its own.",
    )
    leave_out: str | None = Field(
        default=None, description="A file of frame ids, a line each, that are in no split."
    )

    @model_validator(mode="after")
    def _there(self) -> SplitSettings:
        if wrong := sorted(set(self.lists) - set(LISTS)):
            raise ValueError(f"splits.lists names {wrong[0]!r}; lists are {', '.join(SPLITS)}")
        if self.fold >= (self.folds or 1):
            raise ValueError(
                f"there is no fold {self.fold}: splits.folds is {self.folds}, and folds count from 0"
            )
        return self


def _groups(frame_ids: Sequence[str], sequences: Sequence[str | None] | None) -> list[list[str]]:
    """Frames that must stay together, in an order that does not depend on the order given."""
    known: Sequence[str | None] = [None] * len(frame_ids) if sequences is None else sequences
    if len(known) != len(frame_ids):
        raise ValueError(f"{len(known)} sequences for {len(frame_ids)} frames")
    if len(set(frame_ids)) != len(frame_ids):
        raise UserError("a frame_id stands twice in the list that is to be split; make them unique")
    groups: dict[tuple[bool, str], list[str]] = {}
    for frame_id, sequence in zip(frame_ids, known):
        key = (False, frame_id) if sequence is None else (True, sequence)
        groups.setdefault(key, []).append(frame_id)
    return [groups[key] for key in sorted(groups)]


Contents = Mapping[str, Collection[str]]
"""frame_id -> the categories that a frame holds."""


def _share_out(groups: list[list[str]], shares: np.ndarray, seed: int) -> list[set[str]]:
    """Gives whole groups, in random order, to whichever part lacks most; no part stays empty."""
    parts: list[set[str]] = [set() for _ in shares]
    lacking = shares / shares.sum() * sum(len(group) for group in groups)
    order = np.random.default_rng(seed).permutation(len(groups))
    for left, index in zip(range(len(groups), 0, -1), order):
        empty = [i for i, part in enumerate(parts) if not part]
        candidates = empty if left <= len(empty) else range(len(parts))
        chosen = max(candidates, key=lambda i: lacking[i])
        parts[chosen].update(groups[index])
        lacking[chosen] -= len(groups[index])
    return parts


def _parts(
    groups: list[list[str]], shares: np.ndarray, seed: int, contents: Contents | None
) -> list[set[str]]:
    return _share_out(groups, shares, seed) if contents is None else deal(groups, contents, shares, seed)


def _too_few(groups: list[list[str]], frames: int, parts: int, what: str) -> None:
    if len(groups) < parts:
        raise UserError(
            f"{frames} frames in {len(groups)} independent groups (sequences, or single frames) "
            f"cannot make {parts} {what}; give more frames or fewer {what}"
        )


def cut(
    frame_ids: Sequence[str],
    sequences: Sequence[str | None] | None,
    fractions: Mapping[str, float],
    seed: int,
    contents: Contents | None = None,
) -> dict[str, list[str]]:
    """Cuts frames into named parts of about these fractions (relative to their sum), at random by `seed`.

    A sequence is never divided; None counts as a sequence of its own. Frames keep their order, and
    which part gets them does not depend on it. With `contents` the cut is stratified
    (`imitation.data.stratified`). Raises `UserError` if a part would stay empty.
    """
    shares = np.array(list(fractions.values()), dtype=np.float64)
    if not len(shares) or not np.all(np.isfinite(shares)) or np.any(shares <= 0):
        raise UserError(f"fractions of a split must be above 0, found {dict(fractions)}")
    groups = _groups(frame_ids, sequences)
    _too_few(groups, len(frame_ids), len(shares), "splits")
    parts = _parts(groups, shares, seed, contents)
    return {name: [i for i in frame_ids if i in part] for name, part in zip(fractions, parts)}


def folds(
    frame_ids: Sequence[str],
    sequences: Sequence[str | None] | None,
    k: int,
    seed: int,
    contents: Contents | None = None,
) -> list[list[str]]:
    """`k` disjoint parts of about equal size that together are all frames; sequences stay whole.

    With `contents` the parts are stratified (`imitation.data.stratified`). Raises `UserError` if there are
    fewer sequences than folds.
    """
    if k < 1:
        raise UserError(f"the number of folds must be at least 1, found {k}")
    groups = _groups(frame_ids, sequences)
    _too_few(groups, len(frame_ids), k, "folds")
    parts = _parts(groups, np.ones(k), seed, contents)
    return [[i for i in frame_ids if i in part] for part in parts]


def sequence_note(sequences: Iterable[str | None]) -> str:
    """One sentence for the report: whether splits that `cut` or `check_disjoint` passed go by sequence."""
    known = list(sequences)
    named = [s for s in known if s is not None]
    if not named:
        return (
            f"The sequence of none of the {len(known)} frames is known: frames of one drive may lie in "
            "different splits, and scores and intervals may be too good."
        )
    counts = f"{len(set(named))} sequences"
    if len(named) < len(known):
        return (
            f"The sequence of {len(named)} of {len(known)} frames is known ({counts}), and none of these "
            "lies in two splits; the others count as independent."
        )
    return f"Splits go by sequence: none of the {counts} of {len(known)} frames is divided."


def check_disjoint(splits: Mapping[str, Iterable[tuple[str, str | None]]]) -> None:
    """Refuses splits that are empty, or in which `val` or `test` shares a frame or a sequence with any
    other split. Each split is (frame_id, sequence or None) pairs.

    Raises `UserError` that names the first shared ones and counts them.
    """
    pairs = {name: list(members) for name, members in splits.items()}
    for name, members in pairs.items():
        if not members:
            raise UserError(f"the split {name!r} is empty; give it frames, or another share of the data")
    names = list(pairs)
    for position, left in enumerate(names):
        for right in names[position + 1 :]:
            if left in JUDGES or right in JUDGES:
                _refuse_shared(left, right, pairs)


def _refuse_shared(left: str, right: str, pairs: Mapping[str, list[tuple[str, str | None]]]) -> None:
    for what, column in (("frames", 0), ("sequences", 1)):
        others = {member[column] for member in pairs[right]} - {None}
        shared = [member[column] for member in pairs[left] if member[column] in others]
        if shared:
            unique = list(dict.fromkeys(shared))
            first = ", ".join(str(v) for v in unique[:3]) + (", ..." if len(unique) > 3 else "")
            raise UserError(
                f"the splits {left!r} and {right!r} share {len(unique)} {what} ({first}); "
                "what decides or is reported must not be trained on: remove them from one of the two"
            )
