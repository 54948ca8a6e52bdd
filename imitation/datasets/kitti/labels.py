"""KITTI's labels as objects and back, and its calibrations as cameras.

KITTI's camera coordinates are those of its camera 0; the left colour camera of `image_2` stands
inv(K) @ P2[:, 3] away (6 cm). Reading adds that to every location, so that `Frame.camera` projects a cuboid
without a fourth column; writing takes it off again.

KITTI's occlusion is a level (0 visible, 1 partly, 2 largely occluded, 3 unknown), not a share: it is
kept as `occlusion_level`, and `occlusion` stays None. Boxes reach behind occluders but are cut at the
image's edge, so `amodal_box` is known only where `truncation` is 0.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from imitation.common import storage
from imitation.common.settings import DataError, UserError
from imitation.common.texts import lines_of, shown
from imitation.data.records import Box, Camera, Cuboid, Object
from imitation.datasets.common.left_out import CATEGORIES as UNKNOWN
from imitation.datasets.common.left_out import RANGES, refuse
from imitation.datasets.kitti.text import LABEL_COLUMNS, RESULT_COLUMNS, TRACKING_COLUMNS, number, rows

CATEGORIES = (
    "Car",
    "Van",
    "Truck",
    "Pedestrian",
    "Person_sitting",
    "Cyclist",
    "Tram",
    "Misc",
    "DontCare",
)
DONT_CARE = "DontCare"


def parse_labels(
    text: str,
    where: str,
    shift: np.ndarray | None = None,
    known: frozenset[str] | None = frozenset(CATEGORIES),
    scores: bool = False,
    bad: Callable[[DataError], None] = refuse,
) -> list[tuple[str, Object]]:
    """The objects of a label file, each with its file and line.

    `shift` (3,), m, is added to every location; `known` are the types that may stand there (None: any);
    `scores` allows a result's 16th column, which is dropped.
    `bad` gets the `DataError` of a bad line, with file and line, and raises it or goes on without the line.
    """
    offset = np.zeros(3) if shift is None else shift
    allowed = (LABEL_COLUMNS, TRACKING_COLUMNS, *((RESULT_COLUMNS,) if scores else ()))
    found = []
    for at, words in rows(text, where, *allowed, bad=bad):
        read = _tracked if len(words) == len(TRACKING_COLUMNS) else _object
        try:
            found.append((at, read(words, at, offset, known)))
        except DataError as error:
            bad(error)
    return found


def _tracked(words: list[str], where: str, shift: np.ndarray, known: frozenset[str] | None) -> Object:
    """An object of the tracking benchmark, whose `truncated` is a level from 0 to 2."""
    words = words[2:]
    level = number(words[1], where, "truncated")
    if level not in (-1, 0, 1, 2):
        raise DataError(
            where, f"truncated is {shown(words[1])[1:-1]}, not a level of -1, 0, 1, 2 (tracking's)", RANGES
        )
    return _object([words[0], "0" if level == 0 else "-1", *words[2:]], where, shift, known)


def _object(columns: list[str], where: str, shift: np.ndarray, known: frozenset[str] | None) -> Object:
    category = columns[0]
    if known is not None and category not in known:
        said = f"unknown type {shown(category)}; known are {', '.join(sorted(known))}"
        said += " (data.options.types=any takes every type as it is)"
        raise DataError(where, said, UNKNOWN)
    values = [number(word, where, name) for word, name in zip(columns[1:], RESULT_COLUMNS[1:])]
    truncated, occluded, alpha, x1, y1, x2, y2 = values[:7]
    if occluded not in (-1, 0, 1, 2, 3):
        said = f"occluded is {shown(columns[2])[1:-1]}, not a level of -1, 0, 1, 2, 3"
        raise DataError(where, said, RANGES)
    truncation = None if truncated == -1 else truncated
    box = Box(x1, y1, x2, y2)
    return Object(
        category=category,
        box=box,
        amodal_box=box if truncation == 0 else None,
        truncation=truncation,
        ignore=category == DONT_CARE,
        cuboid=_cuboid(values[7:14], shift),
        alpha=None if alpha == -10 else alpha,
        occlusion_level=None if occluded == -1 else int(occluded),
    )


def _cuboid(values: list[float], shift: np.ndarray) -> Cuboid | None:
    """Height, width, length, x, y, z, yaw as KITTI writes them; None for its "unknown" values."""
    height, width, length, x, y, z, yaw = values
    if height == width == length and height in (-1, -1000):  # -1000: the tracking benchmark's
        return None
    if x == y == z == -1000 or not any(values):
        return None  # zeros: TAO, DIGITS and others that know no third dimension
    dx, dy, dz = (float(v) for v in shift)
    return Cuboid(x + dx, y + dy, z + dz, length=length, width=width, height=height, yaw=yaw)


def format_label(obj: Object, shift: np.ndarray | None = None) -> str:
    """One label line, 15 columns; `shift` (3,), m, is taken off the location.

    Raises `UserError` for a category with a blank in it.
    """
    category = DONT_CARE if obj.ignore else obj.category
    if not category or re.search(r"\s", category):
        raise UserError(f"category {category!r}: a KITTI label needs one word; map it to one")
    two: Callable[[float], str] = "{:.2f}".format
    columns = [
        category,
        "-1" if obj.truncation is None else two(obj.truncation),
        "-1" if obj.occlusion_level is None else str(obj.occlusion_level),
        "-10" if obj.alpha is None else two(obj.alpha),
        *map(two, obj.box),
    ]
    if obj.cuboid is None:
        return " ".join([*columns, "-1 -1 -1 -1000 -1000 -1000 -10"])
    dx, dy, dz = np.zeros(3) if shift is None else shift
    c = replace(obj.cuboid, x=obj.cuboid.x - dx, y=obj.cuboid.y - dy, z=obj.cuboid.z - dz)
    return " ".join([*columns, *map(two, (c.height, c.width, c.length, c.x, c.y, c.z, c.yaw))])


def read_projection(uri: str) -> np.ndarray:
    """`P2` of a KITTI calibration file, float64 (3, 4), with or without its colon (some of the tracking
    benchmark's lines have none). Raises `DataError` with the line."""
    for place, line in enumerate(lines_of(storage.read_data_text(uri, "calibration")), start=1):
        key, _, rest = line.strip().replace(":", " ", 1).partition(" ")
        if key == "P2":
            values = [number(v, f"{uri}:{place}", "P2") for v in rest.split()]
            if len(values) != 12:
                raise DataError(f"{uri}:{place}", f"P2 has {len(values)} numbers; 12 are needed")
            return np.array(values).reshape(3, 4)
    raise DataError(uri, "has no line P2 (the left colour camera's projection)")


LEAST_FOCAL = 0.1
"""Of the image's width: a lens that sees 157 degrees. Below it stands no camera, but an identity matrix."""


def camera_of(projection: np.ndarray, where: str, width: int | None = None) -> tuple[Camera, np.ndarray]:
    """The pinhole camera of a (3, 4) projection, and inv(K) @ P[:, 3], m (3,): what has to be added to
    a location. Raises `DataError` for a projection with skew or without focal length, or with one that no
    camera with an image of that `width` (px) has."""
    k = projection[:, :3]
    if k[0, 0] <= 0 or k[1, 1] <= 0 or any((k[0, 1], k[1, 0], k[2, 0], k[2, 1])) or k[2, 2] != 1:
        raise DataError(
            where, f"P2 is not a pinhole camera without skew (fx 0 cx; 0 fy cy; 0 0 1): {k.tolist()}"
        )
    if width is not None and min(k[0, 0], k[1, 1]) < LEAST_FOCAL * width:
        raise DataError(
            where,
            f"P2 has a focal length of {min(k[0, 0], k[1, 1]):g} px for an image {width} px wide, which no "
            "camera has (an identity, and no calibration?); where there is none, take the folder calib away",
        )
    camera = Camera(fx=float(k[0, 0]), fy=float(k[1, 1]), cx=float(k[0, 2]), cy=float(k[1, 2]))
    return camera, np.linalg.solve(k, projection[:, 3])
