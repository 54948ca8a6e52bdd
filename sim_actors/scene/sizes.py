"""Class size priors: how large the things that a simulator stages usually are.

Car, van, truck, pedestrian, cyclist, tram, sitting person and misc: means over the labels of KITTI's
standard train list (Geiger, Lenz, Urtasun, CVPR 2012; Chen et al., NIPS 2015: 3,712 frames, 19,700
objects); `spread` is their relative standard deviation of the height, the size that monocular depth
hangs on. KITTI's widths leave door mirrors out. Bus, bicycle and motorcycle: the class means that
detectors on nuScenes use as anchors (Zhu et al., CBGS, 2019), with estimated spreads; but a bicycle is
as high as one without its rider, a motorcycle as one with, and a bus as wide as without mirrors.
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


_CAR = SizePrior(3.89, 1.62, 1.53, 0.09, "vehicle")
_VAN = SizePrior(5.15, 1.91, 2.19, 0.145, "vehicle")
_TRUCK = SizePrior(9.2, 2.61, 3.36, 0.105, "vehicle")
_BUS = SizePrior(11.2, 2.6, 3.4, 0.08, "vehicle")
_PEDESTRIAN = SizePrior(0.82, 0.63, 1.77, 0.073, "person")
_CYCLIST = SizePrior(1.77, 0.57, 1.72, 0.06, "rider")
_SITTING = SizePrior(1.06, 0.54, 1.28, 0.063, "person")
_TRAM = SizePrior(15.6, 2.36, 3.53, 0.036, "rail")

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
    "bicycle": SizePrior(1.70, 0.60, 1.12, 0.1, "rider"),
    "motorcycle": SizePrior(2.11, 0.77, 1.68, 0.06, "rider"),
    "tram": _TRAM,
    "train": _TRAM,
    "misc": SizePrior(2.50, 1.24, 1.62, 0.3, "other"),
}


def size_prior(category: str) -> SizePrior | None:
    """The prior of a category, whatever its case (spaces and hyphens read as "_"); None if unknown."""
    return SIZES.get(category.strip().lower().replace(" ", "_").replace("-", "_"))
