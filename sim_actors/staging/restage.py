"""From a frame's labels to a scene: the same things in the same places, as the camera saw them."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace

import numpy as np
from pydantic import Field

from imitation.common.settings import DataError, Settings
from imitation.data.records import Camera, Convention, Cuboid, Frame, Object
from sim_actors.randomization.surroundings import draw_surroundings
from sim_actors.scene.appearance import dark, draw_colour, environment, known_hour, known_weather
from sim_actors.scene.ground import camera_height, camera_pitch
from sim_actors.scene.records import Actor, Environment, Road, Scene
from sim_actors.scene.roads import fit_road, road_yaw
from sim_actors.scene.sizes import SIZES, SizePrior, size_prior
from sim_actors.staging.cuboid_estimation import Cut, depth_by_height, estimate_cuboid, fit_ground

_STRANGER = SIZES["misc"]  # for categories without a size prior that come with a cuboid


class RestageSettings(Settings):
    """How labels become a scene."""

    hfov_deg: float = Field(
        80.0,
        gt=10,
        lt=170,
        description="horizontal field of view assumed where a frame has no camera, degrees",
    )
    height_spread: float = Field(
        0.15, gt=0, description="how far the camera's height may lie from what is stated (or 1.65), m"
    )
    pitch_spread: float = Field(
        0.012, gt=0, description="how far the camera's pitch may lie from what is stated (or 0), rad"
    )
    border: float = Field(
        1.5, ge=0, description="a box within this many px of the image's edge is taken to go on beyond it"
    )
    far: float = Field(120.0, gt=10, description="largest depth given to an object that has only a 2D box, m")
    density: float = Field(
        1.0,
        ge=0,
        le=1,
        description="share of the places beside the road that get a building, tree, pole, ...",
    )
    backdrops: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of the variations of a frame that are set into its own photo: new actors in "
        "free places of it, its real labels kept; the rest are staged anew as a whole",
    )
    leaning_far: float = Field(
        0.0,
        ge=0,
        le=2,
        description="new actors in a photo stand up to exp(0.35 + this) times as far as what they resemble, "
        "and as near as ever: 0 leans to neither side, 1 mostly farther; no farther than what is labelled",
    )


def default_camera(width: int, height: int, hfov_deg: float) -> Camera:
    """A pinhole camera for an image of unknown make: that field of view, principal point in the middle."""
    focal = width / 2 / math.tan(math.radians(hfov_deg) / 2)
    return Camera(focal, focal, width / 2, height / 2)


def staged_objects(frame: Frame, catalog: Collection[str] | None = None) -> list[int]:
    """Indices of the frame's objects that `restage` makes actors of, in actor order.

    Left out: ignored regions without a cuboid (KITTI's DontCare, COCO's crowds), categories that are
    not in the simulator's `catalog` (lower case; None: all are), and objects without a cuboid whose
    box has no area or whose category has no size prior.
    """
    return [i for i, obj in enumerate(frame.objects) if _stageable(obj, catalog)]


def restage(
    frame: Frame,
    *,
    scene_id: str,
    seed: int,
    convention: Convention,
    settings: RestageSettings,
    family: str = "simulator",
    catalog: Collection[str] | None = None,
) -> Scene:
    """The scene of a frame: its objects at their cuboids, seen with the frame's own camera.

    Objects without a cuboid get one from their box, size prior and the ground. Ignored objects are
    drawn but not labelled. Looks and surroundings are drawn from `seed`; the light is what
    `frame.conditions` say, else a clear day. `actors[k]` is the object `staged_objects(...)[k]`.

    Raises DataError, naming frame and object, for a cuboid or box that is not finite and for a cuboid
    without size.
    """
    rng = np.random.default_rng(seed)
    chosen = [(i, frame.objects[i]) for i in staged_objects(frame, catalog)]
    for i, obj in chosen:
        _check(frame, i, obj)
    camera = frame.camera or default_camera(frame.width, frame.height, settings.hfov_deg)
    camera = _grounded(camera, frame, [obj for _, obj in chosen], settings)
    known = {i: obj.cuboid for i, obj in chosen if obj.cuboid is not None}
    road = fit_road([cuboid for i, cuboid in known.items() if _prior(frame.objects[i]).kind == "vehicle"])
    light = _light(frame)
    actors = []
    for i, obj in chosen:
        prior = _prior(obj)
        cuboid = known.get(i) or estimate_cuboid(
            obj.amodal_box or obj.box,
            prior,
            camera,
            image_size=(frame.width, frame.height),
            border=settings.border,
            road_yaw=road_yaw(road),
            pitch_spread=settings.pitch_spread,
            height_spread=settings.height_spread,
            far=settings.far,
        )
        actors.append(
            Actor(
                category=obj.category,
                cuboid=cuboid,
                color=draw_colour(rng, prior.kind, obj.category),
                seed=int(rng.integers(2**31)),
                labelled=not obj.ignore,
                lights=dark(light.hour) and prior.kind == "vehicle",
            )
        )
    vehicles = [a.cuboid for a, (_, obj) in zip(actors, chosen) if _prior(obj).kind == "vehicle"]
    others = [actor.cuboid for actor in actors if actor.cuboid not in vehicles]
    road = _setting(fit_road(vehicles, others), others, rng)
    marked = 0.4 if road.kind == "residential" else 0.75
    road = replace(road, markings=bool(rng.random() < marked))
    return Scene(
        scene_id=scene_id,
        width=frame.width,
        height=frame.height,
        camera=camera,
        actors=tuple(actors),
        props=draw_surroundings(rng, road, actors, camera, frame.width, density=settings.density),
        road=road,
        environment=light,
        family=family,
        convention=convention,
        seed=int(rng.integers(2**31)),
    )


def _setting(road: Road, others: Collection[Cuboid], rng: np.random.Generator) -> Road:
    """The road in a likely place: people walk in built-up ones, a road without them may be a country road,
    without pavements where nothing stands on them."""
    if road.kind:
        return road
    draw = float(rng.random())
    if others:
        return replace(road, kind="city" if draw < 0.4 else "residential" if draw < 0.7 else "")
    if draw < 0.5:
        return replace(road, kind="rural", sidewalk=0.0 if road.sidewalk <= 2.5 else road.sidewalk)
    return road


def _stageable(obj: Object, catalog: Collection[str] | None) -> bool:
    if catalog is not None and obj.category.lower() not in catalog:
        return False
    if obj.cuboid is not None:
        return True
    # An ignored area is no thing; a place is guessed from a box and a usual size.
    return not obj.ignore and size_prior(obj.category) is not None and (obj.amodal_box or obj.box).area > 0


def _prior(obj: Object) -> SizePrior:
    return size_prior(obj.category) or _STRANGER


def _check(frame: Frame, index: int, obj: Object) -> None:
    where = f"frame {frame.frame_id}, object {index} ({obj.category})"
    if obj.cuboid is not None:
        values = [getattr(obj.cuboid, name) for name in Cuboid.__slots__]
        if not all(math.isfinite(value) for value in values):
            raise DataError(where, f"the cuboid {values} has a value that is not finite; correct the label")
        if min(obj.cuboid.length, obj.cuboid.width, obj.cuboid.height) <= 0:
            raise DataError(where, f"the cuboid {values} has a size of 0 or less; correct the label")
    elif not all(math.isfinite(value) for value in obj.box):
        raise DataError(where, f"the box {tuple(obj.box)} is not finite; correct the label")


def _grounded(camera: Camera, frame: Frame, objects: list[Object], settings: RestageSettings) -> Camera:
    """The camera over the ground plane that fits the objects' feet."""
    bottoms = []
    for obj in objects:
        if obj.cuboid is not None:
            bottoms.append((obj.cuboid.y, obj.cuboid.z))
            continue
        box = obj.amodal_box or obj.box
        cut = Cut.of(box, frame.width, frame.height, settings.border)
        if not (cut.top or cut.bottom):
            depth = min(depth_by_height(box, camera, _prior(obj)), settings.far)
            bottoms.append(((box.y2 - camera.cy) / camera.fy * depth, depth))
    fitted = fit_ground(
        camera, bottoms, height_spread=settings.height_spread, pitch_spread=settings.pitch_spread
    )
    # Labels that put the road at the lens are wrong about the road: then what is stated stands.
    if camera_height(fitted) < 0.5:
        return replace(camera, height=camera_height(camera), pitch=camera_pitch(camera))
    return fitted


def _light(frame: Frame) -> Environment:
    conditions = frame.conditions or {}
    weather = known_weather(conditions.get("weather") or "") or "clear"
    hour = known_hour(conditions.get("time_of_day") or "")
    plain = Environment()
    return environment(weather, plain.hour if hour is None else hour, plain.sun_azimuth)
