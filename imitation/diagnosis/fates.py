"""The fate of every single failure: a row each, of a cycle as Parquet and of a whole run as CSV.

A row is a failing object or a false detection (`imitation.diagnosis.failure_tracking`) after one cycle:
`fixed` (it failed in the cycle before, and no longer), `persistent` (it failed before and fails still), `new`
(a false detection that was not there before; of the baseline everything), `regressed` (an object that was
found before), `unjudged` (its frame could not be evaluated). The run's file has what is left of
these at its end: what was fixed in any cycle, and what fails in the last one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from imitation.common import storage
from imitation.common.formats import old_names
from imitation.common.formats.arrow import fields_of
from imitation.common.settings import DataError
from imitation.diagnosis.failure_tracking import Followed
from imitation.evaluation.failures import Failure

CYCLE_FILE, RUN_FILE = "fates.parquet", "fates.csv"
BATCH = 4096  # rows in memory at once
ENDED = ("fixed", "unjudged")
"""The statuses that end a failure; with the others it goes on to the next cycle."""


class Fate(NamedTuple):
    """One row of the files.

    `cycle`: the one of this status; `since`: the one since which it fails without a break (or did, if it
    is fixed). `kind`: of failure now, None if it is gone; `kind_before`: in the cycle before. `score` of the
    detection and the box (px; the object's, else the detection's) are as now, or as they were last.
    `frames_rendered` for it in this cycle, None where nothing was mined; `reason`: why it may persist. The
    ids are those of the cycles' failures.parquet.
    """

    status: str
    cycle: int
    since: int
    split: str
    mode: str | None
    category: str | None
    predicted: str | None
    kind: str | None
    kind_before: str | None
    score: float | None
    frame_id: str
    sequence: str | None
    object_index: int | None
    x1: float | None
    y1: float | None
    x2: float | None
    y2: float | None
    frames_rendered: int | None
    reason: str | None
    failure_id: str | None
    failure_before: str | None


SCHEMA = pa.schema(fields_of(Fate, {int: pa.int32()}), metadata={"imitation.diagnosis.fates": "1"})


@dataclass
class FateWriter:
    """Writes a cycle's rows while its followed failures stream by; the file appears when the block ends.

    `before` is the file of the cycle before (None: this is the baseline), of which only failures that
    persisted are held. `rendered`: failure id -> frames that the cycle rendered for it (of mined ones).
    """

    uri: str
    cycle: int
    mode_of: Callable[[Failure], str]
    before: str | None = None
    rendered: Mapping[str, int] = field(default_factory=dict)
    mined_split: str = "mine"

    def __enter__(self) -> FateWriter:
        self._since = _persisted(self.before) if self.before is not None else {}
        self._open = ExitStack()
        sink = self._open.enter_context(storage.open_atomic(self.uri))
        self._writer = self._open.enter_context(pq.ParquetWriter(sink, SCHEMA, compression="zstd"))
        self._rows: list[Fate] = []
        return self

    def seeing(
        self,
        split: str,
        followed: Iterable[Followed],
        reason_of: Callable[[Followed], str] | None = None,
    ) -> Iterator[Followed]:
        """Passes the failures on, writing a row for each."""
        for item in followed:
            self._rows.append(self._row(split, item, reason_of))
            if len(self._rows) == BATCH:
                self._flush()
            yield item

    def _row(self, split: str, item: Followed, reason_of: Callable[[Followed], str] | None) -> Fate:
        before, after, latest = item.before, item.after, item.failure
        box = latest.object_box or latest.detection_box
        assert box is not None  # a failure is of one or the other
        since = self.cycle
        if before is not None:
            since = self._since.get((split, before.failure_id), self.cycle - 1)
        mined = split == self.mined_split and before is not None
        return Fate(
            status=item.status,
            cycle=self.cycle,
            since=since,
            split=split,
            mode=self.mode_of(latest),
            category=latest.category,
            predicted=latest.predicted,
            kind=None if after is None else after.kind,
            kind_before=None if before is None else before.kind,
            score=None if latest.score is None else round(latest.score, 4),
            frame_id=latest.frame_id,
            sequence=latest.sequence,
            object_index=latest.object_index,
            **{name: round(value, 2) for name, value in box._asdict().items()},
            frames_rendered=self.rendered.get(before.failure_id, 0) if mined and before else None,
            reason=reason_of(item) if reason_of is not None and before and after else None,
            failure_id=None if after is None else after.failure_id,
            failure_before=None if before is None else before.failure_id,
        )

    def _flush(self) -> None:
        self._writer.write_table(pa.Table.from_pylist([row._asdict() for row in self._rows], schema=SCHEMA))
        self._rows = []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        if error is None:
            self._flush()
        return self._open.__exit__(kind, error, trace)


def _batches(uri: str, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    with storage.open_input(uri) as source:
        try:
            yield from map(
                old_names.split_column,
                pq.ParquetFile(source).iter_batches(batch_size=BATCH, columns=columns),
            )
        except pa.ArrowException as error:
            raise DataError(uri, f"not a Parquet file of fates: {error}") from error


def read_fates(uri: str) -> Iterator[dict[str, Any]]:
    """Streams a cycle's rows, as plain data shaped like `SCHEMA`. Raises StorageError, DataError."""
    for batch in _batches(uri):
        yield from batch.to_pylist()


def _persisted(uri: str) -> dict[tuple[str, str], int]:
    """(split, failure id) -> the cycle since which it fails, of those that failed before that cycle, too."""
    if not storage.exists(uri):  # a run begun by an earlier version
        return {}
    since = {}
    for batch in _batches(uri, ["status", "split", "failure_id", "since"]):
        for row in batch.filter(pc.field("status") == "persistent").to_pylist():
            since[row["split"], row["failure_id"]] = row["since"]
    return since


def write_run_fates(cycles: Sequence[str], uri: str) -> int:
    """Writes the run's CSV from the cycles' files, in order (those that are not there are passed over);
    returns the number of its rows. Its first column says the fate in words: "fixed in cycle 2", "persistent",
    "new in cycle 1", "regressed in cycle 2", "unjudged in cycle 2"."""
    files = [file for file in cycles if storage.exists(file)]
    last: dict[str, int] = {}
    for file in files:
        for batch in _batches(file, ["split", "cycle"]):
            for split, cycle in {*zip(*(column.to_pylist() for column in batch.columns), strict=True)}:
                last[split] = max(cycle, last.get(split, 0))
    schema = pa.schema([("fate", pa.string()), *SCHEMA])
    count = 0
    with storage.open_atomic(uri) as sink, pyarrow.csv.CSVWriter(sink, schema) as writer:
        for file in files:
            for batch in _batches(file):
                rows = [row for row in batch.to_pylist() if _stands(row, last)]
                worded = [{"fate": _in_words(row), **row} for row in rows]
                writer.write_table(pa.Table.from_pylist(worded, schema=schema))
                count += len(rows)
    return count


def _stands(row: Mapping[str, Any], last: Mapping[str, int]) -> bool:
    return row["status"] in ENDED or row["cycle"] == last[row["split"]]


def _in_words(row: Mapping[str, Any]) -> str:
    return str(row["status"]) if row["status"] == "persistent" else f"{row['status']} in cycle {row['cycle']}"
