"""What an Unreal level has: a file that says which blueprint or placed actor stands for which category.

# unreal.yaml
place: {x: 0, y: 0, z: 0, yaw: 0}   # cm and degrees, as the editor shows them: on the road, under the camera
sky:
  object: BP_Weather                # the name of an actor with these functions
  calls: ["SetHour {hour}", "SetSun {sun_yaw}", "SetWeather {weather}"]
weathers: [clear, overcast, rain]   # what can be staged; other scenes are refused
hours: [6, 20]
actors:
  - category: car
    model: sedan                    # a name of its own
    spawn: BP_Sedan_C               # a class that the level has loaded; or path, or placed
    size: {length: 4.6, width: 1.82, height: 1.5}   # real, m, at scale 1
    turn: 0                         # where its front points, degrees from its own +X
    pivot: [0, 0, 0]                # of its bottom's centre, m forward, right and up of its own origin
    paint: SetPaint                 # its function that takes red, green and blue, 0 to 1
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, Field, ValidationError, model_validator

from imitation.common import storage
from imitation.common.formats.validation import sentences
from imitation.common.settings import Settings, UserError
from imitation.common.texts import parse_yaml
from sim_actors.scene.category_words import canonical, spelled
from sim_actors.scene.records import Actor, Environment, Weather

_FIELDS = ("hour", "sun_yaw", "weather", "haze", "wetness", "snow", "clouds", "turbidity")
_WORD = re.compile(r"[^\s\"'\[\]]+")


def _word(value: str) -> str:
    if not _WORD.fullmatch(value):
        raise ValueError(f"a name in Unreal is one word without spaces or quotation marks, found {value!r}")
    return value


Word = Annotated[str, AfterValidator(_word)]
Metres = Annotated[float, Field(gt=0, lt=100)]


class Place(Settings):
    """Where in the level scenes are set: the point of the road under the camera, and where the camera
    looks."""

    x: float = Field(0.0, description="cm")
    y: float = Field(0.0, description="cm")
    z: float = Field(0.0, description="cm, of the road's surface")
    yaw: float = Field(0.0, description="degrees")


class Sky(Settings):
    """An actor of the level that makes light and weather, by functions of its blueprint."""

    object: Word = Field(description="its name in the level")
    calls: tuple[str, ...] = Field(
        min_length=1, description=f"functions with their arguments; filled in are {', '.join(_FIELDS)}"
    )

    @model_validator(mode="after")
    def _known(self) -> Sky:
        for call in self.calls:
            try:
                call.format(**dict.fromkeys(_FIELDS, "0"))
            except (KeyError, IndexError, ValueError) as error:
                raise ValueError(
                    f"calls: {call!r}: {error}; what is filled in stands in braces: "
                    f"{', '.join('{' + name + '}' for name in _FIELDS)}"
                ) from None
        return self

    def commands(self, environment: Environment, camera_yaw: float) -> list[str]:
        """The commands that make this light; `camera_yaw` is where the camera looks in the level, degrees."""
        numbers = {name: getattr(environment, name) for name in _FIELDS if hasattr(environment, name)}
        numbers["sun_yaw"] = (camera_yaw + math.degrees(environment.sun_azimuth)) % 360
        words = {name: value if isinstance(value, str) else f"{value:.5f}" for name, value in numbers.items()}
        return [f"vbp {self.object} {call.format(**words)}" for call in self.calls]


class Measures(Settings):
    """Real measures of a model at scale 1, m."""

    length: Metres = Field(description="along the way it faces")
    width: Metres = Field(description="across")
    height: Metres = Field(description="from its lowest point up")


class Model(Settings):
    """One thing that the level can show as a category: a class to spawn, or actors that stand in it
    already."""

    category: str = Field(min_length=1, description="what it is labelled as")
    model: Word = Field(description="a name of its own")
    spawn: Word | None = Field(None, description="class of a blueprint that is loaded, such as BP_Sedan_C")
    path: Word | None = Field(
        None, description="asset path of a blueprint, where the plugin has spawn_from_path (UnrealCV+)"
    )
    placed: tuple[Word, ...] = Field((), description="names of movable actors in the level")
    size: Measures
    turn: Literal[0, 90, 180, 270, -90] = Field(
        0, description="where its front points, degrees from its own +X towards its own +Y"
    )
    pivot: tuple[float, float, float] = Field(
        (0.0, 0.0, 0.0), description="its bottom's centre: m forward, right and up of its own origin"
    )
    paint: Word | None = Field(
        None, description="its function that takes red, green and blue, linear, 0 to 1"
    )

    @model_validator(mode="after")
    def _one_source(self) -> Model:
        if sum((self.spawn is not None, self.path is not None, bool(self.placed))) != 1:
            raise ValueError("it needs one of spawn (a class), path (an asset) and placed (names of actors)")
        return self

    @property
    def key(self) -> str:
        return f"{spelled(self.category)}/{self.model}"

    def stretch(self, actor: Actor) -> float:
        """How far it is scaled along the axis that is scaled most, >= 1, to fill the actor's cuboid."""
        size, cuboid = self.size, actor.cuboid
        pairs = (
            (cuboid.length, size.length), (cuboid.width, size.width), (cuboid.height, size.height)
        )  # fmt: skip
        return max(max(one / other, other / one) for one, other in pairs)


class Manifest(Settings):
    """A level's file."""

    place: Place = Place()
    sky: Sky | None = Field(None, description="null: the level's light, whatever the scene says")
    weathers: tuple[Weather, ...] = Field(
        ("clear", "overcast"), min_length=1, description="that can be staged"
    )
    hours: tuple[float, float] = Field((7.0, 19.0), description="from and to which hour scenes can be staged")
    actors: tuple[Model, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _once(self) -> Manifest:
        keys = [model.key for model in self.actors]
        if twice := next((key for key in keys if keys.count(key) > 1), None):
            raise ValueError(f"actors: {twice} stands twice; each model of a category has a name of its own")
        names = [name for model in self.actors for name in model.placed]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"actors: the placed actor {twice} stands twice")
        return self

    def models(self, category: str) -> tuple[Model, ...]:
        """What can stand for a category, however it is spelled."""
        for name in dict.fromkeys((category.lower(), spelled(category), canonical(category))):
            found = tuple(m for m in self.actors if name in (m.category.lower(), spelled(m.category)))
            if found:
                return found
        return ()

    def categories(self) -> frozenset[str]:
        return frozenset(model.category.lower() for model in self.actors)


def chosen(manifest: Manifest, actors: Sequence[Actor], stretch: float) -> list[Model | str]:
    """For each actor its model: the named one, else the one whose proportions are nearest of those that are
    left; or why there is none, in a sentence."""
    left = {model.key: len(model.placed) for model in manifest.actors if model.placed}
    found: list[Model | str] = []
    for actor in actors:
        models = manifest.models(actor.category)
        named = [model for model in models if model.model == actor.model]
        fitting = [model for model in named or models if model.stretch(actor) <= stretch]
        free = [model for model in fitting if left.get(model.key, 1) > 0]
        if not models:
            known = ", ".join(sorted(manifest.categories()))
            found.append(f".category: the level has no {actor.category!r}; it has {known}")
        elif not fitting:
            best = min(named or models, key=lambda model: model.stretch(actor))
            cuboid = actor.cuboid
            found.append(
                f".cuboid: {cuboid.length:.2f} x {cuboid.width:.2f} x {cuboid.height:.2f} m; the nearest "
                f"model, {best.key}, would be scaled by {best.stretch(actor):.2f} "
                f"(simulate.options.stretch: {stretch:g})"
            )
        elif not free:
            found.append(
                f".category: all placed actors of {fitting[0].key} are taken by others of this scene"
            )
        else:
            model = min(free, key=lambda model: (model.stretch(actor), model.model))
            if model.key in left:
                left[model.key] -= 1
            found.append(model)
    return found


@lru_cache(maxsize=8)
def _parsed(uri: str, text: str) -> tuple[Manifest, str]:
    data = parse_yaml(text, uri)
    try:
        return Manifest.model_validate(data), hashlib.sha256(text.encode()).hexdigest()[:8]
    except ValidationError as error:
        mistakes = error.errors(include_url=False)
        # A misspelt field is missing too, under its right name; that it is misspelt says more.
        first = next((k for k, each in enumerate(mistakes) if each["type"] == "extra_forbidden"), 0)
        more = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
        told = sentences(error, Manifest)[first]
        raise UserError(f"{uri}:{_line(text, mistakes[first]['loc'])}: {told}{more}") from None


def read_manifest(uri: str) -> tuple[Manifest, str]:
    """The manifest in a YAML file and eight digits of its checksum. Raises UserError naming the file, the
    line, the field and the value."""
    return _parsed(uri, storage.read_text(uri))


def _line(text: str, place: Sequence[Any]) -> int:
    """The line of a YAML text where a value lies, or of what should hold it."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    line = 1 if node is None else node.start_mark.line + 1
    for step in place:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == step), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            break
    return line
