"""Bounded, seeded perturbations of a scene: domain randomization in its neighbourhood.

Tobin et al., "Domain Randomization for Transferring Deep Neural Networks from Simulation to the
Real World", IROS 2017: enough variation, and reality looks like one more variation.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
from pydantic import Field, model_validator

from imitation.common.settings import Settings
from imitation.data.records import Camera, Cuboid
from sim_actors.randomization.distractors import draw_distractors
from sim_actors.randomization.prop_layout import SPACING, blocked
from sim_actors.randomization.surroundings import draw_surroundings
from sim_actors.scene.appearance import WEATHERS, dark, draw_colour, environment
from sim_actors.scene.footprint import Footprint, overlaps, overlaps_any
from sim_actors.scene.ground import camera_height, camera_pitch, ground_y
from sim_actors.scene.projection import projected_box
from sim_actors.scene.records import Actor, Environment, Prop, Scene, Sensor, Weather
from sim_actors.scene.roads import wrap
from sim_actors.scene.sizes import size_prior

TRIES = 20
"""Poses drawn for an actor before it stays where it was."""

NIGHT = (18.5, 29.5)
"""Hours of the night, up to the next morning's (the sun rises at 6 and sets at 18)."""

_NEAREST = 1.5  # m, a perturbed centre comes no nearer to the camera's plane than this


class RandomizeSettings(Settings):
    """How far a perturbed scene may lie from the one it came from. Every range is for strength 1 and
    shrinks in proportion to `strength`; draws are uniform within it unless said otherwise."""

    strength: float = Field(
        1.0, ge=0, le=1, description="0 stages the same scene again, 1 uses the whole ranges"
    )
    position: float = Field(0.7, ge=0, description="shift of an object along x and along z, at most, m")
    depth: float = Field(
        0.05, ge=0, lt=1, description="further shift along z, at most this fraction of the depth"
    )
    yaw: float = Field(0.15, ge=0, le=math.pi, description="turn of an object, at most, rad")
    flip: float = Field(0.1, ge=0, le=1, description="chance that an object faces the other way")
    size: float = Field(
        0.06, ge=0, lt=0.5, description="change of length, width and height, at most, fraction"
    )
    drop: float = Field(
        0.15, ge=0, le=1, description="chance that an object is left out, where others are in focus"
    )
    appearance: float = Field(
        1.0, ge=0, le=1, description="chance that an object gets another body and colour"
    )
    hour: float = Field(4.0, ge=0, le=12, description="shift of the time of day, at most, hours")
    night: float = Field(0.1, ge=0, le=1, description="chance that the scene moves to the night")
    sun_azimuth: float = Field(math.pi, ge=0, le=math.pi, description="turn of the sun, at most, rad")
    change_weather: float = Field(0.5, ge=0, le=1, description="chance that the weather is drawn anew")
    weather: dict[Weather, float] = Field(
        {"clear": 0.5, "overcast": 0.3, "fog": 0.06, "rain": 0.1, "snow": 0.04},
        description="how likely each weather is, when drawn anew; made to sum to 1",
    )
    haze: float = Field(0.5, ge=0, description="haze is multiplied by exp(u), u at most this either way")
    clouds: float = Field(
        0.5, ge=0, le=1, description="change of the share of clouds in a clear sky, at most"
    )
    turbidity: float = Field(1.5, ge=0, le=8, description="change of the air's turbidity, at most")
    camera_height: float = Field(0.08, ge=0, lt=0.5, description="shift of the camera's height, at most, m")
    camera_pitch: float = Field(0.008, ge=0, lt=0.2, description="change of the camera's pitch, at most, rad")
    focal: float = Field(0.03, ge=0, lt=0.5, description="change of the focal length, at most, fraction")
    exposure: float = Field(0.6, ge=0, le=4, description="change of the exposure, at most, EV")
    white_balance: float = Field(
        0.06, ge=0, lt=0.5, description="change of the red and blue gain, at most, fraction"
    )
    noise: float = Field(0.015, ge=0, le=0.2, description="sensor noise added, at most, share of full scale")
    blur: float = Field(0.5, ge=0, le=5, description="blur added, at most, px (sigma)")
    vignette: float = Field(0.15, ge=0, le=0.5, description="change of the vignette, at most")
    bloom: float = Field(
        0.06, ge=0, le=0.5, description="change of the share of light that the lens scatters"
    )
    aberration: float = Field(0.4, ge=0, le=2, description="change of the lateral chromatic aberration, px")
    jpeg_quality: int = Field(12, ge=0, le=60, description="fall of the JPEG quality, at most")
    surroundings: float = Field(
        0.5, ge=0, le=1, description="chance that all that stands beside the road is drawn anew"
    )
    distractors: int = Field(
        0,
        ge=0,
        le=50,
        description="floating shapes without a label, at most (Tremblay et al., 2018); 0: none",
    )
    distractor_cover: float = Field(
        0.3, ge=0, lt=1, description="share of a labelled object's box that such shapes cover, at most"
    )

    @model_validator(mode="after")
    def _some_weather(self) -> RandomizeSettings:
        if min(self.weather.values(), default=0) < 0 or sum(self.weather.values()) <= 0:
            raise ValueError(f"weather: {self.weather} needs weights of 0 or more, and one above 0")
        return self


def perturb(
    scene: Scene,
    settings: RandomizeSettings,
    rng: np.random.Generator,
    focus: Collection[int] = (),
    *,
    pinned: int = 0,
    density: float = 1.0,
) -> Scene:
    """A scene in the neighbourhood of `scene`: poses, sizes, looks, light, weather, camera and sensor.

    `focus` are indices of actors that the scene is about: they are never left out, and neither is
    anything else where there is no focus. No two actors interpenetrate that did not before; each stays
    in the picture if it was in it, and in front of the camera; one that finds no such pose in `TRIES`
    keeps its own. Props that come to stand in an actor, or before a labelled one, are taken out. What
    stands beside the road may be drawn anew, as dense as `density` says; the first `pinned` props, which
    the scene is about too, are not. With strength 0 the scene comes back as it is. `focus` of the result
    says where the actors in focus are in it.
    """
    if settings.strength == 0:
        return replace(scene, focus=tuple(sorted(focus)))
    camera = draw_camera(scene.camera, settings, rng)
    actors = _move(scene, camera, settings, rng)
    chance = settings.strength * settings.drop if focus else 0.0
    kept = [i for i in range(len(actors)) if rng.random() >= chance or i in focus]
    actors = [actors[i] for i in kept]
    light = _environment(scene.environment, settings, rng)
    actors = [_looks(actor, settings, rng, light.hour) for actor in actors]
    sensor, seed = _sensor(scene.sensor, settings, rng), int(rng.integers(2**31))
    fresh, props_seed = rng.random() < settings.surroundings * settings.strength, int(rng.integers(2**31))
    old = scene.props[:pinned] if fresh else scene.props
    props = tuple(prop for prop in old if not _in_the_way(prop, actors, scene.actors))
    if fresh:
        anew = np.random.default_rng(props_seed)
        width, road = scene.width, scene.road
        props += draw_surroundings(anew, road, actors, camera, width, density=density, standing=props)
    moved = replace(
        scene,
        camera=camera,
        actors=tuple(actors),
        props=props,
        environment=light,
        sensor=sensor,
        seed=seed,
        focus=tuple(k for k, i in enumerate(kept) if i in focus),
    )
    most = round(settings.distractors * settings.strength)
    return draw_distractors(moved, most, settings.distractor_cover, rng)


def _spread(rng: np.random.Generator, settings: RandomizeSettings, width: float) -> float:
    return float(rng.uniform(-1, 1)) * width * settings.strength


def draw_camera(camera: Camera, settings: RandomizeSettings, rng: np.random.Generator) -> Camera:
    """The camera with focal length, height and pitch moved within the settings' ranges."""
    gain = 1 + _spread(rng, settings, settings.focal)
    height = camera_height(camera) + _spread(rng, settings, settings.camera_height)
    pitch = camera_pitch(camera) + _spread(rng, settings, settings.camera_pitch)
    return replace(camera, fx=camera.fx * gain, fy=camera.fy * gain, height=max(height, 0.3), pitch=pitch)


def _move(scene: Scene, camera: Camera, settings: RandomizeSettings, rng: np.random.Generator) -> list[Actor]:
    """New poses, one actor after the other; each is checked against all others where they are now,
    so keeping the old pose never makes a new overlap."""
    poses = [actor.cuboid for actor in scene.actors]
    before = list(poses)
    rectangles = [Footprint.of(pose) for pose in poses]
    for i in range(len(poses)):
        in_view = _in_view(before[i], scene.camera, scene)
        for _ in range(TRIES):
            pose = _draw_pose(before[i], settings, rng)
            rectangle = Footprint.of(pose)
            if pose.z < min(_NEAREST, before[i].z) or (
                in_view and not _in_view(_regrounded(pose, before[i], scene.camera, camera), camera, scene)
            ):
                continue
            if any(overlaps(rectangle, other) for j, other in enumerate(rectangles) if j != i):
                continue
            poses[i], rectangles[i] = pose, rectangle
            break
    return [
        replace(actor, cuboid=_regrounded(pose, old, scene.camera, camera))
        for actor, pose, old in zip(scene.actors, poses, before)
    ]


def _draw_pose(cuboid: Cuboid, settings: RandomizeSettings, rng: np.random.Generator) -> Cuboid:
    scale = [1 + _spread(rng, settings, settings.size) for _ in range(3)]
    turn = _spread(rng, settings, settings.yaw)
    if rng.random() < settings.flip * settings.strength:
        turn += math.pi
    return Cuboid(
        x=cuboid.x + _spread(rng, settings, settings.position),
        y=cuboid.y,
        z=cuboid.z + _spread(rng, settings, settings.position + settings.depth * max(cuboid.z, 0.0)),
        length=cuboid.length * scale[0],
        width=cuboid.width * scale[1],
        height=cuboid.height * scale[2],
        yaw=wrap(cuboid.yaw + turn),
    )


def _regrounded(pose: Cuboid, old: Cuboid, old_camera: Camera, camera: Camera) -> Cuboid:
    """The pose at the same height over the new camera's ground as it had over the old one's."""
    return replace(pose, y=ground_y(camera, pose.z) + old.y - ground_y(old_camera, old.z))


def _in_view(cuboid: Cuboid, camera: Camera, scene: Scene) -> bool:
    """Whether a fair part (15%) of the object is inside the image."""
    if cuboid.z <= 0.5:
        return False
    box = projected_box(cuboid, camera)
    return box.area > 0 and box.clipped(scene.width, scene.height).area >= 0.15 * box.area


def _in_the_way(prop: Prop, actors: Sequence[Actor], before: Sequence[Actor]) -> bool:
    """Whether a prop has come to overlap an actor or to hide one; one that hid some before may stay."""
    if prop.lift > 0:
        return False
    footprint = Footprint.of(prop)
    if overlaps_any(footprint, (Footprint.of(actor.cuboid, SPACING) for actor in actors)):
        return True
    return blocked(prop, actors) and not blocked(prop, before)


def _looks(actor: Actor, settings: RandomizeSettings, rng: np.random.Generator, hour: float) -> Actor:
    prior = size_prior(actor.category)
    kind = "other" if prior is None else prior.kind
    lights = actor.lights or (kind == "vehicle" and dark(hour))
    colour, seed = draw_colour(rng, kind, actor.category), int(rng.integers(2**31))
    if rng.random() < settings.appearance * settings.strength:
        return replace(actor, color=colour, model="", seed=seed, lights=lights)
    return replace(actor, lights=lights)


def draw_weather(settings: RandomizeSettings, rng: np.random.Generator) -> Weather:
    """A weather drawn by the settings' weights."""
    weights = np.array([settings.weather.get(weather, 0.0) for weather in WEATHERS])
    return WEATHERS[int(rng.choice(len(WEATHERS), p=weights / weights.sum()))]


def _environment(old: Environment, settings: RandomizeSettings, rng: np.random.Generator) -> Environment:
    hour = (old.hour + _spread(rng, settings, settings.hour)) % 24
    night = float(rng.uniform(*NIGHT)) % 24
    if rng.random() < settings.night * settings.strength:
        hour = night
    azimuth = wrap(old.sun_azimuth + _spread(rng, settings, settings.sun_azimuth))
    gain = math.exp(_spread(rng, settings, settings.haze))
    weather = draw_weather(settings, rng)
    clouds, turbidity = _air(old, settings, rng)
    if rng.random() < settings.change_weather * settings.strength:
        return environment(weather, hour, azimuth, haze_gain=gain, clouds=clouds, turbidity=turbidity)
    return replace(
        old, hour=hour, sun_azimuth=azimuth, haze=old.haze * gain, clouds=clouds, turbidity=turbidity
    )


def _air(old: Environment, settings: RandomizeSettings, rng: np.random.Generator) -> tuple[float, float]:
    clouds = old.clouds + _spread(rng, settings, settings.clouds)
    turbidity = old.turbidity + _spread(rng, settings, settings.turbidity)
    return min(max(clouds, 0.0), 1.0), min(max(turbidity, 1.5), 10.0)


def draw_environment(settings: RandomizeSettings, rng: np.random.Generator) -> Environment:
    """Any light and weather there is: the simulator's whole range, by the settings' weights."""
    night = rng.random() < settings.night
    hour = float(rng.uniform(*NIGHT)) % 24 if night else float(rng.uniform(6.8, 17.2))
    gain = math.exp(float(rng.uniform(-1, 1)) * settings.haze)
    clouds, turbidity = _air(Environment(), settings.model_copy(update={"strength": 1.0}), rng)
    weather, azimuth = draw_weather(settings, rng), float(rng.uniform(-math.pi, math.pi))
    return environment(weather, hour, azimuth, haze_gain=gain, clouds=clouds, turbidity=turbidity)


def _sensor(sensor: Sensor, settings: RandomizeSettings, rng: np.random.Generator) -> Sensor:
    r, g, b = sensor.white_balance
    return replace(
        sensor,
        exposure=sensor.exposure + _spread(rng, settings, settings.exposure),
        white_balance=(
            r * (1 + _spread(rng, settings, settings.white_balance)),
            g,
            b * (1 + _spread(rng, settings, settings.white_balance)),
        ),
        noise=sensor.noise + float(rng.random()) * settings.noise * settings.strength,
        blur=sensor.blur + float(rng.random()) * settings.blur * settings.strength,
        vignette=min(max(sensor.vignette + _spread(rng, settings, settings.vignette), 0.0), 1.0),
        bloom=min(max(sensor.bloom + _spread(rng, settings, settings.bloom), 0.0), 1.0),
        aberration=min(max(sensor.aberration + _spread(rng, settings, settings.aberration), -3.0), 3.0),
        jpeg_quality=_jpeg_quality(sensor, settings, rng),
    )


def _jpeg_quality(sensor: Sensor, settings: RandomizeSettings, rng: np.random.Generator) -> int:
    fall = round(float(rng.random()) * settings.jpeg_quality * settings.strength)
    return max(sensor.jpeg_quality - fall, 1) if sensor.jpeg_quality else 0


def draw_sensor(settings: RandomizeSettings, rng: np.random.Generator) -> Sensor:
    """Any sensor there is: the default one, moved within the whole ranges."""
    return _sensor(Sensor(), settings.model_copy(update={"strength": 1.0}), rng)
