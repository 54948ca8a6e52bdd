"""What went wrong, as records: what policies learn from and reports show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from imitation.common import storage
from imitation.common.formats import old_names
from imitation.common.formats.arrow import fields_of
from imitation.common.names import failure_id, missed_id
from imitation.common.settings import DataError
from imitation.data.records import CONDITIONS_TYPE, Box, conditions_from_row, conditions_to_row
from imitation.evaluation.detections import UNKNOWN_LEVEL, Cutoff, FrameDetections
from imitation.evaluation.matching import Matching, by_score, match

BATCH = 4096  # failures in memory at once, of a file that is read
KINDS = ("missed", "localization", "classification", "both", "duplicate", "background")


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that a detector got wrong, at its operating threshold.

    `failure_id` is "<frame_id>#<kind>-o<object index>" for a missed object and
    "<frame_id>#<kind>-d<rank of the detection by score, in its frame>" otherwise: unique within
    one evaluation by one detector, the same whenever the evaluation is repeated.
    `category` is the object's class (None for background), `source_category` the name that its dataset
    gives it ("Van" of class "car"), `predicted` the detection's class (None for missed).
    `object_index` counts in the parent Frame's `objects`. Boxes px; `iou` in [0, 1] of the two
    boxes, for background the greatest with any object, for missed 0; `height_px` of the object's
    box, of the detection's where there is no object; `distance_m` the cuboid's z; `occlusion` and
    `truncation` in [0, 1]; `image_width`, `image_height` px; None where unknown or not applicable.
    """

    failure_id: str
    frame_id: str
    split: str
    detector: str
    kind: str
    category: str | None
    predicted: str | None
    object_index: int | None
    object_box: Box | None
    detection_box: Box | None
    score: float | None
    iou: float
    height_px: float
    occlusion: float | None = None
    occlusion_level: int | None = None
    truncation: float | None = None
    distance_m: float | None = None
    sequence: str | None = None
    conditions: Mapping[str, str] | None = None
    source_category: str | None = None
    image_width: int | None = None
    image_height: int | None = None

    def to_row(self) -> dict[str, Any]:
        """As plain dicts, shaped like `FAILURES_SCHEMA`."""
        row = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in ("object_box", "detection_box"):
            row[name] = None if row[name] is None else row[name]._asdict()
        row["conditions"] = conditions_to_row(self.conditions)
        return row

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Failure:
        """The inverse of `to_row`."""
        values = {f.name: row[f.name] for f in fields(cls)}
        for name in ("object_box", "detection_box"):
            values[name] = None if values[name] is None else Box(**values[name])
        values["conditions"] = conditions_from_row(values["conditions"])
        values["split"] = old_names.split(values["split"])
        return cls(**values)


FAILURES_SCHEMA = pa.schema(
    fields_of(
        Failure,
        {float: pa.float32(), int: pa.int32()},
        iou=pa.float64(),
        occlusion_level=pa.int8(),
        conditions=CONDITIONS_TYPE,
    ),
    metadata={"imitation.evaluation.failures": "2"},
)


def failure_batches(failures: Iterable[Failure], size: int = 1024) -> Iterator[pa.RecordBatch]:
    """Failures as Arrow batches of `FAILURES_SCHEMA`, at most `size` rows each: to write as they come."""
    failures = iter(failures)
    while rows := [failure.to_row() for failure in islice(failures, size)]:
        yield pa.RecordBatch.from_pylist(rows, schema=FAILURES_SCHEMA)


def failures_from_table(table: pa.Table) -> list[Failure]:
    """Every row of a table as a `Failure`."""
    return [Failure.from_row(row) for row in table.to_pylist()]


def write_failures(failures: Iterable[Failure], uri: str) -> None:
    """Streams failures into one Parquet file, atomically."""
    with storage.open_atomic(uri) as sink, pq.ParquetWriter(sink, FAILURES_SCHEMA) as writer:
        for batch in failure_batches(failures):
            writer.write_batch(batch)


def read_failures(uri: str) -> Iterator[Failure]:
    """Streams failures from a Parquet file. Raises StorageError, DataError if it is no such file."""
    with storage.open_input(uri) as source:
        try:
            for batch in pq.ParquetFile(source).iter_batches(batch_size=BATCH):
                yield from failures_from_table(pa.Table.from_batches([batch]))
        except (pa.ArrowException, KeyError) as error:
            raise DataError(uri, f"not a Parquet file of failures: {error}") from error


def find_failures(
    rows: Iterable[FrameDetections], threshold: Cutoff, categories: Sequence[str]
) -> Iterator[Failure]:
    """Every failure of the rows at the operating threshold, frame by frame, as `match` decides.

    Each wrong detection is one failure, each missed object another; an object that a localization
    or classification error explains is in that failure. Frames with an `error` have none.
    """
    for row in rows:
        if row.error is None:
            yield from _frame_failures(row, threshold, categories)


def _frame_failures(row: FrameDetections, threshold: Cutoff, categories: Sequence[str]) -> Iterator[Failure]:
    detections, objects = row.detections.above(threshold), row.objects
    matching = match(detections, objects)
    shared: dict[str, Any] = {
        "frame_id": row.frame_id,
        "split": row.split,
        "detector": row.detector,
        "sequence": row.sequence,
        "conditions": row.conditions,
        "image_width": row.width,
        "image_height": row.height,
    }
    missed = np.flatnonzero(matching.object_fates == "missed").tolist()
    for o in sorted(missed, key=objects.index.__getitem__):
        yield Failure(
            failure_id=missed_id(row.frame_id, objects.index[o]),
            kind="missed",
            predicted=None,
            detection_box=None,
            score=None,
            iou=0.0,
            **_about_object(row, o, categories),
            **shared,
        )
    for rank, d in enumerate(by_score(detections)):
        kind = str(matching.detection_fates[d])
        if kind not in KINDS:
            continue
        o = int(matching.detection_objects[d])
        box = _box(detections.boxes[d])
        yield Failure(
            failure_id=failure_id(row.frame_id, kind, rank),
            kind=kind,
            predicted=categories[detections.labels[d] - 1],
            detection_box=box,
            score=float(detections.scores[d]),
            iou=float(matching.ious[d]),
            **(_about_object(row, o, categories) if o >= 0 else _about_nothing(box)),
            **shared,
        )


def _about_object(row: FrameDetections, o: int, categories: Sequence[str]) -> dict[str, Any]:
    objects = row.objects
    level = int(objects.occlusion_level[o])
    return {
        "category": categories[objects.labels[o] - 1],
        "source_category": objects.category[o] or None,
        "object_index": int(objects.index[o]),
        "object_box": _box(objects.boxes[o]),
        "height_px": float(objects.height[o]),
        "occlusion": _known(objects.occlusion[o]),
        "occlusion_level": None if level == UNKNOWN_LEVEL else level,
        "truncation": _known(objects.truncation[o]),
        "distance_m": _known(objects.distance[o]),
    }


def _about_nothing(box: Box) -> dict[str, Any]:
    return {"category": None, "object_index": None, "object_box": None, "height_px": box.height}


def _box(values: np.ndarray) -> Box:
    return Box(*(float(v) for v in values))


def _known(value: np.floating) -> float | None:
    return None if np.isnan(value) else float(value)


@dataclass
class Fates:
    """How many things of each fate, over frames at their operating threshold; grows by its counts alone.

    `correct` counts objects found, each with its detection; `failures` the rest by kind; `objects`
    the objects to be found, `detections` the judged detections (neither counts what is ignored).
    """

    threshold: Cutoff
    correct: int = 0
    objects: int = 0
    detections: int = 0

    def __post_init__(self) -> None:
        self.failures = dict.fromkeys(KINDS, 0)

    def add(self, row: FrameDetections) -> None:
        """Counts one frame; one with an `error` counts nothing."""
        if row.error is not None:
            return
        self._count(match(row.detections.above(self.threshold), row.objects))

    def _count(self, matching: Matching) -> None:
        fates = matching.detection_fates
        for kind in KINDS:
            self.failures[kind] += int((fates == kind).sum())
        self.failures["missed"] += int((matching.object_fates == "missed").sum())
        self.correct += int((fates == "correct").sum())
        self.detections += int((fates != "ignored").sum())
        self.objects += int((matching.object_fates != "ignored").sum())

    @property
    def zero_one_loss(self) -> float:
        """See `zero_one_loss`."""
        wrong = sum(self.failures.values())
        return wrong / (wrong + self.correct) if wrong else 0.0


def zero_one_loss(rows: Iterable[FrameDetections], threshold: Cutoff) -> float:
    """The method's 0-1 loss: the share of what there is to judge that is wrong, in [0, 1].

    The paper's loss is 1 for a wrong detection or a mis-detection and 0 for a correct detection.
    What there is to judge, each thing once: an object found together with the detection that
    finds it (loss 0); a wrong detection, together with the object that it explains, if any
    (loss 1); a missed object (loss 1). Ignored objects and detections are not judged. So the
    loss is failures / (failures + objects found), at the fates of `match`; with nothing to judge
    it is 0. (Counting objects and detections apart would give 1 - F1 and say nothing new.)
    """
    fates = Fates(threshold)
    for row in rows:
        fates.add(row)
    return fates.zero_one_loss
