"""What makes an object hard, as words: the values that slices are cut by and failure modes are named by.

An attribute's value is a short word or range that a person can read. What an object does not say is
`UNKNOWN`. A detection that found nothing has only what its box and its frame tell: category, size,
edge and conditions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from imitation.data.records import OCCLUSIONS
from imitation.evaluation.detections import UNKNOWN_LEVEL, FrameDetections
from imitation.evaluation.failures import Failure

UNKNOWN = "unknown"

SIZES_PX = (25.0, 40.0, 80.0, 160.0)  # of a box's height; KITTI's minimum heights are the first two
SIZE_NAMES = ("under 25 px", "25-40 px", "40-80 px", "80-160 px", "160 px and more")
DISTANCES_M = (15.0, 30.0, 50.0)
DISTANCE_NAMES = ("under 15 m", "15-30 m", "30-50 m", "50 m and more")
TRUNCATIONS = (0.15, 0.5)
TRUNCATION_NAMES = ("truncated up to 0.15", "truncated 0.15-0.5", "truncated > 0.5")
OCCLUSION_NAMES = ("visible", "partly occluded", "largely occluded")  # KITTI's levels 0, 1, 2
EDGES = ("left edge", "right edge", "both edges", "inside")
EDGE_SHARE = 0.01  # a box that comes this near to a side, as a share of the image's width, touches it

OF_OBJECTS = ("category", "size", "occlusion", "truncation", "distance", "edge")
OF_DETECTIONS = ("category", "size", "edge")
CONDITION = "condition: "
"""Before the name of a condition, so that a condition called "size" is another attribute."""

WORDS: Mapping[str, tuple[str, ...]] = {
    "size": (*SIZE_NAMES, UNKNOWN),
    "occlusion": (*OCCLUSION_NAMES, UNKNOWN),
    "truncation": (*TRUNCATION_NAMES, UNKNOWN),
    "distance": (*DISTANCE_NAMES, UNKNOWN),
    "edge": (*EDGES, UNKNOWN),
}
"""What the codes of `size_codes` and its like mean: the word at that place; the last is `UNKNOWN`."""


def size_codes(height_px: np.ndarray) -> np.ndarray:
    """Codes (uint8) into `WORDS["size"]` of heights of boxes, px (N,)."""
    return _binned(height_px, SIZES_PX)


def distance_codes(metres: np.ndarray) -> np.ndarray:
    """Codes into `WORDS["distance"]` of distances along the camera's axis, m (N,), NaN unknown."""
    return _binned(metres, DISTANCES_M)


def truncation_codes(share: np.ndarray) -> np.ndarray:
    """Codes into `WORDS["truncation"]` of shares in [0, 1], NaN unknown; a bound belongs to the lower
    range."""
    return _binned(share, TRUNCATIONS, right=True)


def occlusion_codes(share: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Codes into `WORDS["occlusion"]`: of the share in [0, 1] where it is known, else of KITTI's level."""
    codes = _binned(share, OCCLUSIONS, right=True)
    level = np.asarray(level)
    level_only = np.isnan(np.asarray(share, dtype=np.float64)) & (level >= 0) & (level < len(OCCLUSION_NAMES))
    codes[level_only] = level[level_only]
    return codes


def edge_codes(boxes: np.ndarray, width: float | np.ndarray) -> np.ndarray:
    """Codes into `WORDS["edge"]`: the side that boxes (N, 4) touch of an image that wide, px (one, or N)."""
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    near = EDGE_SHARE * np.asarray(width, dtype=np.float64)
    left, right = boxes[:, 0] <= near, boxes[:, 2] >= width - near
    return np.where(left & right, 2, np.where(left, 0, np.where(right, 1, 3))).astype(np.uint8)


def words(attribute: str, codes: np.ndarray) -> np.ndarray:
    """The words of an attribute's codes: str objects (N,)."""
    return np.array(WORDS[attribute], dtype=object)[codes]


def of_objects(row: FrameDetections, categories: Sequence[str]) -> dict[str, np.ndarray]:
    """Attribute -> the words of the row's M objects, str objects (M,): `OF_OBJECTS`, then conditions."""
    objects = row.objects
    return {
        "category": _names(objects.labels, categories),
        "size": words("size", size_codes(objects.height)),
        "occlusion": words("occlusion", occlusion_codes(objects.occlusion, objects.occlusion_level)),
        "truncation": words("truncation", truncation_codes(objects.truncation)),
        "distance": words("distance", distance_codes(objects.distance)),
        "edge": words("edge", edge_codes(objects.boxes, row.width)),
    } | _conditions(row.conditions, len(objects))


def of_detections(row: FrameDetections, categories: Sequence[str]) -> dict[str, np.ndarray]:
    """Attribute -> the words of the row's N detections (all of them): `OF_DETECTIONS`, then conditions."""
    detections = row.detections
    return {
        "category": _names(detections.labels, categories),
        "size": words("size", size_codes(detections.boxes[:, 3] - detections.boxes[:, 1])),
        "edge": words("edge", edge_codes(detections.boxes, row.width)),
    } | _conditions(row.conditions, len(detections))


def of_failure(failure: Failure) -> dict[str, str]:
    """Attribute -> word, for what a failure is about: its object, or else its detection."""
    box = failure.object_box or failure.detection_box
    assert box is not None  # a failure is about one of the two
    codes = {"size": size_codes(np.array([failure.height_px]))}
    if failure.image_width is not None:
        codes["edge"] = edge_codes(np.array([box]), failure.image_width)
    if failure.object_box is not None:
        level = UNKNOWN_LEVEL if failure.occlusion_level is None else failure.occlusion_level
        codes["occlusion"] = occlusion_codes(_number(failure.occlusion), np.array([level]))
        codes["truncation"] = truncation_codes(_number(failure.truncation))
        codes["distance"] = distance_codes(_number(failure.distance_m))
    return (
        {"category": failure.category or failure.predicted or UNKNOWN, "edge": UNKNOWN}
        | {name: WORDS[name][int(code[0])] for name, code in codes.items()}
        | {CONDITION + name: value for name, value in (failure.conditions or {}).items()}
    )


def _number(value: float | None) -> np.ndarray:
    return np.array([np.nan if value is None else value])


def _binned(values: np.ndarray, bounds: Sequence[float], right: bool = False) -> np.ndarray:
    values = np.asarray(values, dtype=np.float32)  # as they are stored: 0.1 is then equal to the bound 0.1
    codes = np.digitize(values, np.asarray(bounds, dtype=np.float32), right=right).astype(np.uint8)
    codes[np.isnan(values)] = len(bounds) + 1
    return codes


def _names(labels: np.ndarray, categories: Sequence[str]) -> np.ndarray:
    return np.array([UNKNOWN, *categories], dtype=object)[labels]


def _conditions(conditions: Mapping[str, str] | None, count: int) -> dict[str, np.ndarray]:
    return {
        CONDITION + name: np.full(count, value, dtype=object)
        for name, value in sorted((conditions or {}).items())
    }
