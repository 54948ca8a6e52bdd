"""Random access to frames in Parquet: labels in memory, pixels on demand."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from imitation.common import storage
from imitation.common.settings import DataError
from imitation.data.images import load_frame_image
from imitation.data.records import Frame
from imitation.datasets.parquet.columns import (
    COLUMNS,
    check_columns,
    conform,
    conform_all,
    open_parquet,
    readable,
)
from imitation.datasets.parquet.files import IMAGE, frame_of, part_files, read_group, wanted_columns


class _GroupCache:
    """Image columns of row groups, the least recently used dropped beyond a limit of bytes.

    Safe for threads; two that want the same group read it once.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: OrderedDict[tuple[int, int], pa.ChunkedArray] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._reading: dict[tuple[int, int], threading.Lock] = {}

    @property
    def nbytes(self) -> int:
        return self._bytes

    def get(self, key: tuple[int, int]) -> tuple[pa.ChunkedArray | None, threading.Lock]:
        """What is held, and the lock under which it is to be read if nothing is."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
            return self._held.get(key), self._reading.setdefault(key, threading.Lock())

    def put(self, key: tuple[int, int], column: pa.ChunkedArray) -> None:
        with self._lock:
            self._reading.pop(key, None)
            if column.nbytes > self._limit or key in self._held:
                return
            self._held[key] = column
            self._bytes += column.nbytes
            while self._bytes > self._limit:
                _, dropped = self._held.popitem(last=False)
                self._bytes -= dropped.nbytes


@dataclass(frozen=True)
class _Part:
    uri: str
    folder: str
    metadata: pq.FileMetaData
    has_images: bool


class FrameStore:
    """Random access to the frames of Parquet files: labels in memory, pixels on demand.

    Every column but `image` is kept as Arrow (a few hundred bytes an object); image bytes are read
    by row group and cached up to `cache_bytes`. All methods may be called from several threads at
    once. `columns` leaves out what is not needed, such as `origin` in training.

    Raises `UserError` and `DataError` as `read_frames` does when opened, for any row, and `DataError` from
    `image`.
    """

    def __init__(
        self, uris: str | Sequence[str], columns: Iterable[str] | None = None, cache_bytes: int = 256 << 20
    ) -> None:
        names = [name for name in wanted_columns(columns) if name != IMAGE]
        if "image_uri" not in names:
            names.append("image_uri")
        self._parts: list[_Part] = []
        self._cache = _GroupCache(cache_bytes)
        tables: list[pa.Table] = []
        places: list[np.ndarray] = []  # per frame: part, row group, row in the group
        for uri in [uris] if isinstance(uris, str) else uris:
            for file_uri in part_files(uri):
                self._add(storage.absolute(file_uri), names, tables, places)
        schema = pa.schema([COLUMNS[name] for name in names])
        self._labels = pa.concat_tables([schema.empty_table(), *tables]).combine_chunks()
        self._places = np.concatenate([np.empty((0, 3), np.int32), *places])
        self.frame_ids: list[str] = self._labels.column("frame_id").to_pylist()

    def _add(self, uri: str, names: list[str], tables: list[pa.Table], places: list[np.ndarray]) -> None:
        with open_parquet(uri) as file:
            check_columns(file, uri, names)
            has_images = IMAGE in file.schema_arrow.names
            part = len(self._parts)
            self._parts.append(_Part(uri, storage.parent(uri), file.metadata, has_images))
            present = [name for name in names if name in file.schema_arrow.names]
            with readable(uri):
                table = file.read(columns=present, use_threads=False)
            tables.append(conform_all(table, names, uri))
            for group in range(file.num_row_groups):
                rows = np.arange(file.metadata.row_group(group).num_rows, dtype=np.int32)
                places.append(np.stack([np.full_like(rows, part), np.full_like(rows, group), rows], axis=1))

    def __len__(self) -> int:
        return len(self._places)

    @property
    def nbytes(self) -> int:
        """Bytes of labels and cached images in memory."""
        return self._labels.nbytes + self._cache.nbytes

    def _where(self, index: int) -> str:
        part, group, row = self._places[index]
        return f"{self._parts[part].uri}: row {row} of row group {group}"

    def frame(self, index: int) -> Frame:
        """The frame's labels, without its pixels. Raises IndexError beyond the last."""
        if not 0 <= index < len(self):
            raise IndexError(f"frame {index} of {len(self)}")
        values = self._labels.slice(index, 1).to_pylist()[0]
        return frame_of(values, self._parts[self._places[index][0]].folder, self._where(index))

    def image_bytes(self, index: int) -> bytes | None:
        """The frame's own JPEG or PNG bytes; None if it only has an `image_uri`."""
        part, group, row = (int(v) for v in self._places[index])
        if not self._parts[part].has_images:
            return None
        key = (part, group)
        column, reading = self._cache.get(key)
        if column is None:
            with reading:
                column, _ = self._cache.get(key)  # another thread may have read it meanwhile
                if column is None:
                    column = self._read_images(part, group)
                    self._cache.put(key, column)
        return column[row].as_py()

    def _read_images(self, part: int, group: int) -> pa.ChunkedArray:
        source = self._parts[part]
        with open_parquet(source.uri, metadata=source.metadata) as file:
            table = read_group(file, group, [IMAGE], source.uri)
        return conform(table, [IMAGE], f"{source.uri} (row group {group})").column(IMAGE)

    def image(self, index: int) -> np.ndarray:
        """The frame's pixels, uint8 (height, width, 3), RGB, from its bytes or its `image_uri`.

        Raises `DataError` naming the file and row for an image that is missing, unreadable, or of
        another size than the row says.
        """
        slim = self._labels.slice(index, 1).select(["frame_id", "width", "height", "image_uri"])
        values = slim.to_pylist()[0]
        data = self.image_bytes(index)
        if data is not None:
            values |= {"image": data, "image_uri": None}
        frame = frame_of(values, self._parts[self._places[index][0]].folder, self._where(index))
        try:
            return load_frame_image(frame)
        except DataError as error:
            raise DataError(f"{self._where(index)} ({error.where})", error.what) from error
