"""Behind a detector's metrics on one split: what errors cost, where it is weak, what its scores mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from imitation.diagnosis.error_types import error_types
from imitation.evaluation.detections import Cutoff, FrameDetections
from imitation.metrics.calibration import calibration
from imitation.metrics.protocols.kitti import kitti_average_precision, kitti_from_rows
from imitation.metrics.protocols.waymo import waymo_average_precision
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


def by_protocol(kind: str, rows: Rows, categories: Sequence[str]) -> dict[str, Any]:
    """The numbers that the dataset's own benchmark would print, by the protocol's name, as plain data:
    `kitti` for a KITTI folder (see `imitation.metrics.protocols.kitti`; without the 41 precisions), `waymo`
    for Waymo's components (an emulation: `imitation.metrics.protocols.waymo`); nothing for other kinds."""
    if kind == "kitti":
        told = kitti_average_precision(kitti_from_rows(rows, categories))
        return {
            "kitti": {
                name: None
                if levels is None
                else {level: {"ap_r40": ap.ap_r40, "ap_r11": ap.ap_r11} for level, ap in levels.items()}
                for name, levels in told.items()
            }
        }
    if kind == "waymo":
        found = waymo_average_precision(rows, categories)
        return {"waymo": {name: ap.to_dict() for name, ap in found.items()}}
    return {}
