"""Where a detector is weak: AP and recall by occlusion, truncation, size, distance, condition, ...

An object outside a slice is ignored there: it is not to be found, and what found it is not judged. Which
*false positives* count depends on what a detection can have:

- category, size, edge and conditions are the detection's own (or its frame's), so a false positive
  counts in the slice that it has them of. This is COCO's way with area ranges, where an unmatched
  detection outside the range is ignored (`cocoeval.py`; Lin et al., ECCV 2014);
- occlusion, truncation and distance are known of objects alone, so every false positive of the category
  counts in every slice. This is KITTI's way with its levels of difficulty (Geiger et al., CVPR 2012) and
  that of Hoiem, Chodpathumwan and Dai (*Diagnosing Error in Object Detectors*, ECCV 2012), who also
  show the consequence: the same false positives beside fewer objects give a lower AP. Compare
  detectors in such a slice; between such slices compare recall.

Matching is done once, with all objects (COCO repeats it for each area range and lets a detection prefer
an object inside the range; where two objects compete for one detection the two ways may differ).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from pydantic import Field

from imitation.common.formats.record import Fraction, Record
from imitation.evaluation.detections import Cutoff, FrameDetections
from imitation.metrics.curves import Curve, weighted_average_precisions
from imitation.metrics.statistics.bootstrap import ANYTHING, Interval, Resampling
from imitation.metrics.statistics.outcomes import OutcomeBuilder, Outcomes

FEW = 20
"""Slices of fewer objects are anecdotes: reports grey them out."""
AT_ONCE = 1_000_000
"""Weights, or detections they are spread over, held at once: 4 MB, and several such arrays beside it."""


class Slice(Record):
    """AP and recall of the objects with one value of one attribute, with 95 % intervals (bootstrap over
    frames): `imitation.metrics.statistics.slices`."""

    attribute: str = Field(description='"size", "occlusion", "category", ..., "condition: weather"')
    value: str = Field(description='its word: "25-40 px", "largely occluded", ...')
    frames: int = Field(ge=0, description="frames with such an object")
    objects: int = Field(ge=0, description="such objects to be found")
    ap50: Fraction | None = Field(description="mean AP at IoU 0.5; null without objects")
    ap50_low: Fraction | None = Field(description="lower end of its interval")
    ap50_high: Fraction | None = Field(description="upper end of its interval")
    recall: Fraction | None = Field(description="recall at the operating threshold; null without objects")
    recall_low: Fraction | None = Field(description="lower end of its interval")
    recall_high: Fraction | None = Field(description="upper end of its interval")
    few: bool = Field(description="true under 20 objects: too few to say anything")


def slices(
    rows: Iterable[FrameDetections],
    categories: Sequence[str],
    threshold: Cutoff,
    rng: np.random.Generator,
    resamples: int = 1000,
    attributes: Sequence[str] | None = None,
) -> list[Slice]:
    """Every slice of the rows of one detector on one split, read once; 20 bytes a detection are kept.

    `categories` are the detector's, in label order; `threshold` is its operating threshold, for recall;
    AP50 is the mean over the categories that the slice has objects of, as COCO's AP of an area range.
    `attributes` (None: all that are known) are names as in `imitation.evaluation.attributes`, a condition's
    with its prefix. Objects whose value is unknown are a slice of their own, unless all are; so is nothing
    that no object has. Intervals are the bootstrap's over frames, or sequences where they are known. Raises
    UserError for an attribute that does not exist.
    """
    return slices_of(_outcomes(rows, categories, threshold), rng, resamples, attributes)


def _outcomes(rows: Iterable[FrameDetections], categories: Sequence[str], threshold: Cutoff) -> Outcomes:
    # in a function of its own: the builder holds as much as what it builds, and goes before that is cut
    builder = OutcomeBuilder(categories)
    for row in rows:
        builder.add(row, threshold)
    return builder.result()


def slices_of(
    outcomes: Outcomes,
    rng: np.random.Generator,
    resamples: int = 1000,
    attributes: Sequence[str] | None = None,
) -> list[Slice]:
    """`slices` of outcomes that are at hand."""
    resampling = Resampling.of_frames(outcomes.sequences, resamples, rng)
    result = []
    for attribute in outcomes.attributes() if attributes is None else attributes:
        cut = Cut(outcomes, attribute, outcomes.words_present(attribute))
        samples = sampled([cut], resampling)[0]
        (estimates,) = cut.statistics(np.ones((1, len(outcomes.frames)), dtype=np.int32))
        result += _described(cut, estimates, samples, resampling)
    return result


class Cut:
    """One attribute's slices of one evaluation, ready to be weighted."""

    def __init__(self, outcomes: Outcomes, attribute: str, values: Sequence[str]) -> None:
        self.outcomes, self.attribute, self.values = outcomes, attribute, list(values)
        words = outcomes.words(attribute)
        codes = [words.index(value) for value in values]
        object_codes = outcomes.object_codes(attribute)
        found = outcomes.of_object["found"].astype(bool)
        frames = outcomes.of_object["frame"]
        self.objects = [frames[object_codes == code].astype(np.int64) for code in codes]
        self.found = [frames[(object_codes == code) & found].astype(np.int64) for code in codes]
        self.curves: list[Curve] = []
        self._place: list[int] = []  # of each curve, its slice
        self._labels = [outcomes.of_object["label"][object_codes == code] for code in codes]
        for label in range(1, len(outcomes.categories) + 1):
            for place, curve in enumerate(outcomes.slice_curves(attribute, label, codes)):
                if curve is not None:
                    self.curves.append(curve)
                    self._place.append(place)

    @property
    def size(self) -> int:
        """Numbers a resample takes to hold, about."""
        return max(len(self.outcomes.frames), len(self.outcomes.of_detection["frame"]), 1)

    def statistics(self, weights: np.ndarray) -> np.ndarray:
        """AP50, then recall, of each slice on each resample: float64 (R, 2, S), NaN where undefined."""
        precisions = weighted_average_precisions(self.curves, weights)
        result = np.full((len(weights), 2, len(self.values)), np.nan)
        place = np.array(self._place)
        for s in range(len(self.values)):
            result[:, 0, s] = mean_of(precisions, place == s)
            objects = weights.take(self.objects[s], axis=1).sum(axis=1)
            found = weights.take(self.found[s], axis=1).sum(axis=1)
            np.divide(found, objects, out=result[:, 1, s], where=objects > 0)
        return result

    def rarest(self, s: int, resampling: Resampling) -> tuple[int, str]:
        """How many clusters hold the rarest category of the slice's AP, and its name."""
        return rarest(self.objects[s], self._labels[s], self.outcomes.categories, resampling)


def mean_of(values: np.ndarray, which: np.ndarray) -> np.ndarray:
    """The mean of the columns `which` (K,) bool: (R, K) -> (R,). Over the same categories in every row: NaN
    where one of them is, and where there are none (a mean over fewer would be another measure)."""
    if not which.any():
        return np.full(len(values), np.nan)
    return np.asarray(values[:, which].mean(axis=1))


def rarest(
    frames: np.ndarray, labels: np.ndarray, categories: Sequence[str], resampling: Resampling
) -> tuple[int, str]:
    """How many clusters hold the category that the fewest do, and its name; of objects in `frames` with
    `labels` (from 1). A mean over categories rests on the rarest."""
    counts = {int(label): resampling.holding(frames[labels == label]) for label in np.unique(labels)}
    if not counts:
        return 0, ANYTHING
    label = min(counts, key=lambda label: (counts[label], label))
    rare = counts[label] < resampling.holding(frames)
    return counts[label], categories[label - 1] if rare else ANYTHING


def sampled(statistics: Sequence[Any], resampling: Resampling) -> list[np.ndarray]:
    """Each statistic (something with `size` and `statistics(weights)`) on every resample, the same for
    all: (R, ...) each."""
    at_once = max(1, min(resampling.resamples, AT_ONCE // max(s.size for s in statistics)))
    parts: list[list[np.ndarray]] = [[] for _ in statistics]
    for weights in resampling.weights(at_once):
        for part, statistic in zip(parts, statistics):
            part.append(statistic.statistics(weights))
    return [np.concatenate(part) for part in parts]


def known_or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _described(cut: Cut, estimates: np.ndarray, samples: np.ndarray, resampling: Resampling) -> list[Slice]:
    result = []
    for s, value in enumerate(cut.values):
        frames = cut.objects[s]
        ap = resampling.interval(known_or_none(estimates[0, s]), samples[:, 0, s], *cut.rarest(s, resampling))
        recall = resampling.interval(
            known_or_none(estimates[1, s]), samples[:, 1, s], resampling.holding(frames)
        )
        result.append(
            Slice(
                attribute=cut.attribute,
                value=value,
                frames=_frames_of(cut, value, frames),
                objects=len(frames),
                **_fields("ap50", ap),
                **_fields("recall", recall),
                few=len(frames) < FEW,
            )
        )
    return result


def _frames_of(cut: Cut, value: str, frames: np.ndarray) -> int:
    words, codes = cut.outcomes.words(cut.attribute), cut.outcomes.frame_codes(cut.attribute)
    return len(np.unique(frames)) if codes is None else int((codes == words.index(value)).sum())


def _fields(name: str, interval: Interval) -> dict[str, Any]:
    return {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}
