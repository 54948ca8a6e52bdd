"""What the small components of one Waymo segment say: labels, calibrations, conditions, 3D boxes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from imitation.common import storage
from imitation.common.settings import DataError
from imitation.common.texts import shown
from imitation.data.records import Box, Object
from imitation.datasets.common.left_out import BOXES, CUBOIDS
from imitation.datasets.common.paths import refuse_link
from imitation.datasets.common.validation import box_fault
from imitation.datasets.waymo.columns import (
    CAMERA,
    CAMERA_ID,
    LASER_ID,
    NAME,
    NUMBER,
    NUMBERS,
    SEGMENT,
    TEXT,
    TIME,
    Key,
    camera_name,
    key_of,
    named,
    object_id,
    read_columns,
    whole,
)
from imitation.datasets.waymo.cuboids import Calibration, LaserBox

TYPES = ("TYPE_UNKNOWN", "TYPE_VEHICLE", "TYPE_PEDESTRIAN", "TYPE_SIGN", "TYPE_CYCLIST")
FOCUS = ("f_u", "f_v", "c_u", "c_v")


class Label(NamedTuple):
    """A 2D label: its row in camera_box, its camera_object_id, the segment that it says it is of, itself."""

    row: int
    camera_id: str | None
    segment: str | None
    object: Object


@dataclass
class Segment:
    """What a segment's small components say, by frame, camera or object. `faults` leave out a frame, or all
    of a camera; `bad_rows` are single labels of a frame (or 3D boxes of a moment); `strays` are rows that
    belong to no frame."""

    boxes_uri: str
    boxes: dict[Key, list[Label]] = field(default_factory=dict)
    faults: dict[Key | str, DataError] = field(default_factory=dict)
    bad_rows: dict[Key | int, list[DataError]] = field(default_factory=dict)
    calibrations: dict[str, Calibration] = field(default_factory=dict)
    conditions: dict[int, dict[str, str]] = field(default_factory=dict)
    lasers: dict[int, list[LaserBox]] = field(default_factory=dict)
    partners: dict[tuple[Key, str], str] = field(default_factory=dict)  # (key, camera id) -> laser id
    strays: list[DataError] = field(default_factory=list)


def segment_of(folder: str, uri: str) -> Segment:
    """Reads the components of an image file's segment. Raises `DataError` for one that cannot be read."""
    boxes = _component(folder, "camera_box", uri)
    if boxes is None:
        raise DataError(
            uri,
            "this segment has no file in camera_box, so its images are not labelled (Waymo gives 2D boxes "
            "for a part of its segments); remove it, or set data.on_error=skip",
        )
    segment = Segment(boxes)
    _read_boxes(boxes, segment)
    if place := _component(folder, "camera_calibration", uri):
        _read_calibrations(place, segment)
    if place := _component(folder, "stats", uri):
        _read_stats(place, segment)
    synced = _component(folder, "lidar_camera_synced_box", uri)
    lidar = _component(folder, "lidar_box", uri)
    if segment.calibrations and (synced or lidar):
        _read_lasers(synced, lidar, segment)
        if place := _component(folder, "camera_to_lidar_box_association", uri):
            _read_partners(place, segment)
    return segment


def _component(folder: str, name: str, segment_file: str) -> str | None:
    """A component's file of the same segment, if there is one. Raises `DataError` for a symbolic link out
    of the folder."""
    uri = storage.join(folder, name, storage.name_of(segment_file))
    if not storage.exists(uri):
        return None
    refuse_link(uri, storage.join(folder, name), folder)
    return uri


def _rows(columns: dict[str, list[Any]], uri: str) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Each row's values, and where it stands."""
    return ((f"{uri}: row {row}", values) for row, values in enumerate(zip(*columns.values())))


def _read_boxes(uri: str, segment: Segment) -> None:
    name = "[CameraBoxComponent]"
    sides = [f"{name}.box.{what}" for what in ("center.x", "center.y", "size.x", "size.y")]
    kind, level = f"{name}.type", f"{name}.difficulty_level.detection"
    needed = {TIME: NUMBER, CAMERA: NAME, CAMERA_ID: NAME, kind: NAME} | dict.fromkeys(sides, NUMBER)
    table = read_columns(uri, needed, {level: NUMBER, SEGMENT: TEXT})
    levels = table.pop(level, None)
    told_of = [of if isinstance(of, str) else None for of in table.pop(SEGMENT, ())]
    for row, (where, (time, camera, camera_id, type_code, *box)) in enumerate(_rows(table, uri)):
        try:
            key = key_of(time, camera, where)
        except DataError as error:
            segment.strays.append(error)
            continue
        try:
            category = named(type_code, TYPES, kind, where)
            # Waymo writes level 2 alone; unset (null or 0) counts as level 1
            difficulty = None if levels is None else whole(levels[row] or 1, level, where)
            if difficulty not in (None, 1, 2):
                raise DataError(where, f"{level} is {difficulty}, not 1 or 2")
            around = _box(box, where)
            obj = Object(category, around, visible_box=around, difficulty=difficulty)
            own_id = None if camera_id is None else str(camera_id)
            label = Label(row, own_id, told_of[row] if told_of else None, obj)
            segment.boxes.setdefault(key, []).append(label)
        except DataError as error:
            segment.bad_rows.setdefault(key, []).append(DataError(error.where, error.what, BOXES))


def _box(sides: Sequence[float | None], where: str) -> Box:
    """From the centre and the size, px. Raises `DataError`."""
    x, y, width, height = sides
    if x is None or y is None or width is None or height is None:
        raise DataError(where, f"the box has a null: {(x, y, width, height)}")
    if not (width >= 0 and height >= 0):  # false for NaN as well
        wrong = "below 0" if min(width, height) < 0 else "not two numbers"
        raise DataError(where, f"the box's size is {width} x {height} px, {wrong}")
    box = Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    if fault := box_fault(box):
        raise DataError(where, f"the box {fault}")
    return box


def _read_calibrations(uri: str, segment: Segment) -> None:
    name = "[CameraCalibrationComponent]"
    numbers = [f"{name}.{what}" for what in (*(f"intrinsic.{i}" for i in FOCUS), "width", "height")]
    kinds = {CAMERA: NAME} | dict.fromkeys(numbers, NUMBER) | {f"{name}.extrinsic.transform": NUMBERS}
    for where, (camera_code, fx, fy, cx, cy, width, height, pose) in _rows(read_columns(uri, kinds), uri):
        camera = None
        try:
            camera = camera_name(camera_code, where)
            calibration = Calibration.of((fx, fy, cx, cy), (width, height), pose, where)
            segment.calibrations[camera] = calibration
        except DataError as error:
            if camera is None:
                segment.strays.append(error)
            else:
                segment.faults.setdefault(camera, error)


def _read_stats(uri: str, segment: Segment) -> None:
    names = ("time_of_day", "weather", "location")
    columns = {f"[StatsComponent].{name}": NAME for name in names}
    table = read_columns(uri, {TIME: NUMBER}, columns)
    for where, (time, *values) in _rows(table, uri):
        said = {column.rpartition(".")[2]: value for column, value in zip([*table][1:], values) if value}
        try:
            moment = whole(time, TIME, where)
            for name, value in said.items():
                if isinstance(value, bytes):
                    raise DataError(where, f"{name} is not UTF-8 text: {shown(value)}")
        except DataError as error:
            segment.strays.append(error)
            continue
        segment.conditions[moment] = {name: str(value) for name, value in said.items()}


def _read_lasers(synced: str | None, lidar: str | None, segment: Segment) -> None:
    """Cuboids by frame. A synced box holds for the camera that sees the object best, at the moment it did;
    the others see the object where the lidar did."""
    box = ("center.x", "center.y", "center.z", "size.x", "size.y", "size.z", "heading")
    boxes: dict[tuple[int, str], LaserBox] = {}
    if lidar:
        name = "[LiDARBoxComponent]"
        for where, time, laser_id, kind, values in _lasers(
            lidar, f"{name}.type", [f"{name}.box.{b}" for b in box], segment
        ):
            try:
                key = (time, object_id(laser_id, LASER_ID, where))
                category = named(kind, TYPES, f"{name}.type", where)
                boxes[key] = LaserBox(key[1], category).with_lidar(values, where)
            except DataError as error:
                _blame(segment, time, error)
    if synced:
        name = "[LiDARCameraSyncedBoxComponent]"
        sides = [f"{name}.camera_synced_box.{b}" for b in box]
        for where, time, laser_id, camera, values in _lasers(
            synced, f"{name}.most_visible_camera_name", sides, segment
        ):
            try:
                key = (time, object_id(laser_id, LASER_ID, where))
                seen_by = camera_name(camera, where)
                boxes[key] = boxes.get(key, LaserBox(key[1], None)).with_synced(values, seen_by, where)
            except DataError as error:
                _blame(segment, time, error)
    for (time, _), laser in boxes.items():
        segment.lasers.setdefault(time, []).append(laser)


def _lasers(
    uri: str, name: str, sides: Sequence[str], segment: Segment
) -> Iterator[tuple[str, int, Any, Any, Sequence[Any]]]:
    """Where each row stands, its moment, laser id, name and box; rows of no moment are strays."""
    kinds = {TIME: NUMBER, LASER_ID: NAME, name: NAME} | dict.fromkeys(sides, NUMBER)
    for where, (time, laser_id, code, *values) in _rows(read_columns(uri, kinds), uri):
        try:
            moment = whole(time, TIME, where)
        except DataError as error:
            segment.strays.append(error)
            continue
        yield where, moment, laser_id, code, values


def _blame(segment: Segment, time: int, error: DataError) -> None:
    """A bad row of all images of that moment: a 3D box may be in any of them."""
    segment.bad_rows.setdefault(time, []).append(DataError(error.where, error.what, CUBOIDS))


def _read_partners(uri: str, segment: Segment) -> None:
    kinds = {TIME: NUMBER, CAMERA: NAME, CAMERA_ID: NAME, LASER_ID: NAME}
    for where, (time, camera, camera_id, laser_id) in _rows(read_columns(uri, kinds), uri):
        try:
            if laser_id is not None:  # null: it has no partner
                key = (key_of(time, camera, where), object_id(camera_id, CAMERA_ID, where))
                segment.partners[key] = object_id(laser_id, LASER_ID, where)
        except DataError as error:
            segment.strays.append(error)
