"""A metric of one's own, by its import path: what `val` is judged by, and an endpoint of comparisons.

    # mine.py
    def recall(frames, categories):
        '''Share of the objects that some detection of their category overlaps by half.'''
        found = objects = 0
        for frame in frames:
            hits, _ = match_correct(frame.detections, frame.objects)   # imitation.evaluation.matching
            found += (hits >= 0).sum()
            objects += (~frame.objects.ignore).sum()
        return found / objects

`frames` is a list of `imitation.evaluation.detections.FrameDetections`, one for each frame that could be
judged, of one detector on one split; all its detections, whatever their score. `categories` are the
detector's, in label order (label 1 is the first). The result is a number in [0, 1], higher is better. It must
depend on nothing else: a run that continues asks again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from imitation.common.import_paths import is_import_path
from imitation.common.registry import Registry
from imitation.common.settings import UserError
from imitation.evaluation.detections import Detections, FrameDetections, GroundTruth

METRICS: Registry[Callable[[list[FrameDetections], Sequence[str]], Any]] = Registry(
    "metric",
    "loop.metric",
    {
        "map50": "imitation.metrics.average_precision:map50",
        "map": "imitation.metrics.average_precision:map50_95",
    },
)
"""What `loop.metric` may name: each takes (frames, categories), as above."""

TITLES = {"map50": "mAP50", "map": "mAP@[.5:.95]"}

check_metric_name = METRICS.check


def is_own(name: str) -> bool:
    """Whether a name stands for a metric of somebody's own. A category, which may stand where a metric may,
    is none."""
    return METRICS.is_own(name) and (is_import_path(name) or name in METRICS)


def metric_title(name: str) -> str:
    """A metric's name in words."""
    return TITLES.get(name, name)


@dataclass(frozen=True)
class OwnMetric:
    """A person's function, its results checked."""

    name: str
    function: Callable[[list[FrameDetections], Sequence[str]], Any]

    def __call__(self, rows: Iterable[FrameDetections], categories: Sequence[str]) -> float:
        """Its value on frames, in [0, 1]. Raises UserError for what it raises, and for a result that is no
        such number."""
        value = self._value(list(rows), categories)
        if math.isnan(value):
            raise UserError(
                f"the metric {self.name} gave NaN: a score decides when to stop and what is best, and NaN is "
                "neither more nor less than anything; return 0.0 where there is nothing to find"
            )
        return value

    def on_draw(self, rows: list[FrameDetections], categories: Sequence[str]) -> float:
        """Its value on a resample of the frames, in which frames may repeat. NaN (a ratio of nothing) leaves
        that resample out."""
        return self._value(rows, categories)

    def _value(self, rows: list[FrameDetections], categories: Sequence[str]) -> float:
        rows = [row for row in rows if row.error is None]
        try:
            result = self.function(rows, tuple(categories))
        except Exception as error:  # a person's own code: whatever it raises is told with its name
            raise UserError(
                f"the metric {self.name} failed on {len(rows)} frames: {type(error).__name__}: {error}"
            ) from error
        if isinstance(result, bool | np.bool_) or not isinstance(result, int | float | np.number):
            raise UserError(
                f"the metric {self.name} gave {type(result).__name__} ({result!r:.80}); "
                "it must return a number"
            )
        value = float(result)
        if not (math.isnan(value) or 0 <= value <= 1):
            raise UserError(
                f"the metric {self.name} gave {value:g}; it must lie in 0 to 1, higher being better (divide "
                "by its greatest value, or subtract it from 1)"
            )
        return value


def load_metric(name: str) -> OwnMetric:
    """The metric of that name, or at that import path.

    Raises UserError for a name that is not known, and a path that leads to nothing that can be called.
    """
    return OwnMetric(name, METRICS.load(name))


def check_metric(metric: OwnMetric, categories: Sequence[str]) -> None:
    """Calls it once on three made-up frames, in which each category is found once and missed once, before
    anything is trained. NaN is not held against it there. Raises UserError for the rest."""
    labels = np.arange(1, len(categories) + 1)
    corners = np.stack([40.0 * labels, np.full(len(labels), 20.0)], axis=1)
    boxes = np.concatenate([corners, corners + 30.0], axis=1)
    both, twice = (
        np.concatenate([boxes, boxes + np.array([0.0, 60.0, 0.0, 60.0])]),
        np.concatenate([labels, labels]),
    )
    rows = [
        FrameDetections(
            f"made-up-{k}",
            "val",
            "made-up",
            40 * (len(labels) + 2),
            160,
            Detections(boxes + k, np.full(len(labels), 0.9 - 0.3 * k), labels),
            GroundTruth(both, twice, distance=np.full(len(twice), 15.0 + k)),
        )
        for k in range(3)
    ]
    metric.on_draw(rows, tuple(categories))


def sampled_metric(
    metric: OwnMetric,
    rows: Sequence[FrameDetections],
    categories: Sequence[str],
    weights: Iterable[np.ndarray],
) -> np.ndarray:
    """The metric on each resample, (R,): `weights` are arrays (r, F), how often each row was drawn."""
    values = []
    for block in weights:
        for drawn in block:
            picked = [rows[i] for i in np.repeat(np.arange(len(rows)), drawn).tolist()]
            values.append(metric.on_draw(picked, categories))
    return np.array(values)
