"""Tables of nuScenes and nuImages: JSON lists, a file each, whose rows name each other by tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from imitation.common import storage
from imitation.common.settings import DataError
from imitation.common.texts import shown
from imitation.data.categories import CategoryMap
from imitation.data.records import Camera
from imitation.datasets.common.json_text import members
from imitation.datasets.common.paths import refuse_link
from imitation.datasets.common.values import mapping, numbers, word

T = TypeVar("T")
CLASSES = (
    *("car", "truck", "bus", "trailer", "construction_vehicle", "pedestrian", "motorcycle", "bicycle"),
    *("traffic_cone", "barrier"),
)
CATEGORIES = CategoryMap(
    CLASSES,
    {
        "movable_object.barrier": "barrier",
        "movable_object.trafficcone": "traffic_cone",
        "vehicle.bicycle": "bicycle",
        "vehicle.bus.bendy": "bus",
        "vehicle.bus.rigid": "bus",
        "vehicle.car": "car",
        "vehicle.construction": "construction_vehicle",
        "vehicle.motorcycle": "motorcycle",
        "human.pedestrian.adult": "pedestrian",
        "human.pedestrian.child": "pedestrian",
        "human.pedestrian.construction_worker": "pedestrian",
        "human.pedestrian.police_officer": "pedestrian",
        "vehicle.trailer": "trailer",
        "vehicle.truck": "truck",
    },
)
"""The ten classes of nuScenes' detection task; its other categories are background there, too."""


@dataclass(frozen=True)
class Sensor:
    """A camera as it is mounted: its channel, its intrinsics, and the rotation (3, 3) and translation (3,),
    m, from its axes (x right, y down, z ahead) to the vehicle's (x ahead, y left, z up, 0 on the ground)."""

    channel: str
    camera: Camera
    rotation: np.ndarray
    translation: np.ndarray


def find_tables(root: str) -> dict[str, str]:
    """Version ("v1.0-mini") -> folder of tables: the root, or the folders in it that hold a sample.json."""
    if not storage.is_folder(root):
        return {}
    return {
        storage.name_of(folder): folder
        for folder in (root, *storage.list_folders(root))
        if storage.exists(storage.join(folder, "sample.json"))
    }


class Tables:
    """The tables of one version, streamed."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def has(self, name: str) -> bool:
        return storage.exists(storage.join(self.folder, f"{name}.json"))

    def uri(self, name: str) -> str:
        return storage.join(self.folder, f"{name}.json")

    def rows(self, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Where each row of a table stands, and what it says. Raises `DataError` where the table is missing
        or is none, and for a row without a token."""
        uri = self.uri(name)
        if not storage.exists(uri):
            raise DataError(uri, "this table is missing")
        refuse_link(uri, self.folder, storage.parent(self.folder))
        for number, row in enumerate(members(uri, "item")):
            said = mapping(row, "it", f"{uri}: row {number}")
            yield f"{uri}: {word(said.get('token'), 'its token', f'{uri}: row {number}')}", said

    def each(self, name: str, make: Callable[[Mapping[str, Any], str], T]) -> dict[str, T]:
        """Token -> what `make` makes of each row."""
        return {said["token"]: make(said, where) for where, said in self.rows(name)}

    def names(self, name: str, field: str) -> dict[str, str]:
        """Token -> a text of each row."""
        return self.each(name, lambda said, where: word(said.get(field), field, where))

    def cameras(self) -> dict[str, Sensor]:
        """calibrated_sensor token -> the camera; other sensors are left out."""
        channels = {
            said["token"]: word(said.get("channel"), "channel", where)
            for where, said in self.rows("sensor")
            if said.get("modality", "camera") == "camera"
        }
        return {
            said["token"]: _sensor(channels[said["sensor_token"]], said, where)
            for where, said in self.rows("calibrated_sensor")
            if said.get("sensor_token") in channels
        }


def linked(there: Mapping[str, T], said: Mapping[str, Any], field: str, where: str) -> T:
    """What a row's token names. Raises `DataError` for one that is nowhere."""
    if not isinstance(token := said.get(field), str) or token not in there:
        raise DataError(where, f"its {field} {shown(token)} is no row of that table")
    return there[token]


def rotation_of(value: Any, what: str, where: str) -> np.ndarray:
    """A unit quaternion (w, x, y, z) as a matrix (3, 3)."""
    w, x, y, z = four = np.array(numbers(value, 4, what, where))
    if not abs(float(four @ four) - 1) < 1e-2:
        raise DataError(where, f"its {what} {shown(value)} is no unit quaternion (w, x, y, z)")
    w, x, y, z = four / np.linalg.norm(four)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _sensor(channel: str, said: Mapping[str, Any], where: str) -> Sensor:
    rotation = rotation_of(said.get("rotation"), "rotation", where)
    translation = np.array(numbers(said.get("translation"), 3, "translation", where))
    matrix = said.get("camera_intrinsic")
    rows = [
        numbers(row, 3, "camera_intrinsic", where) for row in (matrix if isinstance(matrix, list) else ())
    ]
    if len(rows) != 3 or not (rows[0][0] > 0 and rows[1][1] > 0):
        raise DataError(where, f"its camera_intrinsic is {shown(matrix)}, no matrix of a camera (px)")
    ahead = rotation[:, 2]  # the optical axis among the vehicle's axes
    camera = Camera(
        rows[0][0],
        rows[1][1],
        rows[0][2],
        rows[1][2],
        height=float(translation[2]),
        pitch=-float(np.arcsin(np.clip(ahead[2], -1, 1))),
    )
    return Sensor(channel, camera, rotation, translation)
