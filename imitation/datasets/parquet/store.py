"""Random access to frames in Parquet: pixels on demand, and labels too where they are many."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from imitation.common import storage
from imitation.common.settings import DataError
from imitation.data.images import Decoder, decode_image, load_frame_image
from imitation.data.records import Frame
from imitation.datasets.parquet.columns import (
    COLUMNS,
    check_columns,
    conform,
    conform_all,
    readable,
)
from imitation.datasets.parquet.files import IMAGE, frame_of, part_files, wanted_columns
from imitation.datasets.parquet.row_groups import RowGroups

IN_MEMORY = 50_000  # frames whose labels are read, and so checked, when they are opened
LABEL_BYTES = 64 << 20  # of row groups' labels that are held otherwise


class _GroupCache:
    """What was read of row groups, the least recently used dropped beyond a limit of bytes.

    Safe for threads; two that want the same group read it once.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: OrderedDict[int, pa.Table] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._reading: dict[int, threading.Lock] = {}

    @property
    def nbytes(self) -> int:
        return self._bytes

    def get(self, group: int, read: Callable[[], pa.Table]) -> pa.Table:
        """What is held of the group, or what `read` gives."""
        held, reading = self._look(group)
        if held is not None:
            return held
        with reading:
            held, _ = self._look(group)  # another thread may have read it meanwhile
            if held is None:
                held = read()
                self.put(group, held)
        return held

    def _look(self, group: int) -> tuple[pa.Table | None, threading.Lock]:
        with self._lock:
            if group in self._held:
                self._held.move_to_end(group)
            return self._held.get(group), self._reading.setdefault(group, threading.Lock())

    def put(self, group: int, table: pa.Table) -> None:
        """Holds what was read of a group."""
        with self._lock:
            self._reading.pop(group, None)
            if table.nbytes > self._limit or group in self._held:
                return
            self._held[group] = table
            self._bytes += table.nbytes
            while self._bytes > self._limit:
                _, dropped = self._held.popitem(last=False)
                self._bytes -= dropped.nbytes


@dataclass(frozen=True)
class _Part:
    groups: RowGroups
    folder: str
    has_images: bool
    paths: tuple[str, ...]
    """Parquet's paths of the columns of labels."""

    @property
    def uri(self) -> str:
        return self.groups.uri


class FrameStore:
    """Random access to the frames of Parquet files.

    Image bytes are read by row group and cached up to `cache_bytes`. Labels are in memory, as Arrow (a few
    hundred bytes an object), where there are up to `in_memory` frames; beyond, opening reads ids alone, and
    labels come by row group, too: some 30 bytes a frame in memory. All methods may be called from several
    threads at once. `columns` leaves out what is not needed, such as `origin` in training; `fields` all but
    some fields of objects, where labels come by row group. `decode` makes pixels of an image's bytes, as
    `load_frame_image` takes it.

    Raises `UserError` and `DataError` as `read_frames` does when opened, for any row (for ids, where labels
    are not read), and `DataError` from `image`, and then from `frame`.
    """

    def __init__(
        self,
        uris: str | Sequence[str],
        columns: Iterable[str] | None = None,
        cache_bytes: int = 256 << 20,
        decode: Decoder = decode_image,
        *,
        fields: Collection[str] | None = None,
        in_memory: int = IN_MEMORY,
    ) -> None:
        self._decode = decode
        self._names = [name for name in wanted_columns(columns) if name != IMAGE]
        if "image_uri" not in self._names:
            self._names.append("image_uri")
        self._images, self._labels_read = _GroupCache(cache_bytes), _GroupCache(LABEL_BYTES)
        files = [file for uri in ([uris] if isinstance(uris, str) else uris) for file in part_files(uri)]
        groups = [RowGroups(storage.absolute(file)) for file in files]
        all_in_memory = sum(part.num_rows for part in groups) <= in_memory
        self._parts = [self._opened(part, None if all_in_memory else fields) for part in groups]
        self._labels: pa.Table | None = None
        # of every row group: its part, its number there, and (from the second on) where its rows begin
        places: list[tuple[int, int]] = []
        rows: list[int] = []
        ids: list[pa.Table] = []
        names = self._names if all_in_memory else ["frame_id"]
        for number, part in enumerate(self._parts):
            ids += self._read_all(number, part, names, places, rows)
        table = pa.concat_tables([pa.schema([COLUMNS[name] for name in names]).empty_table(), *ids])
        self.ids: pa.StringArray = pa.concat_arrays(
            table.column("frame_id").chunks or [pa.array([], pa.string())]
        )
        """Every frame's id."""
        if all_in_memory:
            self._labels = table.combine_chunks()
        self._places = np.array(places, dtype=np.int32).reshape(-1, 2)
        self._starts = np.cumsum([0, *rows], dtype=np.int64)

    def _opened(self, groups: RowGroups, fields: Collection[str] | None) -> _Part:
        with groups.open(0, min(1, len(groups))) as (file, _):
            check_columns(file, groups.uri, self._names)
            schema = file.schema
            paths = tuple(schema.column(i).path for i in range(len(schema.names)))
            has_images = IMAGE in file.schema_arrow.names
        kept = tuple(path for path in paths if _wanted(path.split("."), self._names, fields))
        return _Part(groups, storage.parent(groups.uri), has_images, kept)

    def _read_all(
        self, number: int, part: _Part, names: list[str], places: list[tuple[int, int]], rows: list[int]
    ) -> list[pa.Table]:
        """The named columns of a part, some row groups at a time."""
        tables: list[pa.Table] = []
        first_row, group = 0, 0
        for file, numbers in part.groups.blocks():
            present = [name for name in names if name in file.schema_arrow.names]
            with readable(part.uri):
                table = file.read_row_groups(list(numbers), columns=present, use_threads=False)
            tables.append(conform_all(table, names, part.uri, first_row))
            if tables[-1].column("frame_id").null_count and len(names) == 1:  # else `frame` tells
                row = first_row + pc.index(tables[-1].column("frame_id").is_null(), True).as_py()
                raise DataError(f"{part.uri}: row {row}", "frame_id is null")
            for at in numbers:
                places.append((number, group))
                rows.append(file.metadata.row_group(at).num_rows)
                group += 1
            first_row += len(table)
        return tables

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def in_memory(self) -> bool:
        """Whether labels were read when it was opened."""
        return self._labels is not None

    @cached_property
    def frame_ids(self) -> list[str]:
        """Every frame's id, as Python's text: some 70 bytes a frame."""
        return self.ids.to_pylist()

    @property
    def nbytes(self) -> int:
        """Bytes of labels and cached images in memory."""
        labels = self.ids.nbytes if self._labels is None else self._labels.nbytes
        return labels + self._images.nbytes + self._labels_read.nbytes

    def _place(self, index: int) -> tuple[int, int, int, int]:
        """Number of the row group, its part, its number there, and the row in it."""
        at = int(np.searchsorted(self._starts, index, side="right")) - 1
        part, group = self._places[at].tolist()
        return at, part, group, index - int(self._starts[at])

    def _where(self, index: int) -> str:
        _, part, group, row = self._place(index)
        return f"{self._parts[part].uri}: row {row} of row group {group}"

    def _values(self, index: int, names: Sequence[str]) -> dict[str, Any]:
        """Some columns of a frame's labels."""
        if self._labels is not None:
            return self._labels.slice(index, 1).select(names).to_pylist()[0]
        at, part, group, row = self._place(index)
        labels = self._labels_read.get(at, lambda: self._read_labels(part, group))
        return labels.slice(row, 1).select(names).to_pylist()[0]

    def frame(self, index: int) -> Frame:
        """The frame's labels, without its pixels. Raises IndexError beyond the last."""
        if not 0 <= index < len(self):
            raise IndexError(f"frame {index} of {len(self)}")
        folder = self._parts[self._place(index)[1]].folder
        return frame_of(self._values(index, self._names), folder, self._where(index))

    def image_bytes(self, index: int) -> bytes | None:
        """The frame's own JPEG or PNG bytes; None if it only has an `image_uri`."""
        at, part, group, row = self._place(index)
        if not self._parts[part].has_images:
            return None
        return self._images.get(at, lambda: self._read_images(part, group, at)).column(IMAGE)[row].as_py()

    def _read_images(self, part: int, group: int, at: int) -> pa.Table:
        if self._labels is not None:
            return self._read(part, group, [IMAGE], [IMAGE])
        # labels, too: whoever wants a picture wants them, and a file takes longer to open than to read
        table = self._read(part, group, [*self._parts[part].paths, IMAGE], [*self._names, IMAGE])
        self._labels_read.put(at, table.select(self._names))
        return table.select([IMAGE])

    def _read_labels(self, part: int, group: int) -> pa.Table:
        return self._read(part, group, self._parts[part].paths, self._names)

    def _read(self, part: int, group: int, paths: Sequence[str], names: Sequence[str]) -> pa.Table:
        source = self._parts[part].groups
        where = f"{source.uri} (row group {group})"
        with source.open(group, group + 1) as (file, numbers), readable(where):
            table = file.read_row_group(numbers[0], columns=list(paths), use_threads=False)
        return conform(table, names, where)

    def image(self, index: int) -> np.ndarray:
        """The frame's pixels, uint8 (height, width, 3), RGB, from its bytes or its `image_uri`.

        Raises `DataError` naming the file and row for an image that is missing, unreadable, or of
        another size than the row says.
        """
        data = self.image_bytes(index)
        values = self._values(index, ["frame_id", "width", "height", "image_uri"])
        if data is not None:
            values |= {"image": data, "image_uri": None}
        frame = frame_of(values, self._parts[self._place(index)[1]].folder, self._where(index))
        try:
            return load_frame_image(frame, self._decode)
        except DataError as error:
            raise DataError(f"{self._where(index)} ({error.where})", error.what) from error


def _wanted(path: list[str], names: Collection[str], fields: Collection[str] | None) -> bool:
    """Whether a column of Parquet belongs to the named ones, and of objects to some fields. Writers differ in
    what they call what stands between the list and the field."""
    if path[0] != "objects" or fields is None:
        return path[0] in names
    return "objects" in names and any(name in fields for name in path[1:])
