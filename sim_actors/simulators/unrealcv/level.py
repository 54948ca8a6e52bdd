"""A level of Unreal through one connection: what stands in it, where its camera is, and what that sees."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from imitation.common.settings import UserError
from imitation.data.images import decode_image
from sim_actors.scene.records import Environment, Scene
from sim_actors.simulators.unrealcv.client import Client, UnrealError
from sim_actors.simulators.unrealcv.geometry import (
    CM,
    Film,
    Pose,
    Vector,
    actor_pose,
    number,
    numbers,
)
from sim_actors.simulators.unrealcv.manifest import Manifest, Model
from sim_actors.simulators.unrealcv.settings import UnrealSettings

OURS = "imitation_"
"""What the names of spawned actors begin with: an earlier connection's are found by it, and removed."""
_STEPS, _STEP = 6, 51  # of each channel of the mask's colours
MOST_ACTORS = _STEPS**3 - 1
_SAME_COLOUR = 3  # of 255
_SAME_CM, _SAME_DEGREES = 0.1, 0.05
_CORRECTIONS = 5


def colour(index: int) -> tuple[int, int, int]:
    """What an actor is painted with in the mask; black is everything else."""
    code = index + 1
    return _STEP * (code // _STEPS**2), _STEP * (code // _STEPS % _STEPS), _STEP * (code % _STEPS)


def identities(mask: np.ndarray) -> np.ndarray:
    """(height, width) int64 of a mask (height, width, 3): the actor that a pixel shows + 1, or 0."""
    steps = np.rint(mask / _STEP).astype(np.int64)
    ids = steps @ np.array([_STEPS**2, _STEPS, 1])
    return np.where((np.abs(mask - _STEP * steps) <= _SAME_COLOUR).all(axis=-1), ids, 0)


class Level:
    """Made once for a connection: whatever the level holds is painted black in the mask, what an earlier
    connection spawned is removed. Everything raises UnrealError."""

    def __init__(self, client: Client, manifest: Manifest, settings: UnrealSettings) -> None:
        self._client, self._manifest, self._settings = client, manifest, settings
        self._templates = self._commands()
        self._actors: dict[str, list[str]] = {model.key: list(model.placed) for model in manifest.actors}
        self._film: Film | None = None
        self._eye: Vector = (0.0, 0.0, 0.0)
        self._there = Pose((0.0, 0.0, 0.0), 0.0, 0.0, 0.0)
        self._clear()
        self._set_up_camera()
        by_command = self._has(f"vget /camera/{settings.camera}/oneobjmask png x")
        if settings.amodal == "oneobjmask" and not by_command:
            raise UnrealError(
                f"{client.who}: this plugin has no command oneobjmask (simulate.options.amodal: oneobjmask); "
                "auto or move need none"
            )
        self.moves = settings.amodal == "move" or not by_command

    @property
    def version(self) -> str:
        """The plugin's version and the project's name, as far as they are told."""
        (answer,) = self._client.ask_all(["vget /unrealcv/version"], lenient=True)
        plugin = "" if answer.startswith(b"error") else answer.decode(errors="replace").strip()
        project = self._client.greeting.removeprefix("connected to").strip()
        return "/".join(part.split()[0] for part in (plugin, project) if part.split())

    def close(self) -> None:
        """Removes what was spawned and gives the endpoint back."""
        with suppress(UserError):
            self._remove([name for names in self._actors.values() for name in names if name.startswith(OURS)])
        self._client.close()

    def drop(self) -> None:
        """Gives the endpoint back as it is: the next connection clears it up."""
        self._client.close()

    # What stands in the level.

    def stage(self, scene: Scene, models: Sequence[Model]) -> list[tuple[str, Pose]]:
        """Puts the actors where they belong, paints them in the mask, and everything else away. Each one's
        name and pose."""
        used: dict[str, int] = {}
        staged, commands = [], []
        for index, (actor, model) in enumerate(zip(scene.actors, models)):
            names, number_of_it = self._actors[model.key], used.get(model.key, 0)
            if number_of_it == len(names):
                names.append(self._spawned(model, number_of_it))
            used[model.key] = number_of_it + 1
            name = names[number_of_it]
            pose, scale = actor_pose(actor.cuboid, model, scene.camera, self._manifest.place)
            staged.append((name, pose))
            commands += [
                f"vset /object/{name}/scale {numbers(*scale)}",
                f"vset /object/{name}/rotation {numbers(pose.pitch, pose.yaw, pose.roll)}",
                _at(name, pose.location),
                f"vset /object/{name}/color {' '.join(map(str, colour(index)))}",
            ]
            if model.paint is not None:
                commands.append(f"vbp {name} {model.paint} {numbers(*actor.color)}")
        idle = [name for key, names in self._actors.items() for name in names[used.get(key, 0) :]]
        self._client.ask_all([*commands, *(_at(name, self._parking(k)) for k, name in enumerate(idle))])
        return staged

    def light(self, environment: Environment, exposure: float) -> None:
        """Makes light and weather, by the level's own functions, and sets the exposure, EV."""
        commands = []
        if self._manifest.sky is not None:
            commands += self._manifest.sky.commands(environment, self._manifest.place.yaw)
        if self._settings.exposure is not None:
            bias = number(self._settings.exposure + exposure)
            command = f"vset /camera/{self._settings.camera}/exposure_bias {bias}"
            commands += [command] if self._has(command) else []
        self._client.ask_all(commands)

    # The camera.

    def use(self, film: Film) -> None:
        """Sets the camera's size and field of view."""
        if film != self._film:
            camera = f"vset /camera/{self._settings.camera}"
            self._client.ask_all(
                [f"{camera}/size {film.width} {film.height}", f"{camera}/fov {number(film.fov)}"]
            )
            self._film = film

    def look(self, pose: Pose) -> None:
        """Moves the camera and waits until it is there: a pawn's follows with the engine's next tick, and may
        look from an eye above the pawn's own place."""
        self._there = pose
        self._send(pose)
        before, corrected, deadline = None, 0, time.monotonic() + self._settings.request_timeout_s
        while time.monotonic() < deadline:
            seen = self._camera()
            off, turned = self._off(seen)
            if max(map(abs, off)) <= _SAME_CM and turned <= _SAME_DEGREES:
                return
            if seen == before:  # it stays there
                if corrected == _CORRECTIONS or turned > _SAME_DEGREES:
                    break
                a, b, c = self._eye
                self._eye = (a - off[0], b - off[1], c - off[2])
                self._send(pose)
                before, corrected = None, corrected + 1
            else:
                before = seen
        raise UnrealError(
            f"{self._client.who}: camera {self._settings.camera} does not stay where it is put: asked for "
            f"{_told(*pose.location)} cm and {_told(pose.pitch, pose.yaw, pose.roll)} degrees, it is at "
            f"{_told(*seen[:3])} and {_told(*seen[3:])}; a game's controller, a spring arm or collisions "
            "may hold it (docs/unreal.md)"
        )

    def undisturbed(self) -> None:
        """Raises UnrealError where the camera is no longer where it was put."""
        off, turned = self._off(seen := self._camera())
        if max(map(abs, off)) > _SAME_CM or turned > _SAME_DEGREES:
            raise UnrealError(
                f"{self._client.who}: camera {self._settings.camera} was at "
                f"{_told(*self._there.location)} cm and is at {_told(*seen[:3])} after the pictures: "
                "something else moves it, such as a second client or the game"
            )

    # What it sees, each as large as the film.

    def lit(self) -> np.ndarray:
        """(height, width, 3) uint8."""
        return self._picture("lit png")

    def mask(self) -> np.ndarray:
        """(height, width) int64: the actor that each pixel shows + 1, or 0."""
        return identities(self._picture("object_mask png").astype(np.int64))

    def depth(self) -> np.ndarray:
        """(height, width) float, m along the view; whatever is drawn has one."""
        command = f"vget /camera/{self._settings.camera}/depth npy"
        data = self._client.ask(command)
        try:
            depth = np.load(io.BytesIO(data), allow_pickle=False).astype(np.float64) / CM
        except Exception as error:  # whatever numpy makes of other bytes
            raise UnrealError(
                f"{self._client.who}: {command!r} answered no NumPy array ({error}), but {data[:16]!r}; with "
                "simulate.options.depth: false it is not asked"
            ) from None
        return self._of_film(depth.squeeze(), command)

    def alone(self, index: int, name: str, pose: Pose) -> np.ndarray:
        """(height, width) bool: an actor as if nothing stood before it. Where `moves`, the camera has to be
        `lifted`."""
        if not self.moves:
            return np.asarray(self._picture(f"oneobjmask png {name}").max(axis=-1) > 127)
        self._client.ask(_at(name, self.lifted(pose).location))
        seen: np.ndarray = self.mask() == index + 1
        self._client.ask(_at(name, self._parking(index)))
        return seen

    def lifted(self, pose: Pose) -> Pose:
        """The same place where the level is empty."""
        return pose.moved(0.0, 0.0, CM * self._settings.lift)

    def _picture(self, what: str) -> np.ndarray:
        command = f"vget /camera/{self._settings.camera}/{what}"
        return self._of_film(
            decode_image(self._client.ask(command), f"{self._client.who}: {command!r}"), command
        )

    def _of_film(self, picture: np.ndarray, command: str) -> np.ndarray:
        assert self._film is not None
        if picture.shape[:2] != (self._film.height, self._film.width):
            height, width = (*picture.shape, 0, 0)[:2]
            raise UnrealError(
                f"{self._client.who}: {command!r} answered {width}x{height} px, though the camera's size "
                f"was set to {self._film.width}x{self._film.height}"
            )
        return picture

    # Behind it.

    def _commands(self) -> list[re.Pattern[str]] | None:
        """What the plugin understands; None where it does not say."""
        (answer,) = self._client.ask_all(["vget /unrealcv/commands"], lenient=True)
        text = answer.decode(errors="replace")
        if text.startswith("error"):
            return None
        found = []
        for line in filter(None, map(str.strip, text.splitlines())):
            parts = re.split(r"\[[^\[\]]*\]", line)
            found.append(re.compile(r"\S+".join(map(re.escape, parts))))
        return found

    def _has(self, command: str) -> bool:
        """Whether the plugin says that it understands a command; where it says nothing, whether the plain
        plugin does."""
        if self._templates is None:
            return "oneobjmask" not in command and "spawn_from_path" not in command
        return any(template.fullmatch(command) for template in self._templates)

    def _clear(self) -> None:
        names = self._client.tell("vget /objects").split()
        self._remove([name for name in names if name.startswith(OURS)])
        left = [name for name in names if not name.startswith(OURS)]
        # Some have nothing to paint, and say so.
        self._client.ask_all([f"vset /object/{name}/color 0 0 0" for name in left], lenient=True)
        for model in self._manifest.actors:
            for name in model.placed:
                if name not in left:
                    raise UnrealError(
                        f"{self._client.who}: the level has no actor {name!r}, which the manifest places as "
                        f"{model.key} (vget /objects lists {len(left)})"
                    )
                if (mobility := self._client.tell(f"vget /object/{name}/mobility")) != "Movable":
                    raise UnrealError(
                        f"{self._client.who}: {name!r} ({model.key}) is {mobility}; set its mobility to "
                        "Movable, or it stays where it stands"
                    )

    def _set_up_camera(self) -> None:
        settings, camera = self._settings, f"vset /camera/{self._settings.camera}"
        self._camera()  # there is one
        wanted = [f"{camera}/motion_blur 0 0 0 0"]  # things jump from scene to scene
        if settings.exposure is not None:
            wanted.append(f"{camera}/exposure_method manual")
        if settings.lumen:
            wanted += [f"{camera}/illumination lumen", f"{camera}/reflection lumen"]
        known = [command for command in wanted if self._has(command)]
        self._client.ask_all(known, lenient=self._templates is None)

    def _spawned(self, model: Model, count: int) -> str:
        name = f"{OURS}{re.sub('[^A-Za-z0-9_]', '_', model.key)}_{count}"
        if model.path is not None:
            command = f"vset /objects/spawn_from_path {model.path} {name}"
            if not self._has(command):
                raise UnrealError(
                    f"{self._client.who}: this plugin has no spawn_from_path, which {model.key} needs (path: "
                    f"{model.path}); name its class (spawn) or placed actors"
                )
        else:
            command = f"vset /objects/spawn {model.spawn} {name}"
        called = self._client.tell(command)
        if called not in (name, "ok"):
            raise UnrealError(f"{self._client.who}: {command!r} made {called!r} and not {name!r}")
        return name

    def _remove(self, names: Sequence[str]) -> None:
        self._client.ask_all([f"vset /object/{name}/destroy" for name in names])

    def _parking(self, place: int) -> Vector:
        """Where things wait that no scene has: above the empty place, apart from each other."""
        there = self._manifest.place
        return there.x + 2000.0 * place, there.y, there.z + 2.2 * CM * self._settings.lift

    def _send(self, pose: Pose) -> None:
        where = [a + b for a, b in zip(pose.location, self._eye)]
        camera = f"vset /camera/{self._settings.camera}"
        turned = numbers(pose.pitch, pose.yaw, pose.roll)
        self._client.ask_all([f"{camera}/location {numbers(*where)}", f"{camera}/rotation {turned}"])

    def _camera(self) -> tuple[float, ...]:
        """X, Y, Z, pitch, yaw and roll of the camera as it looks now."""
        camera = f"vget /camera/{self._settings.camera}"
        commands = [f"{camera}/location", f"{camera}/rotation"]
        found: list[float] = []
        for command, answer in zip(commands, self._client.ask_all(commands)):
            try:
                a, b, c = map(float, answer.decode(errors="replace").split())
            except ValueError:
                raise UnrealError(
                    f"{self._client.who}: {command!r} answered {answer[:80]!r} and not three numbers"
                ) from None
            found += [a, b, c]
        return tuple(found)

    def _off(self, seen: tuple[float, ...]) -> tuple[Vector, float]:
        """How far the camera is from where it should be, cm and degrees."""
        wanted = self._there
        x, y, z = (a - b for a, b in zip(seen, wanted.location))
        angles = zip(seen[3:], (wanted.pitch, wanted.yaw, wanted.roll))
        return (x, y, z), max(abs((a - b + 180) % 360 - 180) for a, b in angles)


def _at(name: str, location: Vector) -> str:
    return f"vset /object/{name}/location {numbers(*location)}"


def _told(*values: float) -> str:
    return "(" + ", ".join(f"{value:.1f}" for value in values) + ")"
