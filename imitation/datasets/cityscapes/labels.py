"""Cityscapes' label files: polygons of gtFine and gtCoarse, boxes of CityPersons and of Cityscapes 3D."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

import numpy as np

from imitation.common.settings import DataError
from imitation.common.texts import shown
from imitation.data.records import Box, Camera, Cuboid, Object
from imitation.datasets.common.left_out import BOXES, refuse
from imitation.datasets.common.values import around, mapping, number, numbers, sequence, side, word
from imitation.datasets.nuscenes.tables import rotation_of

# Labels with instances, after cityscapesscripts/helpers/labels.py.
INSTANCES = frozenset(
    ("person", "rider", "car", "truck", "bus", "caravan", "trailer", "train", "motorcycle", "bicycle")
)
STUFF = "Cityscapes' polygons of areas and things without instances"
_CAMERA_AXES = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])  # from x ahead, y left, z up


class Said(NamedTuple):
    """What a label file says: the image's size (px), its objects, its camera."""

    size: tuple[int, int]
    objects: tuple[Object, ...]
    camera: Camera | None = None


def parse(
    said: Any,
    further: Collection[str],
    left_out: Counter[str],
    where: str,
    bad: Callable[[DataError], None] = refuse,
) -> Said:
    """A label file's JSON as objects; `further` are labels without instances that are objects, too.

    A polygon becomes the box around it. A group ("cargroup") is ignored: instances that could not be told
    apart. `bad` gets the `DataError` of a single object, named by its number, and raises it or goes on
    without. Raises `DataError` for what is no label file.
    """
    file = mapping(said, "it", where)
    size = (side(file.get("imgWidth"), "imgWidth", where), side(file.get("imgHeight"), "imgHeight", where))
    if not all(size):
        raise DataError(where, f"imgWidth and imgHeight are {shown(size)}, not a size in px")
    camera = turn = None
    if file.get("sensor") is not None:
        camera, turn = _sensor(mapping(file["sensor"], "sensor", where), where)
    objects: list[Object] = []
    for place, row in enumerate(sequence(file.get("objects"), "objects", where)):
        there = f"{where}: object {place}"
        try:
            obj = mapping(row, "it", there)
            if obj.get("deleted"):
                continue
            label = word(obj.get("label"), "its label", there)
            if "polygon" in obj:
                known = label in INSTANCES or label in further
                if not known and label.removesuffix("group") not in INSTANCES:
                    left_out[STUFF] += 1
                    continue
                box = _around(obj["polygon"], there).clipped(*size)
                objects.append(Object(label, box, ignore=not known))
            elif "2d" in obj:
                objects.append(_object_3d(obj, label, camera, turn, there))
            else:
                whole, visible = (_xywh(obj.get(name), name, there) for name in ("bbox", "bboxVis"))
                ignore = label == "ignore"
                objects.append(Object(label, visible, visible_box=visible, amodal_box=whole, ignore=ignore))
        except DataError as error:
            bad(error)
    for place, row in enumerate(sequence(file.get("ignore"), "ignore", where)):
        there = f"{where}: ignore {place}"
        try:
            region = mapping(row, "it", there)
            label = word(region.get("label") or "ignore", "its label", there)
            objects.append(Object(label, _xywh(region.get("2d"), "2d", there), ignore=True))
        except DataError as error:
            bad(error)
    return Said(size, tuple(objects), camera)


def _around(polygon: Any, where: str) -> Box:
    points = [numbers(p, 2, "polygon", where) for p in sequence(polygon, "polygon", where)]
    if not points:
        raise DataError(where, "its polygon has no points", BOXES)
    return around(points)


def _xywh(value: Any, what: str, where: str) -> Box:
    x, y, width, height = numbers(value, 4, what, where)
    return Box(x, y, x + width, y + height)


def _sensor(said: Mapping[str, Any], where: str) -> tuple[Camera, np.ndarray]:
    """The camera, and the matrix (3, 4) from the vehicle's axes (x ahead, y left, z up, 0 on the ground) to
    the camera's (x right, y down, z ahead)."""
    fx, fy, cx, cy = (number(said.get(name), f"sensor.{name}", where) for name in ("fx", "fy", "u0", "v0"))
    rows = sequence(said.get("sensor_T_ISO_8855"), "sensor_T_ISO_8855", where)
    if len(rows) != 3:
        raise DataError(where, f"sensor_T_ISO_8855 is {shown(list(rows))}, no matrix of 3 rows and 4 columns")
    matrix = np.array([numbers(row, 4, "sensor_T_ISO_8855", where) for row in rows])
    turn = matrix[:, :3]
    if not np.allclose(turn @ turn.T, np.eye(3), atol=1e-2) or not (fx > 0 and fy > 0):
        raise DataError(
            where, "the sensor's focal lengths are not above 0, or its matrix is no turn and place"
        )
    place = -turn.T @ matrix[:, 3]  # the camera among the vehicle's axes
    camera = Camera(fx, fy, cx, cy, height=float(place[2]), pitch=-math.asin(np.clip(turn[0, 2], -1, 1)))
    return camera, _CAMERA_AXES @ matrix


def _object_3d(
    obj: Mapping[str, Any], label: str, camera: Camera | None, matrix: np.ndarray | None, where: str
) -> Object:
    flat = mapping(obj["2d"], "2d", where)
    amodal = _xywh(flat.get("amodal"), "2d.amodal", where)
    visible = _xywh(flat["modal"], "2d.modal", where) if flat.get("modal") is not None else amodal
    shares = {
        name: None if obj.get(name) is None else min(max(number(obj[name], name, where), 0.0), 1.0)
        for name in ("occlusion", "truncation")
    }
    cuboid = None
    if obj.get("3d") is not None and matrix is not None:
        solid = mapping(obj["3d"], "3d", where)
        centre = np.array(numbers(solid.get("center"), 3, "3d.center", where))
        length, width, height = numbers(solid.get("dimensions"), 3, "3d.dimensions", where)
        turn = rotation_of(solid.get("rotation"), "3d.rotation", where)
        bottom = matrix[:, :3] @ (centre - turn[:, 2] * height / 2) + matrix[:, 3]
        ahead = matrix[:, :3] @ turn[:, 0]
        x, y, z = (float(v) for v in bottom)
        cuboid = Cuboid(x, y, z, length, width, height, math.atan2(-ahead[2], ahead[0]))
    return Object(
        label,
        visible,
        visible_box=visible,
        amodal_box=amodal,
        occlusion=shares["occlusion"],
        truncation=shares["truncation"],
        cuboid=cuboid,
    )
