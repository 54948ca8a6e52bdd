"""What makes an object hard, as words: the values that slices are cut by and failure modes are named by.

An attribute's value is a short word or range that a person can read. What an object does not say is
`UNKNOWN`. A detection that found nothing has only what its box and its frame tell: category, size,
edge and conditions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from imitation.detections import UNKNOWN_LEVEL, FrameDetections
from imitation.failures import Failure

UNKNOWN = "unknown"

SIZES_PX = (25.0, 40.0, 80.0, 160.0)  # of a box's height; KITTI's minimum heights are the first two
SIZE_NAMES = ("under 25 px", "25-40 px", "40-80 px", "80-160 px", "160 px and more")
DISTANCES_M = (15.0, 30.0, 50.0)
DISTANCE_NAMES = ("under 15 m", "15-30 m", "30-50 m", "50 m and more")
TRUNCATIONS = (0.15, 0.5)
TRUNCATION_NAMES = ("truncated up to 0.15", "truncated 0.15-0.5", "truncated > 0.5")
OCCLUSIONS = (0.1, 0.5)
OCCLUSION_NAMES = ("visible", "partly occluded", "largely occluded")  # KITTI's levels 0, 1, 2
EDGES = ("left edge", "right edge", "both edges", "inside")
EDGE_SHARE = 0.01  # a box that comes this near to a side, as a share of the image's width, touches it

OF_OBJECTS = ("category", "size", "occlusion", "truncation", "distance", "edge")
OF_DETECTIONS = ("category", "size", "edge")
CONDITION = "condition: "
"""Before the name of a condition, so that a condition called "size" is another attribute."""


def size_of(height_px: np.ndarray) -> np.ndarray:
    """Words for heights of boxes, px (N,): str objects (N,)."""
    return _binned(height_px, SIZES_PX, SIZE_NAMES)


def distance_of(metres: np.ndarray) -> np.ndarray:
    return _binned(metres, DISTANCES_M, DISTANCE_NAMES)


def truncation_of(share: np.ndarray) -> np.ndarray:
    """Words for truncations in [0, 1]; a bound belongs to the lower range."""
    return _binned(share, TRUNCATIONS, TRUNCATION_NAMES, right=True)


def occlusion_of(share: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Words for occlusions: from the share in [0, 1] where it is known, else from KITTI's level."""
    words = _binned(share, OCCLUSIONS, OCCLUSION_NAMES, right=True)
    known = np.isnan(np.asarray(share, dtype=np.float64)) & (level >= 0) & (level < len(OCCLUSION_NAMES))
    words[known] = np.array(OCCLUSION_NAMES, dtype=object)[np.asarray(level)[known]]
    return words


def edge_of(boxes: np.ndarray, width: float) -> np.ndarray:
    """Which side of an image of that width (px) boxes (N, 4) touch."""
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    left, right = boxes[:, 0] <= EDGE_SHARE * width, boxes[:, 2] >= (1 - EDGE_SHARE) * width
    return np.array(EDGES, dtype=object)[np.where(left & right, 2, np.where(left, 0, np.where(right, 1, 3)))]


def of_objects(row: FrameDetections, categories: Sequence[str]) -> dict[str, np.ndarray]:
    """Attribute -> the words of the row's M objects, str objects (M,): `OF_OBJECTS`, then conditions."""
    objects = row.objects
    return {
        "category": _names(objects.labels, categories),
        "size": size_of(objects.height),
        "occlusion": occlusion_of(objects.occlusion, objects.occlusion_level),
        "truncation": truncation_of(objects.truncation),
        "distance": distance_of(objects.distance),
        "edge": edge_of(objects.boxes, row.width),
    } | _conditions(row.conditions, len(objects))


def of_detections(row: FrameDetections, categories: Sequence[str]) -> dict[str, np.ndarray]:
    """Attribute -> the words of the row's N detections (all of them): `OF_DETECTIONS`, then conditions."""
    found = row.detections
    return {
        "category": _names(found.labels, categories),
        "size": size_of(found.boxes[:, 3] - found.boxes[:, 1]),
        "edge": edge_of(found.boxes, row.width),
    } | _conditions(row.conditions, len(found))


def of_failure(failure: Failure) -> dict[str, str]:
    """Attribute -> word, for what a failure is about: its object, or else its detection."""
    box = failure.object_box or failure.detection_box
    assert box is not None  # a failure is about one of the two
    level = np.array([UNKNOWN_LEVEL if failure.occlusion_level is None else failure.occlusion_level])
    words = {
        "category": failure.category or failure.predicted or UNKNOWN,
        "size": size_of(np.array([failure.height_px]))[0],
        "edge": UNKNOWN if failure.image_width is None else edge_of(np.array([box]), failure.image_width)[0],
    }
    if failure.object_box is not None:
        words |= {
            "occlusion": occlusion_of(_number(failure.occlusion), level)[0],
            "truncation": truncation_of(_number(failure.truncation))[0],
            "distance": distance_of(_number(failure.distance_m))[0],
        }
    return words | {CONDITION + name: value for name, value in (failure.conditions or {}).items()}


def _number(value: float | None) -> np.ndarray:
    return np.array([np.nan if value is None else value])


def _binned(
    values: np.ndarray, bounds: Sequence[float], names: Sequence[str], right: bool = False
) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    words = np.array(names, dtype=object)[np.digitize(values, bounds, right=right)]
    words[np.isnan(values)] = UNKNOWN
    return words


def _names(labels: np.ndarray, categories: Sequence[str]) -> np.ndarray:
    return np.array([UNKNOWN, *categories], dtype=object)[labels]


def _conditions(conditions: Mapping[str, str] | None, count: int) -> dict[str, np.ndarray]:
    return {
        CONDITION + name: np.full(count, value, dtype=object)
        for name, value in sorted((conditions or {}).items())
    }
