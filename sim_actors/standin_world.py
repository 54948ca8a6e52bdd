"""The stand-in: an embedded world that plays reality's part where no real data is at hand.

It is never real data, and nothing that is said of it holds for reality. It differs from the
simulator as reality would: other bodies and textures (the asset family "standin"), other
proportions, paints, light and camera; and it has a long tail: scenes with occluded or truncated
objects, night scenes, trucks and cyclists are rare where one trains and common where one tests.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import numpy as np
from pydantic import Field

from imitation.common.formats import old_names
from imitation.common.settings import Settings
from imitation.data.records import Camera, Convention
from sim_actors.randomization.free_scene import Mix, free_scene
from sim_actors.randomization.perturb import NIGHT, RandomizeSettings, draw_environment
from sim_actors.scene.appearance import dark, shade
from sim_actors.scene.records import Actor, Environment, Scene, Sensor

CATEGORIES = ("car", "truck", "pedestrian", "cyclist")

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

Tail = Literal["occluded", "truncated", "night", "truck", "cyclist"]
TAILS: tuple[Tail, ...] = ("occluded", "truncated", "night", "truck", "cyclist")


class WorldSettings(Settings):
    """The embedded stand-in for reality: how much of it, and how it differs from the simulator."""

    seed: int = Field(
        2021, ge=0, description="seed of the whole world: every frame of every split follows from it"
    )
    train: int = Field(160, ge=1, description="frames to train on (failures are mined in them, out of fold)")
    val: int = Field(64, ge=1, description="frames that decide stopping, threshold and best cycle")
    test: int = Field(80, ge=1, description="frames that are only reported on")
    width: int = Field(416, ge=64, description="image width, px")
    height: int = Field(128, ge=32, description="image height, px")
    focal: float = Field(
        0.58, gt=0.2, lt=5, description="focal length as a fraction of the width (KITTI: 0.58)"
    )
    camera_height: float = Field(1.65, gt=0.3, description="height of the camera over the road, m")
    gap: float = Field(
        0.7,
        ge=0,
        le=1,
        description="how far the stand-in lies from the simulator: 0 shares its bodies, textures, light and "
        "camera; above 0 bodies and textures are the stand-in's own, and its proportions, paints, haze, "
        "colour cast, noise, blur and vignette move away with it, 1 the farthest. Chosen once, not by "
        "looking at results",
    )
    tail_share_train: float = Field(
        0.1, ge=0, le=1, description="share of tail scenes (see `tails`) in train: rare, as on the road"
    )
    tail_share_eval: float = Field(
        0.6, ge=0, le=1, description="share of tail scenes in val and test: common"
    )
    tails: tuple[Tail, ...] = Field(
        TAILS, min_length=1, description="kinds of tail scenes, each as frequent as the others"
    )
    weight_car: float = Field(0.7, ge=0, description="how common cars are in ordinary scenes")
    weight_truck: float = Field(0.01, ge=0, description="how common trucks are in ordinary scenes")
    weight_pedestrian: float = Field(0.25, ge=0, description="how common pedestrians are in ordinary scenes")
    weight_cyclist: float = Field(0.015, ge=0, description="how common cyclists are in ordinary scenes")
    tail_weight: float = Field(
        0.5, ge=0, lt=1, description="share of trucks (cyclists) among the actors of a truck (cyclist) scene"
    )
    actors_min: int = Field(2, ge=1, description="fewest actors in a scene")
    actors_max: int = Field(7, ge=1, description="most actors in a scene")
    min_object_height: float = Field(11.0, ge=2, description="actors stay near enough to look this tall, px")
    noise: float = Field(
        0.012, ge=0, le=0.2, description="sensor noise of the stand-in at gap 1, share of full scale"
    )
    convention: Convention = Field("amodal_clipped", description="what a label's box means")


def standin_camera(settings: WorldSettings) -> Camera:
    """The stand-in's camera: level, the horizon a little above the middle of the picture."""
    focal = settings.focal * settings.width
    return Camera(focal, focal, settings.width / 2, 0.46 * settings.height, settings.camera_height, 0.0)


def standin_tail(settings: WorldSettings, split: Split, index: int) -> Tail | None:
    """The tail kind of a frame, None for an ordinary one. Tail frames are spread evenly over a split
    and take turns among `settings.tails`, so that small splits hold every kind in its share."""
    share = settings.tail_share_train if split == "train" else settings.tail_share_eval
    before, upto = math.floor(index * share + 1e-9), math.floor((index + 1) * share + 1e-9)
    return settings.tails[before % len(settings.tails)] if upto > before else None


def standin_scene(settings: WorldSettings, split: Split, index: int) -> Scene:
    """Frame `index` of a split: the same scene for the same settings, whatever the splits' sizes."""
    rng = np.random.default_rng([settings.seed, SPLITS.index(split), index])
    tail = standin_tail(settings, split, index)
    called = old_names.spellings(split)[-1]  # ids stay what they were: evaluations are compared by them
    scene = free_scene(
        _RANGES,
        scene_id=f"standin-{called}-{index:05d}",
        seed=int(rng.integers(2**31)),
        camera=standin_camera(settings),
        width=settings.width,
        height=settings.height,
        categories=CATEGORIES,
        convention=settings.convention,
        family="standin" if settings.gap > 0 else "simulator",
        mix=_mix(settings, tail),
        light=_light(tail, settings.gap, rng),
    )
    return replace(
        scene,
        actors=tuple(_own(actor, settings.gap, rng) for actor in scene.actors),
        sensor=_own_sensor(settings, dark(scene.environment.hour), rng),
    )


_RANGES = RandomizeSettings(night=0.0, weather={"clear": 0.6, "overcast": 0.35, "rain": 0.05})


def _mix(settings: WorldSettings, tail: Tail | None) -> Mix:
    weights = {category: getattr(settings, f"weight_{category}") for category in CATEGORIES}
    if tail in ("truck", "cyclist"):
        rest = sum(weight for category, weight in weights.items() if category != tail)
        weights[tail] = max(rest, 1e-6) * settings.tail_weight / (1 - settings.tail_weight)
    return Mix(
        weights=weights,
        actors=(settings.actors_min, max(settings.actors_max, settings.actors_min)),
        occluded=0.5 if tail == "occluded" else 0.0,
        truncated=0.5 if tail == "truncated" else 0.0,
        plain_hidden=0.25,
        plain_cut=0.1,
        min_height=settings.min_object_height,
    )


def _light(tail: Tail | None, gap: float, rng: np.random.Generator) -> Environment:
    """Day, or night for night scenes; the stand-in's air is hazier and its sun lower with the gap."""
    light = draw_environment(_RANGES, rng)
    if tail == "night":
        return replace(light, hour=float(rng.uniform(*NIGHT)) % 24)
    hour = 13.0 + (light.hour - 13.0) * (1 - 0.2 * gap) + 1.5 * gap
    return replace(light, hour=min(max(hour, 7.0), 17.0), haze=light.haze * (1 + 2 * gap))


def _own(actor: Actor, gap: float, rng: np.random.Generator) -> Actor:
    """The stand-in's proportions and paints: a little longer and lower, faded and warmer."""
    cuboid = actor.cuboid
    stretch = 1 + gap * float(rng.uniform(0.0, 0.06))
    r, g, b = actor.color
    grey = (r + g + b) / 3
    faded = tuple(channel + 0.4 * gap * (grey - channel) for channel in (r * (1 + 0.15 * gap), g, b))
    return replace(
        actor,
        cuboid=replace(cuboid, length=cuboid.length * stretch, height=cuboid.height * (2 - stretch)),
        color=shade((faded[0], faded[1], faded[2]), 1 + gap * float(rng.uniform(-0.3, 0.3))),
    )


def _own_sensor(settings: WorldSettings, night: bool, rng: np.random.Generator) -> Sensor:
    """The stand-in's camera: its colour cast, noise (doubled at night), blur and vignette."""
    gap, plain = settings.gap, Sensor()
    draw = rng.uniform
    return replace(
        plain,
        exposure=gap * float(draw(-0.3, 0.5)),
        white_balance=(1 + gap * float(draw(0.0, 0.1)), 1.0, 1 - gap * float(draw(0.0, 0.12))),
        noise=plain.noise + gap * settings.noise * (2 if night else 1),
        blur=plain.blur + gap * float(draw(0.0, 0.5)),
        vignette=plain.vignette + 0.2 * gap,
    )
