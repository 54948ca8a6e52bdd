"""Reading a dataset with Ray Data: its frames in their order, read and checked by parallel tasks.

A task gets the ids of a chunk and the reader, and streams its frames; what is wrong with one comes back as
a row of its own, in its place, so that a bad frame costs no other.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import chain
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from imitation.common.settings import DataError, UserError
from imitation.common.storage import retry
from imitation.data.images import load_frame_image
from imitation.data.records import SCHEMA, Frame, frame_from_row, frame_to_row
from imitation.datasets.base import DatasetReader
from imitation.datasets.common.validation import Problems

if TYPE_CHECKING:
    import ray

ROWS = 16  # frames that a task holds before it hands them on
_PROBLEM = pa.struct([("where", pa.string()), ("what", pa.string())])
_LEFT_OUT = pa.list_(pa.struct([("reason", pa.string()), ("count", pa.int64())]))
_ROW = pa.schema(
    [
        *(field.with_nullable(True) for field in SCHEMA),
        pa.field("problem", _PROBLEM),
        pa.field("left_out", _LEFT_OUT),
    ]
)  # a frame, with what it was read without; or a problem


def read_parallel(
    reader: DatasetReader,
    split: str,
    problems: Problems | None = None,
    chunk: int = 64,
    verify_images: bool = False,
    num_cpus: float = 1.0,
) -> Iterator[Frame]:
    """The frames that `reader.frames(split, problems)` gives, in the same order, read by parallel tasks.

    A task reads up to `chunk` frames on `num_cpus`; with `verify_images` it decodes each image too, and
    one that is broken or of another size is a problem. Raises `DataError` for the first bad frame, or
    hands each to `problems`; `UserError` as the reader does.
    """
    reported: set[tuple[str, str]] = set()  # a file that cannot be read is a problem of all its chunks
    tables: Iterable[Any] = frames_dataset(reader, split, chunk, verify_images, num_cpus).iter_batches(
        batch_size=None, batch_format="pyarrow", prefetch_batches=1
    )
    for table in tables:
        for row in table.to_pylist():
            left_out = row.pop("left_out") or ()
            if (problem := row.pop("problem")) is None:
                reader.count_left_out(row["frame_id"], {one["reason"]: one["count"] for one in left_out})
                yield frame_from_row(row)
                continue
            if problem["where"] is None:
                raise UserError(problem["what"])
            error = DataError(problem["where"], problem["what"])
            if problems is None:
                raise error
            if (error.where, error.what) not in reported:
                reported.add((error.where, error.what))
                problems(error)


def frames_dataset(
    reader: DatasetReader, split: str, chunk: int = 64, verify_images: bool = False, num_cpus: float = 1.0
) -> ray.data.Dataset:
    """A split as a Ray Data dataset, in the split's order: the columns of `SCHEMA`, `left_out` (what a
    frame was read without: `reason` and `count`), and `problem`, a struct of `where` and `what`, which is
    null in a frame's row; in a problem's row all the rest is null."""
    import ray
    import ray.data

    # Ray Data's logger has a level of its own; it should be as quiet as Ray's.
    logging.getLogger("ray.data").setLevel(logging.getLogger("ray").level)
    chunks = list(reader.chunks(split, chunk))
    index = pa.table({"chunk": pa.array(range(len(chunks)), pa.int64()), "names": chunks})
    blocks = ray.data.from_arrow([index.slice(i, 1) for i in range(len(chunks))])
    context = blocks.context
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True
    return blocks.map_batches(
        partial(_read_chunks, ray.put(reader), split, verify_images),
        batch_size=1,
        batch_format="pyarrow",
        num_cpus=num_cpus,
    )


@lru_cache(maxsize=1)  # a large dataset's listing is unpacked once a process, not once a chunk
def _reader_of(reference: Any) -> DatasetReader:
    import ray

    reader: DatasetReader = ray.get(reference)
    return reader


def _read_chunks(reference: Any, split: str, verify: bool, chunks: pa.Table) -> Iterator[pa.Table]:
    retry.remember_folders()
    reader = _reader_of(reference)
    for names in chunks.column("names").to_pylist():
        rows: list[dict[str, Any]] = []
        for row in _rows(reader, split, names, verify):
            rows.append(row)
            if len(rows) == ROWS:
                yield pa.Table.from_pylist(rows, schema=_ROW)
                rows = []
        yield pa.Table.from_pylist(rows, schema=_ROW)


def _rows(reader: DatasetReader, split: str, names: Sequence[str], verify: bool) -> Iterator[dict[str, Any]]:
    """Rows of frames and of problems, as they come."""
    problems: list[DataError] = []
    reader.forget_left_out()  # of other chunks, and of this one, where it is read again
    before = Counter(reader.left_out)
    try:
        for frame in reader.frames(split, problems.append, names):
            yield from _drained(problems)
            if verify and (fault := _fault(frame)):
                yield _problem_row(reader.place_of(split, frame), fault.what)
            else:
                counts = reader.left_out - before
                left_out = [{"reason": reason, "count": count} for reason, count in counts.items()]
                yield frame_to_row(frame) | ({"left_out": left_out} if left_out else {})
            before = Counter(reader.left_out)
        yield from _drained(problems)
    except UserError as error:  # told by the driver in a sentence, without a task's traceback
        yield from chain(_drained(problems), [_problem_row(None, str(error))])


def _fault(frame: Frame) -> DataError | None:
    try:
        load_frame_image(frame)
    except DataError as error:
        return error
    return None


def _drained(problems: list[DataError]) -> Iterator[dict[str, Any]]:
    while problems:
        error = problems.pop(0)
        yield _problem_row(error.where, error.what)


def _problem_row(where: str | None, what: str) -> dict[str, Any]:
    return {"problem": {"where": where, "what": what}}
