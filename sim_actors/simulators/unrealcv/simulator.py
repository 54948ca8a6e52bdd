"""Unreal Engine behind the simulator's protocol, by the UnrealCV plugin."""

from __future__ import annotations

from contextlib import suppress

from imitation.common.settings import UserError
from imitation.data.records import Frame
from sim_actors.scene.records import Scene
from sim_actors.simulators.protocol import Simulator, Traits
from sim_actors.simulators.unrealcv.geometry import main_film, rounded
from sim_actors.simulators.unrealcv.leases import leased, missing
from sim_actors.simulators.unrealcv.level import MOST_ACTORS, Level
from sim_actors.simulators.unrealcv.manifest import Model, chosen, read_manifest
from sim_actors.simulators.unrealcv.pictures import photographed
from sim_actors.simulators.unrealcv.settings import UnrealSettings

VERSION = "1"
"""Changes whenever the same scene in the same level may give another picture."""
MOST_PX = 8192


class UnrealSimulator(Simulator, Traits):
    """Stages scenes in a level of Unreal Engine and photographs them (docs/unreal.md).

    It leases one of the endpoints when it starts and holds it until it is closed. Whatever goes wrong with a
    scene gives the endpoint back; the next scene leases one again, and finds the level cleared.
    """

    name = "unrealcv"
    settings_class = UnrealSettings
    waits = True

    @staticmethod
    def preflight(settings: UnrealSettings) -> str | None:
        """What is wrong with the manifest, or that nothing listens at any endpoint."""
        try:
            read_manifest(settings.manifest)
        except UserError as error:
            return str(error)
        return missing(settings.endpoints)

    @staticmethod
    def here(settings: UnrealSettings) -> str:
        """Where it would be."""
        return f"at {', '.join(settings.endpoints)}"

    @staticmethod
    def catalog(settings: UnrealSettings) -> frozenset[str]:
        """The categories of the manifest."""
        return read_manifest(settings.manifest)[0].categories()

    @staticmethod
    def side_by_side(settings: UnrealSettings) -> int:
        """One for each endpoint."""
        return len(settings.endpoints)

    def __init__(self, settings: UnrealSettings) -> None:
        self._settings = settings
        self._manifest, self._checksum = read_manifest(settings.manifest)
        self._level: Level | None = None
        self._closed = False
        self.version = f"{VERSION}/{self._checksum}"

    def warm_up(self) -> None:
        """Leases an endpoint, so that what is missing comes out now."""
        self._connected()

    def supports(self, scene: Scene) -> list[str]:
        """Why this scene cannot be staged, a sentence each; nothing is asked of the engine."""
        if found := scene.problems():
            return found
        manifest, environment, camera = self._manifest, scene.environment, scene.camera
        if environment.weather not in manifest.weathers:
            found.append(
                f"environment.weather: the level makes no {environment.weather}, but "
                f"{', '.join(manifest.weathers)} (weathers of the manifest)"
            )
        first, last = manifest.hours
        if not first <= environment.hour <= last:
            found.append(
                f"environment.hour: {environment.hour:.1f} lies outside of {first:g} to {last:g} (hours "
                "of the manifest)"
            )
        if abs(camera.fx - camera.fy) > 0.5:
            found.append(f"camera: fx {camera.fx:g} and fy {camera.fy:g}; the engine's pixels are square")
        else:
            film = main_film(scene.replace(camera=rounded(camera)))
            if max(film.width, film.height) > MOST_PX:
                found.append(
                    f"camera: a picture of {film.width}x{film.height} px would be needed for its principal "
                    f"point; sides of up to {MOST_PX} px can be taken"
                )
        if len(scene.actors) > MOST_ACTORS:
            found.append(f"actors: {len(scene.actors)}; {MOST_ACTORS} can be told apart in the mask")
        for index, model in enumerate(chosen(manifest, scene.actors, self._settings.stretch)):
            if isinstance(model, str):
                found.append(f"actors[{index}]{model}")
        return found

    def render(self, scene: Scene) -> Frame:
        """The labelled frame of a scene. Raises UserError where it cannot be staged or the engine fails."""
        if reasons := self.supports(scene):
            raise UserError(f"scene {scene.scene_id!r} cannot be staged: {'; '.join(reasons)}")
        found = chosen(self._manifest, scene.actors, self._settings.stretch)
        models = [model for model in found if isinstance(model, Model)]
        level = self._connected()
        try:
            return photographed(level, scene, models, self._manifest, self._settings)
        except BaseException:  # the level is half staged: the next connection clears it
            self._level = None
            level.drop()
            raise

    def close(self) -> None:
        """Removes what was spawned and gives the endpoint back. Safe to call twice."""
        self._closed = True
        level, self._level = self._level, None
        if level is not None:
            with suppress(UserError):
                level.close()

    def _connected(self) -> Level:
        if self._closed:
            raise RuntimeError("this UnrealSimulator is closed; create another one")
        if self._level is None:
            client = leased(self._settings)
            try:
                self._level = Level(client, self._manifest, self._settings)
                self.version = f"{VERSION}/{self._level.version}/{self._checksum}"
            except BaseException:  # whatever ends the start must not keep the endpoint
                client.close()
                self._level = None
                raise
        return self._level
