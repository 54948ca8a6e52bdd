"""nuScenes: 3D boxes in the world, and the images of six cameras.

Format: Caesar et al., "nuScenes: a multimodal dataset for autonomous driving", CVPR 2020, its schema and
development kit. The root holds `samples/` and a folder of tables, `v1.0-mini` or `v1.0-trainval`; or is that
folder. Key frames of the cameras are frames; sweeps, lidar, radar and maps are not read. How a 3D box becomes
a cuboid and a box in the image: `imitation.datasets.nuscenes.projection`.

Tables are read as streams; what is kept of them is some hundred bytes an annotation.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from pydantic import Field

from imitation.common import storage
from imitation.common.settings import DataError, Settings, UserError
from imitation.common.texts import lines_of, shown
from imitation.data.records import Frame, Object
from imitation.datasets.base import DatasetReader
from imitation.datasets.common.paths import inside
from imitation.datasets.common.roles import Splits
from imitation.datasets.common.stored import id_of
from imitation.datasets.common.validation import FrameChecker
from imitation.datasets.common.values import number, numbers, side, word
from imitation.datasets.nuscenes.projection import corners_of, cuboid_of, extent
from imitation.datasets.nuscenes.tables import (
    CATEGORIES,
    Sensor,
    Tables,
    Unusable,
    camera_of,
    find_tables,
    linked,
    rotation_of,
)

CHANNELS = (
    *("CAM_FRONT", "CAM_FRONT_LEFT", "CAM_FRONT_RIGHT", "CAM_BACK", "CAM_BACK_LEFT", "CAM_BACK_RIGHT"),
)
# Occlusion levels of the shares that are visible.
_LEVELS = {"v0-40": 2, "v40-60": 2, "v60-80": 1, "v80-100": 0}
_WORDS = {"rain": ("weather", "rain"), "night": ("time_of_day", "night")}  # of a scene's description


class NuScenesOptions(Settings):
    """What can be set of nuScenes alone."""

    channels: list[str] = Field(list(CHANNELS), min_length=1, description="cameras whose images are frames")
    version: str | None = Field(None, description="the folder of tables, where there are several")
    val_scenes: str | None = Field(
        None, description="a file in the root that names scenes, a line each: those are val, the others train"
    )
    visibilities: list[str] = Field(
        ["", "1", "2", "3", "4"],
        description="visibility tokens of objects to be found, as in the development kit's export; others "
        "are ignored",
    )


class View(NamedTuple):
    """A camera's image of a key frame: its file and size (px), the sample, the scene and the calibrated
    sensor that it is of, and the vehicle's pose (rotation as a quaternion)."""

    image: str
    width: int
    height: int
    sample: int
    scene: str
    sensor: str
    translation: tuple[float, ...]
    rotation: tuple[float, ...]


@dataclass
class _Annotations:
    """3D boxes of the world, by sample: those of sample i are `order[starts[i]:starts[i + 1]]`."""

    owners: array[int] = field(default_factory=lambda: array("i"))
    boxes: array[float] = field(default_factory=lambda: array("d"))  # centre, size, quaternion
    categories: array[int] = field(default_factory=lambda: array("i"))
    visible: array[int] = field(default_factory=lambda: array("b"))  # level; -1 unknown
    ignored: array[int] = field(default_factory=lambda: array("b"))
    bad_rows: dict[int, list[DataError]] = field(default_factory=dict)
    strays: list[DataError] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    order: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    starts: np.ndarray = field(default_factory=lambda: np.zeros(1, dtype=np.int64))

    def sort(self, samples: int) -> None:
        owners = np.array(self.owners, dtype=np.int32)
        self.order = np.argsort(owners, kind="stable")
        self.starts = np.searchsorted(owners[self.order], np.arange(samples + 1))


@dataclass
class _Listed:
    """The frames of one list, with their scenes; what belongs to no frame."""

    scenes: dict[str, str | None] = field(default_factory=dict)
    strays: list[DataError] = field(default_factory=list)


class NuScenesReader(DatasetReader):
    """nuScenes (see the module): a frame is one camera's image of a key frame, a scene is a sequence. Objects
    without a lidar or radar point are ignored, as in its benchmark. Conditions are the camera, the location,
    and rain and night where the scene's description speaks of them. Splits are cut by seed, unless
    `data.options.val_scenes` names the scenes of val."""

    kind = "nuscenes"
    name = "nuScenes"
    title = "nuScenes tables"
    categories = CATEGORIES
    convention = "cuboid_clipped"
    Options = NuScenesOptions
    options: NuScenesOptions

    @classmethod
    def signs(cls, root: str) -> str | None:
        found = [
            name for name, folder in find_tables(root).items() if Tables(folder).has("sample_annotation")
        ]
        return f"sample_annotation.json in {', '.join(found)}" if found else None

    @cached_property
    def _tables(self) -> Tables:
        found = find_tables(self.root)
        if self.options.version is not None:
            found = {name: folder for name, folder in found.items() if name == self.options.version}
        found = {name: folder for name, folder in found.items() if Tables(folder).has("sample_annotation")}
        if len(found) == 1:
            return Tables(next(iter(found.values())))
        if found:
            raise UserError(f"{self.root}: holds {', '.join(found)}; name one as data.options.version")
        wanted = self.options.version or "v1.0-mini, v1.0-trainval"
        raise UserError(
            f"{self.root}: no folder of nuScenes' tables ({wanted}) with a sample_annotation.json"
        )

    @property
    def _folder(self) -> str:
        return self.root if self._tables.folder != self.root else storage.parent(self.root)

    @cached_property
    def _samples(self) -> dict[str, tuple[int, str]]:
        """Sample token -> its number and its scene's token."""
        scenes = self._tables.names("sample", "scene_token", self._loose.append)
        return {token: (i, scene) for i, (token, scene) in enumerate(scenes.items())}

    @cached_property
    def _scenes(self) -> dict[str, tuple[str, dict[str, str]]]:
        """Scene token -> its name and conditions."""
        loose = self._loose.append
        logs = self._tables.each("log", lambda said, where: said.get("location"), loose)

        def scene(said: Mapping[str, Any], where: str) -> tuple[str, dict[str, str]]:
            place = linked(logs, said, "log_token", where)
            told = str(said.get("description") or "").lower()
            known = dict(pair for word_, pair in _WORDS.items() if word_ in told)
            return word(said.get("name"), "name", where), known | ({"location": place} if place else {})

        return self._tables.each("scene", scene, loose)

    @cached_property
    def _sensors(self) -> dict[str, Sensor | Unusable]:
        wanted, every = set(self.options.channels), self._tables.cameras(self._loose.append)
        sensors = {token: one for token, one in every.items() if one.channel in wanted}
        if not sensors:
            channels = sorted({one.channel for one in every.values()})
            raise UserError(
                f"{self.root}: no camera of data.options.channels ({', '.join(self.options.channels)}); it "
                f"has {', '.join(channels)}"
            )
        return sensors

    @cached_property
    def _loose(self) -> list[DataError]:
        """Rows that could not be read at all: what names them is told where it is read."""
        return []

    @cached_property
    def _views(self) -> tuple[dict[str, View], dict[str, DataError], list[DataError]]:
        """frame_id -> view or what is wrong with it; and what belongs to no frame."""
        key_frames: dict[str, tuple[Mapping[str, Any], str]] = {}
        poses: dict[str, tuple[tuple[float, ...], tuple[float, ...]] | DataError | None] = {}
        kept = ("filename", "width", "height", "sample_token", "calibrated_sensor_token", "ego_pose_token")
        for where, said in self._tables.rows("sample_data", self._loose.append):
            if said.get("is_key_frame") and said.get("calibrated_sensor_token") in self._sensors:
                key_frames[said["token"]] = ({name: said.get(name) for name in kept}, where)
                if isinstance(pose := said.get("ego_pose_token"), str):
                    poses[pose] = None
        for where, said in self._tables.rows("ego_pose", self._loose.append):
            if said["token"] in poses:
                try:
                    place = numbers(said.get("translation"), 3, "translation", where)
                    rotation_of(said.get("rotation"), "rotation", where)
                    poses[said["token"]] = tuple(place), tuple(float(v) for v in said["rotation"])
                except DataError as error:
                    poses[said["token"]] = error
        views: dict[str, View] = {}
        faults: dict[str, DataError] = {}
        strays: list[DataError] = []
        for said, where in key_frames.values():
            try:
                image = word(said["filename"], "filename", where)
            except DataError as error:
                strays.append(error)
                continue
            frame_id = id_of(image.rpartition("/")[2])
            try:
                if frame_id in views:
                    raise DataError(where, f"its image {shown(image)} is that of another row")
                pose = linked(poses, said, "ego_pose_token", where)
                if pose is None:
                    raise DataError(
                        where, f"its ego_pose_token {shown(said['ego_pose_token'])} is no row there"
                    )
                if isinstance(pose, DataError):
                    raise pose
                camera_of(self._sensors, said, where)
                width, height = (side(said[name], name, where) for name in ("width", "height"))
                sample, scene = linked(self._samples, said, "sample_token", where)
                if scene not in self._scenes:
                    raise DataError(
                        where, f"its sample is of the scene {shown(scene)}, which is no row there"
                    )
                sensor = said["calibrated_sensor_token"]
                views[frame_id] = View(image, width, height, sample, scene, sensor, *pose)
            except DataError as error:
                faults[frame_id] = error
        return views, faults, strays

    @cached_property
    def _annotations(self) -> _Annotations:
        tables, found, loose = self._tables, _Annotations(), self._loose.append
        called = tables.names("category", "name", loose)
        found.names = list(dict.fromkeys(called.values()))
        codes = {token: found.names.index(name) for token, name in called.items()}
        instances = tables.each(
            "instance", lambda said, where: linked(codes, said, "category_token", where), loose
        )
        levels = tables.each("visibility", lambda said, where: _LEVELS.get(str(said.get("level")), -1), loose)
        wanted = set(self.options.visibilities)
        for where, said in tables.rows("sample_annotation", loose):
            try:
                sample = linked(self._samples, said, "sample_token", where)[0]
            except DataError as error:
                found.strays.append(error)
                continue
            try:
                code = linked(instances, said, "instance_token", where)
                box = [*numbers(said.get("translation"), 3, "translation", where)]
                box += numbers(said.get("size"), 3, "size", where)
                rotation_of(said.get("rotation"), "rotation", where)
                if min(box[3:]) <= 0:
                    raise DataError(where, f"its size is {shown(said['size'])} m, not above 0")
                points = [number(said.get(f"num_{of}_pts") or 0, of, where) for of in ("lidar", "radar")]
            except DataError as error:
                found.bad_rows.setdefault(sample, []).append(error)
                continue
            visibility = str(said.get("visibility_token") or "")
            counted = any(f"num_{of}_pts" in said for of in ("lidar", "radar"))
            found.owners.append(sample)
            found.boxes.extend([*box, *map(float, said["rotation"])])
            found.categories.append(code)
            found.visible.append(levels.get(visibility, -1))
            found.ignored.append(visibility not in wanted or (counted and not sum(points)))
        found.sort(len(self._samples))
        return found

    @cached_property
    def _listed(self) -> dict[str | None, _Listed]:
        views, faults, strays = self._views
        names = [scene for scene, _ in self._scenes.values()]
        val = self._val_scenes(names)
        found: dict[str | None, _Listed] = {} if val is None else {"train": _Listed(), "val": _Listed()}
        for frame_id in (*views, *faults):
            scene = self._scenes[views[frame_id].scene][0] if frame_id in views else None
            name = None if val is None else "val" if scene in val else "train"
            found.setdefault(name, _Listed()).scenes[frame_id] = scene
        found = found or {None: _Listed()}
        next(iter(found.values())).strays.extend([*strays, *self._annotations.strays, *self._loose])
        return found

    def _val_scenes(self, names: list[str]) -> set[str] | None:
        if self.options.val_scenes is None:
            return None
        uri = storage.join(self._folder, self.options.val_scenes)
        if not storage.exists(uri):
            raise UserError(f"{uri}: there is no such list of scenes (data.options.val_scenes)")
        wanted = {line.strip() for line in lines_of(storage.read_text(uri)) if line.strip()}
        if not wanted & set(names):
            raise UserError(f"{uri}: names no scene of {self.root}, such as {', '.join(names[:3])}")
        return wanted

    def _cut(self) -> Splits:
        found = {name: listed.scenes for name, listed in self._listed.items()}
        if not any(found.values()):
            raise UserError(f"{self._tables.folder}: no key frame of {', '.join(self.options.channels)}")
        return self._by_lists_or_seed(found, self.root)

    def _frame(self, split: str, frame_id: str, check: FrameChecker) -> Frame:
        views, faults, _ = self._views
        if frame_id in faults:
            raise faults[frame_id]
        view, annotations = views[frame_id], self._annotations
        for error in annotations.bad_rows.get(view.sample, ()):
            check.bad(error)
        where = f"{self._tables.uri('sample_data')}: image {shown(view.image)}"
        image = inside(self._folder, view.image, where)
        sensor = self._sensors[view.sensor]
        assert isinstance(sensor, Sensor), "others are faults"
        scene = self._scenes[view.scene]
        frame = Frame(
            frame_id,
            view.width,
            view.height,
            tuple(self._objects(view, sensor)),
            sequence=scene[0],
            image_uri=image,
            camera=sensor.camera,
            conditions={"camera": sensor.channel} | scene[1],
        )
        return check.passed(frame, where)

    def _objects(self, view: View, sensor: Sensor) -> Iterator[Object]:
        of = self._annotations
        rows = of.order[of.starts[view.sample] : of.starts[view.sample + 1]].tolist()
        values = np.array([of.boxes[10 * row : 10 * row + 10] for row in rows]).reshape(-1, 10)
        vehicle = rotation_of(view.rotation, "rotation", view.image)
        to_camera = sensor.rotation.T @ vehicle.T
        moved = (values[:, :3] - view.translation) @ vehicle - sensor.translation
        centres = moved @ sensor.rotation
        behind = centres[:, 2] + np.linalg.norm(values[:, 3:6], axis=1) / 2 <= 0  # with all their corners
        for row, centre, box, hidden in zip(rows, centres, values, behind):
            if hidden:
                continue
            turn = to_camera @ rotation_of(box[6:], "rotation", view.image)
            around = extent(corners_of(centre, box[3:6], turn), sensor.camera, view.width, view.height)
            if around is not None:
                yield Object(
                    of.names[of.categories[row]],
                    around,
                    ignore=bool(of.ignored[row]),
                    cuboid=cuboid_of(centre, box[3:6], turn),
                    occlusion_level=None if of.visible[row] < 0 else of.visible[row],
                )
