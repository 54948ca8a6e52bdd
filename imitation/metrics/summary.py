"""One evaluation in one record: what the table, the history and `summary.json` are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import Field

from imitation.common.formats.record import Count, Fraction, Record
from imitation.evaluation.detections import Cutoff, FrameDetections
from imitation.evaluation.failures import Fates
from imitation.evaluation.matching import FOREGROUND_IOU
from imitation.metrics.average_precision import AveragePrecision
from imitation.metrics.operating_point import CategoryCurves, Operating, OperatingCurve, operating_point
from imitation.metrics.own import is_own

Rows = Iterable[FrameDetections] | Callable[[], Iterable[FrameDetections]]


class Metrics(Record):
    """How a detector does on one split."""

    split: str = Field(description='"val" or "test"')
    iou: float = Field(gt=0, le=1, description="IoU at which detections and objects are matched")
    frames: int = Field(ge=0, description="frames evaluated")
    errors: int = Field(ge=0, description="frames that could not be evaluated; they count nowhere else")
    objects: int = Field(ge=0, description="objects to be found")
    detections: int = Field(ge=0, description="detections at the threshold that are judged")
    map50: Fraction | None = Field(description="mean of ap50 over categories; null if none has objects")
    map: Fraction | None = Field(description="mean of ap over categories; null if none has objects")
    ap50: dict[str, Fraction | None] = Field(description="category -> AP at IoU 0.5; null without objects")
    ap: dict[str, Fraction | None] = Field(
        description="category -> AP at IoU 0.50:0.05:0.95 (COCO); null without objects"
    )
    threshold: float = Field(description="operating threshold on scores, of greatest F1 on val")
    f1: Fraction = Field(description="F1 at the threshold, over all categories together")
    precision: Fraction = Field(description="precision at the threshold")
    recall: Fraction = Field(description="recall at the threshold")
    zero_one_loss: Fraction = Field(description="wrong / (wrong + objects found), at the threshold")
    failures: dict[str, Count] = Field(description="failures by kind, at the threshold")
    thresholds: dict[str, Fraction] = Field(
        default_factory=dict,
        description="category -> its own threshold, in place of that (evaluate.operating_threshold)",
    )
    own: dict[str, Fraction] = Field(
        default_factory=dict, description="metric of one's own (loop.metric) -> its value"
    )

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
        return score_of(self.to_dict(), metric)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], where: str = "") -> Metrics:
        """As any record's, but fields that it does not know are passed over."""
        return super().from_dict({name: data[name] for name in cls.model_fields if name in data}, where)


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


def score_of(metrics: Mapping[str, Any], metric: str) -> float:
    """`Metrics.score` of metrics as plain data. Raises KeyError where they were not measured so."""
    return float((metrics["own"][metric] if is_own(metric) else metrics[metric]) or 0.0)


def _rows_of(rows: Rows, split: str) -> Iterator[FrameDetections]:
    for row in rows() if callable(rows) else rows:
        if row.split == split:
            yield row
