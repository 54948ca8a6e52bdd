"""Scenes written by hand: YAML or JSON with friendly defaults.

`examples/scene.yaml` shows every field. What `Scene.to_json` writes is read too, so a scene of a run
can be saved, edited and rendered again. Fields and ranges are those of `sim_actors.scene.records`; here
stands only what a person may write in another way, or leave out.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, Field, ValidationError, model_validator

from imitation.common.formats.validation import sentence
from imitation.common.settings import Settings, UserError
from imitation.common.texts import parse_json, parse_yaml
from imitation.data.records import Camera, Convention, Cuboid
from sim_actors.randomization.surroundings import draw_surroundings
from sim_actors.scene import props
from sim_actors.scene.appearance import HAZE, dark, draw_colour
from sim_actors.scene.ground import DEFAULT_CAMERA_HEIGHT, ground_y
from sim_actors.scene.props import PropKind
from sim_actors.scene.ranges import Colour, NotNegative, Positive, Seed, Side
from sim_actors.scene.records import Actor, Environment, Prop, Road, Scene, Sensor, Weather, check_focus
from sim_actors.scene.sizes import SIZES, size_prior
from sim_actors.staging.restage import default_camera


class _Camera(Settings):
    fov_deg: float | None = Field(None, gt=5, lt=170)
    fx: Positive | None = None
    fy: Positive | None = None
    cx: float | None = None
    cy: float | None = None
    height: Positive | None = DEFAULT_CAMERA_HEIGHT
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
    length: Positive
    width: Positive
    height: Positive
    yaw: float = 0.0


class _Actor(Settings):
    category: str
    cuboid: _Cuboid | None = None
    x: float | None = None
    z: float | None = None
    yaw_deg: float | None = None
    length: Positive | None = None
    width: Positive | None = None
    height: Positive | None = None
    color: Colour | None = None
    model: str = ""
    seed: Seed | None = None
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
    length: Positive | None = None
    width: Positive | None = None
    height: Positive | None = None
    yaw: float | None = None
    yaw_deg: float | None = None
    color: Colour | None = None
    seed: Seed | None = None
    lift: NotNegative = Prop.lift

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


def _by_weather(data: Any) -> Any:
    """An environment in which what a person leaves open is as the weather has it."""
    if not isinstance(data, dict):
        return data
    weather: Weather = data.get("weather", Environment.weather)
    usual = {
        "haze": HAZE.get(weather, Environment.haze) if isinstance(weather, str) else Environment.haze,
        "wetness": 0.8 if weather == "rain" else 0.0,
        "snow": 0.8 if weather == "snow" else 0.0,
    }
    return usual | {name: value for name, value in data.items() if value is not None or name not in usual}


class _SceneFile(Settings):
    scene_id: str | None = Field(None, min_length=1)
    width: Annotated[Side, Field(ge=16)] = 1242  # smaller ones nobody means
    height: Annotated[Side, Field(ge=16)] = 375
    camera: _Camera = _Camera()
    actors: tuple[_Actor, ...] = ()
    props: tuple[_Prop, ...] = ()
    surroundings: Seed | None = None
    road: Road = Road()
    environment: Annotated[Environment, BeforeValidator(_by_weather)] = Environment()
    sensor: Sensor = Sensor()
    family: str = Scene.family
    convention: Convention = Scene.convention
    seed: Seed = Scene.seed
    focus: tuple[Annotated[int, Field(ge=0)], ...] = ()

    @model_validator(mode="after")
    def _focused(self) -> _SceneFile:
        check_focus(self.focus, len(self.actors))
        return self

    def build(self, name: str) -> Scene:
        rng = np.random.default_rng(self.seed)
        camera = self.camera.build(self.width, self.height)
        actors = tuple(actor.build(camera, self.environment.hour, rng) for actor in self.actors)
        placed = tuple(prop.build(rng) for prop in self.props)
        if self.surroundings is not None:
            drawn = np.random.default_rng(self.surroundings)
            placed += draw_surroundings(drawn, self.road, actors, camera, self.width, standing=placed)
        return Scene(
            scene_id=self.scene_id or name,
            width=self.width,
            height=self.height,
            camera=camera,
            actors=actors,
            props=placed,
            road=self.road,
            environment=self.environment,
            sensor=self.sensor,
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
        raise UserError(f"{path}: {sentence(error, _SceneFile)}") from error
