"""Stand-in simulators that behave well or badly on chosen scenes; built by import path, as a user's."""

import io
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from PIL import Image

from imitation.common.settings import UserError
from imitation.data.records import Box, Camera, Cuboid, Frame, Object
from sim_actors.scene.records import Actor, Scene
from sim_actors.simulators.worker import SceneJob

PATH = "tests.sim_actors.simulators.toy_simulators:ToySimulator"


CAR = Actor("Car", Cuboid(-4.9, -1.0, 14.0, 4.0, 1.8, 1.5, 0.0))
"""Seen where `ToySimulator` labels it."""


def make_scene(scene_id: str, seed: int = 0) -> Scene:
    return Scene(scene_id, 24, 16, Camera(20.0, 20.0, 12.0, 8.0), (CAR,), seed=seed)


def make_jobs(count: int, **changes: Any) -> list[SceneJob]:
    return [SceneJob(make_scene(f"s{i:03d}", seed=i), seed=i, **changes) for i in range(count)]


def renders(log: Path) -> list[str]:
    """The scene ids in the order in which their rendering began, of all processes."""
    return [line.split()[0] for line in log.read_text().splitlines()] if log.exists() else []


_barriers: dict[int, threading.Barrier] = {}


class ToySimulator:
    """Renders a small PNG of the scene's seed at once, and misbehaves on the scene ids it is told.

    `log` is a file to which each render appends "scene_id pid" when it begins. `markers` is a folder
    that remembers which of `crash_once` have crashed. With `together` a render waits until so many go on
    side by side in its process, each by a simulator and in a thread of its own.
    """

    name = "toy"
    version = "1"

    def __init__(
        self,
        log: str | None = None,
        markers: str = "",
        crash: tuple[str, ...] = (),
        crash_once: tuple[str, ...] = (),
        hang: tuple[str, ...] = (),
        stop: tuple[str, ...] = (),
        raises: tuple[str, ...] = (),
        unsupported: tuple[str, ...] = (),
        wrong: tuple[str, ...] = (),
        leak_mb: int = 0,
        delay_s: float = 0.0,
        start: str = "",
        together: int = 0,
    ) -> None:
        self.log, self.markers = log, markers
        self.crash, self.crash_once, self.hang, self.stop = crash, crash_once, hang, stop
        self.raises, self.unsupported, self.wrong = raises, unsupported, wrong
        self.leak_mb, self.delay_s = leak_mb, delay_s
        self.leaked: list[bytearray] = []
        self.closed = 0
        self.thread = threading.get_ident()
        self.barrier = _barriers.setdefault(together, threading.Barrier(together)) if together else None
        if start == "exit":
            os._exit(7)
        if start == "hang":
            time.sleep(3600)
        if start == "raise":
            raise RuntimeError("no such driver")
        if start == "user_error":
            raise UserError("libEGL.so.1 is missing; install libegl1")

    def supports(self, scene: Scene) -> list[str]:
        return ["no llamas here"] if scene.scene_id in self.unsupported else []

    def render(self, scene: Scene) -> Frame:
        self._note(scene.scene_id)
        self._misbehave(scene.scene_id)
        if self.barrier is not None:
            assert threading.get_ident() == self.thread
            self.barrier.wait(timeout=60)
        time.sleep(self.delay_s)
        self.leaked.append(bytearray(os.urandom(1024) * 1024 * self.leak_mb))
        image = io.BytesIO()
        Image.new("RGB", (scene.width, scene.height), (scene.seed % 256, 10, 20)).save(image, "PNG")
        frame_id = "other" if scene.scene_id in self.wrong else scene.scene_id
        objects = tuple(label for actor in scene.actors if (label := _label(actor, scene)) is not None)
        return Frame(
            frame_id, scene.width, scene.height, objects, image=image.getvalue(), camera=scene.camera
        )

    def close(self) -> None:
        self.closed += 1

    def _note(self, scene_id: str) -> None:
        if self.log is not None:
            with open(self.log, "a") as log:  # one short write in append mode: lines never mix
                log.write(f"{scene_id} {os.getpid()}\n")

    def _misbehave(self, scene_id: str) -> None:
        if scene_id in self.crash:
            os._exit(9)
        if scene_id in self.crash_once:
            marker = Path(self.markers) / scene_id
            if not marker.exists():
                marker.touch()
                os._exit(9)
        if scene_id in self.hang:
            time.sleep(3600)
        if scene_id in self.stop:  # a process that not even answers its own threads
            os.kill(os.getpid(), signal.SIGSTOP)
        if scene_id in self.raises:
            raise ValueError(f"cannot stage {scene_id}: the wheel fell off")


def _label(actor: Actor, scene: Scene) -> Object | None:
    """The actor's cuboid as it is seen, without a cuboid; None out of the picture."""
    corners = actor.cuboid.corners()
    if not actor.labelled or corners[:, 2].min() < 0.5:
        return None
    points = scene.camera.project(corners)
    box = Box(*map(float, (*points.min(axis=0), *points.max(axis=0)))).clipped(scene.width, scene.height)
    return Object(actor.category, box) if box.area > 0 else None


def not_a_simulator() -> object:
    """A factory that gives something else."""
    return object()
