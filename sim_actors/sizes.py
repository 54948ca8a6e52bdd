"""Class size priors: how large the things that a simulator stages usually are.

Means are KITTI's (Geiger, Lenz, Urtasun, CVPR 2012), as published by 3D detectors that use them as
anchors and checked against the labels of the standard train list; `spread` is the labels' relative
standard deviation of the height, the size that monocular depth hangs on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["vehicle", "person", "rider", "rail", "other"]


@dataclass(frozen=True)
class SizePrior:
    """Mean length, width, height in m, relative spread of the height, and how the thing behaves:
    vehicles follow lanes, persons walk, riders ride at the lane's edge, rail follows the road."""

    length: float
    width: float
    height: float
    spread: float
    kind: Kind


_CAR = SizePrior(3.88, 1.63, 1.53, 0.09, "vehicle")
_VAN = SizePrior(5.06, 1.90, 2.21, 0.145, "vehicle")
_TRUCK = SizePrior(10.1, 2.58, 3.25, 0.105, "vehicle")
_BUS = SizePrior(11.5, 2.55, 3.2, 0.08, "vehicle")
_PEDESTRIAN = SizePrior(0.84, 0.66, 1.76, 0.073, "person")
_CYCLIST = SizePrior(1.76, 0.60, 1.74, 0.06, "rider")
_SITTING = SizePrior(0.80, 0.60, 1.27, 0.063, "person")
_TRAM = SizePrior(16.2, 2.5, 3.5, 0.04, "rail")

SIZES: dict[str, SizePrior] = {
    "car": _CAR,
    "vehicle": _CAR,
    "van": _VAN,
    "truck": _TRUCK,
    "bus": _BUS,
    "pedestrian": _PEDESTRIAN,
    "person": _PEDESTRIAN,
    "person_sitting": _SITTING,
    "cyclist": _CYCLIST,
    "rider": _CYCLIST,
    "bicycle": SizePrior(1.75, 0.6, 1.1, 0.1, "rider"),
    "motorcycle": SizePrior(2.1, 0.8, 1.5, 0.1, "rider"),
    "tram": _TRAM,
    "train": _TRAM,
    "misc": SizePrior(2.5, 1.24, 1.62, 0.3, "other"),
}


def size_prior(category: str) -> SizePrior | None:
    """The prior of a category, whatever its case (spaces and hyphens read as "_"); None if unknown."""
    return SIZES.get(category.strip().lower().replace(" ", "_").replace("-", "_"))
