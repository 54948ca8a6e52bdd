"""One side of a comparison: an evaluation on disk, which detector in it counts, its operating threshold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

from imitation.common import storage
from imitation.common.formats import old_names
from imitation.common.names import MAIN, is_fold
from imitation.common.settings import DataError, UserError
from imitation.evaluation.detection_files import evaluation_uri, read_categories, read_detections
from imitation.evaluation.detections import Cutoff
from imitation.metrics.average_precision import IOU_THRESHOLDS
from imitation.metrics.operating_point import Operating, OperatingCurve
from imitation.metrics.statistics.outcomes import OutcomeBuilder, Outcomes

"""A run's detectors: the one that counts, and those of the folds, each of which judges (as one with the
others) the frames that it did not see."""


@dataclass(frozen=True)
class Source:
    """One side: where its rows lie, by which detector(s), and the operating threshold with its origin."""

    place: str
    uri: str
    categories: tuple[str, ...]
    detectors: tuple[str, ...]
    thresholds: dict[str, Cutoff]
    threshold_from: str

    def to_dict(self) -> dict[str, Any]:
        return {
            "evaluation": self.place,
            "detectors": list(self.detectors),
            "thresholds": self.thresholds,
            "threshold_from": self.threshold_from,
        }


def open_source(place: str, split: str, detector: str | None = None) -> Source:
    """Finds the rows of `split`, the detector that counts (or `detector`), and its operating threshold.

    The threshold is the one of greatest F1 on the evaluation's own `val` rows; without such rows the
    one in metrics.json beside the file; without it the one of greatest F1 on the compared rows.
    """
    uri = evaluation_uri(place)
    categories = read_categories(uri)
    counts = _contents(uri)
    detectors = _detectors(place, split, counts) if detector is None else (detector,)
    if detector in (None, MAIN):
        thresholds, origin = _thresholds(uri, split, detectors, counts)
    else:  # what is stored beside the file is the main detector's
        chosen = "val" if counts["val", detector] else split
        thresholds, origin = {detector: _best_threshold(uri, chosen, detector)}, f"greatest F1 on {chosen}"
    return Source(place, uri, categories, detectors, thresholds, origin)


def counted_detectors(place: str) -> dict[str, tuple[str, ...]]:
    """The detectors that count by split, in the file's order: `main`, or the folds, which judge as one.

    Raises UserError naming `place` for a split of several others, and where there are no rows.
    """
    counts = _contents(evaluation_uri(place))
    if not counts:
        raise UserError(f"{place}: holds no frames")
    return {split: _detectors(place, split, counts) for split in dict.fromkeys(split for split, _ in counts)}


def split_of(a: str, b: str) -> str:
    """The split to compare two evaluations on where none is named: `test`, or else the one that both have.

    Raises UserError naming the splits to choose from where there are several, or none is shared.
    """
    splits = [{split for split, _ in _contents(evaluation_uri(place))} for place in (a, b)]
    both = splits[0] & splits[1]
    if "test" in both or len(both) == 1:
        return "test" if "test" in both else both.pop()
    if both:
        raise UserError(f"{a} and {b} share the splits {', '.join(sorted(both))}; choose one with --split")
    names_of = [", ".join(sorted(names)) or "no rows at all" for names in splits]
    raise UserError(
        f"{a} has frames of {names_of[0]}, {b} of {names_of[1]}: there is no split that both have"
    )


def _contents(uri: str) -> Counter[tuple[str, str]]:
    """Rows by (split, detector)."""
    counts: Counter[tuple[str, str]] = Counter()
    with storage.open_input(uri) as source:
        for batch in pq.ParquetFile(source).iter_batches(columns=["split", "detector"]):
            counts.update(zip(*(column.to_pylist() for column in old_names.split_column(batch).columns)))
    return counts


def _detectors(place: str, split: str, counts: Counter[tuple[str, str]]) -> tuple[str, ...]:
    present = sorted(name for of, name in counts if of == split)
    if not present:
        splits = ", ".join(sorted({of for of, _ in counts})) or "no rows at all"
        raise UserError(f"{place}: has no frames of split {split!r}; it has {splits} (choose with --split)")
    if MAIN in present:
        return (MAIN,)
    if len(present) > 1 and not all(map(is_fold, present)):
        raise UserError(
            f"{place}: has rows of several detectors ({', '.join(present)}) and none is {MAIN!r}: "
            "give an evaluation of one detector"
        )
    return tuple(present)


def _thresholds(
    uri: str, split: str, detectors: Sequence[str], counts: Counter[tuple[str, str]]
) -> tuple[dict[str, Cutoff], str]:
    metrics = storage.join(storage.parent(uri), "metrics.json")
    content = storage.read_json(metrics) if len(detectors) == 1 and storage.exists(metrics) else None
    by_category = _by_category(uri, content)
    if by_category is not None and len(detectors) == 1:
        return {detectors[0]: by_category.cutoff(read_categories(uri))}, "greatest F1 by category, as stored"
    if split == "val" or all(counts["val", name] for name in detectors):
        origin = "greatest F1 on val"
        return {name: _best_threshold(uri, "val", name) for name in detectors}, origin
    if content is not None:
        value = content.get("threshold") if isinstance(content, dict) else None
        if not isinstance(value, int | float):
            raise DataError(metrics, f"its threshold is no number: {value!r}")
        return {detectors[0]: float(value)}, "metrics.json"
    origin = f"greatest F1 on {split}, the compared frames themselves"
    return {name: _best_threshold(uri, split, name) for name in detectors}, origin


def _by_category(uri: str, metrics: Any) -> Operating | None:
    """Thresholds by category, of metrics.json beside an evaluation or of its run; None if there is one for
    all."""
    stage = storage.join(storage.parent(storage.parent(uri)), "stage-evaluate.json")
    if metrics is None and storage.exists(stage):
        judged = old_names.read_json(stage)
        metrics = judged.get("metrics", {}).get("val") if isinstance(judged, dict) else None
    if not isinstance(metrics, dict) or not metrics.get("thresholds"):
        return None
    return Operating(float(metrics["threshold"]), {k: float(v) for k, v in metrics["thresholds"].items()})


def _best_threshold(uri: str, split: str, detector: str) -> float:
    curve = OperatingCurve()
    for row in read_detections(uri, split=split, detector=detector):
        curve.add(row)
    return curve.best().threshold


def read_outcomes(source: Source, split: str) -> Outcomes:
    """The rows of `split` by the detectors that count, matched and compact."""
    builder = OutcomeBuilder(source.categories, tuple(IOU_THRESHOLDS))
    for row in read_detections(source.uri, split=split):
        if row.detector in source.thresholds:
            builder.add(row, source.thresholds[row.detector])
    return builder.result()
