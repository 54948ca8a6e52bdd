"""Waymo Open Dataset v2: Parquet components, one file a segment and component.

Format: Sun et al., "Scalability in perception for autonomous driving: Waymo Open Dataset", CVPR 2020, and
the component classes of its public code (v2/perception). Read are `camera_image` and `camera_box`, and
where present `camera_calibration`, `stats` (time of day, weather, location) and, for cuboids,
`lidar_camera_synced_box`, `lidar_box` and `camera_to_lidar_box_association`.

A frame is one image of one camera. 2D boxes cover what is visible of an object. They are labelled apart
from the 3D boxes, and Waymo says which belong together for pedestrians only: the others are put together
here, see `waymo_cuboids.associate`.

The root holds the component folders, or `training/` and `validation/` that do (as the bucket).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from imitation import storage
from imitation.datasets.reader import SplitReader, Splits, first_split_of, list_of
from imitation.datasets.validate import FrameChecker, Problems, handled
from imitation.datasets.waymo_cuboids import Calibration, LaserBox, associate
from imitation.images import image_size
from imitation.records import Box, Frame, Object
from imitation.settings import DataError, UserError
from imitation.splits import SplitSettings

CAMERAS = ("FRONT", "FRONT_LEFT", "FRONT_RIGHT", "SIDE_LEFT", "SIDE_RIGHT")
TYPES = ("TYPE_UNKNOWN", "TYPE_VEHICLE", "TYPE_PEDESTRIAN", "TYPE_SIGN", "TYPE_CYCLIST")
FOLDERS = {"training": "train", "train": "train", "validation": "val", "val": "val", "testing": "test"}
FOLDERS |= {"mine": "mine", "stop": "stop", "test": "test"}

SEGMENT, TIME, CAMERA = "key.segment_context_name", "key.frame_timestamp_micros", "key.camera_name"
CAMERA_ID, LASER_ID = "key.camera_object_id", "key.laser_object_id"
IMAGE = "[CameraImageComponent].image"
_ID = re.compile(rf"(.+)_(-?\d+)_({'|'.join(CAMERAS)})", re.DOTALL)
BATCH = 8  # images in memory at a time

Key = tuple[int, str]
"""Timestamp (microseconds) and camera name."""


@dataclass
class _List:
    """One list of segments: the file of each frame, in the files' order, and what could not be listed."""

    folder: str
    frames: dict[str, str] = field(default_factory=dict)
    strays: list[DataError] = field(default_factory=list)


class WaymoReader(SplitReader):
    """Waymo Open v2 components; splits from `training/` and `validation/` (see `assign_roles`), or cut by
    seed and segment. `cameras` are those whose images are frames."""

    kind = "waymo"

    def __init__(self, root: str, settings: SplitSettings, cameras: Sequence[str] = CAMERAS) -> None:
        super().__init__(root, settings)
        if unknown := sorted(set(cameras) - set(CAMERAS)):
            raise UserError(f"there is no Waymo camera {', '.join(unknown)}; known are {', '.join(CAMERAS)}")
        self._cameras = frozenset(cameras)

    @cached_property
    def _folders(self) -> dict[str | None, str]:
        """List name -> folder of components; None alone where the root itself is one."""
        if storage.is_folder(storage.join(self.root, "camera_image")):
            return {None: self.root}
        found: dict[str | None, str] = {}
        for folder in storage.list_folders(self.root) if storage.is_folder(self.root) else []:
            name = FOLDERS.get(storage.name_of(folder))
            # Waymo's own testing/ has images without labels.
            if name and all(
                storage.is_folder(storage.join(folder, c)) for c in ("camera_image", "camera_box")
            ):
                if name in found:
                    raise UserError(f"{folder}: {found[name]} is the list {name!r} too; keep one of the two")
                found[name] = folder
        if not found:
            raise UserError(
                f"{self.root}: no camera_image, nor training/camera_image: not Waymo Open v2 components"
            )
        return found

    @cached_property
    def _listed(self) -> dict[str | None, _List]:
        return {name: self._list(folder) for name, folder in self._folders.items()}

    def _list(self, folder: str) -> _List:
        listed = _List(folder)
        for uri in storage.list_files(storage.join(folder, "camera_image"), ".parquet"):
            try:
                keys = _read_columns(uri, (SEGMENT, TIME, CAMERA))
            except DataError as error:
                listed.strays.append(error)
                continue
            for row, values in enumerate(zip(keys[SEGMENT], keys[TIME], keys[CAMERA])):
                try:
                    segment, key = _frame_key(*values, where=f"{uri}: row {row}")
                    if key[1] in self._cameras:
                        _add(listed.frames, segment, key, uri, row)
                except DataError as error:
                    listed.strays.append(error)
        return listed

    def _cut(self) -> Splits:
        sequences = {i: _parts(i)[0] for listed in self._listed.values() for i in listed.frames}
        if not sequences:
            raise UserError(f"{self.root}: no image of {', '.join(sorted(self._cameras))} could be listed")
        if None in self._listed:
            return self._by_seed(sequences, self.root)
        lists = {str(name): list(listed.frames) for name, listed in self._listed.items()}
        return self._by_lists(lists, sequences, self.root)

    def _of(self, split: str) -> _List:
        return self._listed[list_of(split, [name for name in self._listed if name])]

    def _strays(self, split: str | None) -> Iterable[DataError]:
        lists = [name for name in self._listed if name]
        for name, listed in self._listed.items():
            if split is None or first_split_of(name, lists) == split:
                yield from listed.strays

    def chunks(self, split: str, size: int) -> Iterator[list[str]]:
        frames = self._of(split).frames
        for chunk in super().chunks(split, size):
            yield from _by_file(chunk, frames).values()

    def _read(self, split: str, wanted: Sequence[str], problems: Problems | None) -> Iterator[Frame]:
        listed, check = self._of(split), FrameChecker()
        for uri, names in _by_file(wanted, listed.frames).items():
            keys = {_parts(name)[1]: name for name in names}
            yield from _read_segment(listed.folder, uri, keys, check, problems)


def _by_file(names: Sequence[str], frames: dict[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(frames[name], []).append(name)
    return found


def _add(frames: dict[str, str], segment: str, key: Key, uri: str, row: int) -> None:
    frame_id = _frame_id(segment, key)
    if frame_id in frames:
        where = f"{uri}: row {row}"
        raise DataError(where, f"the image of {frame_id} was already found in {frames[frame_id]}")
    frames[frame_id] = uri


def _frame_id(segment: str, key: Key) -> str:
    return f"{segment}_{key[0]}_{key[1]}"


def _parts(frame_id: str) -> tuple[str, Key]:
    """The segment and key of an id that `_frame_id` made."""
    match = _ID.fullmatch(frame_id)
    assert match is not None
    return match[1], (int(match[2]), match[3])


def _frame_key(segment: Any, time: Any, camera: Any, where: str) -> tuple[str, Key]:
    if not isinstance(segment, str) or not segment or "/" in segment:
        raise DataError(where, f"{SEGMENT} is {segment!r}, not a segment's name")
    return segment, (_whole(time, TIME, where), camera_name(camera, where))


def _whole(value: Any, column: str, where: str) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise DataError(where, f"{column} is {value!r}, not a whole number") from None


def camera_name(value: Any, where: str) -> str:
    """The camera's name from a number (1 to 5), its digits, or the name itself. Raises `DataError`."""
    return _named(value, ("UNKNOWN", *CAMERAS), CAMERA, where, first=1)


def _named(value: Any, names: Sequence[str], column: str, where: str, first: int = 0) -> str:
    text = str(value)
    if text in names[first:]:
        return text
    if not text.isdecimal() or not first <= int(text) < len(names):
        raise DataError(
            where, f"{column} is {value!r}; known are {', '.join(names[first:])} and their numbers"
        )
    return names[int(text)]


@contextmanager
def _readable(uri: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        line = " ".join(str(error).split())[:160]
        raise DataError(uri, f"not a readable Parquet file; it may be cut short: {line}") from error


def _read_columns(uri: str, needed: Sequence[str], optional: Sequence[str] = ()) -> dict[str, list[Any]]:
    """Columns as lists; those of `optional` that are missing are left out. Raises `DataError`."""
    with storage.open_input(uri) as source, _readable(uri):
        file = pq.ParquetFile(source)
        names = file.schema_arrow.names
        if missing := [name for name in needed if name not in names]:
            raise DataError(uri, f"has no column {', '.join(missing)}; it has {', '.join(names[:12])}")
        return file.read(columns=[*needed, *(name for name in optional if name in names)]).to_pydict()


def _component(folder: str, name: str, segment_file: str) -> str | None:
    """A component's file of the same segment, if there is one."""
    uri = storage.join(folder, name, storage.name_of(segment_file))
    return uri if storage.exists(uri) else None


@dataclass
class _Segment:
    """What a segment's small components say, by frame, camera or object."""

    boxes: dict[Key, list[tuple[str, Object]]] = field(default_factory=dict)  # with the camera_object_id
    faults: dict[Key, DataError] = field(default_factory=dict)
    calibrations: dict[str, Calibration] = field(default_factory=dict)
    conditions: dict[int, dict[str, str]] = field(default_factory=dict)
    lasers: dict[int, list[LaserBox]] = field(default_factory=dict)
    partners: dict[tuple[Key, str], str] = field(default_factory=dict)  # (key, camera id) -> laser id


def _read_segment(
    folder: str, uri: str, wanted: dict[Key, str], check: FrameChecker, problems: Problems | None
) -> Iterator[Frame]:
    """The wanted frames of one segment's file, in its order; a file that cannot be read loses them all."""
    try:
        segment = _segment_of(folder, uri)
        yield from handled(_images(uri, wanted, segment, check), problems)
    except DataError as error:
        if problems is None:
            raise
        problems(error)


def _images(
    uri: str, wanted: dict[Key, str], segment: _Segment, check: FrameChecker
) -> Iterator[Callable[[], Frame]]:
    """Makers of frames: row groups without a wanted frame are not read, and of the others only a batch of
    images is in memory."""
    with storage.open_input(uri) as source:
        with _readable(uri):
            file = pq.ParquetFile(source, buffer_size=1 << 20, pre_buffer=False)
        start, left = 0, dict(wanted)
        for group in range(file.num_row_groups):
            with _readable(uri):
                columns = file.read_row_group(group, columns=[SEGMENT, TIME, CAMERA]).to_pydict()
            rows = list(zip(columns[SEGMENT], columns[TIME], columns[CAMERA]))
            keys = [_take(row, left) for row in rows]
            if any(keys):
                for row, image in enumerate(_column(file, group, IMAGE, uri)):
                    if (key := keys[row]) is not None:
                        where = f"{uri}: row {start + row}"
                        yield partial(_frame, wanted[key], key, image, segment, check, where)
            start += len(rows)


def _take(row: tuple[Any, Any, Any], left: dict[Key, str]) -> Key | None:
    """The row's key if its frame is wanted and has not been taken yet; the listing told of the others."""
    try:
        segment, key = _frame_key(*row, where="")
    except DataError:
        return None
    if left.get(key) != _frame_id(segment, key):
        return None
    del left[key]
    return key


def _column(file: pq.ParquetFile, group: int, name: str, uri: str) -> Iterator[Any]:
    """A row group's values of a column; a few of its pages (as the writer cut them) are in memory."""
    with _readable(uri):
        batches = file.iter_batches(BATCH, row_groups=[group], columns=[name], use_threads=False)
    while True:
        with _readable(uri):
            batch = next(batches, None)
        if batch is None:
            return
        yield from (value.as_py() for value in batch.column(0))


def _frame(
    frame_id: str, key: Key, image: bytes | None, segment: _Segment, check: FrameChecker, where: str
) -> Frame:
    if image is None:
        raise DataError(where, f"{IMAGE} is null")
    if key in segment.faults:
        raise segment.faults[key]
    width, height = image_size(image, where)
    labelled = segment.boxes.get(key, [])
    calibration = segment.calibrations.get(key[1])
    if calibration is not None and calibration.size != (width, height):
        sizes = f"{calibration.size[0]}x{calibration.size[1]} px, but the image is {width}x{height}"
        raise DataError(where, f"the calibration of {key[1]} is for {sizes}")
    objects = [obj for _, obj in labelled]
    if calibration is not None and (lasers := segment.lasers.get(key[0])):
        partners = [segment.partners.get((key, camera_id)) for camera_id, _ in labelled]
        objects = associate(objects, partners, lasers, key[1], calibration)
    frame = Frame(
        frame_id=frame_id,
        width=width,
        height=height,
        objects=tuple(objects),
        sequence=_parts(frame_id)[0],
        image=image,
        camera=None if calibration is None else calibration.camera,
        conditions={"camera": key[1]} | segment.conditions.get(key[0], {}),
    )
    check(frame, where)
    return frame


def _segment_of(folder: str, uri: str) -> _Segment:
    found = _Segment()
    boxes = _component(folder, "camera_box", uri)
    if boxes is None:
        raise DataError(
            uri,
            "this segment has no file in camera_box, so its images are not labelled (Waymo gives 2D boxes "
            "for a part of its segments); remove it, or set data.on_error=skip",
        )
    _read_boxes(boxes, found)
    if place := _component(folder, "camera_calibration", uri):
        _read_calibrations(place, found)
    if place := _component(folder, "stats", uri):
        _read_stats(place, found)
    synced = _component(folder, "lidar_camera_synced_box", uri)
    lidar = _component(folder, "lidar_box", uri)
    if found.calibrations and (synced or lidar):
        _read_lasers(synced, lidar, found)
        if place := _component(folder, "camera_to_lidar_box_association", uri):
            _read_partners(place, found)
    return found


def _read_boxes(uri: str, found: _Segment) -> None:
    name = "[CameraBoxComponent]"
    sides = [f"{name}.box.{what}" for what in ("center.x", "center.y", "size.x", "size.y")]
    level = f"{name}.difficulty_level.detection"
    table = _read_columns(uri, (TIME, CAMERA, CAMERA_ID, *sides, f"{name}.type"), (level,))
    levels = table.get(level)
    columns = [table[column] for column in (TIME, CAMERA, CAMERA_ID, *sides, f"{name}.type")]
    for row, (time, camera, camera_id, x, y, width, height, kind) in enumerate(zip(*columns)):
        where = f"{uri}: row {row}"
        key = (_whole(time, TIME, where), camera_name(camera, where))
        try:
            if None in (x, y, width, height):
                raise DataError(where, f"the box has a null: {(x, y, width, height)}")
            if not (width >= 0 and height >= 0):
                raise DataError(where, f"the box's size is {width} x {height} px, below 0")
            box = Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
            category = _named(kind, TYPES, f"{name}.type", where)
            # Waymo writes level 2 alone; unset (null or 0) counts as level 1
            difficulty = None if levels is None else _whole(levels[row] or 1, level, where)
            obj = Object(category, box, visible_box=box, difficulty=difficulty)
            found.boxes.setdefault(key, []).append((str(camera_id), obj))
        except DataError as error:
            found.faults.setdefault(key, error)


def _read_calibrations(uri: str, found: _Segment) -> None:
    name = "[CameraCalibrationComponent]"
    numbers = [f"{name}.intrinsic.{what}" for what in ("f_u", "f_v", "c_u", "c_v")]
    rest = (f"{name}.width", f"{name}.height", f"{name}.extrinsic.transform")
    columns = _read_columns(uri, (CAMERA, *numbers, *rest))
    for row, (camera, fx, fy, cx, cy, width, height, pose) in enumerate(zip(*columns.values())):
        where = f"{uri}: row {row}"
        found.calibrations[camera_name(camera, where)] = Calibration.of(
            (fx, fy, cx, cy), (width, height), pose, where
        )


def _read_stats(uri: str, found: _Segment) -> None:
    names = ("time_of_day", "weather", "location")
    columns = [f"[StatsComponent].{name}" for name in names]
    table = _read_columns(uri, (TIME,), columns)
    for row, time in enumerate(table[TIME]):
        said = {name: table[column][row] for name, column in zip(names, columns) if column in table}
        found.conditions[_whole(time, TIME, f"{uri}: row {row}")] = {k: str(v) for k, v in said.items() if v}


def _read_lasers(synced: str | None, lidar: str | None, found: _Segment) -> None:
    """Cuboids by frame. A synced box holds for the camera that sees the object best, at the moment it did;
    the others see the object where the lidar did."""
    box = ("center.x", "center.y", "center.z", "size.x", "size.y", "size.z", "heading")
    boxes: dict[tuple[int, str], LaserBox] = {}
    if lidar:
        name = "[LiDARBoxComponent]"
        columns = _read_columns(lidar, (TIME, LASER_ID, f"{name}.type", *(f"{name}.box.{b}" for b in box)))
        for row, (time, laser_id, kind, *values) in enumerate(zip(*columns.values())):
            where = f"{lidar}: row {row}"
            key = (_whole(time, TIME, where), str(laser_id))
            try:
                category = _named(kind, TYPES, f"{name}.type", where)
                boxes[key] = LaserBox(key[1], category).with_lidar(values, where)
            except DataError as error:
                _blame(found, key[0], error)
    if synced:
        name = "[LiDARCameraSyncedBoxComponent]"
        sides = (f"{name}.camera_synced_box.{b}" for b in box)
        columns = _read_columns(synced, (TIME, LASER_ID, f"{name}.most_visible_camera_name", *sides))
        for row, (time, laser_id, camera, *values) in enumerate(zip(*columns.values())):
            where = f"{synced}: row {row}"
            key = (_whole(time, TIME, where), str(laser_id))
            try:
                seen_by = camera_name(camera, where)
                boxes[key] = boxes.get(key, LaserBox(key[1], None)).with_synced(values, seen_by, where)
            except DataError as error:
                _blame(found, key[0], error)
    for (time, _), laser in boxes.items():
        found.lasers.setdefault(time, []).append(laser)


def _blame(found: _Segment, time: int, error: DataError) -> None:
    """Leaves out the images of that moment: a 3D box may be in any of them."""
    for camera in CAMERAS:
        found.faults.setdefault((time, camera), error)


def _read_partners(uri: str, found: _Segment) -> None:
    columns = _read_columns(uri, (TIME, CAMERA, CAMERA_ID, LASER_ID))
    for row, (time, camera, camera_id, laser_id) in enumerate(zip(*columns.values())):
        where = f"{uri}: row {row}"
        key = (_whole(time, TIME, where), camera_name(camera, where))
        found.partners[key, str(camera_id)] = str(laser_id)
