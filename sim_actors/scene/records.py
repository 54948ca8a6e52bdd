"""Scene: a plain, serializable description of what to stage, apart from any renderer.

Everything lies in the camera's own coordinates (KITTI's axes: x right, y down, z forward, m), so
a frame's cuboids can be staged as they are. The flat ground is the plane that lies
`camera.height` below the camera, tilted by `camera.pitch`.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError

from imitation.common.formats.validation import sentence, sentences
from imitation.data.records import Convention
from sim_actors.scene.backdrop import Backdrop
from sim_actors.scene.props import PropKind
from sim_actors.scene.ranges import (
    STRICT,
    Colour,
    Lens,
    NotNegative,
    Positive,
    Seed,
    Share,
    Side,
    Solid,
)

Weather = Literal["clear", "overcast", "fog", "rain", "snow"]
Surface = Literal["asphalt", "concrete", "gravel"]
RoadKind = Literal["city", "residential", "rural", "motorway"]
MAX_CURVATURE = 0.02
"""Of any road, 1/m: a bend with a radius of 50 m."""


@dataclass(frozen=True)
class Actor:
    """A thing that can be labelled.

    `model` names a body of the simulator's family for this category ("" lets the simulator choose
    by `seed`); `color` is linear RGB in [0, 1]; `seed` decides the rest of its looks. An unlabelled
    actor (`labelled=False`) is drawn and occludes but gets no label: clutter. `lights`: head and
    tail lights are on.
    """

    category: str
    cuboid: Solid
    color: Colour = (0.5, 0.5, 0.5)
    model: str = ""
    seed: Seed = 0
    labelled: bool = True
    lights: bool = False


@dataclass(frozen=True)
class Prop:
    """A thing of the surroundings: "building", "tree", "lamp", ... (`sim_actors.scene.props.KINDS`).

    (x, z) is where it stands, m, in camera axes; it rests on the ground plane, or floats `lift` m over
    it. Size is m; yaw rad.
    """

    kind: PropKind
    x: float
    z: float
    length: Positive
    width: Positive
    height: Positive
    yaw: float = 0.0
    color: Colour = (0.5, 0.5, 0.5)
    seed: Seed = 0
    lift: NotNegative = 0.0


@dataclass(frozen=True)
class Road:
    """A road: `heading` rad around the camera's y axis (0 = along +z, the view direction), `offset` m
    of its centre line to the right of the camera, `lane_width` m, `lanes` >= 1, `sidewalk` m on each
    side; `surface` in "asphalt", "concrete", "gravel".

    `curvature` 1/m bends it to the right (negative: to the left) from the camera on, where it runs
    along `heading`. `junction` m ahead another road of `cross_width` m crosses it at a right angle, and
    `crossing` m ahead is the middle of a zebra crossing (0: none). `shoulder` m beside the lanes are
    paved too: a hard shoulder, or a strip to park on. `median` m > 0 makes it a motorway: all lanes lead
    away, and the lanes of the other direction lie beyond a strip of that width to the left. `kind`, in
    `RoadKind`, is what stands beside it ("": anything).
    """

    heading: Annotated[float, Field(ge=-math.pi, le=math.pi)] = 0.0
    offset: float = -1.7
    lanes: Annotated[int, Field(ge=1)] = 2
    lane_width: Annotated[float, Field(gt=0.5)] = 3.4
    sidewalk: NotNegative = 2.5
    markings: bool = True
    surface: Surface = "asphalt"
    curvature: Annotated[float, Field(ge=-MAX_CURVATURE, le=MAX_CURVATURE)] = 0.0
    junction: NotNegative = 0.0
    cross_width: Positive = 7.0
    crossing: NotNegative = 0.0
    shoulder: NotNegative = 0.0
    median: NotNegative = 0.0
    kind: RoadKind | Literal[""] = ""

    @property
    def half(self) -> float:
        """Half the width of its lanes, m."""
        return self.lanes * self.lane_width / 2


@dataclass(frozen=True)
class Environment:
    """Light and weather. `hour` in [0, 24); `sun_azimuth` rad (0 = ahead of the camera, positive to
    the right); `haze` is the fog's extinction, 1/m (0.0008 clear, 0.05 dense fog); `wetness` and
    `snow` in [0, 1]; `clouds` in [0, 1], the share of a clear sky that they cover; `turbidity` in
    [1.5, 10], how much aerosol whitens a clear sky (2 very clear, 3 clear, 6 hazy)."""

    hour: Annotated[float, Field(ge=0, lt=24)] = 13.0
    sun_azimuth: float = 0.8
    weather: Weather = "clear"
    haze: Share = 0.0008
    wetness: Share = 0.0
    snow: Share = 0.0
    clouds: Share = 0.3
    turbidity: Annotated[float, Field(ge=1.5, le=10)] = 3.0


@dataclass(frozen=True)
class Sensor:
    """The camera's lens and electronics. `exposure` EV; `white_balance` gains (r, g, b); `blur` px
    sigma; `noise` and `read_noise`: standard deviations at mid grey, shares of full scale, of the
    photons' noise (grows with the root of the signal) and of the read-out's (does not grow);
    `vignette` in [0, 1] darkening of the corners; `bloom` in [0, 1] share of a highlight's light that
    the lens scatters; `aberration`: lateral chromatic aberration in the corners, px that red lies
    farther out and blue farther in than green; `jpeg_quality` 1-100, 0 writes PNG."""

    exposure: Annotated[float, Field(ge=-8, le=8)] = 0.0
    white_balance: Colour = (1.0, 1.0, 1.0)
    blur: Annotated[float, Field(ge=0, le=10)] = 0.4
    noise: Share = 0.01
    vignette: Share = 0.15
    jpeg_quality: Annotated[int, Field(ge=0, le=100)] = 92
    bloom: Share = 0.06
    aberration: Annotated[float, Field(ge=-3, le=3)] = 0.2
    read_noise: Share = 0.0008


@dataclass(frozen=True)
class Scene:
    """What to stage. `scene_id` becomes the frame's id; `family` names the asset family
    ("simulator", or "standin" for the embedded world's own); `convention` says which box is the
    training label; `seed` drives everything that the fields leave open (texture, noise). `focus` are the
    indices of the actors that the scene is about, where it is about some: failing objects.

    With a `backdrop` the actors and props are set into a real photo: it takes the place of road, sky and
    surroundings, `road` and `environment` only say how the actors are lit, and what `sensor` leaves to
    the photo (exposure, white balance, noise, file format) is matched to it.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    scene_id: str
    width: Side
    height: Side
    camera: Lens
    actors: tuple[Actor, ...] = ()
    props: tuple[Prop, ...] = ()
    road: Road = field(default_factory=Road)
    environment: Environment = field(default_factory=Environment)
    sensor: Sensor = field(default_factory=Sensor)
    family: str = "simulator"
    convention: Convention = "amodal_clipped"
    seed: Seed = 0
    backdrop: Backdrop | None = None
    focus: tuple[Annotated[int, Field(ge=0)], ...] = ()

    def plain(self) -> dict[str, Any]:
        """Plain data, as `from_dict` reads it; a backdrop's photo is named, not contained (backdrop.py)."""
        data = asdict(replace(self, backdrop=None))
        del data["backdrop"]
        if self.backdrop is not None:
            data["backdrop"] = self.backdrop.plain()
        return data

    def to_json(self) -> str:
        """One line of JSON of `plain`; `Scene.from_json` reads it back to an equal scene."""
        return json.dumps(self.plain(), separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Scene:
        """The inverse of `to_json`. Raises as `from_dict` does."""
        return cls.from_dict(json.loads(text))

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Scene:
        """A scene from plain data (JSON or YAML). Fields left out take their defaults.

        Raises ValueError that names the field that is unknown, missing or out of its range.

        >>> camera = {"fx": 700, "fy": 700, "cx": 320, "cy": 96}
        >>> scene = Scene.from_dict({"scene_id": "one", "width": 640, "height": 192, "camera": camera})
        >>> Scene.from_json(scene.to_json()) == scene
        True
        """
        try:
            return _reader().validate_python(data)
        except ValidationError as error:
            raise ValueError(f"scene: {sentence(error, cls)}") from None

    def problems(self) -> list[str]:
        """Which fields have values that no scene may have, a sentence each; empty where all are in range."""
        try:
            _reader().validate_python(self)
        except ValidationError as error:
            return sentences(error, Scene)
        return []

    def replace(self, **changes: Any) -> Scene:
        """The same scene but for these fields."""
        return replace(self, **changes)


def check_focus(focus: tuple[int, ...], actors: int) -> None:
    """Raises ValueError for an index of no actor."""
    for index in focus:
        if index >= actors:
            raise ValueError(f"focus names actor {index} (from 0), but there are {actors} actors")


def _focused(scene: Scene) -> Scene:
    check_focus(scene.focus, len(scene.actors))
    return scene


@cache
def _reader() -> TypeAdapter[Scene]:
    return TypeAdapter(Annotated[Scene, AfterValidator(_focused)])
