"""From a scene's camera to CARLA's, whose principal point is always the middle of its picture.

A picture with its principal point elsewhere is rendered wider and cut out. The middle of a picture lies on a
pixel's edge or centre, so that the principal point moves by up to a quarter of a pixel: the frame says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from imitation.data.records import Box, Camera
from sim_actors.scene.records import Scene

MAX_SIDE, MAX_FOV = 8192, 160.0  # px; degrees
SAME_FOCAL_PX = 0.5
"""How far fx and fy may differ: CARLA's pixels are square."""
_WIDEST, _WIDE_PX = 3.2, 2048  # of a picture of a whole body: half of it / focal length, and its sides


@dataclass(frozen=True)
class Lens:
    """A camera of CARLA: its picture's size in px, focal length in px, and the corner of what is cut out."""

    width: int
    height: int
    focal: float
    left: int = 0
    top: int = 0

    @property
    def fov(self) -> float:
        """The horizontal field of view, degrees."""
        return math.degrees(2 * math.atan(self.width / (2 * self.focal)))

    def cut(self, pixels: np.ndarray, scene: Scene) -> np.ndarray:
        """The scene's own picture, (height, width, ...), of the whole one."""
        return pixels[self.top : self.top + scene.height, self.left : self.left + scene.width]


def lens_of(scene: Scene) -> Lens:
    """The camera that renders a scene."""
    camera = scene.camera
    width, left = _around(camera.cx, scene.width)
    height, top = _around(camera.cy, scene.height)
    return Lens(width, height, (camera.fx + camera.fy) / 2, left, top)


def camera_of(scene: Scene) -> Camera:
    """The scene's camera as it is rendered: see this file's head."""
    lens = lens_of(scene)
    return replace(
        scene.camera,
        fx=lens.focal,
        fy=lens.focal,
        cx=lens.width / 2 - lens.left,
        cy=lens.height / 2 - lens.top,
    )


def lens_problems(scene: Scene) -> list[str]:
    """Why CARLA has no such camera, a sentence each."""
    camera, lens = scene.camera, lens_of(scene)
    found = []
    if abs(camera.fx - camera.fy) > SAME_FOCAL_PX:
        found.append(
            f"camera: CARLA's pixels are square, so fx and fy have to be equal; found {camera.fx:g} and "
            f"{camera.fy:g} px"
        )
    if max(lens.width, lens.height) > MAX_SIDE or lens.fov > MAX_FOV:
        found.append(
            f"camera: with its principal point in the middle it would need {lens.width}x{lens.height} px and "
            f"a field of view of {lens.fov:.0f} degrees; {MAX_SIDE} px a side and {MAX_FOV:g} degrees are "
            "the most"
        )
    return found


def wide_lens(extents: Sequence[Box], camera: Camera) -> Lens:
    """A camera around the whole of these boxes (px of `camera`, which may lie outside of its image).

    Its pixels are the image's own where so many can be rendered, else larger.
    """
    across = max(max(camera.cx - box.x1, box.x2 - camera.cx) for box in extents) / camera.fx
    down = max(max(camera.cy - box.y1, box.y2 - camera.cy) for box in extents) / camera.fy
    across, down = (min(max(half, 0.05), _WIDEST) for half in (across, down))
    focal = min(camera.fx, _WIDE_PX / 2 / max(across, down))
    # Its pixels lie on those of the image, where they are as large.
    width, height = (
        2 * math.ceil(half * focal) + round(2 * middle) % 2
        for half, middle in ((across, camera.cx), (down, camera.cy))
    )
    return Lens(width, height, focal)


def _around(middle: float, side: int) -> tuple[int, int]:
    """The side of a picture whose middle is the point nearest to `middle` that can be one, and where the
    image of `side` px begins in it."""
    twice = round(2 * middle)
    whole = max(twice, 2 * side - twice)
    return whole, (whole - twice) // 2
