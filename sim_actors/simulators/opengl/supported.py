"""What the embedded simulator can stage, and why not the rest."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import get_args

from imitation.data.records import Convention
from sim_actors.scene.records import Actor, Prop, Scene, Weather
from sim_actors.scene.roads import MAX_CURVATURE
from sim_actors.simulators.opengl.assets.families import FAMILIES
from sim_actors.simulators.opengl.assets.family import Family
from sim_actors.simulators.opengl.assets.meshes import bodies_of

MAX_SIDE = 8192
MAX_ACTORS = 65534
SURFACES = ("asphalt", "concrete", "gravel")


def problems(scene: Scene) -> list[str]:
    """Why a scene cannot be staged, a sentence each that names the field; empty if it can."""
    family = FAMILIES.get(scene.family)
    if family is None:
        return [f"family: no asset family {scene.family!r}; known are {', '.join(FAMILIES)}"]
    found = [*_whole(scene)]
    for index, actor in enumerate(scene.actors):
        found += [f"actors[{index}]{what}" for what in _actor(actor, family)]
    for index, prop in enumerate(scene.props):
        found += [f"props[{index}]{what}" for what in _prop(prop, family)]
    return [*found, *_backdrop(scene)]


def _backdrop(scene: Scene) -> Iterator[str]:
    backdrop = scene.backdrop
    if backdrop is None:
        return
    photo = backdrop.photo
    if photo is None or photo.image is None:
        yield (
            f"backdrop: the photo of frame {backdrop.frame_id!r} is not with the scene, only its name; "
            "give it back with scene.backdrop.of(frame)"
        )
    elif (photo.width, photo.height) != (scene.width, scene.height):
        yield (
            f"backdrop: the photo is {photo.width}x{photo.height} px, the scene {scene.width}x{scene.height}"
        )
    if not 0 <= backdrop.shadow <= 1:
        yield f"backdrop.shadow: must be in [0, 1], found {backdrop.shadow}"
    look = backdrop.look
    if not (all(0 <= v <= 1 for v in look.ground) and look.contrast >= 1 and look.noise >= 0):
        yield f"backdrop.look: needs ground in [0, 1], contrast >= 1 and noise >= 0, found {look}"
    for index, item in enumerate(backdrop.occluders):
        c = item.cuboid
        values = (c.x, c.y, c.z, c.length, c.width, c.height, c.yaw)
        if not all(math.isfinite(v) for v in values) or min(c.length, c.width, c.height) <= 0:
            yield f"backdrop.occluders[{index}].cuboid: needs finite values and positive sizes"


def _whole(scene: Scene) -> Iterator[str]:
    camera, e, sensor, road = scene.camera, scene.environment, scene.sensor, scene.road
    if not (1 <= scene.width <= MAX_SIDE and 1 <= scene.height <= MAX_SIDE):
        yield f"width, height: {scene.width}x{scene.height} px; sides of 1 to {MAX_SIDE} px can be drawn"
    if not (camera.fx > 0 and camera.fy > 0):
        yield f"camera: focal lengths must be positive, found fx {camera.fx}, fy {camera.fy}"
    if camera.height is not None and not camera.height > 0:
        yield f"camera.height: must be positive, found {camera.height} m"
    if camera.pitch is not None and not abs(camera.pitch) < math.pi / 3:
        yield f"camera.pitch: must lie within 60 degrees of level, found {camera.pitch} rad"
    things = len(scene.actors) + (0 if scene.backdrop is None else len(scene.backdrop.occluders))
    if things > MAX_ACTORS:
        yield f"actors: {things}; at most {MAX_ACTORS} can be told apart"
    if scene.convention not in get_args(Convention):
        yield f"convention: {scene.convention!r} is not one of {', '.join(get_args(Convention))}"
    if e.weather not in get_args(Weather):
        yield f"environment.weather: {e.weather!r} is not one of {', '.join(get_args(Weather))}"
    if not 0 <= e.hour < 24:
        yield f"environment.hour: must be in [0, 24), found {e.hour}"
    if not 1.5 <= e.turbidity <= 10:
        yield f"environment.turbidity: must be in [1.5, 10], found {e.turbidity}"
    for name, value in (("haze", e.haze), ("wetness", e.wetness), ("snow", e.snow), ("clouds", e.clouds)):
        if not 0 <= value <= 1:
            yield f"environment.{name}: must be in [0, 1], found {value}"
    if road.surface not in SURFACES:
        yield f"road.surface: {road.surface!r} is not one of {', '.join(SURFACES)}"
    if not (road.lanes >= 1 and road.lane_width > 0 and road.sidewalk >= 0):
        yield "road: needs lanes >= 1, lane_width > 0 and sidewalk >= 0"
    if not (abs(road.curvature) <= MAX_CURVATURE and road.shoulder >= 0 and road.median >= 0):
        yield f"road: needs curvature within {MAX_CURVATURE} 1/m, shoulder >= 0 and median >= 0"
    if not (road.junction >= 0 and road.crossing >= 0 and road.cross_width > 0):
        yield "road: needs junction >= 0, crossing >= 0 (0: none) and cross_width > 0"
    if not (0 <= sensor.blur <= 10 and 0 <= sensor.noise <= 1 and 0 <= sensor.vignette <= 1):
        yield "sensor: needs blur in [0, 10] px, noise in [0, 1] and vignette in [0, 1]"
    if not (0 <= sensor.bloom <= 1 and abs(sensor.aberration) <= 3 and 0 <= sensor.read_noise <= 1):
        yield "sensor: needs bloom in [0, 1], aberration in [-3, 3] px and read_noise in [0, 1]"
    if not 0 <= sensor.jpeg_quality <= 100:
        yield f"sensor.jpeg_quality: must be in [0, 100], found {sensor.jpeg_quality}"


def _actor(actor: Actor, family: Family) -> Iterator[str]:
    bodies, c = bodies_of(family, actor.category), actor.cuboid
    if not bodies:
        yield f".category: no body for {actor.category!r}; known are {', '.join(family.bodies)}"
    elif actor.model and actor.model not in bodies:
        yield f".model: no {actor.category} {actor.model!r}; known are {', '.join(bodies)}"
    if not all(math.isfinite(v) for v in (c.x, c.y, c.z, c.length, c.width, c.height, c.yaw)):
        yield ".cuboid: has a value that is not finite"
    elif not min(c.length, c.width, c.height) > 0:
        yield f".cuboid: length, width and height must be positive, found {c.length}, {c.width}, {c.height} m"


def _prop(prop: Prop, family: Family) -> Iterator[str]:
    if prop.kind not in family.props:
        yield f".kind: no prop {prop.kind!r}; known are {', '.join(family.props)}"
    if not all(math.isfinite(v) for v in (prop.x, prop.z, prop.length, prop.width, prop.height, prop.yaw)):
        yield ": has a value that is not finite"
    elif not min(prop.length, prop.width, prop.height) > 0:
        size = f"{prop.length}, {prop.width}, {prop.height} m"
        yield f": length, width and height must be positive, found {size}"
