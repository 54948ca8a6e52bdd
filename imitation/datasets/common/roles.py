"""Which frames are in which split: a dataset's own lists given their roles, or frames cut by seed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from imitation.common import storage
from imitation.common.formats import old_names
from imitation.common.settings import UserError
from imitation.data.splits import SPLITS, SplitSettings, check_disjoint, cut, folds, sequence_note

NO_LISTS = "The dataset has no lists of its own"
"""How the note of a dataset begins that was cut by seed."""
Sequences = Mapping[str, str | None]
"""frame_id -> sequence (drive, segment), None where it is not known."""


class Splits(NamedTuple):
    """The four splits, and a sentence that says how they were made."""

    members: dict[str, list[str]]
    note: str


def check_split(split: str) -> None:
    """Raises `UserError` for a split that there is not."""
    if split not in SPLITS:
        raise UserError(f"there is no split {split!r}; known are {', '.join(SPLITS)}")


def same_list(place: str, other: str, name: str) -> str:
    """What to say of two files or folders that are both the list of that name (`val` and `valid`)."""
    other = storage.name_of(other)
    return f"{place}: {other} is the list {name!r} too; keep one of the two, or put all of it in one"


def list_of(split: str, lists: Collection[str]) -> str | None:
    """Which of a dataset's own lists a split's frames come from, as `assign_roles` deals them out; None
    where the dataset has no lists."""
    stand_in = "train" if split == "mine" else "val"
    return next((name for name in (*_own_names(split), stand_in) if name in lists), None)


def _own_names(split: str) -> tuple[str, ...]:
    """What a dataset calls the list that is a split; beside a list of the old name `val` is another one."""
    return old_names.spellings(split)[::-1]


def first_split_of(name: str | None, lists: Collection[str]) -> str:
    """The split that tells the strays of a list: the first that its frames go to."""
    return next((split for split in SPLITS if list_of(split, lists) == name), SPLITS[0])


def assign_roles(
    lists: Mapping[str, list[str]],
    sequences: Sequences,
    settings: SplitSettings,
    where: str,
    divide: bool = True,
    whole: bool = False,
) -> Splits:
    """The four splits from a dataset's own lists, and a sentence that says how.

    `train` has to be there; `mine` is `train` where it is not. A list `val` without a list `test` is cut into
    the two by seed; beside a list `stop`, which is the split `val` then, it is `test` where there is none.
    Raises `UserError` naming `where` for a list that is missing or empty, and for splits that overlap.
    Without `divide` lists may be missing, and a `val` too small to be cut stays whole; with `whole` any does.
    """
    named = {split: [name for name in _own_names(split) if name in lists] for split in SPLITS}
    given = {split: list(lists[names[0]]) for split, names in named.items() if names}
    said = f"Splits are the dataset's own lists ({', '.join(sorted(lists))})"
    has_stop = old_names.STOP in lists
    for name in ("train", *([] if has_stop and "test" in lists else ["val"])):
        if divide and not lists.get(name):
            raise UserError(f"{where}: the list {name!r} is missing or empty; found {sorted(lists)}")
    if "val" in lists and "test" not in lists:
        if has_stop:
            given["test"] = list(lists["val"])
            said += ", with val as test"
        elif not whole:
            shares = {"val": settings.val, "test": settings.test}
            val = {name: sequences.get(name) for name in lists["val"]}
            cuts, why = _cut_or_whole(val, shares, settings.seed, "val", divide, f"{where}: val")
            given |= cuts
            said += f", val taken whole ({why})" if why else f", val cut in two by seed {settings.seed}"
    return _finished(given, sequences, f"{said}.", where, divide)


def all_train(sequences: Sequences, where: str) -> Splits:
    """A dataset without lists as it is: `train` as a whole."""
    note = f"{NO_LISTS}: all {len(sequences)} frames are train."
    return _finished({"train": list(sequences)}, sequences, note, where, divide=False)


def cut_all(sequences: Sequences, settings: SplitSettings, where: str, divide: bool = True) -> Splits:
    """The four splits of a dataset without lists, cut by seed, and a sentence that says so.
    `sequences` goes from every frame_id to its sequence or None. Raises `UserError` naming `where` for too
    few frames or sequences; without `divide` they are all `train` then."""
    shares = {"train": settings.train, "val": settings.val, "test": settings.test}
    try:
        splits, why = _cut_or_whole(sequences, shares, settings.seed, "train", divide, where)
    except UserError as error:
        hint = "to look at all of it as one: inspect, or evaluate and mine with --split all"
        raise UserError(f"{error} ({hint})") from None
    said = f"{NO_LISTS}: {len(sequences)} frames were "
    said += f"taken as train ({why})." if why else f"cut by seed {settings.seed}."
    return _finished(splits, sequences, said, where, divide)


def cut_folds(
    sequences: Sequences,
    settings: SplitSettings,
    where: str,
    divide: bool = True,
    lists: Sequence[str] = (),
) -> Splits:
    """The four splits of one fold: all frames (of the pooled `lists`, if there are any) are cut into
    `settings.folds` parts, of which `settings.fold` is test; the rest is cut into train and val. Every frame
    is test in exactly one fold. Raises `UserError` naming `where` for fewer sequences than folds."""
    assert settings.folds is not None
    names = list(sequences)
    splits: dict[str, list[str]] = {"train": names}
    try:
        test = folds(names, list(sequences.values()), settings.folds, settings.seed)[settings.fold]
        held = set(test)
        rest = {i: sequence for i, sequence in sequences.items() if i not in held}
        shares = {"train": settings.train, "val": settings.val}
        splits = cut(list(rest), list(rest.values()), shares, settings.seed) | {"test": test}
        said = f"fold {settings.fold} of {settings.folds} (seed {settings.seed}) is test, the rest was cut"
    except UserError as error:
        if divide:
            raise UserError(f"{where}: {error}") from None
        said = f"taken as train ({error})"
    pooled = f"pooled from the lists {', '.join(lists)}" if lists else "without lists of their own"
    return _finished(splits, sequences, f"{len(names)} frames {pooled}: {said}.", where, divide)


def _cut_or_whole(
    sequences: Sequences, shares: Mapping[str, float], seed: int, whole: str, divide: bool, where: str
) -> tuple[dict[str, list[str]], str]:
    """Parts by their shares, or, without `divide`, all in the part `whole` and why it could not be cut."""
    try:
        return cut(list(sequences), list(sequences.values()), shares, seed), ""
    except UserError as error:
        if divide:
            raise UserError(f"{where}: {error}") from None
        return {whole: list(sequences)}, str(error)


def _finished(
    splits: dict[str, list[str]], sequences: Sequences, said: str, where: str, divide: bool
) -> Splits:
    splits = {name: [] for name in SPLITS} | {"mine": splits.get("train", [])} | splits
    checked = splits if divide else {name: ids for name, ids in splits.items() if ids}
    try:
        check_disjoint({name: [(i, sequences.get(i)) for i in ids] for name, ids in checked.items()})
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    frames = dict.fromkeys(i for ids in splits.values() for i in ids)
    return Splits(splits, f"{said} {sequence_note(sequences.get(i) for i in frames)}")
