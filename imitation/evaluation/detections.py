"""What a detector said of a frame, beside what is true: the rows that evaluation writes.

One row a frame, without pixels. Boxes are px of the original image, (x1, y1, x2, y2); labels are
1-based indices into the detector's `categories` (torchvision's convention: 0 is the background).
Scores and boxes are float32, as detectors give them; an unknown quantity is NaN, an unknown level -1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from imitation.common.formats import old_names
from imitation.data.records import CONDITIONS_TYPE, Box, Frame, Object, conditions_from_row, conditions_to_row

ANY_LABEL = 0
"""The label of an ignore region that holds for every category (KITTI's DontCare)."""

UNKNOWN_LEVEL = -1


def _array(dtype: Any, kind: pa.DataType, unknown: Any = None) -> dict[str, Any]:
    """What an array holds, what its items are in files, and what they are where the array is left out."""
    return {"dtype": dtype, "kind": kind, "unknown": unknown}


_LEFT_OUT: Any = None
_LABEL = _array(np.int64, pa.int16())
_NUMBER = _array(np.float32, pa.float32(), np.nan)
_LEVEL = _array(np.int64, pa.int8(), UNKNOWN_LEVEL)


@cache
def _arrays(record: type) -> tuple[Field[Any], ...]:
    """The fields of a record that stand beside its boxes."""
    return fields(record)[1:]


def _check_arrays(record: Detections | GroundTruth) -> None:
    """Boxes and arrays of as many items as there are boxes, of their types; raises ValueError."""
    record.boxes = _boxes(record.boxes)
    count = len(record.boxes)
    kind: type = type(record)
    for f in _arrays(kind):
        value = getattr(record, f.name)
        array = np.asarray(
            np.full(count, f.metadata["unknown"]) if value is None else value, dtype=f.metadata["dtype"]
        )
        if array.shape != (count,):
            raise ValueError(f"{f.name}: expected shape ({count},), found {array.shape}")
        setattr(record, f.name, array)


def _boxes(values: Any) -> np.ndarray:
    array = np.asarray(values, dtype=np.float32)
    if array.size == 0:
        return array.reshape(0, 4)
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"boxes: expected shape (N, 4), found {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"boxes: must be finite, found {array[~np.isfinite(array).all(axis=1)][0].tolist()}")
    return array


Cutoff = float | Sequence[float]
"""Scores from which detections count: one for all categories, or one for each, in label order."""


@dataclass(eq=False)
class Detections:
    """N detections of one image.

    boxes float32 (N, 4) px in the original image; scores float32 (N,), finite; labels int64 (N,),
    1-based; occlusion float32 (N,) in [0, 1], NaN unknown (the default). Raises ValueError for
    shapes that disagree, for boxes or scores that are not finite and for labels below 1.

    >>> found = Detections([[0, 0, 10, 10], [20, 0, 40, 30]], scores=[0.9, 0.2], labels=[1, 2])
    >>> found.above(0.5).labels
    array([1])
    """

    boxes: np.ndarray
    scores: np.ndarray = field(metadata=_NUMBER)
    labels: np.ndarray = field(metadata=_LABEL)
    occlusion: np.ndarray = field(default=_LEFT_OUT, metadata=_NUMBER)

    def __post_init__(self) -> None:
        _check_arrays(self)
        if not np.isfinite(self.scores).all():
            raise ValueError("scores: must be finite; has the training diverged?")
        if len(self) and self.labels.min() < 1:
            raise ValueError(f"labels: are 1-based, found {self.labels.min()}")

    def __len__(self) -> int:
        return len(self.boxes)

    @classmethod
    def empty(cls) -> Detections:
        return cls(np.zeros((0, 4)), np.zeros(0), np.zeros(0))

    def select(self, which: np.ndarray) -> Detections:
        """Those that a boolean mask or an index array picks, in its order."""
        return Detections(self.boxes[which], self.scores[which], self.labels[which], self.occlusion[which])

    def reaching(self, threshold: Cutoff) -> np.ndarray:
        """Which of them have a score of at least `threshold`, or of their category's, bool (N,)."""
        if isinstance(threshold, int | float):
            return np.asarray(self.scores >= np.float32(threshold))
        return np.asarray(self.scores >= np.asarray(threshold, dtype=np.float32)[self.labels - 1])

    def above(self, threshold: Cutoff) -> Detections:
        """Those with a score of at least `threshold`, or of their category's, in their order."""
        return self.select(self.reaching(threshold))


@dataclass(eq=False)
class GroundTruth:
    """M labelled objects of one image, as arrays.

    boxes float32 (M, 4) px, the training label's; labels int64 (M,), 1-based, `ANY_LABEL` for an
    ignore region of every category; ignore bool (M,); index int64 (M,) into the Frame's `objects`.
    The rest is known or NaN: occlusion, truncation in [0, 1]; distance m (the cuboid's z); height
    px (the box's); occlusion_level int64 (KITTI's 0-3) and difficulty int64 (Waymo's 1 or 2),
    `UNKNOWN_LEVEL` if unknown; category str
    objects (M,), the name that the dataset itself gives, "" if unknown. Fields left out are filled
    with "unknown", `ignore` with False and `index` with 0..M-1.
    Raises ValueError for shapes that disagree and for labels below 1 that are not ignored.
    """

    boxes: np.ndarray
    labels: np.ndarray = field(metadata=_LABEL)
    ignore: np.ndarray = field(default=_LEFT_OUT, metadata=_array(np.bool_, pa.bool_(), False))
    index: np.ndarray = field(default=_LEFT_OUT, metadata=_array(np.int64, pa.int32()))
    occlusion: np.ndarray = field(default=_LEFT_OUT, metadata=_NUMBER)
    truncation: np.ndarray = field(default=_LEFT_OUT, metadata=_NUMBER)
    distance: np.ndarray = field(default=_LEFT_OUT, metadata=_NUMBER)
    height: np.ndarray = field(default=_LEFT_OUT, metadata=_NUMBER)
    occlusion_level: np.ndarray = field(default=_LEFT_OUT, metadata=_LEVEL)
    difficulty: np.ndarray = field(default=_LEFT_OUT, metadata=_LEVEL)
    category: np.ndarray = field(default=_LEFT_OUT, metadata=_array(np.object_, pa.string(), ""))

    def __post_init__(self) -> None:
        self.boxes = _boxes(self.boxes)
        if self.index is None:
            self.index = np.arange(len(self))
        if self.height is None:
            self.height = self.boxes[:, 3] - self.boxes[:, 1]
        _check_arrays(self)
        nameless = ~self.ignore & (self.labels < 1)
        if nameless.any() or (len(self) and self.labels.min() < ANY_LABEL):
            raise ValueError(f"labels: are 1-based (0 only for ignore regions), found {self.labels.min()}")

    def __len__(self) -> int:
        return len(self.boxes)

    @classmethod
    def empty(cls) -> GroundTruth:
        return cls(np.zeros((0, 4)), np.zeros(0))

    @classmethod
    def of(
        cls, objects: Sequence[Object], categories: Sequence[str], source: Sequence[str] | None = None
    ) -> GroundTruth:
        """A frame's objects as a detector of these categories is judged by them.

        `source` are the objects' names in their dataset, where `objects` were mapped (None: their own).

        Objects of other categories are left out, as COCO does: they are neither to be found nor
        an excuse. Ignore objects of other categories hold for every category (`ANY_LABEL`).
        """
        label = {name: i for i, name in enumerate(categories, start=1)}
        kept = [(i, obj) for i, obj in enumerate(objects) if obj.ignore or obj.category in label]

        def known(values: Iterable[float | None]) -> list[float]:
            return [np.nan if value is None else value for value in values]

        def levels(values: Iterable[int | None]) -> np.ndarray:
            return np.array([UNKNOWN_LEVEL if value is None else value for value in values], dtype=np.int64)

        return cls(
            boxes=np.array([obj.box for _, obj in kept], dtype=np.float32).reshape(-1, 4),
            labels=np.array([label.get(obj.category, ANY_LABEL) for _, obj in kept], dtype=np.int64),
            ignore=np.array([obj.ignore for _, obj in kept], dtype=bool),
            index=np.array([i for i, _ in kept], dtype=np.int64),
            occlusion=np.array(known(obj.occlusion for _, obj in kept)),
            truncation=np.array(known(obj.truncation for _, obj in kept)),
            distance=np.array(known(obj.cuboid.z if obj.cuboid else None for _, obj in kept)),
            occlusion_level=levels(obj.occlusion_level for _, obj in kept),
            difficulty=levels(obj.difficulty for _, obj in kept),
            category=np.array(
                [obj.category if source is None else source[i] for i, obj in kept], dtype=object
            ),
        )


@dataclass(eq=False)
class FrameDetections:
    """One evaluated frame: which, by which detector, what it said and what is true.

    `error` says why the frame could not be evaluated (an unreadable image); such a row has no
    detections and no metric counts it. `width`, `height` px; `conditions` as in the Frame.
    """

    frame_id: str
    split: str
    detector: str
    width: int
    height: int
    detections: Detections = field(default_factory=Detections.empty)
    objects: GroundTruth = field(default_factory=GroundTruth.empty)
    sequence: str | None = None
    error: str | None = None
    conditions: Mapping[str, str] | None = None

    @classmethod
    def of(
        cls,
        frame: Frame,
        detections: Detections | None,
        *,
        categories: Sequence[str],
        split: str,
        detector: str,
        error: str | None = None,
        source: Sequence[str] | None = None,
    ) -> FrameDetections:
        """The row of a frame, mapped to `categories`; `detections` is None where `error` says why.
        `source` are its objects' names before the mapping (None: as they are)."""
        return cls(
            frame_id=frame.frame_id,
            split=split,
            detector=detector,
            width=frame.width,
            height=frame.height,
            detections=Detections.empty() if detections is None else detections,
            objects=GroundTruth.of(frame.objects, categories, source),
            sequence=frame.sequence,
            error=error,
            conditions=frame.conditions,
        )

    def check_labels(self, categories: int) -> None:
        """Raises ValueError for a label beyond so many categories."""
        highest = max(self.detections.labels.max(initial=0), self.objects.labels.max(initial=0))
        if highest > categories:
            raise ValueError(
                f"frame {self.frame_id}: label {highest} of {categories} categories: "
                "is this row another detector's?"
            )

    def to_row(self) -> dict[str, Any]:
        """As plain dicts, shaped like `DETECTIONS_SCHEMA`."""
        row: dict[str, Any] = detections_to_table([self]).to_pylist()[0]
        return row

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> FrameDetections:
        """The inverse of `to_row`."""
        return detections_from_table(pa.Table.from_pylist([dict(row)], schema=DETECTIONS_SCHEMA))[0]


def _required(name: str, dtype: pa.DataType) -> pa.Field:
    return pa.field(name, dtype, nullable=False)


def _items_type(record: type) -> pa.DataType:
    """A list of structs: a box, then an item of each array (a score of the scores)."""
    fields = [(f.name.removesuffix("s"), f.metadata["kind"]) for f in _arrays(record)]
    corners = [(name, pa.float32()) for name in Box._fields]
    return pa.list_(_required("item", pa.struct([_required(*each) for each in (*corners, *fields)])))


DETECTIONS_SCHEMA = pa.schema(
    [
        _required("frame_id", pa.string()),
        _required("split", pa.string()),
        _required("detector", pa.string()),
        ("sequence", pa.string()),
        _required("width", pa.int32()),
        _required("height", pa.int32()),
        ("error", pa.string()),
        ("conditions", CONDITIONS_TYPE),
        _required("detections", _items_type(Detections)),
        _required("objects", _items_type(GroundTruth)),
    ],
    metadata={"imitation.evaluation.detections": "2"},
)
"""A detection takes 26 bytes and an object 40 and its name before compression; unknown numbers are NaN."""

_PLAIN = ("frame_id", "split", "detector", "sequence", "width", "height", "error")


def _items(parts: Sequence[Detections | GroundTruth], kind: pa.DataType) -> pa.ListArray:
    """One list of structs a frame, from arrays, without a Python object per detection."""
    record: type = type(parts[0])
    columns = [
        *np.concatenate([p.boxes for p in parts]).T,
        *(np.concatenate([getattr(p, f.name) for p in parts]) for f in _arrays(record)),
    ]
    item = list(kind.value_type)
    values = pa.StructArray.from_arrays(
        [pa.array(column).cast(f.type) for column, f in zip(columns, item, strict=True)], fields=item
    )
    offsets = np.cumsum([0, *(len(p) for p in parts)])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values, type=kind)


def detections_to_table(rows: Iterable[FrameDetections]) -> pa.Table:
    """Rows as one Arrow table of `DETECTIONS_SCHEMA`."""
    rows = list(rows)
    if not rows:
        return DETECTIONS_SCHEMA.empty_table()
    columns = {
        name: pa.array([getattr(r, name) for r in rows], DETECTIONS_SCHEMA.field(name).type)
        for name in _PLAIN
    }
    columns["conditions"] = pa.array(
        [conditions_to_row(r.conditions) for r in rows],
        DETECTIONS_SCHEMA.field("conditions").type,
    )
    columns["detections"] = _items([r.detections for r in rows], DETECTIONS_SCHEMA.field("detections").type)
    columns["objects"] = _items([r.objects for r in rows], DETECTIONS_SCHEMA.field("objects").type)
    return pa.Table.from_arrays([columns[n] for n in DETECTIONS_SCHEMA.names], schema=DETECTIONS_SCHEMA)


def _records(column: pa.ChunkedArray, kind: type) -> list[Any]:
    """The inverse of `_items`: one `kind` a row."""
    result = []
    for chunk in column.chunks:
        values = chunk.flatten()
        bounds = np.concatenate([[0], np.cumsum(chunk.value_lengths().to_numpy(zero_copy_only=False))])
        columns = [each.to_numpy(zero_copy_only=False) for each in values.flatten()]
        boxes, others = np.stack(columns[:4], axis=1), columns[4:]
        for low, high in pairwise(bounds):
            result.append(kind(boxes[low:high].copy(), *(part[low:high].copy() for part in others)))
    return result


def detections_from_table(table: pa.Table) -> list[FrameDetections]:
    """Every row of a table of `DETECTIONS_SCHEMA` (other columns are left aside)."""
    table = table.select(DETECTIONS_SCHEMA.names).cast(DETECTIONS_SCHEMA)
    detections = _records(table.column("detections"), Detections)
    objects = _records(table.column("objects"), GroundTruth)
    plain = table.select([*_PLAIN, "conditions"]).to_pylist()
    rows = []
    for row, found, true in zip(plain, detections, objects):
        conditions = conditions_from_row(row.pop("conditions"))
        row["split"] = old_names.split(row["split"])
        rows.append(FrameDetections(**row, detections=found, objects=true, conditions=conditions))
    return rows
