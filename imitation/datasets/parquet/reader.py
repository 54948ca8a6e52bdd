"""A folder of Parquet frames as a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from typing import NamedTuple

from imitation.common import storage
from imitation.common.settings import DataError, UserError
from imitation.common.texts import shown
from imitation.data.records import Frame
from imitation.data.splits import LISTS
from imitation.datasets.base import DatasetReader
from imitation.datasets.common.paths import list_name
from imitation.datasets.common.roles import Splits, same_list
from imitation.datasets.common.validation import FrameChecker, Problems
from imitation.datasets.numbering import Numbering, parquet_numbering
from imitation.datasets.parquet.columns import open_parquet
from imitation.datasets.parquet.files import part_files, read_frames, read_ids, read_rows
from imitation.datasets.parquet.mender import ParquetMender
from imitation.datasets.parquet.writer import ParquetWriter


class _Listed(NamedTuple):
    """One list of a Parquet dataset: its sequences by frame_id, the file of each, and what is no frame."""

    sequences: dict[str, str | None]
    parts: dict[str, str]
    strays: list[DataError]


class ParquetReader(DatasetReader):
    """Frames as Parquet. `root` is either a folder with one file or folder a split (`train.parquet` or
    `train/`, and so on; see `assign_roles`), or one dataset (a file, or a folder of part files) that is
    cut by seed."""

    kind = "parquet"
    name = "Parquet"
    title = "Parquet frames"
    Writer = ParquetWriter
    Mender = ParquetMender
    _rows: tuple[str, dict[str, int]] | None = None
    """The part that was last asked for the rows of its frames, and these."""

    @classmethod
    def signs(cls, root: str) -> str | None:
        if not storage.is_folder(root):
            found = [root] if root.endswith(".parquet") else []
        else:
            lists = (f for f in storage.list_folders(root) if list_name(storage.name_of(f)) in LISTS)
            found = [uri for place in (root, *lists) for uri in storage.list_files(place, ".parquet")[:1]]
        if not found:
            return None
        with suppress(DataError), open_parquet(found[0]) as file:
            if {"frame_id", "objects"} <= set(file.schema_arrow.names):
                return f"frame_id and objects in {storage.name_of(found[0])}"
        return None

    @cached_property
    def _sources(self) -> dict[str | None, str]:
        """List name -> where its frames lie; None alone if the root is one dataset."""
        if not storage.is_folder(self.root):
            return {None: self.root}
        places = [*storage.list_files(self.root, ".parquet"), *storage.list_folders(self.root)]
        sources: dict[str | None, str] = {}
        for place in places:
            name = list_name(storage.name_of(place).removesuffix(".parquet"))
            if name in sources:
                raise UserError(same_list(place, sources[name], name))
            if name in LISTS:
                sources[name] = place
        return {name: sources[name] for name in LISTS if name in sources} or {None: self.root}

    @cached_property
    def _listed(self) -> dict[str | None, _Listed]:
        return {name: _list_ids(place) for name, place in self._sources.items()}

    def _cut(self) -> Splits:
        nothing = not any(listed.sequences for listed in self._listed.values())
        for listed in self._listed.values():  # why a list is empty says more than that it is
            if listed.strays and not listed.sequences and (self._divide or nothing):
                raise listed.strays[0]
        found = {name: listed.sequences for name, listed in self._listed.items()}
        return self._by_lists_or_seed(found, self.root)

    def numbering(self) -> Numbering | None:
        found = (parquet_numbering(place) for place in self._sources.values())
        return next((numbering for numbering in found if numbering), None)

    def _of(self, split: str) -> _Listed:
        return self._listed[self._list_of(split)]

    def chunks(self, split: str, size: int) -> Iterator[list[str]]:
        for chunk in super().chunks(split, size):
            by_part: dict[str, list[str]] = {}
            for name in chunk:
                by_part.setdefault(self._of(self._home(split, name)).parts[name], []).append(name)
            yield from by_part.values()

    def place_of(self, split: str, frame: Frame) -> str:
        parts = self._of(self._home(split, frame.frame_id)).parts
        if frame.image_uri or (part := parts.get(frame.frame_id)) is None:
            return super().place_of(split, frame)
        if self._rows is None or self._rows[0] != part:  # looked up where something is wrong, not kept of all
            self._rows = part, read_rows(part)
        return f"{part}: row {self._rows[1][frame.frame_id]}"

    def _read(self, split: str, wanted: Sequence[str], problems: Problems | None) -> Iterator[Frame]:
        parts, check = self._of(split).parts, FrameChecker(self.bad_row)
        by_part: dict[str, set[str]] = {}
        for name in wanted:
            by_part.setdefault(parts[name], set()).add(name)
        for part, keep in by_part.items():
            yield from read_frames(part, problems=problems, check=check, keep=keep)


def _list_ids(place: str) -> _Listed:
    listed = _Listed({}, {}, [])
    for part in part_files(place, listed.strays.append):
        for name, sequence in read_ids(part, listed.strays.append).items():
            if name in listed.parts:
                other = listed.parts[name]
                what = f"the frame_id {shown(name)} was already used in {other}"
                listed.strays.append(DataError(part, what))
                continue
            listed.sequences[name] = sequence
            listed.parts[name] = part
    return listed
