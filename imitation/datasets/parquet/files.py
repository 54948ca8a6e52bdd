"""Frames as Parquet (the data contract of `imitation.data.records`): written and read as streams.

The image column is stored as it is (JPEG and PNG do not compress again), without dictionary or
statistics; labels are compressed with zstd. A relative `image_uri` counts from the folder of its
Parquet file.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from imitation.common import storage
from imitation.common.settings import DataError, UserError
from imitation.common.texts import shown
from imitation.data.images import image_size
from imitation.data.records import SCHEMA, Frame, frame_from_row, frames_to_table
from imitation.datasets.common.left_out import BOXES, refuse
from imitation.datasets.common.paths import files_below
from imitation.datasets.common.validation import FrameChecker, Problems, handled
from imitation.datasets.numbering import Numbering, with_numbering
from imitation.datasets.parquet.columns import (
    REQUIRED,
    check_columns,
    conform,
    open_parquet,
    readable,
    rows_of,
)

IMAGE = "image"
CAMERA_MUST = ("fx", "fy", "cx", "cy")
_LISTED = ("frame_id", "sequence")


def write_frames(
    frames: Iterable[Frame], uri: str, rows_per_group: int = 16, numbering: Numbering | None = None
) -> int:
    """Streams frames into one Parquet file, atomically, and returns their number.

    `numbering` are the dataset's own numbers of its categories, which then go with the frames.
    Memory holds one row group at a time. Raises `DataError` for a frame without an image or with two,
    `StorageError` if the place cannot be written; in both cases, and when `frames` itself raises,
    nothing is left behind.
    """
    count = 0
    schema = with_numbering(SCHEMA, numbering)
    with storage.open_atomic(uri) as sink, pq.ParquetWriter(sink, schema, **_layout()) as writer:
        for group in _grouped(frames, rows_per_group):
            for frame in group:
                if (frame.image is None) == (frame.image_uri is None):
                    raise DataError(
                        f"frame {frame.frame_id}", "needs one of image and image_uri, and only one"
                    )
            table = frames_to_table(group).replace_schema_metadata(schema.metadata)
            writer.write_table(table, row_group_size=rows_per_group)
            count += len(group)
    return count


def _grouped(frames: Iterable[Frame], size: int) -> Iterator[list[Frame]]:
    stream = iter(frames)
    while group := list(itertools.islice(stream, size)):
        yield group


def _layout() -> dict[str, Any]:
    labels = [path for field in SCHEMA for path in _leaves(field, "") if path != IMAGE]
    return {
        "compression": {IMAGE: "none"} | dict.fromkeys(labels, "zstd"),
        "use_dictionary": labels,
        "write_statistics": labels,
    }


def _leaves(field: pa.Field, prefix: str) -> list[str]:
    """Parquet's paths of a field's columns."""
    path = prefix + field.name
    if pa.types.is_struct(field.type):
        return [leaf for child in field.type for leaf in _leaves(child, f"{path}.")]
    if pa.types.is_list(field.type):
        return _leaves(field.type.value_field.with_name("element"), f"{path}.list.")
    return [path]


def part_files(uri: str, problems: Problems | None = None) -> list[str]:
    """The Parquet files at a path: the file itself, or every *.parquet in a folder and below, sorted.

    Raises `UserError` if there is none, and `DataError` for a folder below that is a symbolic link out of
    this one (it may lead to a parent, and so to the same files for ever) or may not be listed, or hands it
    to `problems`.
    """
    if not storage.is_folder(uri):
        storage.size_of(uri)  # raises if it is missing
        return [uri]
    # Spark and Hive call what is no data "_something".
    files, faults = files_below(uri, hidden="._")
    for fault in faults:
        with _handed_on(problems):
            raise fault
    parts = [file for file in files if storage.name_of(file).endswith(".parquet")]
    if not parts:
        raise UserError(f"{uri}: there is no .parquet file in this folder")
    return parts


def wanted_columns(columns: Iterable[str] | None) -> list[str]:
    chosen = set(SCHEMA.names if columns is None else columns) | {"frame_id", "width", "height"}
    if unknown := sorted(chosen - set(SCHEMA.names)):
        raise ValueError(f"unknown columns {unknown}; the contract has {SCHEMA.names}")
    return [name for name in SCHEMA.names if name in chosen]


def read_group(file: pq.ParquetFile, group: int, names: Sequence[str], uri: str) -> pa.Table:
    """The named columns of a row group that are there, as they are."""
    present = [name for name in names if name in file.schema_arrow.names]
    with readable(f"{uri} (row group {group})"):
        return file.read_row_group(group, columns=present, use_threads=False)


def read_frames(
    uri: str,
    columns: Iterable[str] | None = None,
    problems: Problems | None = None,
    check: FrameChecker | None = None,
    keep: Collection[str] | None = None,
) -> Iterator[Frame]:
    """Streams frames from a Parquet file, or from all of a folder's, a row group in memory at a time.

    `columns` are the fields wanted (frame_id, width and height always come); the others are empty.
    `keep` are the frame_ids wanted (None: all); row groups without any are not read. Integer and float
    widths, large strings, struct fields in another order and fewer nullable ones are accepted;
    `conditions` may be a map or a struct of any fields. Raises `DataError` naming the file if it cannot be
    read, lacks a column or has one of a wrong type, and `DataError` naming file and row for values that
    are none of the contract's, for nulls where it has none, and for what `check` finds (with `check`, the
    headers of image bytes are looked at too); such files, row groups and rows go to `problems` instead,
    if it is given, and are left out.
    """
    names = wanted_columns(columns)
    wanted = None if keep is None else pa.array(sorted(keep), pa.string())
    for part in part_files(uri, problems):
        with _handed_on(problems), open_parquet(part) as file:
            check_columns(file, part, names)
            for makers in _makers(file, names, part, check, wanted, problems):
                yield from handled(makers, problems)


@contextmanager
def _handed_on(problems: Problems | None) -> Iterator[None]:
    """Gives a `DataError` to `problems`, where that is given, and goes on behind the block."""
    try:
        yield
    except DataError as error:
        if problems is None:
            raise
        problems(error)


def _makers(
    file: pq.ParquetFile,
    names: Sequence[str],
    uri: str,
    check: FrameChecker | None,
    wanted: pa.Array | None,
    problems: Problems | None,
) -> Iterator[list[Callable[[], Frame]]]:
    """The makers of the wanted frames, a list a row group."""
    folder = storage.parent(storage.absolute(uri))
    start = 0
    for group in range(file.num_row_groups):
        with _handed_on(problems):
            chosen = None if wanted is None else _matching(file, group, wanted, uri)
            if chosen is None or len(chosen):
                table = read_group(file, group, names, uri)
                rows = np.arange(len(table)) if chosen is None else chosen
                numbers = (start + rows).tolist()
                values = rows_of(table if chosen is None else table.take(chosen), names, uri, numbers)
                yield [
                    partial(frame_of, row, folder, f"{uri}: row {number}", check)
                    for number, row in zip(numbers, values)
                ]
        start += file.metadata.row_group(group).num_rows


def _matching(file: pq.ParquetFile, group: int, wanted: pa.Array, uri: str) -> np.ndarray:
    """The rows of a row group whose frame_id is wanted, int64 (K,)."""
    table = read_group(file, group, ["frame_id"], uri)
    try:
        ids = conform(table, ["frame_id"], uri).column("frame_id")
    except DataError:  # the listing told of rows without a sound one
        rows = rows_of(table, ["frame_id"], uri, range(len(table)))
        ids = pa.array([None if isinstance(row, DataError) else row["frame_id"] for row in rows], pa.string())
    return np.flatnonzero(pc.is_in(ids, value_set=wanted).to_numpy(zero_copy_only=False))


def frame_of(
    values: dict[str, Any] | DataError, folder: str, where: str, check: FrameChecker | None = None
) -> Frame:
    if isinstance(values, DataError):
        raise values
    _check_nulls(values, where, refuse if check is None else check.bad)
    if (uri := values.get("image_uri")) is not None:
        values["image_uri"] = storage.beside(folder, uri)
    frame = frame_from_row(values)
    if check is not None:
        if frame.image is not None:
            image_size(frame.image, f"{where} (frame {shown(frame.frame_id)[1:-1]})")
        return check.passed(frame, where)
    return frame


def _check_nulls(values: dict[str, Any], where: str, bad: Problems) -> None:
    """Raises `DataError` for a null where the contract has none; `bad` gets those of single objects, and
    raises them or goes on without the object."""
    for name in REQUIRED:
        if name in values and values[name] is None:
            raise DataError(where, f"{name} is null")
    camera = values.get("camera") or {}
    _check_struct({name: camera[name] for name in CAMERA_MUST} if camera else {}, "camera", where)
    kept = []
    for index, obj in enumerate(values.get("objects") or ()):
        try:
            if obj is None or obj["category"] is None or obj["box"] is None:
                raise DataError(where, f"object {index} has no category or no box", BOXES)
            for name in ("box", "visible_box", "amodal_box", "cuboid"):
                _check_struct(obj[name] or {}, f"object {index}: {name}", where)
            kept.append(obj)
        except DataError as error:
            bad(error)
    if values.get("objects"):
        values["objects"] = kept
    if any(pair is None or pair["name"] is None for pair in values.get("conditions") or ()):
        raise DataError(where, "a condition has no name")


def _check_struct(fields: dict[str, Any], what: str, where: str) -> None:
    for name, value in fields.items():
        if value is None:
            raise DataError(where, f"{what}.{name} is null", BOXES)


def read_ids(uri: str, problems: Problems | None = None) -> dict[str, str | None]:
    """frame_id -> sequence of every row, without reading the rest. Raises as `read_frames` does, and
    `DataError` for a frame_id that stands twice. With `problems`, files and rows that cannot be listed go
    there; a frame_id that stands twice is then left to a `FrameChecker`, which names both rows."""
    sequences: dict[str, str | None] = {}
    for part in part_files(uri, problems):
        with _handed_on(problems), open_parquet(part) as file:
            check_columns(file, part, SCHEMA.names)
            start = 0
            for group in range(file.num_row_groups):
                with _handed_on(problems):
                    table = read_group(file, group, _LISTED, part)
                    rows = rows_of(table, _LISTED, part, range(start, start + len(table)))
                    for place, row in enumerate(rows, start=start):
                        with _handed_on(problems):
                            _list(sequences, row, f"{part}: row {place}", problems is None)
                start += file.metadata.row_group(group).num_rows
    return sequences


def _list(
    sequences: dict[str, str | None], row: dict[str, Any] | DataError, where: str, strict: bool
) -> None:
    if isinstance(row, DataError):
        raise row
    frame_id = row["frame_id"]
    if frame_id is None:
        raise DataError(where, "frame_id is null")
    if frame_id not in sequences:
        sequences[frame_id] = row["sequence"]
    elif strict:
        raise DataError(where, f"the frame_id {shown(frame_id)} stands there twice")


def read_rows(part: str) -> dict[str, int]:
    """frame_id -> its row in a file, the first where it stands twice; rows without a sound one are left
    out. Raises `DataError` for a file that cannot be read."""
    places: dict[str, int] = {}
    with open_parquet(part) as file:
        start = 0
        for group in range(file.num_row_groups):
            table = read_group(file, group, ["frame_id"], part)
            for place, row in enumerate(rows_of(table, ["frame_id"], part, range(len(table))), start=start):
                if not isinstance(row, DataError):
                    places.setdefault(row["frame_id"], place)
            start += file.metadata.row_group(group).num_rows
    return places
