"""Evaluations on disk: one row a frame and detector, in one Parquet file that carries its categories.

Everything that is said of a detector afterwards (metrics, slices, failures, comparisons) is computed
from such files by streaming them: they hold no pixels, and two of them can be merged or compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

from imitation.common import storage
from imitation.common.formats.safe_loading import refuse_pickles
from imitation.common.settings import DataError, UserError
from imitation.common.storage.run_folder import shared_place
from imitation.evaluation.detections import (
    DETECTIONS_SCHEMA,
    FrameDetections,
    detections_from_table,
    detections_to_table,
)

FILE = "detections.parquet"
"""What a run calls the detector of a cycle, beside those of its folds and the baseline's twin."""
_CATEGORIES = b"imitation.data.categories"
BATCH = 256


def evaluation_uri(place: str) -> str:
    """The Parquet file of an evaluation, given as that file or as the folder it lies in.

    Raises UserError if there is neither.
    """
    place = shared_place(place)
    for uri in (storage.join(place, FILE), storage.join(place, "evaluation", FILE)):
        if storage.is_folder(place) and storage.exists(uri):
            return uri
    if storage.name_of(place).endswith(".parquet") and storage.exists(place):
        return place
    raise UserError(
        f"{place}: no evaluation there; give a folder with {FILE} (imitate evaluate --out writes one; a run "
        "has one in each cycle-*/evaluation), or the file itself"
    )


class DetectionsWriter:
    """Writes rows to one file as they come; it appears when the block ends without an error."""

    def __init__(self, uri: str, categories: Sequence[str]) -> None:
        metadata = {_CATEGORIES: json.dumps(list(categories)).encode()}
        self._schema = DETECTIONS_SCHEMA.with_metadata({**DETECTIONS_SCHEMA.metadata, **metadata})
        self._uri = uri
        self._open = ExitStack()

    def __enter__(self) -> DetectionsWriter:
        sink = self._open.enter_context(storage.open_atomic(self._uri))
        self._writer = self._open.enter_context(pq.ParquetWriter(sink, self._schema, compression="zstd"))
        return self

    def write(self, rows: Iterable[FrameDetections]) -> None:
        self.write_table(detections_to_table(rows))

    def write_table(self, table: pa.Table) -> None:
        """Writes a table of `DETECTIONS_SCHEMA`."""
        self._writer.write_table(table.cast(self._schema))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._open.__exit__(kind, error, trace)


def write_detections(rows: Iterable[FrameDetections], uri: str, categories: Sequence[str]) -> int:
    """Streams rows into one file, atomically; returns their number."""
    count = 0
    batch: list[FrameDetections] = []
    with DetectionsWriter(uri, categories) as writer:
        for row in rows:
            batch.append(row)
            if len(batch) == BATCH:
                writer.write(batch)
                count += len(batch)
                batch = []
        writer.write(batch)
    return count + len(batch)


def read_categories(uri: str) -> tuple[str, ...]:
    """The detector's categories, in label order. Raises DataError if the file does not say them."""
    with storage.open_input(uri) as source:
        metadata = _opened(source, uri).schema_arrow.metadata or {}
    if _CATEGORIES not in metadata:
        raise DataError(uri, "does not say its categories; it was not written by this version's evaluation")
    return tuple(json.loads(metadata[_CATEGORIES]))


def read_detections(
    uri: str, *, split: str | None = None, detector: str | None = None
) -> Iterator[FrameDetections]:
    """Streams an evaluation's rows, a few hundred frames in memory at a time; `split` and `detector`
    leave the others out. Raises StorageError, and DataError for a file that is no evaluation."""
    with storage.open_input(uri) as source:
        file = _opened(source, uri)
        for batch in file.iter_batches(batch_size=BATCH):
            for row in detections_from_table(pa.Table.from_batches([batch])):
                if (split is None or row.split == split) and (detector is None or row.detector == detector):
                    yield row


def _opened(source: pa.NativeFile, uri: str) -> pq.ParquetFile:
    try:
        file = pq.ParquetFile(source)
    except (pa.ArrowException, OSError) as error:
        raise DataError(uri, f"not a readable Parquet file: {error}") from error
    refuse_pickles(file.schema_arrow, uri)
    if missing := set(DETECTIONS_SCHEMA.names) - set(file.schema_arrow.names):
        raise DataError(uri, f"is no evaluation: it has no column {sorted(missing)[0]!r}")
    return file


def read_detectors(uri: str) -> list[str]:
    """The names of the detectors in an evaluation, sorted; reads their column alone."""
    names: set[str] = set()
    with storage.open_input(uri) as source:
        for batch in _opened(source, uri).iter_batches(columns=["detector"]):
            names.update(batch.column("detector").unique().to_pylist())
    return sorted(names)
