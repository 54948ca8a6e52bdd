"""A CARLA server's world while it is ours: made so, actors in it, its clock, and all of it given back."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np

from imitation.common.settings import UserError
from imitation.common.wording import did_you_mean
from sim_actors.simulators.carla.leases import OURS, Taken, holder, is_mark, same_lease
from sim_actors.simulators.carla.settings import CarlaSettings, address
from sim_actors.simulators.carla.town.actors import SKY_M, Actors, transform
from sim_actors.simulators.carla.town.geometry import Pose
from sim_actors.simulators.carla.town.truth import ROAD_USERS
from sim_actors.simulators.carla.versions import parts

STEP_S = 0.05
"""Simulated seconds of a tick."""
_MARK = "sensor.other.gnss"  # an actor that nobody sees
_LOOK_S = 3.0  # how long another client's tick is waited for
_MOVED_M, _MOVED_DEG = 0.05, 0.5  # how far a body may be from where it was put
_TICKS = 5  # more, at most, until all bodies are where they were put


class Server:
    """The world of a server, and its clock. Raises UserError for what can be mended, and RuntimeError, as
    CARLA's client does, where the server does not answer."""

    def __init__(self, carla: Any, settings: CarlaSettings, endpoint: str, version: str, mark: str) -> None:
        self.carla, self._settings, self._endpoint = carla, settings, endpoint
        self._client = connected(carla, settings, endpoint, version)
        self._before: Any = None
        self._weather: Any = None
        self._hidden: list[int] = []
        self.world = self._client.get_world()
        self.actors = Actors(carla, self._client, self.world)
        self._mark = self._marked(mark)
        try:
            self.world = self._loaded(mark)
            self._take_over()
        except BaseException:  # the world must not stay as it is now
            with contextlib.suppress(RuntimeError):
                self.close()
            raise
        self.library = self.world.get_blueprint_library()

    def close(self) -> None:
        """Gives the world back as it was. Raises RuntimeError where the server does not answer."""
        self.actors.remove([*self._ours(), self._mark])
        if self._weather is not None:
            self.world.set_weather(self._weather)
            self.world.freeze_all_traffic_lights(False)
        if self._hidden:
            self.world.enable_environment_objects(self._hidden, True)
        if self._before is not None:
            self.world.apply_settings(self._before)

    def tick(self) -> int:
        """Lets the next moment come: its number."""
        return int(self.world.tick(self._settings.timeout_s))

    def moved(self, moves: dict[int, Pose], held: dict[int, Pose], settle: int) -> int:
        """Moves actors, ticks, and makes sure that those of `held` are where they were put: the number of the
        last tick. Raises UserError where they do not stay."""
        carla = self.carla
        batch = [carla.command.ApplyTransform(one, transform(carla, pose)) for one, pose in moves.items()]
        # In step with the next tick: set_transform of an actor may come too late for it.
        for answer in self._client.apply_batch_sync(batch, False):
            if answer.error:
                raise UserError(f"CARLA cannot move actor {answer.actor_id}: {answer.error}")
        for _ in range(settle):
            self.tick()
        strays: list[str] = []
        for _ in range(_TICKS):
            tick = self.tick()
            strays = [
                f"actor {one.id} ({one.type_id}) is {off:.2f} m from where it was put"
                for one in (self.actors.known(list(held)) if held else [])
                if (off := _off(one.get_transform(), held[int(one.id)])) is not None
            ]
            if not strays:
                return tick
        raise UserError(f"CARLA does not hold still: {'; '.join(strays)}")

    def _marked(self, mark: str) -> int:
        """Leaves the mark in the world: its id. Raises Taken where another machine's worker has it."""
        world, who = self.world, f"CARLA at {self._endpoint}"
        stopped = world.get_settings().synchronous_mode
        if stopped and self._ticks(_LOOK_S):
            raise Taken(f"{who}: another client is at work with it")
        blueprint = world.get_blueprint_library().find(_MARK)
        blueprint.set_attribute("role_name", mark)
        at = self.carla.Transform(self.carla.Location(x=0.0, y=0.0, z=3 * SKY_M))
        own = int(world.spawn_actor(blueprint, at).id)
        # What is in a world is known from its last tick on; before it, even one's own is not.
        if stopped:
            self.tick()
        elif not self._ticks(self._settings.timeout_s):
            raise Taken(f"{who}: another client has just stopped its clock")
        found = {int(a.id): str(a.attributes.get("role_name")) for a in world.get_actors()}
        marks = {one: name for one, name in found.items() if is_mark(name) and one != own}
        others = [name for one, name in marks.items() if one < own and not same_lease(name, mark)]
        if others:  # who came first has it: a server spawns one after the other
            self.actors.remove([own])
            raise Taken(
                f"{who}: a worker on {holder(others[0])} has it; if it was killed there, another of that "
                "machine frees it, or a restart of the server"
            )
        self.actors.remove([one for one, name in marks.items() if same_lease(name, mark)])
        return own

    def _ticks(self, seconds: float) -> bool:
        """Whether the world's clock goes on by itself, or by somebody else."""
        try:
            self.world.wait_for_tick(seconds)
        except RuntimeError:  # a time-out
            return False
        return True

    def _loaded(self, mark: str) -> Any:
        """The world, with the map that the settings name."""
        world, town = self.world, self._settings.town
        if town is None or town == _short(world.get_map().name):
            return world
        known = sorted({_short(name) for name in self._client.get_available_maps()})
        if town not in known:
            hint = did_you_mean(town, known, f"it has {', '.join(known)}")
            raise UserError(f"simulate.options.town: this CARLA has no map {town!r}; {hint}")
        self._client.set_timeout(self._settings.town_timeout_s)
        self.world = self._client.load_world(town)
        self.actors = Actors(self.carla, self._client, self.world)
        self._client.set_timeout(self._settings.timeout_s)
        self._mark = self._marked(mark)  # a new map is empty
        return self.world

    def _take_over(self) -> None:
        """Time stands still but for our ticks; nothing of an earlier session, and none of the map's own road
        users, is left in it."""
        world, carla = self.world, self.carla
        self._before, settings = world.get_settings(), world.get_settings()
        if left := self._ours():  # a worker was killed, and its clock stands still
            self._before.synchronous_mode, self._before.fixed_delta_seconds = False, None
        settings.synchronous_mode, settings.fixed_delta_seconds = True, STEP_S
        settings.no_rendering_mode = False
        world.apply_settings(settings)
        self.actors.remove(left)
        self._weather = world.get_weather()
        world.freeze_all_traffic_lights(True)
        kinds = [carla.CityObjectLabel.names[name] for name in ROAD_USERS]
        self._hidden = sorted({int(one.id) for kind in kinds for one in world.get_environment_objects(kind)})
        if self._hidden:
            world.enable_environment_objects(self._hidden, False)
        self.tick()

    def _ours(self) -> list[int]:
        return [int(a.id) for a in self.world.get_actors() if a.attributes.get("role_name") == OURS]


def connected(carla: Any, settings: CarlaSettings, endpoint: str, version: str) -> Any:
    """A client of the server at the endpoint. Raises UserError where the client is of another version."""
    client = carla.Client(*address(endpoint))
    client.set_timeout(settings.timeout_s)
    if parts(own := str(client.get_client_version()))[:3] != parts(version)[:3]:
        raise UserError(
            f"CARLA at {endpoint} is version {version}, and the Python client {own}; both have to be the "
            f"same. Install the server's: pip install carla=={'.'.join(map(str, parts(version)))}, or "
            "the file in its folder PythonAPI/carla/dist"
        )
    return client


def _off(transform: Any, pose: Pose) -> float | None:
    """How far, m, something is from its pose; None where it is there."""
    at, turn = transform.location, transform.rotation
    far = float(np.linalg.norm([at.x - pose.x, at.y - pose.y, at.z - pose.z]))
    turned = abs((turn.yaw - pose.yaw + 180.0) % 360.0 - 180.0)
    return far if far > _MOVED_M or turned > _MOVED_DEG else None


def _short(town: str) -> str:
    """ "Town10HD_Opt" of "/Game/Carla/Maps/Town10HD_Opt"."""
    return town.rsplit("/", 1)[-1]
