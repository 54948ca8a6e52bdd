"""Tables of nuScenes and nuImages: JSON lists, a file each, whose rows name each other by tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np

from imitation.common import storage
from imitation.common.settings import DataError
from imitation.common.texts import shown
from imitation.data.categories import CategoryMap
from imitation.data.records import Camera
from imitation.datasets.common.json_text import members
from imitation.datasets.common.left_out import refuse
from imitation.datasets.common.paths import refuse_link
from imitation.datasets.common.values import mapping, numbers, word

T = TypeVar("T")
Bad = Callable[[DataError], None]
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


class Unusable(NamedTuple):
    """A camera whose calibration is none."""

    channel: str
    fault: DataError


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

    def rows(self, name: str, bad: Bad = refuse) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Where each row of a table stands, and what it says. `bad` gets the `DataError` of a row without a
        token. Raises `DataError` where the table is missing or is none."""
        uri = self.uri(name)
        if not storage.exists(uri):
            raise DataError(uri, "this table is missing")
        refuse_link(uri, self.folder, storage.parent(self.folder))
        for number, row in enumerate(members(uri, "item")):
            try:
                said = mapping(row, "it", f"{uri}: row {number}")
                token = word(said.get("token"), "its token", f"{uri}: row {number}")
            except DataError as error:
                bad(error)
                continue
            yield f"{uri}: {token}", said

    def each(self, name: str, make: Callable[[Mapping[str, Any], str], T], bad: Bad = refuse) -> dict[str, T]:
        """Token -> what `make` makes of each row; what it raises of one goes to `bad`."""
        found: dict[str, T] = {}
        for where, said in self.rows(name, bad):
            try:
                found[said["token"]] = make(said, where)
            except DataError as error:
                bad(error)
        return found

    def names(self, name: str, field: str, bad: Bad = refuse) -> dict[str, str]:
        """Token -> a text of each row."""
        return self.each(name, lambda said, where: word(said.get(field), field, where), bad)

    def cameras(self, bad: Bad = refuse) -> dict[str, Sensor | Unusable]:
        """calibrated_sensor token -> the camera, or what is wrong with it; other sensors are left out."""
        channels = self.each(
            "sensor",
            lambda said, where: (
                word(said.get("channel"), "channel", where)
                if said.get("modality", "camera") == "camera"
                else None
            ),
            bad,
        )
        found: dict[str, Sensor | Unusable] = {}
        for where, said in self.rows("calibrated_sensor", bad):
            if channel := channels.get(str(said.get("sensor_token"))):
                try:
                    found[said["token"]] = _sensor(channel, said, where)
                except DataError as error:
                    found[said["token"]] = Unusable(channel, error)
        return found


def linked(there: Mapping[str, T], said: Mapping[str, Any], field: str, where: str) -> T:
    """What a row's token names. Raises `DataError` for one that is nowhere."""
    if not isinstance(token := said.get(field), str) or token not in there:
        raise DataError(where, f"its {field} {shown(token)} is no row of that table")
    return there[token]


def camera_of(there: Mapping[str, Sensor | Unusable], said: Mapping[str, Any], where: str) -> Sensor:
    """The camera that a row of sample_data names. Raises `DataError` also for one whose calibration is
    none."""
    found = linked(there, said, "calibrated_sensor_token", where)
    if isinstance(found, Unusable):
        raise found.fault
    return found


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
