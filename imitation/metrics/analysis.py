"""Behind a detector's metrics on one split: what errors cost, where it is weak, what its scores mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from imitation.detections import FrameDetections
from imitation.metrics.calibration import calibration
from imitation.metrics.slices import slices
from imitation.metrics.tide import error_types

RESAMPLES = 1000


def analyse(
    rows: Callable[[], Iterable[FrameDetections]],
    categories: Sequence[str],
    threshold: float,
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
