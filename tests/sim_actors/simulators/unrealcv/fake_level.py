"""What stands in for a level of Unreal: the plugin's commands, answered with the embedded renderer."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from imitation.data.images import decode_image
from imitation.data.records import Camera, Cuboid
from sim_actors.scene.records import Actor, Environment, Scene, Sensor
from sim_actors.simulators.opengl.renderer import OpenGLSimulator
from sim_actors.simulators.opengl.settings import RendererSettings

MANIFEST = str(Path(__file__).with_name("level.yaml"))
PLACE = (1200.0, -800.0, 50.0, 30.0)  # of the manifest: cm and degrees
EYE_CM = 64.0  # how far above a pawn's place its eyes are: APawn's BaseEyeHeight
_TYPES = {"str": "([^ ]*)", "uint": r"(\d*)", "float": r"([-+]?\d*[.]?\d+)"}


@dataclass(frozen=True)
class Kind:
    """A class of the level. `turned`: its mesh looks along +Y of the actor; `lift`: how far its origin lies
    above its bottom, m, as that of a character's capsule does."""

    category: str
    model: str
    size: tuple[float, float, float]  # m
    turned: bool = False
    lift: float = 0.0


KINDS = {
    "BP_Sedan_C": Kind("car", "sedan", (4.6, 1.8, 1.45)),
    "BP_Van_C": Kind("van", "high_van", (5.0, 2.0, 2.3), turned=True),
    "BP_Walker_C": Kind("pedestrian", "standing", (0.7, 0.65, 1.75), lift=0.9),
    "BP_Truck_C": Kind("truck", "box_truck", (8.5, 2.5, 3.3)),
}


@dataclass
class Thing:
    """An actor of the level. `colour`: in the mask, None where nobody painted it."""

    kind: str = ""
    location: tuple[float, float, float] = (0.0, 0.0, 0.0)
    rotation: tuple[float, float, float] = (0.0, 0.0, 0.0)  # pitch, yaw, roll
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    colour: tuple[int, int, int] | None = None
    mobility: str = "Movable"
    paint: tuple[float, float, float] = (0.5, 0.5, 0.5)
    tilts: bool = False  # drawn as level as the camera, though it is not


def axes(pitch: float, yaw: float, roll: float) -> np.ndarray:
    """(3, 3): rows are the X, Y and Z axes of a rotator, as Unreal's FRotationMatrix has them."""
    (sp, cp), (sy, cy), (sr, cr) = (
        (math.sin(math.radians(a)), math.cos(math.radians(a))) for a in (pitch, yaw, roll)
    )
    return np.array(
        [
            [cp * cy, cp * sy, sp],
            [sr * sp * cy - cr * sy, sr * sp * sy + cr * cy, -sr * cp],
            [-(cr * sp * cy + sr * sy), cy * sr - cr * sp * sy, cr * cp],
        ]
    )


class Failed(Exception):
    """What a command answers as "error ..."."""


@dataclass
class World:
    """The level, and the commands on it."""

    things: dict[str, Thing] = field(default_factory=dict)
    plus: bool = False
    pawn: tuple[float, float, float] = (0.0, 0.0, 100.0)
    control: tuple[float, float, float] = (0.0, 0.0, 0.0)
    sensor: tuple[float, ...] = (0.0, 0.0, 100.0 + EYE_CM, 0.0, 0.0, 0.0)
    fov: float = 90.0
    size: tuple[int, int] = (640, 480)
    hour: float = 13.0
    weather: str = "clear"
    sun_yaw: float = 0.0
    settings: dict[str, str] = field(default_factory=dict)
    renderer: OpenGLSimulator | None = None
    drawn: int = 0

    def __post_init__(self) -> None:
        self.things |= {
            "FusionCamPawn_0": Thing(),
            "BP_Weather": Thing(),
            # Painted by the plugin when the level began to play, and beside the road.
            "Wall_1": Thing("BP_Truck_C", _at(60, 25, 90), colour=(51, 0, 0), mobility="Static", tilts=True),
            "Parked_1": Thing("BP_Sedan_C", _at(70, -20, 10), colour=(0, 51, 0), tilts=True),
        }
        self.commands: list[tuple[str, str, Callable[..., bytes]]] = []
        bind = self.commands.append
        for template, run in self._bound():
            parts = re.split(r"(\[\w+\])", template)
            uri = "".join(_TYPES[p[1:-1]] if p.startswith("[") else p for p in parts)
            bind((template, f"{uri}[ ]*$", run))

    def _bound(self) -> Iterator[tuple[str, Callable[..., bytes]]]:
        yield "vget /unrealcv/version", lambda: b"1.1.0"
        if self.plus:
            yield "vget /camera/[uint]/oneobjmask [str] [str]", self.one_object_mask
            yield "vset /objects/spawn_from_path [str] [str]", self.spawn_from_path
        yield "vget /unrealcv/commands", self.list_commands
        yield "vget /objects", lambda: b"".join(name.encode() + b" " for name in self.things)
        yield "vset /objects/spawn [str] [str]", self.spawn
        yield "vset /object/[str]/destroy", self.destroy
        yield "vget /object/[str]/mobility", lambda name: self.thing(name).mobility.encode()
        yield "vget /object/[str]/location", lambda name: _text(self.thing(name).location)
        for what in ("location", "rotation", "scale"):
            yield f"vset /object/[str]/{what} [float] [float] [float]", self.setter(what)
        yield "vset /object/[str]/color [uint] [uint] [uint]", self.paint_in_mask
        yield "vget /camera/[uint]/location", lambda camera: _text(self.sensor[:3])
        yield "vget /camera/[uint]/rotation", lambda camera: _text(self.sensor[3:])
        yield "vset /camera/[uint]/location [float] [float] [float]", self.move_pawn
        yield "vset /camera/[uint]/rotation [float] [float] [float]", self.turn_pawn
        yield "vset /camera/[uint]/fov [float]", self.set_fov
        yield "vset /camera/[uint]/size [uint] [uint]", self.set_size
        for what in ("exposure_method", "illumination", "reflection"):
            yield f"vset /camera/[uint]/{what} [str]", self.keep(what)
        yield "vset /camera/[uint]/exposure_bias [float]", self.keep("exposure_bias")
        yield "vset /camera/[uint]/motion_blur [float] [float] [float] [uint]", self.keep("motion_blur")
        yield "vget /camera/[uint]/lit [str]", self.lit
        yield "vget /camera/[uint]/object_mask [str]", self.object_mask
        yield "vget /camera/[uint]/depth [str]", self.depth
        for count in range(5):
            yield "vbp [str] [str]" + " [str]" * count, self.blueprint

    def answer(self, command: str) -> bytes:
        """As FCommandDispatcher::Exec: the last one bound is tried first."""
        for _, pattern, run in reversed(self.commands):
            if match := re.search(pattern, command):
                try:
                    return run(*match.groups()) or b"ok"
                except Failed as error:
                    return f"error {error}".encode()
        return f"error Can not find a handler for URI '{command}'".encode()

    def tick(self) -> None:
        """What the engine does between two rounds of requests: the camera goes where its pawn's eyes are."""
        x, y, z = self.pawn
        self.sensor = (x, y, z + EYE_CM, *self.control)

    def thing(self, name: str) -> Thing:
        if name not in self.things:
            raise Failed("Cannot find object")
        return self.things[name]

    def list_commands(self) -> bytes:
        return "\n".join(sorted(template for template, _, _ in self.commands)).encode()

    def spawn(self, kind: str, name: str) -> bytes:
        if name in self.things:
            raise Failed(f"Failed to spawn {name}, object exists.")
        if kind not in KINDS:
            raise Failed(f"Can not find a class with name '{kind}'")
        self.things[name] = Thing(kind)
        return name.encode()

    def spawn_from_path(self, path: str, name: str) -> bytes:
        return self.spawn(path.rsplit("/", 1)[-1] + "_C", name)

    def destroy(self, name: str) -> bytes:
        self.thing(name)
        del self.things[name]
        return b""

    def setter(self, what: str) -> Callable[..., bytes]:
        def put(name: str, *values: str) -> bytes:
            thing = self.thing(name)
            if thing.mobility == "Movable":
                setattr(thing, what, tuple(np.float32(v).item() for v in values))
            return b""

        return put

    def paint_in_mask(self, name: str, *rgb: str) -> bytes:
        self.thing(name).colour = tuple(map(int, rgb))  # type: ignore[assignment]
        return b""

    def move_pawn(self, camera: str, *xyz: str) -> bytes:
        self.pawn = tuple(np.float32(v).item() for v in xyz)  # type: ignore[assignment]
        return b""

    def turn_pawn(self, camera: str, *angles: str) -> bytes:
        self.control = tuple(np.float32(v).item() for v in angles)  # type: ignore[assignment]
        return b""

    def set_fov(self, camera: str, fov: str) -> bytes:
        self.fov = float(fov)
        return b""

    def set_size(self, camera: str, width: str, height: str) -> bytes:
        self.size = int(width), int(height)
        return b""

    def keep(self, what: str) -> Callable[..., bytes]:
        def put(camera: str, *values: str) -> bytes:
            self.settings[what] = " ".join(values)
            return b""

        return put

    def blueprint(self, name: str, function: str, *values: str) -> bytes:
        thing = self.thing(name)
        if name == "BP_Weather" and function == "SetHour":
            self.hour = float(values[0])
        elif name == "BP_Weather" and function == "SetSun":
            self.sun_yaw = float(values[0])
        elif name == "BP_Weather" and function == "SetWeather":
            self.weather = values[0]
        elif function == "SetPaint":
            thing.paint = tuple(map(float, values))  # type: ignore[assignment]
        else:
            raise Failed("Argument Invalid")
        return b"{}"

    # What the camera sees.

    def lit(self, camera: str, kind: str) -> bytes:
        return _png(decode_image(self.open().render(self.scene(list(self.things.values()))).image, "lit"))

    def object_mask(self, camera: str, kind: str) -> bytes:
        painted = [thing for thing in self.things.values() if thing.colour is not None]
        table = np.array([(0, 0, 0), *(thing.colour for thing in painted)], np.uint8)
        return _png(table[self.ids(painted)])

    def one_object_mask(self, camera: str, kind: str, name: str) -> bytes:
        white = 255 * (self.ids([self.thing(name)]) > 0).astype(np.uint8)
        return _png(np.repeat(white[:, :, None], 3, axis=2))

    def depth(self, camera: str, kind: str) -> bytes:
        everything = list(self.things.values())
        middle = [self.seen(thing) for thing in everything]
        table = np.array([60000.0, *(100 * m.z if m else 60000.0 for m in middle)])
        data = io.BytesIO()
        np.save(data, table.astype(np.float16)[self.ids(everything)].astype(np.float32))
        return data.getvalue()

    def encoded(self, pixels: np.ndarray) -> bytes:
        return _png(pixels)

    def ids(self, things: list[Thing]) -> np.ndarray:
        return self.open().identities(self.scene(things)).astype(np.int64)

    def open(self) -> OpenGLSimulator:
        self.drawn += 1
        if self.renderer is None:
            self.renderer = OpenGLSimulator(RendererSettings(supersampling=1))
        return self.renderer

    def seen(self, thing: Thing) -> Cuboid | None:
        """A thing's cuboid in the camera's axes; None for what has no mesh."""
        if thing.kind not in KINDS:
            return None
        kind, own, view = KINDS[thing.kind], axes(*thing.rotation), axes(*self.sensor[3:])
        bottom = np.array(thing.location) - 100 * kind.lift * thing.scale[2] * own[2]
        forward, up, place = (
            view @ v for v in (own[1 if kind.turned else 0], own[2], bottom - self.sensor[:3])
        )
        in_sight = np.linalg.norm(place) < 50_000
        if up[2] < 0.99999 and in_sight and not thing.tilts:
            raise Failed(f"the stand-in for Unreal only draws what is as level as its camera, found {up}")
        along = thing.scale[::-1][1:] if kind.turned else thing.scale[:2]
        return Cuboid(
            place[1] / 100, -place[2] / 100, place[0] / 100,
            kind.size[0] * along[0], kind.size[1] * along[1], kind.size[2] * thing.scale[2],
            math.atan2(-forward[0], forward[1]),
        )  # fmt: skip

    def scene(self, things: list[Thing]) -> Scene:
        """What the camera has before it, for the embedded renderer."""
        width, height = self.size
        focal = width / 2 / math.tan(math.radians(self.fov) / 2)
        actors = []
        for thing in things:
            cuboid = self.seen(thing)
            if cuboid is None:
                cuboid = Cuboid(
                    0.0, 50.0, -50.0, 1.0, 1.0, 1.0, 0.0
                )  # behind the camera: keeps the ids' order
                actors.append(Actor("car", cuboid))
            else:
                kind = KINDS[thing.kind]
                actors.append(Actor(kind.category, cuboid, thing.paint, kind.model))
        sun = math.radians(self.sun_yaw - self.sensor[4])
        return Scene(
            "unreal",
            width,
            height,
            Camera(focal, focal, width / 2, height / 2, 1.5, math.radians(-self.sensor[3])),
            tuple(actors),
            environment=Environment(hour=self.hour, weather=self.weather, sun_azimuth=sun),  # type: ignore[arg-type]
            sensor=Sensor(
                noise=0, read_noise=0, blur=0, vignette=0, bloom=0, aberration=0, jpeg_quality=0,
                exposure=float(self.settings.get("exposure_bias", 0)),
            ),
        )  # fmt: skip


def _at(forward: float, right: float, yaw: float) -> tuple[float, float, float]:
    """A place of the level, m ahead of and to the right of the scenes'."""
    x, y, z, turn = PLACE
    c, s = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    return x + 100 * (c * forward - s * right), y + 100 * (s * forward + c * right), z


def _text(values: tuple[float, ...]) -> bytes:
    return " ".join(f"{v:.3f}" for v in values).encode()


def _png(pixels: np.ndarray) -> bytes:
    data = io.BytesIO()
    alpha = np.full((*pixels.shape[:2], 1), 255, np.uint8)
    Image.fromarray(np.concatenate([pixels, alpha], axis=2)).save(data, "png", compress_level=1)
    return data.getvalue()
