"""CARLA's cameras in synchronous mode: a picture is taken only if it bears the number of its tick."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from imitation.common.settings import UserError
from sim_actors.simulators.carla.leases import OURS
from sim_actors.simulators.carla.town.actors import transform
from sim_actors.simulators.carla.town.geometry import Pose
from sim_actors.simulators.carla.town.lens import Lens

COLOUR, IDENTITIES = "sensor.camera.rgb", "sensor.camera.instance_segmentation"
_AT_M, _AT_DEG = 0.02, 0.05  # how far a camera may have been from where it was put


class Shot(NamedTuple):
    """A picture as it came: the tick's number, where the camera was, and (height, width, 4) uint8 BGRA."""

    tick: int
    pose: Pose
    pixels: np.ndarray


class Camera:
    """One camera. It has to `listen`, and to see, before the ticks whose pictures are `taken`."""

    def __init__(
        self,
        carla: Any,
        world: Any,
        kind: str,
        lens: Lens,
        pose: Pose,
        attributes: Mapping[str, str] | None = None,
    ) -> None:
        blueprint = world.get_blueprint_library().find(kind)
        wanted = {
            "image_size_x": str(lens.width),
            "image_size_y": str(lens.height),
            "fov": repr(lens.fov),
            "sensor_tick": "0.0",
            "role_name": OURS,
            **(attributes or {}),
        }
        for name, value in wanted.items():
            if not blueprint.has_attribute(name):
                raise UserError(f"simulate.options.camera: CARLA's {kind} has no attribute {name!r}")
            blueprint.set_attribute(name, value)
        self.kind, self.lens = kind, lens
        self._sensor = world.spawn_actor(blueprint, transform(carla, pose))
        self._shots: queue.SimpleQueue[Shot] = queue.SimpleQueue()
        self._listening = False
        self._came = threading.Event()

    @property
    def id(self) -> int:
        """Its actor id."""
        return int(self._sensor.id)

    def listen(self) -> None:
        """Takes pictures, soon: the server hears of it by another connection, and maybe a tick later."""
        if not self._listening:
            self._listening = True
            self._came.clear()
            self._sensor.listen(self._keep)

    def sees(self, seconds: float) -> bool:
        """Whether a picture has come since it began to listen, or comes within so many seconds."""
        return self._came.wait(seconds)

    def rest(self) -> None:
        """Takes no pictures: one that nobody listens to is not rendered."""
        if self._listening:
            self._listening = False
            self._sensor.stop()

    def taken(self, tick: int, pose: Pose, timeout_s: float) -> np.ndarray:
        """The picture of this tick, (height, width, 4) uint8 BGRA. Older ones are dropped.

        Raises UserError where it does not come in time, or was taken from elsewhere.
        """
        deadline = time.monotonic() + timeout_s
        late: int | None = None
        while True:
            try:
                shot = self._shots.get(timeout=max(deadline - time.monotonic(), 0.0))
            except queue.Empty:
                was = "none came" if late is None else f"the last that came is of tick {late}"
                raise UserError(
                    f"CARLA gave no picture of tick {tick} by {self.kind} within {timeout_s:g} s "
                    f"(simulate.options.timeout_s): {was}"
                ) from None
            late = shot.tick
            if shot.tick > tick:
                raise UserError(
                    f"CARLA went on by itself: asked for tick {tick}, {self.kind} gave {shot.tick}; is "
                    "another client ticking this server?"
                )
            if shot.tick == tick:
                break
        if _apart(shot.pose, pose):
            raise UserError(
                f"CARLA's {self.kind} was at {_told(shot.pose)} in tick {tick}, and was put at {_told(pose)}"
            )
        size = (shot.pixels.shape[1], shot.pixels.shape[0])
        if size != (self.lens.width, self.lens.height):
            raise UserError(
                f"CARLA's {self.kind} gave {size[0]}x{size[1]} px, asked for "
                f"{self.lens.width}x{self.lens.height}"
            )
        return shot.pixels

    def destroy(self) -> None:
        """Takes it out of the world, if the server still answers."""
        with contextlib.suppress(RuntimeError):
            self.rest()
            self._sensor.destroy()

    def _keep(self, image: Any) -> None:
        # In a thread of CARLA's: its bytes are copied, since they are not kept for us.
        pixels = np.frombuffer(image.raw_data, dtype=np.uint8).reshape(image.height, image.width, 4).copy()
        at, turn = image.transform.location, image.transform.rotation
        self._shots.put(Shot(int(image.frame), Pose(at.x, at.y, at.z, turn.pitch, turn.yaw), pixels))
        self._came.set()


def codes(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of an instance camera's picture, BGRA: the semantic tag and the lower 16 bits of the id, (height,
    width) each. The tag is red, the id's lower byte green and its upper byte blue."""
    ids = pixels[..., 1].astype(np.uint16) | (pixels[..., 0].astype(np.uint16) << 8)
    return pixels[..., 2], ids


def _apart(one: Pose, two: Pose) -> bool:
    turned = (abs((a - b + 180.0) % 360.0 - 180.0) for a, b in zip(one[3:], two[3:]))
    return max(abs(a - b) for a, b in zip(one[:3], two[:3])) > _AT_M or max(turned) > _AT_DEG


def _told(pose: Pose) -> str:
    return f"({', '.join(f'{v:.2f}' for v in pose)})"
