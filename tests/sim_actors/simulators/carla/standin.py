"""A CARLA world without CARLA: the types are the real wheel's, the pictures are the embedded renderer's.

`simulate.options.client_module` names it. It knows nothing of the code that it is there to try: where a
body stands comes from the wheel's own matrices and `BoundingBox.get_world_vertices`. What is to go wrong is
named in the environment variable STANDIN_CARLA.
"""

import fnmatch
import math
import os
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace

import carla
import numpy as np
from carla import (
    BoundingBox,
    CityObjectLabel,
    Location,
    Rotation,
    Transform,
    Vector3D,
    VehicleLightState,
    WeatherParameters,
)

from imitation.data.images import load_frame_image
from imitation.data.records import Camera, Cuboid
from sim_actors.scene.records import Actor, Environment, Scene, Sensor
from sim_actors.simulators.opengl.renderer import OpenGLSimulator
from sim_actors.simulators.opengl.settings import RendererSettings

FAULTS = frozenset(filter(None, os.environ.get("STANDIN_CARLA", "").split(",")))
# Blueprint: base_type, category of the embedded renderer, semantic tag, half extents, middle of the box.
BODIES = {
    "vehicle.small.hatch": ("car", "car", 14, (1.95, 0.82, 0.77), (0.12, 0.0, 0.75)),
    "vehicle.large.limousine": ("car", "car", 14, (2.6, 0.98, 0.74), (0.0, 0.03, 0.76)),
    "vehicle.tall.van": ("van", "van", 15, (2.6, 0.96, 1.1), (-0.2, 0.0, 1.12)),
    "vehicle.box.truck": ("truck", "truck", 15, (4.5, 1.3, 1.7), (0.3, 0.0, 1.7)),
    "vehicle.heavy.motorbike": ("motorcycle", "motorcycle", 18, (1.05, 0.39, 0.84), (0.0, 0.0, 0.84)),
    "vehicle.empty.bicycle": ("bicycle", "cyclist", 19, (0.0, 0.0, 0.85), (0.0, 0.0, 0.85)),
    "walker.pedestrian.0001": ("", "pedestrian", 12, (0.41, 0.32, 0.885), (0.0, 0.0, 0.0)),
}
SENSOR = {
    "fov": "90",
    "image_size_x": "800",
    "image_size_y": "600",
    "sensor_tick": "0.0",
    "role_name": "front",
}
# The first is before a wall, at the second the road climbs.
SPAWN_POINTS = ((0.0, 0.0, 0.0), (1000.0, 0.0, 0.0), (2000.0, -30.0, 35.0))
MARK = "imitation-training@elsewhere"
NO_ACTOR = 7  # the engine's own id of what is none
FIRST_ID = 65533  # the picture of ids has 16 bits: some actor's are these


@dataclass
class Blueprint:
    id: str
    attributes: dict = field(default_factory=dict)

    def has_attribute(self, name):
        return name in self.attributes

    def get_attribute(self, name):
        return SimpleNamespace(as_str=lambda: self.attributes[name])

    def set_attribute(self, name, value):
        assert isinstance(value, str)
        assert name in self.attributes, f"blueprint {self.id!r} has no attribute {name!r}"
        self.attributes[name] = value


class Library(list):
    def filter(self, pattern):
        return Library(one for one in self if fnmatch.fnmatch(one.id, pattern))

    def find(self, name):
        (one,) = (one for one in self if one.id == name)
        return Blueprint(one.id, dict(one.attributes))


def library():
    found = Library()
    for name, (base, *_) in BODIES.items():
        kind = {"base_type": base, "color": "0,0,0"} if base else {"age": "adult"}
        found.append(Blueprint(name, {"role_name": "autopilot", **kind}))
    found.append(Blueprint("sensor.camera.rgb", SENSOR | {"motion_blur_intensity": "0.45", "iso": "100"}))
    found.append(Blueprint("sensor.camera.instance_segmentation", dict(SENSOR)))
    found.append(Blueprint("sensor.other.gnss", {"role_name": "front"}))
    found.append(Blueprint("static.prop.cone", {"role_name": "prop"}))
    return found


class Thing:
    """An actor. What it is asked for is what the last tick has seen."""

    def __init__(self, world, number, blueprint, transform):
        self._world, self.id, self.type_id = world, number, blueprint.id
        self.attributes = dict(blueprint.attributes)
        self.put, self.known = transform, transform
        self.physics = blueprint.id.startswith(("vehicle", "walker"))
        self.listener = None
        self.queue = []
        self.lamps, self.pose = None, ""
        if blueprint.id in BODIES:
            _, self.category, tag, extent, middle = BODIES[blueprint.id]
            self.bounding_box = BoundingBox(Location(*middle), Vector3D(*extent))
            self.semantic_tags = [tag]
        if blueprint.id.startswith("walker"):
            self.get_pose_from_animation = lambda: setattr(self, "pose", "as animated")
            self.show_pose = lambda: setattr(self, "pose", f"held {self.pose}")
        if blueprint.id.startswith("vehicle"):
            self.set_light_state = lambda state: setattr(self, "lamps", state)

    def get_transform(self):
        return self.known

    def destroy(self):
        return self._world.things.pop(self.id, None) is not None

    def listen(self, callback):
        # The server hears of it a tick or two later.
        self.listener, self.deaf_until = callback, self._world.frame + (3 if "deaf" in FAULTS else 0)
        if "blind" in FAULTS:
            self.deaf_until = math.inf

    def stop(self):
        self.listener = None


@cache
def renderer():
    return OpenGLSimulator(RendererSettings(supersampling=1, ignore_below_contrast=0.0))


class World:
    def __init__(self):
        self.frame, self.number = 100, FIRST_ID
        self.things, self.all = {}, {}
        self.settings = ("busy" in FAULTS, None, False)
        self.snapshot = set()
        self.hidden = set()
        self.weather, self.frozen = WeatherParameters.ClearSunset, False
        self.spectator = self.spawn_actor(Blueprint("spectator"), Transform())
        if "leftovers" in FAULTS:
            self.settings = (True, 0.05, False)
            self.spawn_actor(Blueprint("vehicle.small.hatch", {"role_name": "imitation-training"}), ahead())
            self.spawn_actor(Blueprint("sensor.other.gnss", {"role_name": f"{MARK}#ours"}), Transform())
        if "held elsewhere" in FAULTS:
            self.spawn_actor(Blueprint("sensor.other.gnss", {"role_name": f"{MARK}#theirs"}), Transform())
        if "stranger" in FAULTS:
            self.spawn_actor(Blueprint("vehicle.small.hatch", {"role_name": "hero"}), ahead())

    def get_settings(self):
        made = carla.WorldSettings()
        made.synchronous_mode, made.fixed_delta_seconds, made.no_rendering_mode = self.settings
        return made

    def apply_settings(self, new):
        self.settings = (new.synchronous_mode, new.fixed_delta_seconds, new.no_rendering_mode)
        return self.frame

    def get_map(self):
        points = [Transform(Location(x, y, 0.4), Rotation(yaw=yaw)) for x, y, yaw in SPAWN_POINTS]
        return SimpleNamespace(name="Carla/Maps/Flat01", get_spawn_points=lambda: points)

    def get_blueprint_library(self):
        return library()

    def get_actors(self, ids=None):
        known = self.snapshot if ids is None else ids
        return [thing for thing in self.things.values() if thing.id in known]

    def wait_for_tick(self, seconds):
        if self.settings[0] and "busy" not in FAULTS:
            raise RuntimeError(f"time-out of {seconds:.0f}000ms while waiting for the simulator")
        self._tick()

    def get_spectator(self):
        return self.spectator

    def get_environment_objects(self, kind):
        return [SimpleNamespace(id=900 + int(kind))] if kind == CityObjectLabel.Car else []

    def enable_environment_objects(self, ids, enable):
        self.hidden = self.hidden - set(ids) if enable else self.hidden | set(ids)

    def freeze_all_traffic_lights(self, frozen):
        self.frozen = frozen

    def get_weather(self):
        return self.weather

    def set_weather(self, weather):
        self.weather = weather

    def cast_ray(self, start, end):
        assert (start.x, start.y) == (end.x, end.y)
        hits = [(1.2, CityObjectLabel.NONE), (ground(start.x), CityObjectLabel.Roads)]
        if 8 < start.x < 14:
            hits.append((2.0, CityObjectLabel.Buildings))
        if abs(start.x - SPAWN_POINTS[2][0]) < 500:
            hits.append((-3.0, CityObjectLabel.Roads))  # a tunnel
        return [
            SimpleNamespace(location=Location(start.x, start.y, z), label=label)
            for z, label in sorted(hits, key=lambda hit: -hit[0])
            if end.z <= z <= start.z
        ]

    def spawn_actor(self, blueprint, transform):
        self.things[self.number] = self.all[self.number] = thing = Thing(
            self, self.number, blueprint, transform
        )
        self.number += 1
        return thing

    def tick(self, seconds):
        assert self.settings[0], "a world that ticks by itself is ticked"
        if "hang" in FAULTS:
            raise RuntimeError(f"time-out of {seconds:.0f}000ms while waiting for the simulator")
        if "abort in rain" in FAULTS and self.weather.precipitation > 0:
            os.write(2, b"terminate called after throwing an instance of a stand-in\n")
            os.abort()
        return self._tick()

    def _tick(self):
        self.frame += 1
        self.snapshot = set(self.things)
        for thing in list(self.things.values()):
            thing.known = thing.put
            if "drift" in FAULTS and thing.physics is False:
                thing.known = Transform(thing.put.location + Location(0.3, 0, 0), thing.put.rotation)
        for thing in list(self.things.values()):
            if thing.listener is not None and self.frame > thing.deaf_until:
                self._take(thing)
        return self.frame

    def _take(self, sensor):
        image = SimpleNamespace(
            frame=self.frame, transform=sensor.known, width=0, height=0, raw_data=b"", sensor=sensor
        )
        pixels = self._colour(sensor) if sensor.type_id.endswith("rgb") else self._ids(sensor)
        image.height, image.width = pixels.shape[:2]
        image.raw_data = pixels.tobytes()
        if "shaken" in FAULTS:
            image.transform = Transform(sensor.known.location, Rotation(yaw=sensor.known.rotation.yaw + 0.5))
        if "never" in FAULTS and sensor.type_id.endswith("rgb"):
            image.frame -= 1
        if "stale" in FAULTS:  # the tick before's comes first, with its own number
            for old in sensor.queue:
                sensor.listener(old)
            sensor.queue = [image]
        sensor.listener(image)

    def _scene(self, sensor):
        """What a sensor sees, as the embedded renderer draws it, and who is who."""
        width, height = (int(sensor.attributes[f"image_size_{axis}"]) for axis in "xy")
        focal = width / (2 * math.tan(math.radians(float(sensor.attributes["fov"])) / 2))
        into = np.array(sensor.known.get_inverse_matrix())
        actors, who = [], []
        for thing in self.things.values():
            if thing.type_id not in BODIES:
                continue
            vertices = thing.bounding_box.get_world_vertices(thing.known)
            points = local(into, [[v.x, v.y, v.z] for v in vertices])
            bottom = points[np.argsort(points[:, 1])[-4:]].mean(axis=0)
            ahead = thing.known.get_forward_vector()
            way = local(into, [[ahead.x, ahead.y, ahead.z]], 0.0)[0]
            half = thing.bounding_box.extent
            yaw = math.atan2(-way[2], way[0])
            if "mirrored" in FAULTS:
                bottom[0], yaw = -bottom[0], math.pi - yaw
            if half.x > 0 and 0 < bottom[2] < 200 and np.abs(bottom).max() < 200:
                cuboid = Cuboid(*map(float, bottom), 2 * half.x, 2 * half.y, 2 * half.z, yaw)
                actors.append(Actor(thing.category, cuboid, (0.6, 0.02, 0.02)))
                who.append(thing)
        eye = Camera(
            focal, focal, width / 2, height / 2, sensor.known.location.z - 0.0,
            -math.radians(sensor.known.rotation.pitch),
        )  # fmt: skip
        quiet = Sensor(noise=0, read_noise=0, blur=0, vignette=0, jpeg_quality=0, aberration=0, bloom=0)
        light = Environment(weather="overcast")
        return Scene("standin", width, height, eye, tuple(actors), environment=light, sensor=quiet), who

    def _colour(self, sensor):
        scene, _ = self._scene(sensor)
        picture = load_frame_image(renderer().render(scene))
        return np.dstack([picture[..., ::-1], np.full(picture.shape[:2], 255, np.uint8)])

    def _ids(self, sensor):
        scene, who = self._scene(sensor)
        shown = renderer().identities(scene)
        pixels = np.zeros((*shown.shape, 4), np.uint8)
        pixels[..., 2], pixels[..., 3] = int(CityObjectLabel.Roads), 255
        pixels[..., 1] = NO_ACTOR
        for index, thing in enumerate(who):
            number = (4321 + index) if "engine ids" in FAULTS else thing.id
            pixels[shown == index + 1] = (number >> 8 & 255, number & 255, thing.semantic_tags[0], 255)
        return pixels


def local(into, points, w=1.0):
    """Points of the world in the axes of a camera of the scene: x right, y down, z ahead."""
    forward, right, up, _ = into @ np.column_stack([points, np.full(len(points), w)]).T
    return np.stack([right, -up, forward], axis=1)


def ground(x):
    return 0.0 if not 1005 < x < 1100 else 0.9


def ahead():
    x, y, yaw = SPAWN_POINTS[2]
    turn = math.radians(yaw)
    return Transform(Location(x + 12 * math.cos(turn), y + 12 * math.sin(turn), 0.0), Rotation(yaw=yaw))


WORLD = []
__all__ = ["Client", "Rotation", "VehicleLightState", "WeatherParameters", "command"]


class Client:
    def __init__(self, host, port):
        self.place = (host, port)
        if not WORLD:
            WORLD.append(World())

    def set_timeout(self, seconds):
        assert seconds > 0

    def get_client_version(self):
        return "0.9.16"

    def get_world(self):
        return WORLD[0]

    def get_available_maps(self):
        return ["/Game/Carla/Maps/Flat01", "/Game/Carla/Maps/Town10HD_Opt"]

    def apply_batch_sync(self, commands, do_tick):
        return [one(WORLD[0]) for one in commands]


class SpawnActor:
    def __init__(self, blueprint, transform):
        self.blueprint, self.transform, self.after = blueprint, transform, []

    def then(self, following):
        self.after.append(following)
        return self

    def __call__(self, world):
        if "no room" in FAULTS or ("no truck" in FAULTS and self.blueprint.id == "vehicle.box.truck"):
            return SimpleNamespace(actor_id=0, error="Spawn failed because of collision at spawn position")
        thing = world.spawn_actor(self.blueprint, self.transform)
        for one in self.after:
            one.number = thing.id
            one(world)
        return SimpleNamespace(actor_id=thing.id, error="")


@dataclass
class SetSimulatePhysics:
    number: int
    enabled: bool

    def __call__(self, world):
        world.things[self.number].physics = self.enabled


@dataclass
class ApplyTransform:
    number: int
    transform: Transform

    def __call__(self, world):
        if (thing := world.things.get(self.number)) is None:
            return SimpleNamespace(
                actor_id=self.number, error="unable to set actor transform: actor not found"
            )
        thing.put = self.transform
        return SimpleNamespace(actor_id=self.number, error="")


@dataclass
class DestroyActor:
    number: int

    def __call__(self, world):
        world.things.pop(self.number, None)
        return SimpleNamespace(actor_id=self.number, error="")


command = SimpleNamespace(
    FutureActor=0,
    SpawnActor=SpawnActor,
    SetSimulatePhysics=SetSimulatePhysics,
    ApplyTransform=ApplyTransform,
    DestroyActor=DestroyActor,
)
