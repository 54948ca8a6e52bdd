"""A stand-in for a simulator elsewhere (a remote Unreal): it only waits, and gives a tiny frame."""

from __future__ import annotations

import io
import time

from PIL import Image

from imitation.data.records import Box, Frame, Object
from sim_actors.scene.records import Scene

PATH = "benchmarks.waiting_simulator:WaitingSimulator"
AT_ONCE = "at-once-"
"""Scenes whose ids begin so are not waited for."""


class WaitingSimulator:
    name = "waiting"
    version = "1"

    def __init__(self, wait_s: float) -> None:
        self.wait_s = wait_s
        image = io.BytesIO()
        Image.new("RGB", (24, 16), (90, 120, 90)).save(image, "PNG")
        self.image = image.getvalue()

    def supports(self, scene: Scene) -> list[str]:
        return []

    def render(self, scene: Scene) -> Frame:
        if not scene.scene_id.startswith(AT_ONCE):
            time.sleep(self.wait_s)
        car = Object("Car", Box(1.0, 2.0, 9.0, 8.0))
        return Frame(scene.scene_id, scene.width, scene.height, (car,), image=self.image, camera=scene.camera)

    def close(self) -> None:
        pass
