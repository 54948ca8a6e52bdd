"""Behind a detector's metrics on one split: what errors cost, where it is weak, what its scores mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from imitation.diagnosis.error_types import error_types
from imitation.evaluation.detections import Cutoff, FrameDetections
from imitation.metrics.calibration import calibration
from imitation.metrics.protocols.registry import PROTOCOLS
from imitation.metrics.statistics.slices import slices

RESAMPLES = 1000
Rows = Iterable[FrameDetections]


def analyse(
    rows: Callable[[], Rows],
    categories: Sequence[str],
    threshold: Cutoff,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """`errors` (TIDE), `slices` with intervals and `calibration` as plain data for JSON.

    `rows` gives the rows of one detector on one split, and is called three times; nothing but compact
    counts is held. `threshold` is the operating threshold.
    """
    return {
        "errors": error_types(rows(), categories).to_dict(),
        "slices": [part.to_dict() for part in slices(rows(), categories, threshold, rng, resamples)],
        "calibration": calibration(rows(), categories).to_dict(),
    }


def by_protocol(protocol: str | None, rows: Rows, categories: Sequence[str]) -> dict[str, Any]:
    """The numbers that a dataset's own benchmark would print, as plain data under the name of its
    `protocol`; nothing for a dataset without one."""
    return {} if protocol is None else {protocol: PROTOCOLS.load(protocol)(rows, categories)}
