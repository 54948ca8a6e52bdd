"""Which frames are in which split: a dataset's own lists given their roles, or frames cut by seed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from imitation.common import storage
from imitation.common.formats import old_names
from imitation.common.settings import UserError
from imitation.common.texts import lines_of, shown
from imitation.data.splits import (
    SPLITS,
    Contents,
    SplitSettings,
    check_disjoint,
    cut,
    folds,
    sequence_note,
)

NO_LISTS = "The dataset has no lists of its own"
"""How the note of a dataset begins that was cut by seed."""
Sequences = Mapping[str, str | None]
"""frame_id -> sequence (drive, segment), None where it is not known."""
Held = Callable[[], Contents | None]
"""What the frames hold, read where a cut is to be stratified by it; None where none is."""


def nothing_held() -> None:
    """Of a cut by frames alone."""


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


def test_as_val(names: Iterable[str | None]) -> dict[str | None, str | None]:
    """What each of a dataset's lists is taken for: `test` stands in for a list `val` that there is not, and
    is cut in two as that would be; or is `test` as a whole, where `data.splits.val_from` is train."""
    found = list(names)
    alone = "test" in found and not {"val", old_names.STOP} & {*found}
    return {name: "val" if alone and name == "test" else name for name in found}


def read_ids(file: str, root: str, known: Collection[str] | None = None) -> list[str]:
    """The frame ids of a list, a line each; `file` lies in the dataset's folder, unless it is a path or URI
    of its own. Raises UserError naming the line of an id that stands twice, or is not among the `known`
    (None: any may be)."""
    folder = root if storage.is_folder(root) else storage.parent(root)
    own = file.startswith(("/", "~")) or "://" in file
    uri = file if own else storage.join(folder, file)
    if not storage.exists(uri):
        raise UserError(f"{uri}: there is no such list (data.splits.lists, data.splits.leave_out)")
    lines: dict[str, int] = {}
    for number, line in enumerate(lines_of(storage.read_text(uri)), start=1):
        name = line.strip()
        if not name:
            continue
        if name in lines:
            raise UserError(
                f"{uri}:{number}: {shown(name)[1:-1]} already stands on line {lines[name]}; remove one"
            )
        if known is not None and name not in known:
            raise UserError(f"{uri}:{number}: {shown(name)[1:-1]} is no frame of {root}")
        lines[name] = number
    return list(lines)


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
    held: Held = nothing_held,
) -> Splits:
    """The four splits from a dataset's own lists, and a sentence that says how.

    `train` has to be there; `mine` is `train` where it is not. A list `val` without a list `test` is cut into
    the two by seed, or is `test`, and `val` is cut from `train`, where `settings.val_from` says so; beside a
    list `stop`, which is the split `val` then, it is `test` where there is none.
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
            cut_up = settings.val_from
            other = "test" if cut_up == "val" else "train"
            if cut_up == "train":
                given["test"] = given.pop("val")
                said += ", with val as test"
            shares = {"val": settings.val, other: getattr(settings, other)}
            frames = {name: sequences.get(name) for name in lists.get(cut_up, ())}
            if frames:
                cuts, why = _cut_or_whole(
                    frames, shares, settings.seed, cut_up, divide, f"{where}: {cut_up}", held
                )
                given |= cuts
                parts = "cut in two" if cut_up == "val" else "cut into train and val"
                how = f"{parts} by seed {settings.seed}{_stratified(settings)}"
                said += f", {cut_up} taken whole ({why})" if why else f", {cut_up} {how}"
    elif settings.val_from != "val" and divide:
        raise UserError(
            f"{where}: data.splits.val_from is {settings.val_from!r}, which is for a list val without a list "
            f"test; found {sorted(lists)}"
        )
    return _finished(given, sequences, f"{said}.", where, divide)


def all_train(sequences: Sequences, where: str) -> Splits:
    """A dataset without lists as it is: `train` as a whole."""
    note = f"{NO_LISTS}: all {len(sequences)} frames are train."
    return _finished({"train": list(sequences)}, sequences, note, where, divide=False)


def _stratified(settings: SplitSettings) -> str:
    return ", stratified by category and size" if settings.stratify else ""


def cut_all(
    sequences: Sequences,
    settings: SplitSettings,
    where: str,
    divide: bool = True,
    held: Held = nothing_held,
) -> Splits:
    """The four splits of a dataset without lists, cut by seed, and a sentence that says so.
    `sequences` goes from every frame_id to its sequence or None. Raises `UserError` naming `where` for too
    few frames or sequences; without `divide` they are all `train` then."""
    shares = {"train": settings.train, "val": settings.val, "test": settings.test}
    try:
        splits, why = _cut_or_whole(sequences, shares, settings.seed, "train", divide, where, held)
    except UserError as error:
        hint = "to look at all of it as one: inspect, or evaluate and mine with --split all"
        raise UserError(f"{error} ({hint})") from None
    said = f"{NO_LISTS}: {len(sequences)} frames were "
    said += f"taken as train ({why})." if why else f"cut by seed {settings.seed}{_stratified(settings)}."
    return _finished(splits, sequences, said, where, divide)


def cut_folds(
    sequences: Sequences,
    settings: SplitSettings,
    where: str,
    divide: bool = True,
    lists: Sequence[str] = (),
    held: Held = nothing_held,
) -> Splits:
    """The four splits of one fold: all frames (of the pooled `lists`, if there are any) are cut into
    `settings.folds` parts, of which `settings.fold` is test; the rest is cut into train and val. Every frame
    is test in exactly one fold. Raises `UserError` naming `where` for fewer sequences than folds."""
    assert settings.folds is not None
    names = list(sequences)
    splits: dict[str, list[str]] = {"train": names}
    try:
        contents = held()
        parts = folds(names, list(sequences.values()), settings.folds, settings.seed, contents)
        test = parts[settings.fold]
        tested = set(test)
        rest = {i: sequence for i, sequence in sequences.items() if i not in tested}
        shares = {"train": settings.train, "val": settings.val}
        splits = cut(list(rest), list(rest.values()), shares, settings.seed, contents) | {"test": test}
        said = f"fold {settings.fold} of {settings.folds} (seed {settings.seed}) is test, the rest was cut"
        said += _stratified(settings)
    except UserError as error:
        if divide:
            raise UserError(f"{where}: {error}") from None
        said = f"taken as train ({error})"
    pooled = f"pooled from the lists {', '.join(lists)}" if lists else "without lists of their own"
    return _finished(splits, sequences, f"{len(names)} frames {pooled}: {said}.", where, divide)


def _cut_or_whole(
    sequences: Sequences,
    shares: Mapping[str, float],
    seed: int,
    whole: str,
    divide: bool,
    where: str,
    held: Held,
) -> tuple[dict[str, list[str]], str]:
    """Parts by their shares, or, without `divide`, all in the part `whole` and why it could not be cut."""
    try:
        return cut(list(sequences), list(sequences.values()), shares, seed, held()), ""
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
