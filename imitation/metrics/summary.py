"""One evaluation in one record: what the table, the history and `summary.json` are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any

from imitation.evaluation.detections import Cutoff, FrameDetections
from imitation.evaluation.failures import Fates
from imitation.evaluation.matching import FOREGROUND_IOU
from imitation.metrics.average_precision import AveragePrecision
from imitation.metrics.operating_point import CategoryCurves, Operating, OperatingCurve, operating_point
from imitation.metrics.own import is_own

Rows = Iterable[FrameDetections] | Callable[[], Iterable[FrameDetections]]


@dataclass(frozen=True)
class Metrics:
    """How a detector does on one split.

    `ap50`, `ap` (COCO's 0.50:0.95) by category and their means `map50`, `map`, in [0, 1]; None
    without objects. At `threshold`, matched at `iou` over all categories together: `f1`,
    `precision`, `recall`, `zero_one_loss` (see `imitation.evaluation.failures`) in [0, 1], and `failures` by
    kind. `frames` were evaluated, `errors` could not be (they count nowhere else); `objects` were
    to be found; `detections` are those at the threshold that are judged.

    `thresholds`: categories that are cut at a score of their own (none: all at `threshold`). `own`: the
    value of a metric of one's own by its import path (`imitation.metrics.own`), where one was asked for.
    """

    split: str
    iou: float
    frames: int
    errors: int
    objects: int
    detections: int
    map50: float | None
    map: float | None
    ap50: dict[str, float | None]
    ap: dict[str, float | None]
    threshold: float
    f1: float
    precision: float
    recall: float
    zero_one_loss: float
    failures: dict[str, int]
    thresholds: dict[str, float] = field(default_factory=dict)
    own: dict[str, float] = field(default_factory=dict)

    @property
    def operating(self) -> Operating:
        """Where the scores are cut."""
        return Operating(self.threshold, self.thresholds)

    @property
    def cutoff(self) -> Cutoff:
        """The same, as `Detections.above` takes it."""
        return self.operating.cutoff(tuple(self.ap50))

    def score(self, metric: str) -> float:
        """`map50`, `map`, or a metric of one's own, by its name in `loop.metric`; 0 where it is undefined."""
        return score_of(asdict(self), metric)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, safe for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Metrics:
        """The inverse of `to_dict`; raises KeyError for a missing field that has no default, ignores
        unknown ones."""
        optional = {f.name for f in fields(cls) if f.default_factory is not MISSING}
        return cls(**{f.name: data[f.name] for f in fields(cls) if f.name in data or f.name not in optional})


def summarize(
    rows: Rows,
    categories: Sequence[str],
    split: str,
    threshold: float | Operating | None = None,
    min_objects: int | None = None,
) -> Metrics:
    """The metrics of the rows of `split`; rows of other splits are passed over.

    `rows` is something to iterate over, or a function that gives it: rows are streamed, never held.
    With `threshold` they are read once; without it twice, to choose the threshold of greatest F1 on
    these very rows first (for the `val` split); with `min_objects` also one for each category of which so
    many are to be found. `categories` are the detector's, in label order.
    Raises TypeError for rows that can be read only once where they are needed twice.
    """
    if threshold is None:
        if not callable(rows) and isinstance(rows, Iterator):
            raise TypeError("summarize reads the rows twice to choose a threshold: pass a list or a function")
        threshold = _chosen(_rows_of(rows, split), categories, min_objects)
    operating = threshold if isinstance(threshold, Operating) else Operating(threshold)
    precision, fates = AveragePrecision(categories), Fates(operating.cutoff(categories))
    frames = errors = 0
    for row in _rows_of(rows, split):
        errors += row.error is not None
        frames += row.error is None
        precision.add(row)
        fates.add(row)
    ap = precision.result()
    point = operating_point(operating.threshold, fates.correct, fates.detections, fates.objects)
    return Metrics(
        split=split,
        iou=FOREGROUND_IOU,
        frames=frames,
        errors=errors,
        objects=fates.objects,
        detections=fates.detections,
        map50=ap.map50,
        map=ap.map,
        ap50=ap.ap50,
        ap=ap.ap,
        threshold=point.threshold,
        f1=point.f1,
        precision=point.precision,
        recall=point.recall,
        zero_one_loss=fates.zero_one_loss,
        failures=fates.failures,
        thresholds=dict(operating.by_category),
    )


def _chosen(rows: Iterable[FrameDetections], categories: Sequence[str], min_objects: int | None) -> Operating:
    if min_objects is not None:
        curves = CategoryCurves(categories)
        for row in rows:
            curves.add(row)
        return curves.best(min_objects)
    curve = OperatingCurve()
    for row in rows:
        curve.add(row)
    return Operating(curve.best().threshold)


def score_of(told: Mapping[str, Any], metric: str) -> float:
    """`Metrics.score` of metrics as plain data. Raises KeyError where they were not measured so."""
    return float((told["own"][metric] if is_own(metric) else told[metric]) or 0.0)


def _rows_of(rows: Rows, split: str) -> Iterator[FrameDetections]:
    for row in rows() if callable(rows) else rows:
        if row.split == split:
            yield row
