"""Scenes written by hand: YAML or JSON with friendly defaults.

`examples/scene.yaml` shows every field. What `Scene.to_json` writes is read too, so a scene of a run
can be saved, edited and rendered again.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, ValidationError, model_validator

from imitation.common.settings import Settings, UserError
from imitation.common.texts import parse_json, parse_yaml
from imitation.common.wording import did_you_mean
from imitation.data.records import Camera, Convention, Cuboid
from sim_actors.randomization.surroundings import draw_surroundings
from sim_actors.scene import props
from sim_actors.scene.appearance import HAZE, dark, draw_colour
from sim_actors.scene.ground import DEFAULT_CAMERA_HEIGHT, ground_y
from sim_actors.scene.props import PropKind
from sim_actors.scene.records import Actor, Environment, Prop, Road, Scene, Sensor, Weather
from sim_actors.scene.roads import MAX_CURVATURE
from sim_actors.scene.sizes import SIZES, size_prior
from sim_actors.staging.restage import default_camera

Colour = tuple[float, float, float]


class _Camera(Settings):
    fov_deg: float | None = Field(None, gt=5, lt=170)
    fx: float | None = Field(None, gt=0)
    fy: float | None = Field(None, gt=0)
    cx: float | None = None
    cy: float | None = None
    height: float | None = Field(DEFAULT_CAMERA_HEIGHT, gt=0)
    pitch: float | None = Field(None, gt=-1.5, lt=1.5)
    pitch_deg: float | None = Field(None, gt=-85, lt=85)

    @model_validator(mode="after")
    def _one_way_each(self) -> _Camera:
        if self.fov_deg is not None and (self.fx is not None or self.fy is not None):
            raise ValueError("give fov_deg or fx, not both")
        if self.pitch_deg is not None and self.pitch is not None:
            raise ValueError("give pitch_deg or pitch (rad), not both")
        return self

    def build(self, width: int, height: int) -> Camera:
        pitch = math.radians(self.pitch_deg) if self.pitch_deg is not None else (self.pitch or 0.0)
        plain = default_camera(width, height, self.fov_deg or 80.0)
        fx = self.fx or self.fy or plain.fx
        return Camera(
            fx=fx,
            fy=self.fy or fx,
            cx=plain.cx if self.cx is None else self.cx,
            cy=plain.cy if self.cy is None else self.cy,
            height=self.height,
            pitch=pitch,
        )


class _Cuboid(Settings):
    x: float
    y: float | None = None
    z: float
    length: float = Field(gt=0)
    width: float = Field(gt=0)
    height: float = Field(gt=0)
    yaw: float = 0.0


class _Actor(Settings):
    category: str
    cuboid: _Cuboid | None = None
    x: float | None = None
    z: float | None = None
    yaw_deg: float | None = None
    length: float | None = Field(None, gt=0)
    width: float | None = Field(None, gt=0)
    height: float | None = Field(None, gt=0)
    color: Colour | None = None
    model: str = ""
    seed: int | None = Field(None, ge=0)
    labelled: bool = True
    lights: bool | None = None

    @model_validator(mode="after")
    def _placed(self) -> _Actor:
        if self.cuboid is None and (self.x is None or self.z is None):
            raise ValueError("give x and z (m: right of and ahead of the camera), or a cuboid")
        loose = [
            n for n in ("x", "z", "yaw_deg", "length", "width", "height") if getattr(self, n) is not None
        ]
        if self.cuboid is not None and loose:
            raise ValueError(f"give a cuboid or {', '.join(loose)}, not both")
        if self.cuboid is None and size_prior(self.category) is None:
            missing = [n for n in ("length", "width", "height") if getattr(self, n) is None]
            if missing:
                raise ValueError(
                    f"no usual size is known for category {self.category!r}; give {', '.join(missing)} too"
                )
        return self

    def build(self, camera: Camera, hour: float, rng: np.random.Generator) -> Actor:
        prior = size_prior(self.category)
        kind = prior.kind if prior else "other"
        drawn, seed = draw_colour(rng, kind, self.category), int(rng.integers(2**31))
        return Actor(
            category=self.category,
            cuboid=self._cuboid(camera),
            color=self.color or drawn,
            model=self.model,
            seed=seed if self.seed is None else self.seed,
            labelled=self.labelled,
            lights=(kind == "vehicle" and dark(hour)) if self.lights is None else self.lights,
        )

    def _cuboid(self, camera: Camera) -> Cuboid:
        if self.cuboid is not None:
            y = ground_y(camera, self.cuboid.z) if self.cuboid.y is None else self.cuboid.y
            return Cuboid(**(self.cuboid.model_dump() | {"y": y}))
        assert self.x is not None
        assert self.z is not None
        usual = size_prior(self.category) or SIZES["misc"]
        yaw = math.radians(-90.0 if self.yaw_deg is None else self.yaw_deg)
        return Cuboid(
            x=self.x,
            y=ground_y(camera, self.z),
            z=self.z,
            length=self.length or usual.length,
            width=self.width or usual.width,
            height=self.height or usual.height,
            yaw=yaw,
        )


class _Prop(Settings):
    kind: PropKind
    x: float
    z: float
    length: float | None = Field(None, gt=0)
    width: float | None = Field(None, gt=0)
    height: float | None = Field(None, gt=0)
    yaw: float | None = None
    yaw_deg: float | None = None
    color: Colour | None = None
    seed: int | None = Field(None, ge=0)
    lift: float = Field(Prop.lift, ge=0)

    def build(self, rng: np.random.Generator) -> Prop:
        plain, seed = props.SIZES[self.kind], int(rng.integers(2**31))
        yaw = math.radians(self.yaw_deg) if self.yaw_deg is not None else (self.yaw or 0.0)
        return Prop(
            kind=self.kind,
            x=self.x,
            z=self.z,
            length=self.length or plain[0],
            width=self.width or plain[1],
            height=self.height or plain[2],
            yaw=yaw,
            color=self.color or props.COLOURS[self.kind][0],
            seed=seed if self.seed is None else self.seed,
            lift=self.lift,
        )


class _Road(Settings):
    heading: float = Field(Road.heading, ge=-math.pi, le=math.pi)
    offset: float = Road.offset
    lanes: int = Field(Road.lanes, ge=1)
    lane_width: float = Field(Road.lane_width, gt=0.5)
    sidewalk: float = Field(Road.sidewalk, ge=0)
    markings: bool = Road.markings
    surface: Literal["asphalt", "concrete", "gravel"] = "asphalt"
    curvature: float = Field(Road.curvature, ge=-MAX_CURVATURE, le=MAX_CURVATURE)
    junction: float = Field(Road.junction, ge=0)
    cross_width: float = Field(Road.cross_width, gt=0)
    crossing: float = Field(Road.crossing, ge=0)
    shoulder: float = Field(Road.shoulder, ge=0)
    median: float = Field(Road.median, ge=0)
    kind: Literal["", "city", "residential", "rural", "motorway"] = ""


class _Environment(Settings):
    hour: float = Field(Environment.hour, ge=0, lt=24)
    sun_azimuth: float = Environment.sun_azimuth
    weather: Weather = "clear"
    haze: float | None = Field(None, ge=0)
    wetness: float | None = Field(None, ge=0, le=1)
    snow: float | None = Field(None, ge=0, le=1)
    clouds: float = Field(Environment.clouds, ge=0, le=1)
    turbidity: float = Field(Environment.turbidity, ge=1.5, le=10)

    def build(self) -> Environment:
        return Environment(
            self.hour,
            self.sun_azimuth,
            self.weather,
            HAZE[self.weather] if self.haze is None else self.haze,
            (0.8 if self.weather == "rain" else 0.0) if self.wetness is None else self.wetness,
            (0.8 if self.weather == "snow" else 0.0) if self.snow is None else self.snow,
            self.clouds,
            self.turbidity,
        )


class _Sensor(Settings):
    exposure: float = Field(Sensor.exposure, ge=-8, le=8)
    white_balance: Colour = Sensor.white_balance
    blur: float = Field(Sensor.blur, ge=0)
    noise: float = Field(Sensor.noise, ge=0, le=1)
    vignette: float = Field(Sensor.vignette, ge=0, le=1)
    jpeg_quality: int = Field(Sensor.jpeg_quality, ge=0, le=100)
    bloom: float = Field(Sensor.bloom, ge=0, le=1)
    aberration: float = Field(Sensor.aberration, ge=-3, le=3)
    read_noise: float = Field(Sensor.read_noise, ge=0, le=1)


class _SceneFile(Settings):
    scene_id: str | None = Field(None, min_length=1)
    width: int = Field(1242, ge=16, le=16384)
    height: int = Field(375, ge=16, le=16384)
    camera: _Camera = _Camera()
    actors: tuple[_Actor, ...] = ()
    props: tuple[_Prop, ...] = ()
    surroundings: int | None = Field(None, ge=0)
    road: _Road = _Road()
    environment: _Environment = _Environment()
    sensor: _Sensor = _Sensor()
    family: str = "simulator"
    convention: Convention = "amodal_clipped"
    seed: int = Field(0, ge=0)
    focus: tuple[Annotated[int, Field(ge=0)], ...] = ()

    @model_validator(mode="after")
    def _focused(self) -> _SceneFile:
        for index in self.focus:
            if index >= len(self.actors):
                raise ValueError(
                    f"focus names actor {index} (from 0), but there are {len(self.actors)} actors"
                )
        return self

    def build(self, name: str) -> Scene:
        rng = np.random.default_rng(self.seed)
        camera = self.camera.build(self.width, self.height)
        environment, road = self.environment.build(), Road(**self.road.model_dump())
        actors = tuple(actor.build(camera, environment.hour, rng) for actor in self.actors)
        placed = tuple(prop.build(rng) for prop in self.props)
        if self.surroundings is not None:
            drawn = np.random.default_rng(self.surroundings)
            placed += draw_surroundings(drawn, road, actors, camera, self.width, standing=placed)
        return Scene(
            scene_id=self.scene_id or name,
            width=self.width,
            height=self.height,
            camera=camera,
            actors=actors,
            props=placed,
            road=road,
            environment=environment,
            sensor=Sensor(**self.sensor.model_dump()),
            family=self.family,
            convention=self.convention,
            seed=self.seed,
            focus=self.focus,
        )


def load_scene(path: str | Path) -> Scene:
    """The scene that a YAML (.yaml, .yml) or JSON file describes; its id is the file's name if the
    file gives none. What a file leaves open (colours, seeds) is drawn from its `seed`.

    Raises UserError naming the file, the field, the value and what would do.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: the scene cannot be read ({error})") from error
    data = (parse_json if path.suffix.lower() == ".json" else parse_yaml)(text, str(path))
    if not isinstance(data, dict):
        raise UserError(f"{path}: a scene is a mapping with fields such as actors, not {type(data).__name__}")
    try:
        return _SceneFile.model_validate(data).build(path.stem)
    except ValidationError as error:
        raise UserError(f"{path}: {_first(error)}") from error


_PARTS: dict[str, type[Settings]] = {
    "camera": _Camera,
    "actors": _Actor,
    "props": _Prop,
    "road": _Road,
    "environment": _Environment,
    "sensor": _Sensor,
    "cuboid": _Cuboid,
}


def _first(error: ValidationError) -> str:
    """The first mistake in one sentence, and how many more there are."""
    mistakes = error.errors(include_url=False)
    first = mistakes[0]
    place = ""
    for step in first["loc"]:
        place += f"[{step}]" if isinstance(step, int) else f".{step}" if place else str(step)
    if first["type"] == "extra_forbidden":
        sentence = f"{place}: there is no such field; {_nearest(first['loc'])}"
    elif first["type"] == "missing":
        sentence = f"{place}: this field is required"
    elif first["type"] == "value_error":
        sentence = f"{place}: {first['msg'].removeprefix('Value error, ')}"
    else:
        sentence = f"{place}: {first['msg'].lower()}, found {_shown(first['input'])}"
    more = len(mistakes) - 1
    return sentence + (f" (and {more} more)" if more else "")


def _nearest(loc: tuple[Any, ...]) -> str:
    owner = next((_PARTS[step] for step in reversed(loc[:-1]) if step in _PARTS), _SceneFile)
    return did_you_mean(str(loc[-1]), owner.model_fields)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
