"""Waymo Open v2 components made on the spot (no content of the dataset), with its columns and types."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.imitation.datasets.kitti.kitti_folder import png

WIDTH, HEIGHT = 192, 128
FOCAL = 100.0
BOX = ("center.x", "center.y", "center.z", "size.x", "size.y", "size.z", "heading")
SEGMENT, TIME, CAMERA = "key.segment_context_name", "key.frame_timestamp_micros", "key.camera_name"
CAMERA_ID, LASER_ID = "key.camera_object_id", "key.laser_object_id"
KEYS = {SEGMENT: pa.string(), TIME: pa.int64(), CAMERA: pa.int8()}

Row = dict[str, Any]


def write(root: Path, component: str, segment: str, rows: list[Row], schema: dict, group: int = 100) -> Path:
    path = root / component / f"{segment}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(rows, schema=pa.schema(list(schema.items())))
    pq.write_table(table, path, row_group_size=group)
    return path


def write_images(
    root: Path, segment: str, keys: list[tuple[Any, Any]], camera: Any = None, group: int = 100, **more: Any
) -> Path:
    """Images of noise for (timestamp, camera) keys; `camera` is the column's type (int8)."""
    schema = KEYS | {CAMERA: camera or pa.int8(), "[CameraImageComponent].image": pa.binary()}
    image = more.get("image", lambda i: png(i, WIDTH, HEIGHT))
    rows = [
        {SEGMENT: segment, TIME: t, CAMERA: c, "[CameraImageComponent].image": image(i)}
        for i, (t, c) in enumerate(keys)
    ]
    return write(root, "camera_image", segment, rows, schema, group)


def box(
    time: int,
    camera: Any,
    sides: tuple[Any, Any, Any, Any],
    kind: Any = 1,
    level: Any = None,
    name: str = "c",
) -> Row:
    """A 2D label from its centre and size, px."""
    values = dict(zip(("center.x", "center.y", "size.x", "size.y"), sides))
    return {
        TIME: time,
        CAMERA: camera,
        CAMERA_ID: name,
        "[CameraBoxComponent].type": kind,
        "[CameraBoxComponent].difficulty_level.detection": level,
    } | {f"[CameraBoxComponent].box.{key}": value for key, value in values.items()}


def write_boxes(root: Path, segment: str, rows: list[Row], camera: Any = None, levels: bool = True) -> Path:
    name = "[CameraBoxComponent]"
    schema = KEYS | {CAMERA: camera or pa.int8(), CAMERA_ID: pa.string(), f"{name}.type": pa.int8()}
    schema |= {f"{name}.box.{what}": pa.float64() for what in ("center.x", "center.y", "size.x", "size.y")}
    if levels:
        schema |= {f"{name}.difficulty_level.detection": pa.int8()}
    return write(root, "camera_box", segment, [{SEGMENT: segment} | row for row in rows], schema)


def pose(place: tuple[float, float, float], turn: float = 0.0, pitch: float = 0.0) -> list[float]:
    """An extrinsic, row by row: a camera at a place of the vehicle, turned to the left and then down, rad."""
    c, s, cp, sp = math.cos(turn), math.sin(turn), math.cos(pitch), math.sin(pitch)
    x, y, z = place
    return [c * cp, -s, c * sp, x, s * cp, c, s * sp, y, -sp, 0.0, cp, z, 0.0, 0.0, 0.0, 1.0]


def write_calibration(root: Path, segment: str, poses: dict[int, list[float]], width: int = WIDTH) -> Path:
    name = "[CameraCalibrationComponent]"
    numbers = {"f_u": FOCAL, "f_v": FOCAL, "c_u": WIDTH / 2, "c_v": HEIGHT / 2, "k1": 0.04}
    schema = {SEGMENT: pa.string(), CAMERA: pa.int8()}
    schema |= {f"{name}.intrinsic.{key}": pa.float64() for key in numbers}
    schema |= {f"{name}.extrinsic.transform": pa.list_(pa.float64(), 16)}
    schema |= {f"{name}.width": pa.int32(), f"{name}.height": pa.int32()}
    rows = [
        {SEGMENT: segment, CAMERA: camera, f"{name}.extrinsic.transform": values}
        | {f"{name}.intrinsic.{key}": value for key, value in numbers.items()}
        | {f"{name}.width": width, f"{name}.height": HEIGHT}
        for camera, values in poses.items()
    ]
    return write(root, "camera_calibration", segment, rows, schema)


def write_lidar(root: Path, segment: str, rows: list[tuple[int, str, int, tuple[float, ...]]]) -> Path:
    """3D boxes: timestamp, laser id, type, then centre, size (m) and heading in the vehicle frame."""
    name = "[LiDARBoxComponent]"
    schema = {SEGMENT: pa.string(), TIME: pa.int64(), LASER_ID: pa.string(), f"{name}.type": pa.int8()}
    schema |= {f"{name}.box.{what}": pa.float64() for what in BOX}
    said = [
        {SEGMENT: segment, TIME: time, LASER_ID: laser, f"{name}.type": kind}
        | {f"{name}.box.{what}": value for what, value in zip(BOX, values)}
        for time, laser, kind, values in rows
    ]
    return write(root, "lidar_box", segment, said, schema)


def write_synced(root: Path, segment: str, rows: list[tuple[int, str, int, tuple[float, ...]]]) -> Path:
    """Camera-synced 3D boxes: timestamp, laser id, most visible camera, box as above."""
    name = "[LiDARCameraSyncedBoxComponent]"
    seen = f"{name}.most_visible_camera_name"
    schema = {SEGMENT: pa.string(), TIME: pa.int64(), LASER_ID: pa.string(), seen: pa.int8()}
    schema |= {f"{name}.camera_synced_box.{what}": pa.float64() for what in BOX}
    said = [
        {SEGMENT: segment, TIME: time, LASER_ID: laser, seen: camera}
        | {f"{name}.camera_synced_box.{what}": value for what, value in zip(BOX, values)}
        for time, laser, camera, values in rows
    ]
    return write(root, "lidar_camera_synced_box", segment, said, schema)


def write_partners(root: Path, segment: str, rows: list[tuple[int, int, str, str]]) -> Path:
    schema = KEYS | {CAMERA_ID: pa.string(), LASER_ID: pa.string()}
    said = [dict(zip(schema, (segment, *row))) for row in rows]
    return write(root, "camera_to_lidar_box_association", segment, said, schema)


def write_stats(root: Path, segment: str, rows: list[tuple[int, str | None, str | None, str | None]]) -> Path:
    names = [f"[StatsComponent].{what}" for what in ("time_of_day", "weather", "location")]
    schema = {SEGMENT: pa.string(), TIME: pa.int64()} | dict.fromkeys(names, pa.string())
    said = [dict(zip(schema, (segment, *row))) for row in rows]
    return write(root, "stats", segment, said, schema)
