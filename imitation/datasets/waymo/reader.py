"""Waymo Open Dataset v2: Parquet components, one file a segment and component.

Format: Sun et al., "Scalability in perception for autonomous driving: Waymo Open Dataset", CVPR 2020, and
the component classes of its public code (v2/perception). Read are `camera_image` and `camera_box`, and
where present `camera_calibration`, `stats` (time of day, weather, location) and, for cuboids,
`lidar_camera_synced_box`, `lidar_box` and `camera_to_lidar_box_association`.

A frame is one image of one camera. 2D boxes cover what is visible of an object. They are labelled apart
from the 3D boxes, and Waymo says which belong together for pedestrians only: the others are put together
here, see `waymo_cuboids.associate`.

The root holds the component folders, or `training/` and `validation/` that do (as the bucket). These
folders may be symbolic links; a link of a single file is followed inside its folder or list alone. The root
may also be one segment's file, `camera_image/SEGMENT.parquet`, beside the other components' folders.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, NoReturn

import pyarrow.parquet as pq

from imitation.common import storage
from imitation.common.settings import DataError, UserError
from imitation.common.texts import shown
from imitation.data.categories import CategoryMap
from imitation.data.images import image_size
from imitation.data.records import Frame
from imitation.data.splits import LISTS
from imitation.datasets.base import DatasetReader
from imitation.datasets.common.paths import refuse_link
from imitation.datasets.common.roles import Splits, same_list
from imitation.datasets.common.validation import FrameChecker, Problems, handled, object_fault
from imitation.datasets.parquet.columns import open_parquet, readable
from imitation.datasets.waymo.columns import (
    BYTES,
    CAMERA,
    CAMERA_ID,
    KEYS,
    SEGMENT,
    TIME,
    Key,
    check_columns,
    frame_key,
    plain,
    read_columns,
)
from imitation.datasets.waymo.cuboids import associate
from imitation.datasets.waymo.segment import Label, Segment, segment_of
from imitation.datasets.waymo.settings import CAMERAS, WaymoOptions

FOLDERS = {name: name for name in LISTS} | {"training": "train", "validation": "val", "testing": "test"}

IMAGE = "[CameraImageComponent].image"
_ID = re.compile(rf"(.+)_(-?\d+)_({'|'.join(CAMERAS)})", re.DOTALL)
BATCH = 8  # images in memory at a time


@dataclass
class _List:
    """One list of segments: the file of each frame, in the files' order, the first frame of each file, and
    what could not be listed."""

    folder: str
    frames: dict[str, str] = field(default_factory=dict)
    firsts: dict[str, str] = field(default_factory=dict)
    strays: list[DataError] = field(default_factory=list)


class WaymoReader(DatasetReader):
    """Waymo Open v2 components; splits from `training/` and `validation/` (see `assign_roles`), or cut by
    seed and segment. `cameras` are those whose images are frames."""

    kind = "waymo"
    name = "Waymo"
    title = "Waymo Open components"
    categories = CategoryMap(
        categories=("vehicle", "pedestrian", "cyclist"),
        mapping={"TYPE_VEHICLE": "vehicle", "TYPE_PEDESTRIAN": "pedestrian", "TYPE_CYCLIST": "cyclist"},
        ignore=frozenset({"TYPE_SIGN", "TYPE_UNKNOWN"}),  # not among the classes of its 2D benchmark
    )
    convention = "visible"
    protocol = "waymo"
    Options = WaymoOptions
    options: WaymoOptions

    @classmethod
    def signs(cls, root: str) -> str | None:
        if not storage.is_folder(root):
            return None
        places = [
            root,
            *(folder for folder in storage.list_folders(root) if storage.name_of(folder) in FOLDERS),
        ]
        named = [p for p in places if storage.is_folder(storage.join(p, "camera_image"))]
        return f"camera_image in {named[0]}" if named else None

    @cached_property
    def _cameras(self) -> frozenset[str]:
        return frozenset(self.options.cameras)

    @cached_property
    def _folders(self) -> dict[str | None, str]:
        """List name -> folder of components; None alone where the root itself is one, or a file of one."""
        if self._file is not None:
            return {None: storage.parent(storage.parent(self._file))}
        if storage.is_folder(storage.join(self.root, "camera_image")):
            return {None: self.root}
        folders: dict[str | None, str] = {}
        for folder in storage.list_folders(self.root) if storage.is_folder(self.root) else []:
            name = FOLDERS.get(storage.name_of(folder))
            # Waymo's own testing/ has images without labels.
            if name and all(
                storage.is_folder(storage.join(folder, c)) for c in ("camera_image", "camera_box")
            ):
                if name in folders:
                    raise UserError(same_list(folder, folders[name], name))
                folders[name] = folder
        if not folders:
            raise UserError(
                f"{self.root}: no camera_image, nor training/camera_image: not Waymo Open v2 components"
            )
        return folders

    @cached_property
    def _file(self) -> str | None:
        """The images of one segment, where the root is a file: `camera_image/SEGMENT.parquet`, or the file of
        that name of another component."""
        if storage.is_folder(self.root):
            return None
        folder = storage.parent(storage.parent(self.root))
        uri = storage.join(folder, "camera_image", storage.name_of(self.root))
        if not (self.root.endswith(".parquet") and storage.exists(uri)):
            raise UserError(
                f"{self.root}: is no file of a Waymo segment's images (camera_image/SEGMENT.parquet beside "
                "the other components' folders)"
            )
        return uri

    @cached_property
    def _listed(self) -> dict[str | None, _List]:
        return {name: self._list(folder) for name, folder in self._folders.items()}

    def _list(self, folder: str) -> _List:
        listed, place = _List(folder), storage.join(folder, "camera_image")
        for uri in storage.list_no_files(place, ".parquet") if self._file is None else []:
            listed.strays.append(DataError(uri, "is called like a Parquet file, but is no file"))
        for uri in storage.list_files(place, ".parquet") if self._file is None else [self._file]:
            try:
                refuse_link(uri, place, folder)
                keys = read_columns(uri, KEYS)
            except DataError as error:
                listed.strays.append(error)
                continue
            for row, values in enumerate(zip(keys[SEGMENT], keys[TIME], keys[CAMERA])):
                try:
                    segment, key = frame_key(*values, where=f"{uri}: row {row}")
                    if key[1] in self._cameras:
                        _add(listed, segment, key, uri, row)
                except DataError as error:
                    listed.strays.append(error)
        return listed

    def _cut(self) -> Splits:
        by_list = {name: {i: _parts(i)[0] for i in of.frames} for name, of in self._listed.items()}
        strays = [stray for listed in self._listed.values() for stray in listed.strays]
        if strays and not any(by_list.values()):
            raise strays[0]
        if not any(by_list.values()):
            raise UserError(f"{self.root}: no image of {', '.join(sorted(self._cameras))} could be listed")
        return self._by_lists_or_seed(by_list, self.root)

    def _of(self, split: str) -> _List:
        return self._listed[self._list_of(split)]

    def chunks(self, split: str, size: int) -> Iterator[list[str]]:
        for chunk in super().chunks(split, size):
            frames = {name: self._of(self._home(split, name)).frames[name] for name in chunk}
            yield from _by_file(chunk, frames).values()

    def place_of(self, split: str, frame: Frame) -> str:
        listed = self._of(self._home(split, frame.frame_id))
        uri, (time, camera) = listed.frames[frame.frame_id], _parts(frame.frame_id)[1]
        keys = read_columns(uri, KEYS)
        for row, values in enumerate(zip(keys[SEGMENT], keys[TIME], keys[CAMERA])):
            if _key(values, set()) == (frame.sequence, (time, camera)):
                return f"{uri}: row {row}"
        return super().place_of(split, frame)

    def _read(self, split: str, wanted: Sequence[str], problems: Problems | None) -> Iterator[Frame]:
        listed, check = self._of(split), FrameChecker(self.bad_row)
        for uri, names in _by_file(wanted, listed.frames).items():
            # a segment may be read in parts: one of them tells what belongs to no image
            tells = problems is None or names[0] == listed.firsts[uri]
            yield from _read_segment(listed.folder, uri, names, tells, check, problems)


def _by_file(names: Sequence[str], frames: dict[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(frames[name], []).append(name)
    return found


def _add(listed: _List, segment: str, key: Key, uri: str, row: int) -> None:
    frame_id = _frame_id(segment, key)
    if frame_id in listed.frames:
        where, other = f"{uri}: row {row}", listed.frames[frame_id]
        raise DataError(where, f"the image of {shown(frame_id)[1:-1]} was already found in {other}")
    listed.frames[frame_id] = uri
    listed.firsts.setdefault(uri, frame_id)


def _frame_id(segment: str, key: Key) -> str:
    return f"{segment}_{key[0]}_{key[1]}"


def _parts(frame_id: str) -> tuple[str, Key]:
    """The segment and key of an id that `_frame_id` made."""
    match = _ID.fullmatch(frame_id)
    assert match is not None
    return match[1], (int(match[2]), match[3])


def _read_segment(
    folder: str,
    uri: str,
    wanted: Collection[str],
    with_strays: bool,
    check: FrameChecker,
    problems: Problems | None,
) -> Iterator[Frame]:
    """The wanted frames of one segment's file, in its order; a component that cannot be read loses them all.
    `with_strays`: problems that belong to no frame are reported as well."""
    try:
        segment = segment_of(folder, uri)
        yield from handled(_images(uri, wanted, with_strays, segment, check), problems)
    except DataError as error:
        if problems is None:
            raise
        problems(error)


def _refuse(error: DataError) -> NoReturn:
    raise error


def _images(
    uri: str, wanted: Collection[str], with_strays: bool, segment: Segment, check: FrameChecker
) -> Iterator[Callable[[], Frame]]:
    """Makers of frames: row groups without a wanted frame are not read, and of the others only a batch of
    images is in memory. What is wrong with a row group or with no frame in particular is a maker as well."""
    if with_strays:
        yield from (partial(_refuse, stray) for stray in segment.strays)
    with open_parquet(uri, buffer_size=1 << 20, pre_buffer=False) as file:
        check_columns(file, KEYS | {IMAGE: BYTES}, uri)
        start, left = 0, set(wanted)
        seen: set[Key] = set()
        for group in range(file.num_row_groups):
            try:
                with readable(f"{uri} (row group {group})"):
                    columns = plain(file.read_row_group(group, columns=[*KEYS], use_threads=False), [*KEYS])
                keys = [_key(row, seen) for row in zip(*columns.values())]
                taken = [_take(*place, left) for place in keys]
                if any(taken):
                    for row, image in enumerate(_column(file, group, IMAGE, uri)):
                        if frame_id := taken[row]:
                            where = f"{uri}: row {start + row}"
                            yield partial(_frame, frame_id, keys[row][1], image, segment, check, where)
            except DataError as error:
                with_strays = False  # boxes may be of the images that could not be read
                yield partial(_refuse, error)
            start += file.metadata.row_group(group).num_rows
    if with_strays and (dangling := _dangling(segment, seen, uri)):
        yield partial(_refuse, dangling)


def _key(row: tuple[Any, ...], seen: set[Key]) -> tuple[str, Key]:
    """The segment and key of a row, which is added to `seen`; an empty segment for a row that is no
    frame, which the listing has reported."""
    try:
        segment, key = frame_key(row[0], row[1], row[2], where="")
    except DataError:
        return "", (0, "")
    seen.add(key)
    return segment, key


def _take(segment: str, key: Key, left: set[str]) -> str | None:
    """The id of a row's frame if it is wanted and has not been taken yet."""
    frame_id = _frame_id(segment, key)
    if frame_id not in left:
        return None
    left.discard(frame_id)
    return frame_id


def _dangling(segment: Segment, found: set[Key], uri: str) -> DataError | None:
    """The labels of no image, as one problem: where only some images are at hand, they are many."""
    labels = [(label.row, key) for key, of in segment.boxes.items() if key not in found for label in of]
    if not labels:
        return None
    row, (time, camera) = min(labels)
    more = f", nor have {len(labels) - 1} more boxes of this file" if len(labels) > 1 else ""
    what = f"the box of timestamp {time} and camera {camera} has no image in {uri}{more}"
    return DataError(f"{segment.boxes_uri}: row {row}", f"{what}; remove such rows")


def _refuse_twins(labelled: Sequence[Label], partners: Sequence[str | None], uri: str) -> None:
    """Raises `DataError` for two boxes of one image with the same id, where a 3D box is said to be of it."""
    rows: dict[str | None, int] = {}
    for label, partner in zip(labelled, partners):
        if partner is not None and (other := rows.setdefault(label.camera_id, label.row)) != label.row:
            what = f"{CAMERA_ID} {shown(label.camera_id)} of this image already stands in row {other}"
            raise DataError(f"{uri}: row {label.row}", f"{what}; ids must be unique")


def _column(file: pq.ParquetFile, group: int, name: str, uri: str) -> Iterator[Any]:
    """A row group's values of a column; a few of its pages (as the writer cut them) are in memory."""
    where = f"{uri} (row group {group})"
    with readable(where):
        batches = file.iter_batches(BATCH, row_groups=[group], columns=[name], use_threads=False)
    while True:
        with readable(where):
            batch = next(batches, None)
        if batch is None:
            return
        yield from (value.as_py() for value in batch.column(0))


def _frame(
    frame_id: str, key: Key, image: bytes | None, segment: Segment, check: FrameChecker, where: str
) -> Frame:
    if image is None:
        raise DataError(where, f"{IMAGE} is null")
    for fault in (segment.faults.get(key), segment.faults.get(key[1])):
        if fault is not None:
            raise fault
    width, height = image_size(image, where)
    own, labelled = _parts(frame_id)[0], segment.boxes.get(key, [])
    for label in labelled:  # segments share timestamps: files mistaken for each other would fit
        if label.segment not in (own, None):
            what = f"{SEGMENT} is {shown(label.segment)}, but the image of this moment is of {shown(own)}"
            raise DataError(
                f"{segment.boxes_uri}: row {label.row}", f"{what}; give each segment its own file"
            )
    for error in (*segment.bad_rows.get(key, ()), *segment.bad_rows.get(key[0], ())):
        check.bad(error)
    sound = []
    for label in labelled:
        if wrong := object_fault(label.object, width, height):
            check.bad(wrong.of(f"{segment.boxes_uri}: row {label.row}", f"frame {frame_id}"))
        else:
            sound.append(label)
    labelled = sound
    calibration = segment.calibrations.get(key[1])
    if calibration is not None and calibration.size != (width, height):
        sizes = f"{calibration.size[0]}x{calibration.size[1]} px, but the image is {width}x{height}"
        raise DataError(where, f"the calibration of {key[1]} is for {sizes}")
    objects = [label.object for label in labelled]
    if calibration is not None and (lasers := segment.lasers.get(key[0])):
        ids = [label.camera_id for label in labelled]
        partners = [None if i is None else segment.partners.get((key, i)) for i in ids]
        _refuse_twins(labelled, partners, segment.boxes_uri)
        objects = associate(objects, partners, lasers, key[1], calibration)
    frame = Frame(
        frame_id=frame_id,
        width=width,
        height=height,
        objects=tuple(objects),
        sequence=own,
        image=image,
        camera=None if calibration is None else calibration.camera,
        conditions={"camera": key[1]} | segment.conditions.get(key[0], {}),
    )
    return check.passed(frame, where)
