"""Scenes in a CARLA server's town: a place and bodies for each, its picture, and its truth.

Lives in a process of its own (process.py), the only one that imports CARLA's client.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from imitation.common.settings import UserError
from imitation.data.images import encode_jpeg, encode_png
from imitation.data.records import Frame
from sim_actors.scene.projection import visible_extents
from sim_actors.scene.records import Scene
from sim_actors.simulators.carla.settings import CarlaSettings
from sim_actors.simulators.carla.town import bodies, sky
from sim_actors.simulators.carla.town.actors import SKY_M
from sim_actors.simulators.carla.town.cameras import COLOUR, IDENTITIES, Camera, codes
from sim_actors.simulators.carla.town.geometry import Body, Pose, real_cuboid, stood, to_world, to_world_yaw
from sim_actors.simulators.carla.town.lens import Lens, camera_of, lens_of, lens_problems, wide_lens
from sim_actors.simulators.carla.town.places import Standing, Town, standing
from sim_actors.simulators.carla.town.server import Server
from sim_actors.simulators.carla.town.truth import (
    ROAD_USERS,
    Alone,
    Staged,
    extent,
    labels,
    silhouette,
    wide_silhouette,
)
from sim_actors.simulators.truth import rendered_frame

_OPENING, _OPENING_S = 20, 0.2  # ticks until a camera sees, and how long each one's picture is waited for


@dataclass(frozen=True)
class Plan:
    """What a scene needs: where it stands, and a body for each actor."""

    standing: Standing
    bodies: tuple[Body, ...]


class Stage:
    """Stages scenes in a server's world. `version` is the server's, `mark` the holder's (leases.py). Raises
    UserError for what can be mended, RuntimeError where the server does not answer."""

    def __init__(self, carla: Any, settings: CarlaSettings, endpoint: str, version: str, mark: str) -> None:
        self._carla, self._settings = carla, settings
        self._server = Server(carla, settings, endpoint, version, mark)
        self._users = [int(carla.CityObjectLabel.names[name]) for name in ROAD_USERS]
        self._mine: list[Camera] = []
        self._last: tuple[Scene, Plan | list[str]] | None = None
        try:
            found = bodies.catalog(self._server.library, settings.blueprints, version)
            self._bodies, self._boxless = bodies.sizes(self._server.actors, found)
            self._town = Town(carla, self._server.world, settings.places)
        except BaseException:  # the world must not stay as it is now
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
            colour, identities = self._cameras(lens_of(scene), plan.standing.camera)
            camera, cut = plan.standing.camera, identities.lens.cut
            self._set_sky(scene, camera)
            moves = {one.id: one.pose for one in staged} | self._aimed(camera, colour, identities)
            self._open(colour, identities)
            tick = self._server.moved(
                moves, {one.id: one.pose for one in staged}, self._settings.settle_ticks
            )
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
        image = encode_jpeg(picture, quality) if quality else encode_png(picture)
        objects = labels(scene, staged, shown, alone, self._settings)
        return rendered_frame(scene, objects, image, camera_of(scene))

    def close(self) -> None:
        """Gives the world back as it was, as far as the server still answers."""
        with contextlib.suppress(RuntimeError):
            self._drop_cameras()
            self._server.close()

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
        ids = self._server.actors.spawn(blueprints)
        try:
            self._server.tick()
            staged = []
            camera = plan.standing.camera
            for index, actor in enumerate(self._server.actors.known(ids)):
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
                self._server.actors.remove(ids)

    def _blueprint(self, body: Body, actor: Any) -> Any:
        blueprint = self._server.library.find(body.blueprint)
        if blueprint.has_attribute("color"):
            blueprint.set_attribute("color", bodies.srgb(actor.color))
        return blueprint

    def _cameras(self, lens: Lens, pose: Pose) -> tuple[Camera, Camera]:
        """The colour camera and the one of ids; made anew only where the lens is another."""
        if not self._mine or self._mine[0].lens != lens:
            self._drop_cameras()
            self._mine = [
                Camera(self._carla, self._server.world, COLOUR, lens, pose, self._settings.camera),
                Camera(self._carla, self._server.world, IDENTITIES, lens, pose),
            ]
        return self._mine[0], self._mine[1]

    def _open(self, *cameras: Camera) -> None:
        """Ticks until all of them see. Raises UserError where one never does."""
        for camera in cameras:
            camera.listen()
        for _ in range(_OPENING):
            if all(camera.sees(0.0) for camera in cameras):
                return
            self._server.tick()
            for camera in cameras:
                camera.sees(_OPENING_S)
        if blind := [camera.kind for camera in cameras if not camera.sees(0.0)]:
            raise UserError(f"CARLA's {', '.join(blind)} gave no picture in {_OPENING} ticks")

    def _drop_cameras(self) -> None:
        for camera in self._mine:
            camera.destroy()
        self._mine = []

    def _aimed(self, pose: Pose, *cameras: Camera) -> dict[int, Pose]:
        # The spectator goes along: a large map loads what is around it.
        return {camera.id: pose for camera in cameras} | {int(self._server.world.get_spectator().id): pose}

    def _set_sky(self, scene: Scene, camera: Pose) -> None:
        fields = sky.weather(scene.environment, camera.yaw, self._settings.sun_azimuth_offset_deg)
        self._server.world.set_weather(self._carla.WeatherParameters(**fields))

    def _shown(self, staged: Sequence[Staged], tags: np.ndarray, ids: np.ndarray, scene: Scene) -> np.ndarray:
        """Which actor each pixel shows, (height, width): its index + 1, or 0. Raises UserError for a road
        user that is not ours: it would be in the picture without a label."""
        shown = np.zeros(ids.shape, dtype=np.int64)
        for one in staged:
            shown[self._mask(one, tags, ids)] = one.actor + 1
        strange = np.isin(tags, self._users) & (shown == 0)
        if strange.any():
            count, box = visible_extents(strange.astype(np.int64))[1]
            raise UserError(
                f"scene {scene.scene_id!r}: {count} px within {tuple(map(int, box))} show a road user that "
                "was not staged: another client's, one of the map's own (choose simulate.options.places), "
                "or the ids are not the actors'"
            )
        return shown

    def _mask(self, one: Staged, tags: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """The pixels of one actor. Its id alone would not do: what is no actor has an id of the engine's, and
        of either there are 16 bits."""
        return (ids == one.id & 0xFFFF) & np.isin(tags, [*self._users, *one.tags])

    def _looked_at_alone(
        self, scene: Scene, camera: Pose, identities: Camera, staged: Sequence[Staged]
    ) -> dict[int, Alone]:
        """What would be seen of each body if nothing stood before it and the picture were larger: each is put
        far above the town in turn, with the cameras before it as they were."""
        above = camera.lifted(SKY_M)
        extents = {one.actor: extent(one.cuboid, scene) for one in staged}
        outside = [box for box in extents.values() if box.clipped(scene.width, scene.height) != box]
        lens = wide_lens(outside, camera_of(scene)) if outside else None
        wide = Camera(self._carla, self._server.world, IDENTITIES, lens, above) if lens else None
        eyes = [identities, *([wide] if wide else [])]
        found: dict[int, Alone] = {}
        try:
            self._open(*eyes)
            last: Staged | None = None
            for one in staged:
                up = one.pose.lifted(SKY_M)
                moves = self._aimed(above, *eyes) | {one.id: up} | ({last.id: last.pose} if last else {})
                tick = self._server.moved(moves, {one.id: up}, 0)
                masks = []
                for eye in eyes:
                    masks.append(self._mask(one, *codes(eye.taken(tick, above, self._settings.timeout_s))))
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
