"""A session with one CARLA server: its world made ours, scenes staged in it, and all of it given back.

Lives in a process of its own (process.py), the only one that imports CARLA's client.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from imitation.common.settings import UserError
from imitation.common.wording import did_you_mean
from imitation.data.images import encode_jpeg, encode_png
from imitation.data.records import Frame
from sim_actors.scene.projection import visible_extents
from sim_actors.scene.records import Scene
from sim_actors.simulators.carla import bodies, sky
from sim_actors.simulators.carla.cameras import COLOUR, IDENTITIES, OURS, Camera, codes
from sim_actors.simulators.carla.geometry import Body, Pose, real_cuboid, stood, to_world, to_world_yaw
from sim_actors.simulators.carla.lens import Lens, camera_of, lens_of, lens_problems, wide_lens
from sim_actors.simulators.carla.places import Standing, Town, standing
from sim_actors.simulators.carla.settings import CarlaSettings, address
from sim_actors.simulators.carla.truth import (
    ROAD_USERS,
    Alone,
    Staged,
    extent,
    labels,
    silhouette,
    wide_silhouette,
)
from sim_actors.simulators.carla.versions import parts
from sim_actors.simulators.opengl.lighting.light import time_of_day

STEP_S = 0.05
"""Simulated seconds of a tick."""
SKY_M = 400.0
"""How far above everything a body is looked at alone, and kept until it is needed."""
_SPACING_M = 40.0  # between bodies that are kept there
_MOVED_M, _MOVED_DEG = 0.05, 0.5  # how far a body may be from where it was put
_TICKS = 5  # more, at most, until all bodies are where they were put


@dataclass(frozen=True)
class Plan:
    """What a scene needs: where it stands, and a body for each actor."""

    standing: Standing
    bodies: tuple[Body, ...]


class Stage:
    """The server's world while it is ours. `version` is the server's. Raises UserError for what can be mended."""

    def __init__(self, carla: Any, settings: CarlaSettings, endpoint: str, version: str) -> None:
        self._carla, self._settings = carla, settings
        self._client = connected(carla, settings, endpoint, version)
        self._mine: list[Camera] = []
        self._before: Any = None
        self._hidden: set[int] = set()
        self._last: tuple[Scene, Plan | list[str]] | None = None
        try:
            self._world = self._loaded()
            self._take_over()
            self._library = self._world.get_blueprint_library()
            self._bodies, self._boxless = self._measured(
                bodies.catalog(self._library, settings.blueprints, version)
            )
            self._town = Town(carla, self._world, settings.places)
        except BaseException:
            self.close()
            raise

    def reasons(self, scene: Scene) -> list[str]:
        """Why a scene cannot be staged, a sentence each."""
        plan = self._plan(scene)
        return plan if isinstance(plan, list) else []

    def render(self, scene: Scene) -> Frame:
        """The labelled frame of a scene."""
        plan = self._plan(scene)
        if isinstance(plan, list):
            raise UserError(f"scene {scene.scene_id!r} cannot be staged: {'; '.join(plan)}")
        with self._spawned(scene, plan) as staged:
            colour, identities = self._cameras(lens_of(scene))
            camera, cut = plan.standing.camera, identities.lens.cut
            self._set_sky(scene, camera)
            moves = {one.id: one.pose for one in staged} | self._aimed(camera, colour, identities)
            for eye in (colour, identities):
                eye.listen()
            tick = self._ticked(moves, {one.id: one.pose for one in staged}, self._settings.settle_ticks)
            timeout = self._settings.timeout_s
            pixels = cut(colour.taken(tick, camera, timeout), scene)[..., 2::-1]
            tags, ids = codes(cut(identities.taken(tick, camera, timeout), scene))
            colour.rest()
            shown = self._shown(staged, tags, ids, scene)
            seen = [
                one for one in staged if scene.actors[one.actor].labelled and (shown == one.actor + 1).any()
            ]
            alone = self._looked_at_alone(scene, camera, identities, seen)
        quality = scene.sensor.jpeg_quality
        picture = np.ascontiguousarray(pixels)
        return Frame(
            frame_id=scene.scene_id,
            width=scene.width,
            height=scene.height,
            objects=labels(scene, staged, shown, alone, self._settings),
            image=encode_jpeg(picture, quality) if quality else encode_png(picture),
            camera=camera_of(scene),
            conditions={
                "time_of_day": time_of_day(scene.environment.hour),
                "weather": scene.environment.weather,
            },
        )

    def close(self) -> None:
        """Gives the world back as it was, as far as the server still answers."""
        with contextlib.suppress(RuntimeError):
            self._drop_cameras()
            self._remove(self._ours())
            if self._hidden:
                self._world.enable_environment_objects(self._hidden, True)
            if self._before is not None:
                self._world.apply_settings(self._before)

    # --- the world ---

    def _loaded(self) -> Any:
        """The world, with the map that the settings name."""
        world, town = self._client.get_world(), self._settings.town
        if town is None or town == _short(world.get_map().name):
            return world
        known = sorted({_short(name) for name in self._client.get_available_maps()})
        if town not in known:
            hint = did_you_mean(town, known, f"it has {', '.join(known)}")
            raise UserError(f"simulate.options.town: this CARLA has no map {town!r}; {hint}")
        self._client.set_timeout(self._settings.town_timeout_s)
        world = self._client.load_world(town)
        self._client.set_timeout(self._settings.timeout_s)
        return world

    def _take_over(self) -> None:
        """Time stands still but for our ticks; nothing of an earlier session, and none of the map's own road
        users, is left in it."""
        world, carla = self._world, self._carla
        settings = world.get_settings()
        was = (settings.synchronous_mode, settings.fixed_delta_seconds, settings.no_rendering_mode)
        settings.synchronous_mode, settings.fixed_delta_seconds, settings.no_rendering_mode = (
            True,
            STEP_S,
            False,
        )
        world.apply_settings(settings)
        if not was[0]:  # left by a worker that was killed, it would stay so for good
            before = world.get_settings()
            before.synchronous_mode, before.fixed_delta_seconds, before.no_rendering_mode = was
            self._before = before
        self._remove(self._ours())
        world.freeze_all_traffic_lights(True)
        kinds = [carla.CityObjectLabel.names[name] for name in ROAD_USERS]
        self._hidden = {int(one.id) for kind in kinds for one in world.get_environment_objects(kind)}
        if self._hidden:
            world.enable_environment_objects(self._hidden, False)
        self._tick()

    def _ours(self) -> list[int]:
        return [int(a.id) for a in self._world.get_actors() if a.attributes.get("role_name") == OURS]

    def _remove(self, ids: Sequence[int]) -> None:
        if ids:
            destroy = self._carla.command.DestroyActor
            self._client.apply_batch_sync([destroy(one) for one in ids], False)

    def _measured(self, catalog: bodies.Catalog) -> tuple[dict[str, list[Body]], dict[str, list[str]]]:
        """Each category's bodies, and the blueprints whose box cannot be true. A blueprint does not tell its
        size: one of each is spawned, far above the town."""
        blueprints = list({one.id: one for some in catalog.values() for one in some}.values())
        spawned = self._spawn(blueprints)
        self._tick()
        found: dict[str, Body | None] = {}
        for blueprint, actor in zip(blueprints, self._actors(spawned)):
            found[blueprint.id] = bodies.measured(actor.bounding_box, blueprint.id)
        self._remove(spawned)
        told: dict[str, list[Body]] = {}
        boxless: dict[str, list[str]] = {}
        for category, some in catalog.items():
            told[category] = [body for one in some if (body := found[one.id]) is not None]
            if lacking := [str(one.id) for one in some if found[one.id] is None]:
                boxless[category] = lacking
        return told, boxless

    def _spawn(self, blueprints: Sequence[Any]) -> list[int]:
        """One actor of each, far above the town and without physics; their ids. Raises UserError."""
        carla, command = self._carla, self._carla.command
        batch = []
        for index, blueprint in enumerate(blueprints):
            blueprint.set_attribute("role_name", OURS)
            at = carla.Location(
                x=_SPACING_M * (index % 16), y=_SPACING_M * (index // 16), z=2 * SKY_M + _SPACING_M
            )
            still = command.SetSimulatePhysics(command.FutureActor, False)
            batch.append(command.SpawnActor(blueprint, carla.Transform(at)).then(still))
        answers = self._client.apply_batch_sync(batch, False)
        ids = [int(answer.actor_id) for answer in answers if not answer.has_error()]
        for blueprint, answer in zip(blueprints, answers):
            if answer.has_error():
                self._remove(ids)
                raise UserError(f"CARLA cannot spawn {blueprint.id}: {answer.error}")
        return ids

    def _actors(self, ids: Sequence[int]) -> list[Any]:
        known = {int(actor.id): actor for actor in self._world.get_actors(list(ids))}
        if missing := [one for one in ids if one not in known]:
            raise UserError(f"CARLA spawned actors {missing} and does not know them")
        return [known[one] for one in ids]

    def _tick(self) -> int:
        return int(self._world.tick(self._settings.timeout_s))

    # --- a scene ---

    def _plan(self, scene: Scene) -> Plan | list[str]:
        if self._last is None or self._last[0] != scene:
            self._last = (scene, self._planned(scene))
        return self._last[1]

    def _planned(self, scene: Scene) -> Plan | list[str]:
        if found := scene.problems():
            return found
        found = lens_problems(scene)
        if sky.snowy(scene.environment):
            found.append("environment: CARLA has no snow")
        chosen: list[Body] = []
        for index, actor in enumerate(scene.actors):
            body = bodies.body_for(actor, self._bodies, self._boxless, self._settings.size_tolerance)
            if isinstance(body, Body):
                chosen.append(body)
            else:
                found.append(f"actors[{index}].{body}")
        if found:
            return found
        where = standing(
            self._town,
            scene,
            [body.height for body in chosen],
            self._settings.tries,
            self._settings.ground_tolerance_m,
        )
        return [where] if isinstance(where, str) else Plan(where, tuple(chosen))

    @contextlib.contextmanager
    def _spawned(self, scene: Scene, plan: Plan) -> Iterator[list[Staged]]:
        """The scene's actors, still far above the town, and the scene's light on their lamps."""
        blueprints = [self._blueprint(body, actor) for body, actor in zip(plan.bodies, scene.actors)]
        ids = self._spawn(blueprints)
        try:
            while len({one & 0xFFFF for one in ids}) < len(ids):  # the picture of ids has 16 bits
                again = self._spawn(blueprints)
                self._remove(ids)
                ids = again
            self._tick()
            staged = []
            camera = plan.standing.camera
            for index, actor in enumerate(self._actors(ids)):
                cuboid, body, ground = (
                    scene.actors[index].cuboid,
                    plan.bodies[index],
                    plan.standing.grounds[index],
                )
                x, y, _ = to_world(np.array([[cuboid.x, cuboid.y, cuboid.z]]), camera)[0]
                pose = stood(body, float(x), float(y), ground, to_world_yaw(cuboid.yaw, camera))
                label = real_cuboid(cuboid, body, ground, camera)
                staged.append(
                    Staged(index, ids[index], pose, label, frozenset(map(int, actor.semantic_tags)))
                )
                if hasattr(actor, "show_pose"):  # a walker breathes: it is held as it stands
                    actor.get_pose_from_animation()
                    actor.show_pose()
                if scene.actors[index].lights and hasattr(actor, "set_light_state"):
                    lamp = self._carla.VehicleLightState
                    actor.set_light_state(lamp(lamp.Position | lamp.LowBeam))
            yield staged
        finally:
            with contextlib.suppress(RuntimeError):  # the server is gone, and says so elsewhere
                self._remove(ids)

    def _blueprint(self, body: Body, actor: Any) -> Any:
        blueprint = self._library.find(body.blueprint)
        if blueprint.has_attribute("color"):
            blueprint.set_attribute("color", bodies.srgb(actor.color))
        return blueprint

    def _cameras(self, lens: Lens) -> tuple[Camera, Camera]:
        """The colour camera and the one of ids; made anew only where the lens is another."""
        if not self._mine or self._mine[0].lens != lens:
            self._drop_cameras()
            self._mine = [
                Camera(self._carla, self._world, COLOUR, lens, self._settings.camera),
                Camera(self._carla, self._world, IDENTITIES, lens),
            ]
        return self._mine[0], self._mine[1]

    def _drop_cameras(self) -> None:
        for camera in self._mine:
            camera.destroy()
        self._mine = []

    def _aimed(self, pose: Pose, *cameras: Camera) -> dict[int, Pose]:
        # The spectator goes along: a large map loads what is around it.
        return {camera.id: pose for camera in cameras} | {int(self._world.get_spectator().id): pose}

    def _set_sky(self, scene: Scene, camera: Pose) -> None:
        fields = sky.weather(scene.environment, camera.yaw, self._settings.sun_azimuth_offset_deg)
        self._world.set_weather(self._carla.WeatherParameters(**fields))

    def _ticked(self, moves: dict[int, Pose], held: dict[int, Pose], settle: int) -> int:
        """Moves actors, ticks, and makes sure that those of `held` are where they were put: the number of the
        last tick. Raises UserError where they do not stay."""
        carla = self._carla
        batch = [carla.command.ApplyTransform(one, _transform(carla, pose)) for one, pose in moves.items()]
        # In step with the next tick: set_transform of an actor may come too late for it.
        for answer in self._client.apply_batch_sync(batch, False):
            if answer.has_error():
                raise UserError(f"CARLA cannot move actor {answer.actor_id}: {answer.error}")
        for _ in range(settle):
            self._tick()
        strays: list[str] = []
        for _ in range(_TICKS):
            tick = self._tick()
            strays = [
                f"actor {one.id} ({one.type_id}) is {off:.2f} m from where it was put"
                for one in (self._actors(list(held)) if held else [])
                if (off := _off(one.get_transform(), held[int(one.id)])) is not None
            ]
            if not strays:
                return tick
        raise UserError(f"CARLA does not hold still: {'; '.join(strays)}")

    def _shown(self, staged: Sequence[Staged], tags: np.ndarray, ids: np.ndarray, scene: Scene) -> np.ndarray:
        """Which actor each pixel shows, (height, width): its index + 1, or 0. Raises UserError for a road user
        that is not ours: it would be in the picture without a label."""
        users = [int(self._carla.CityObjectLabel.names[name]) for name in ROAD_USERS]
        shown = np.zeros(ids.shape, dtype=np.int64)
        for one in staged:
            shown[(ids == one.id & 0xFFFF) & np.isin(tags, [*users, *one.tags])] = one.actor + 1
        strange = np.isin(tags, users) & (shown == 0)
        if strange.any():
            count, box = visible_extents(strange.astype(np.int64))[1]
            raise UserError(
                f"scene {scene.scene_id!r}: {count} px within {tuple(map(int, box))} show a road user that was not "
                "staged: another client's, one of the map's own (choose simulate.options.places), or a camera "
                "whose ids are not the actors'"
            )
        return shown

    def _looked_at_alone(
        self, scene: Scene, camera: Pose, identities: Camera, staged: Sequence[Staged]
    ) -> dict[int, Alone]:
        """What would be seen of each body if nothing stood before it and the picture were larger: each is put
        far above the town in turn, with the cameras before it as they were."""
        above = camera.lifted(SKY_M)
        extents = {one.actor: extent(one.cuboid, scene) for one in staged}
        outside = [box for box in extents.values() if box.clipped(scene.width, scene.height) != box]
        lens = wide_lens(outside, camera_of(scene)) if outside else None
        wide = Camera(self._carla, self._world, IDENTITIES, lens) if lens else None
        eyes = [identities, *([wide] if wide else [])]
        found: dict[int, Alone] = {}
        try:
            for eye in eyes:
                eye.listen()
            last: Staged | None = None
            for one in staged:
                up = one.pose.lifted(SKY_M)
                moves = self._aimed(above, *eyes) | {one.id: up} | ({last.id: last.pose} if last else {})
                tick = self._ticked(moves, {one.id: up}, 0)
                masks = []
                for eye in eyes:
                    _, ids = codes(eye.taken(tick, above, self._settings.timeout_s))
                    masks.append(ids == one.id & 0xFFFF)
                inside = silhouette(identities.lens.cut(masks[0], scene), scene)
                cut_off = lens is not None and extents[one.actor] in outside
                whole = wide_silhouette(masks[1], lens, scene) if lens is not None and cut_off else None
                found[one.actor] = Alone(inside, whole)
                last = one
            return found
        finally:
            identities.rest()
            if wide:
                wide.destroy()


def connected(carla: Any, settings: CarlaSettings, endpoint: str, version: str) -> Any:
    """A client of the server at the endpoint. Raises UserError where the client is of another version."""
    client = carla.Client(*address(endpoint))
    client.set_timeout(settings.timeout_s)
    if parts(own := str(client.get_client_version()))[:3] != parts(version)[:3]:
        raise UserError(
            f"CARLA at {endpoint} is version {version}, and the Python client {own}: they have to be the same. "
            f"Install that of the server (pip install carla=={'.'.join(map(str, parts(version)))}, or the file in "
            "its folder PythonAPI/carla/dist)"
        )
    return client


def _transform(carla: Any, pose: Pose) -> Any:
    return carla.Transform(
        carla.Location(x=pose.x, y=pose.y, z=pose.z), carla.Rotation(pitch=pose.pitch, yaw=pose.yaw, roll=0.0)
    )


def _off(transform: Any, pose: Pose) -> float | None:
    """How far, m, something is from its pose; None where it is there."""
    at, turn = transform.location, transform.rotation
    far = float(np.linalg.norm([at.x - pose.x, at.y - pose.y, at.z - pose.z]))
    turned = abs((turn.yaw - pose.yaw + 180.0) % 360.0 - 180.0)
    return far if far > _MOVED_M or turned > _MOVED_DEG else None


def _short(town: str) -> str:
    """ "Town10HD_Opt" of "/Game/Carla/Maps/Town10HD_Opt"."""
    return town.rsplit("/", 1)[-1]
