"""The data contract: frames, objects, cuboids, cameras, and their Arrow schema.

Conventions, everywhere in the project:

- pixels: x right, y down, continuous, the image spans [0, width] x [0, height]; a box is
  (x1, y1, x2, y2) with x1 <= x2 and y1 <= y2, without KITTI's or VOC's "+1";
- camera coordinates are KITTI's: x right, y down, z forward, metres;
- a cuboid stands at the centre of its *bottom* face; yaw is KITTI's `rotation_y`, radians in
  [-pi, pi] around the camera's y axis, 0 = the object's length along +x.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa

from imitation.common.formats.arrow import fields_of

OCCLUSIONS = (0.1, 0.5)


Convention = Literal["amodal_clipped", "cuboid_clipped", "visible"]
"""What a training label's box is: around the whole object's pixels, clipped to the image; around its
projected cuboid, clipped (KITTI's boxes come from its cuboids); or around its visible pixels (Waymo)."""


SCHEMA_VERSION = "3"

CONDITIONS_TYPE = pa.list_(pa.struct([("name", pa.string()), ("value", pa.string())]))
"""Conditions are open: `time_of_day` and `weather` mean something to the simulator, and any other name
that a source gives (`location`, `camera`, ...) is kept, sliced by and reported. Pairs rather than an Arrow
map, which Hugging Face's `datasets` cannot open; files of version 2, which had the map, are read."""


class Box(NamedTuple):
    """An axis-aligned box, px of the image.

    >>> Box(10, 20, 30, 60).area
    800
    >>> Box(-5, 10, 30, 60).clipped(100, 40)
    Box(x1=0.0, y1=10, x2=30, y2=40)
    """

    x1: float
    """Left edge, px."""
    y1: float
    """Top edge, px."""
    x2: float
    """Right edge, px."""
    y2: float
    """Bottom edge, px."""

    @property
    def width(self) -> float:
        return self.x2 - self.x1

    @property
    def height(self) -> float:
        return self.y2 - self.y1

    @property
    def area(self) -> float:
        return max(self.width, 0.0) * max(self.height, 0.0)

    def common(self, other: Box) -> float:
        """The area that both cover, px^2."""
        width = min(self.x2, other.x2) - max(self.x1, other.x1)
        height = min(self.y2, other.y2) - max(self.y1, other.y1)
        return max(width, 0.0) * max(height, 0.0)

    def clipped(self, width: float, height: float) -> Box:
        """The part inside an image of that size; may be empty (zero area)."""
        x1, x2 = (min(max(v, 0.0), width) for v in (self.x1, self.x2))
        y1, y2 = (min(max(v, 0.0), height) for v in (self.y1, self.y2))
        return Box(x1, y1, x2, y2)


@dataclass(frozen=True, slots=True)
class Cuboid:
    """A 3D box in this camera's coordinates: x right, y down, z forward of the centre of its bottom face, m;
    length, width and height, m; yaw in rad in [-pi, pi], 0 along +x, -pi/2 driving away.

    >>> Cuboid(0, 1.5, 20, length=4, width=2, height=1.5, yaw=0).corners().min(axis=0)
    array([-2.,  0., 19.])
    """

    x: float
    y: float
    z: float
    length: float
    width: float
    height: float
    yaw: float

    def corners(self) -> np.ndarray:
        """The 8 corners, shape (8, 3), m: four of the bottom face, then the four above them."""
        dx = np.array([1, 1, -1, -1, 1, 1, -1, -1]) * self.length / 2
        dy = np.array([0, 0, 0, 0, -1, -1, -1, -1]) * self.height
        dz = np.array([1, -1, -1, 1, 1, -1, -1, 1]) * self.width / 2
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        return np.stack([self.x + c * dx + s * dz, self.y + dy, self.z - s * dx + c * dz], axis=1)


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera: focal lengths and principal point in px; height over the ground in m and
    pitch in rad (positive looks down), None where the source does not say.

    >>> Camera(700, 700, 600, 180).project([[1.0, 1.65, 10.0]])
    array([[670. , 295.5]])
    """

    fx: float
    fy: float
    cx: float
    cy: float
    height: float | None = None
    pitch: float | None = None

    def project(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 3) in m, in the camera's axes, to pixels (N, 2). Points must have z > 0."""
        points = np.asarray(points, dtype=np.float64)
        return np.stack(
            [
                self.fx * points[:, 0] / points[:, 2] + self.cx,
                self.fy * points[:, 1] / points[:, 2] + self.cy,
            ],
            axis=1,
        )


@dataclass(frozen=True, slots=True)
class Object:
    """One labelled object.

    `box` follows the label's own convention (KITTI: amodal, clipped to the image; Waymo: the
    visible part) and is what a detector is trained on. `visible_box` and `amodal_box` (not
    clipped) are None where unknown; `truncation` and `occlusion` are fractions in [0, 1] or None.
    `ignore` objects (KITTI's DontCare, COCO's crowd) are neither to be found nor false to find.
    `alpha` (rad) and `occlusion_level` (0-3) are KITTI's own fields, `difficulty` (1 or 2) is Waymo's
    detection difficulty level: kept for a lossless way back.
    """

    category: str
    box: Box
    visible_box: Box | None = None
    amodal_box: Box | None = None
    truncation: float | None = None
    occlusion: float | None = None
    ignore: bool = False
    cuboid: Cuboid | None = None
    alpha: float | None = None
    occlusion_level: int | None = None
    difficulty: int | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Lineage of a synthetic frame: back to the failure that asked for it, and, with scene, seed
    and simulator, forward to the same pixels again. `scene` is the scene's JSON; `simulator_label` the
    simulator's name among several (`simulate.simulator`), None where there was one, and in older files."""

    cycle: int
    parent: str | None
    failures: tuple[str, ...]
    policy: str
    scene: str
    simulator: str
    simulator_version: str
    seed: int
    simulator_label: str | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """One image with its labels. `width` and `height` are px; `frame_id` is unique in its dataset.

    Exactly one of `image` (JPEG or PNG bytes as they came) and `image_uri` (where they lie) is set.
    `sequence` is the drive that the frame belongs to. `conditions` are any names and words
    (`{"weather": "rain"}`). `origin` is None for real frames.

    >>> car = Object("Car", Box(600, 170, 680, 230))
    >>> Frame("0001", 1242, 375, (car,), image_uri="0001.png").objects[0] is car
    True
    """

    frame_id: str
    width: int
    height: int
    objects: tuple[Object, ...] = ()
    sequence: str | None = None
    image: bytes | None = field(default=None, repr=False)
    image_uri: str | None = None
    camera: Camera | None = None
    conditions: Mapping[str, str] | None = None
    origin: Origin | None = None


OBJECT_TYPE = pa.struct(fields_of(Object, {int: pa.int32()}))
_ORIGIN_TYPE = pa.struct([field.with_nullable(True) for field in fields_of(Origin, cycle=pa.int32())])
_COLUMNS = (
    *("frame_id", "sequence", "image", "image_uri", "width", "height"),
    *("camera", "conditions", "objects", "origin"),
)
_FIELDS = fields_of(
    Frame,
    {int: pa.int32()},
    conditions=CONDITIONS_TYPE,
    objects=pa.list_(OBJECT_TYPE),
    origin=_ORIGIN_TYPE,
)

SCHEMA = pa.schema(
    sorted(_FIELDS, key=lambda field: _COLUMNS.index(field.name)),
    metadata={"imitation.schema": SCHEMA_VERSION},
)


def _plain(value: Any, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(value, name) for name in names}


def conditions_to_row(conditions: Mapping[str, str] | None) -> list[dict[str, str]] | None:
    """Conditions as `CONDITIONS_TYPE` takes them, by name. Raises TypeError for a name that is no text."""
    if conditions is None:
        return None
    if odd := [name for name in conditions if not isinstance(name, str)]:
        raise TypeError(f"the name of a condition is {odd[0]!r}, not text")
    return [{"name": name, "value": value} for name, value in sorted(conditions.items())]


def conditions_from_row(value: Any) -> dict[str, str] | None:
    """The inverse of `conditions_to_row`; a struct's dict and a map's tuples serve too, nulls left out."""
    if value is None:
        return None
    pairs = value.items() if isinstance(value, Mapping) else map(_pair, value)
    return {name: text for name, text in pairs if text is not None}


def _pair(item: Any) -> tuple[str, Any]:
    name, text = (item["name"], item["value"]) if isinstance(item, Mapping) else item
    return name, text


def object_to_row(obj: Object) -> dict[str, Any]:
    """An `Object` as plain dicts, shaped like `OBJECT_TYPE`."""
    row = _plain(obj, Object.__slots__)
    for name in ("box", "visible_box", "amodal_box"):
        if row[name] is not None:
            row[name] = row[name]._asdict()
    if obj.cuboid is not None:
        row["cuboid"] = _plain(obj.cuboid, Cuboid.__slots__)
    return row


def object_from_row(row: Mapping[str, Any]) -> Object:
    """The inverse of `object_to_row`; fields that are absent are None."""

    def box(name: str) -> Box | None:
        value = row.get(name)
        return None if value is None else Box(*(value[key] for key in Box._fields))

    main = box("box")
    assert main is not None
    cuboid = row.get("cuboid")
    return Object(
        category=row["category"],
        box=main,
        visible_box=box("visible_box"),
        amodal_box=box("amodal_box"),
        truncation=row.get("truncation"),
        occlusion=row.get("occlusion"),
        ignore=bool(row.get("ignore")),
        cuboid=None if cuboid is None else Cuboid(**cuboid),
        alpha=row.get("alpha"),
        occlusion_level=row.get("occlusion_level"),
        difficulty=row.get("difficulty"),
    )


def frame_to_row(frame: Frame) -> dict[str, Any]:
    """A `Frame` as plain dicts, shaped like `SCHEMA`."""
    row = _plain(frame, Frame.__slots__)
    row["objects"] = [object_to_row(obj) for obj in frame.objects]
    if frame.camera is not None:
        row["camera"] = _plain(frame.camera, Camera.__slots__)
    row["conditions"] = conditions_to_row(frame.conditions)
    if frame.origin is not None:
        row["origin"] = _plain(frame.origin, Origin.__slots__) | {"failures": list(frame.origin.failures)}
    return row


def frame_from_row(row: Mapping[str, Any]) -> Frame:
    """The inverse of `frame_to_row`. Columns that were not read (such as `image`) are None."""
    camera, origin = row.get("camera"), row.get("origin")
    return Frame(
        frame_id=row["frame_id"],
        width=row["width"],
        height=row["height"],
        objects=tuple(object_from_row(obj) for obj in row.get("objects") or ()),
        sequence=row.get("sequence"),
        image=row.get("image"),
        image_uri=row.get("image_uri"),
        camera=None if camera is None else Camera(**camera),
        conditions=conditions_from_row(row.get("conditions")),
        origin=None
        if origin is None
        else Origin(**{**origin, "failures": tuple(origin.get("failures") or ())}),
    )


def frames_to_table(frames: Iterable[Frame]) -> pa.Table:
    """Frames as one Arrow table of `SCHEMA`."""
    return pa.Table.from_pylist([frame_to_row(frame) for frame in frames], schema=SCHEMA)


def frames_from_table(table: pa.Table) -> list[Frame]:
    """Every row of a table as a `Frame`."""
    return [frame_from_row(row) for row in table.to_pylist()]
