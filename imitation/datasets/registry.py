"""Opens a dataset by its kind: which frames are in which split, and the frames themselves."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property
from typing import Protocol

from imitation import storage
from imitation.datasets.kitti import kitti_names, kitti_sequences, kitti_splits, read_kitti
from imitation.datasets.parquet import read_frames, read_ids
from imitation.datasets.validate import FrameChecker, Problems
from imitation.records import Frame
from imitation.settings import UserError
from imitation.splits import JUDGES, SPLITS, SplitSettings, check_disjoint, cut, sequence_note


class DatasetReader(Protocol):
    """A dataset with its splits. `kind` is its name in `READERS`, `root` where it lies."""

    kind: str
    root: str

    def splits(self) -> dict[str, list[str]]:
        """Frame ids of `train`, `mine`, `stop` and `test`, which were checked for overlaps."""
        ...

    def frames(
        self, split: str, problems: Problems | None = None, names: Collection[str] | None = None
    ) -> Iterator[Frame]:
        """Streams a split's valid frames, or those of `names` among them. Raises `DataError` for a bad one,
        or hands it to `problems`."""
        ...

    def note(self) -> str:
        """A sentence on how the splits were made, for the report."""
        ...


def assign_roles(
    lists: Mapping[str, list[str]],
    sequences: Mapping[str, str | None],
    settings: SplitSettings,
    where: str,
) -> tuple[dict[str, list[str]], str]:
    """The four splits from a dataset's own lists, and a sentence that says how.

    `train` has to be there; `mine` is `train` where it is not. `val` stands in for whichever of `stop`
    and `test` is missing; where both are, it is cut in two by seed. Raises `UserError` naming `where`
    for a list that is missing or empty, and for splits that overlap.
    """
    given = {name: list(lists[name]) for name in SPLITS if name in lists}
    said = f"Splits are the dataset's own lists ({', '.join(sorted(lists))})"
    missing = [name for name in JUDGES if name not in given]
    for name in ("train", *(["val"] if missing else [])):
        if not lists.get(name):
            raise UserError(f"{where}: the list {name!r} is missing or empty; found {sorted(lists)}")
    if len(missing) == 1:
        given[missing[0]] = list(lists["val"])
        said += f", with val as {missing[0]}"
    elif missing:
        shares = {"stop": settings.stop, "test": settings.test}
        given |= cut(lists["val"], [sequences.get(i) for i in lists["val"]], shares, settings.seed)
        said += f", val cut into stop and test by seed {settings.seed}"
    return _finished(given, sequences, f"{said}.", where)


def cut_all(
    sequences: Mapping[str, str | None], settings: SplitSettings, where: str
) -> tuple[dict[str, list[str]], str]:
    """The four splits of a dataset without lists, cut by seed, and a sentence that says so.
    `sequences` goes from every frame_id to its sequence or None."""
    shares = {"train": settings.train, "stop": settings.stop, "test": settings.test}
    try:
        splits = cut(list(sequences), list(sequences.values()), shares, settings.seed)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    said = f"The dataset has no lists of its own: {len(sequences)} frames were cut by seed {settings.seed}."
    return _finished(splits, sequences, said, where)


def _finished(
    splits: dict[str, list[str]], sequences: Mapping[str, str | None], said: str, where: str
) -> tuple[dict[str, list[str]], str]:
    splits.setdefault("mine", splits["train"])
    splits = {name: splits[name] for name in SPLITS}
    try:
        check_disjoint({name: [(i, sequences.get(i)) for i in ids] for name, ids in splits.items()})
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    frames = dict.fromkeys(i for ids in splits.values() for i in ids)
    return splits, f"{said} {sequence_note(sequences.get(i) for i in frames)}"


def _check_split(split: str) -> None:
    if split not in SPLITS:
        raise UserError(f"there is no split {split!r}; known are {', '.join(SPLITS)}")


def _among(members: list[str], names: Collection[str]) -> list[str]:
    chosen = set(names)
    return [name for name in members if name in chosen]


class KittiReader:
    """A KITTI object folder; splits from `ImageSets` (see `assign_roles`), or cut by seed without them."""

    kind = "kitti"

    def __init__(self, root: str, settings: SplitSettings) -> None:
        self.root = storage.absolute(root)
        self._settings = settings

    @cached_property
    def _made(self) -> tuple[dict[str, list[str]], str]:
        drives = kitti_sequences(self.root)
        lists = kitti_splits(self.root)
        if lists is None:
            names = {name: drives.get(name) for name in kitti_names(self.root)}
            return cut_all(names, self._settings, self.root)
        return assign_roles(lists, drives, self._settings, storage.join(self.root, "ImageSets"))

    def splits(self) -> dict[str, list[str]]:
        return self._made[0]

    def note(self) -> str:
        return self._made[1]

    def frames(
        self, split: str, problems: Problems | None = None, names: Collection[str] | None = None
    ) -> Iterator[Frame]:
        _check_split(split)
        members = self.splits()[split]
        return read_kitti(self.root, members if names is None else _among(members, names), problems)


class ParquetReader:
    """Frames as Parquet. `root` is either a folder with one file or folder a split (`train.parquet` or
    `train/`, and so on; see `assign_roles`), or one dataset (a file, or a folder of part files) that is
    cut by seed."""

    kind = "parquet"

    def __init__(self, root: str, settings: SplitSettings) -> None:
        self.root = storage.absolute(root)
        self._settings = settings

    @cached_property
    def _sources(self) -> dict[str, str]:
        """List name -> where its frames lie; empty if the root is one dataset."""
        if not storage.is_folder(self.root):
            return {}
        names = (*SPLITS, "val")
        places = [*storage.list_files(self.root, ".parquet"), *storage.list_folders(self.root)]
        found = {storage.name_of(place).removesuffix(".parquet"): place for place in places}
        return {name: found[name] for name in names if name in found}

    @cached_property
    def _made(self) -> tuple[dict[str, list[str]], str]:
        if not self._sources:
            return cut_all(read_ids(self.root), self._settings, self.root)
        ids = {name: read_ids(place) for name, place in self._sources.items()}
        sequences = {i: sequence for members in ids.values() for i, sequence in members.items()}
        lists = {name: list(members) for name, members in ids.items()}
        return assign_roles(lists, sequences, self._settings, self.root)

    def splits(self) -> dict[str, list[str]]:
        return self._made[0]

    def note(self) -> str:
        return self._made[1]

    def source(self, split: str) -> str:
        """The file or folder in which a split's frames lie, perhaps among others."""
        _check_split(split)
        stand_in = "train" if split == "mine" else "val"
        return self._sources.get(split) or self._sources.get(stand_in, self.root)

    def frames(
        self, split: str, problems: Problems | None = None, names: Collection[str] | None = None
    ) -> Iterator[Frame]:
        _check_split(split)
        members = self.splits()[split]
        wanted = set(members if names is None else _among(members, names))
        frames = read_frames(self.source(split), problems=problems, check=FrameChecker())
        return (frame for frame in frames if frame.frame_id in wanted)


READERS: dict[str, Callable[[str, SplitSettings], DatasetReader]] = {
    KittiReader.kind: KittiReader,
    ParquetReader.kind: ParquetReader,
}


def open_dataset(kind: str, root: str, settings: SplitSettings | None = None) -> DatasetReader:
    """The reader for a kind of data. Raises `UserError` naming the nearest kind for an unknown one, or
    the root if there is nothing there."""
    if kind not in READERS:
        near = difflib.get_close_matches(kind, READERS, n=1, cutoff=0.0)[0]
        raise UserError(
            f"there is no dataset kind {kind!r}; known are {', '.join(READERS)} (nearest: {near})"
        )
    if not storage.exists(root):
        raise UserError(f"{root}: there is nothing there; give the folder (or file) of a {kind} dataset")
    return READERS[kind](root, SplitSettings() if settings is None else settings)
