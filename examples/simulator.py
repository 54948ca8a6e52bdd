"""A simulator of one's own: flat boxes on grey, with numpy. From this folder:

imitate check simulator simulator:Boxes "simulate.options={sky: [90, 130, 200]}"
imitate render --random --count 4 --out boxes simulate.simulator=simulator:Boxes
"""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
from pydantic import Field

from imitation import Frame, Object, Settings, encode_png
from sim_actors import Scene, Traits, projected_box


class BoxesSettings(Settings):
    """What `simulate.options` may say; a wrong name or value is refused with the nearest right one."""

    sky: tuple[int, int, int] = Field((150, 170, 200), description="sRGB, 0 to 255")


class Boxes(Traits):
    """Every actor is its box in its colour. Whatever Traits says is optional."""

    name, version = "boxes", "1"  # every frame names them; a change of the pictures is another version
    settings_class = BoxesSettings

    @staticmethod
    def preflight(settings: BoxesSettings) -> str | None:
        """Why it cannot run on this machine."""
        return None if find_spec("PIL") else "Pillow is not installed: pip install pillow"

    @staticmethod
    def catalog(settings: BoxesSettings) -> tuple[str, ...]:
        """What it can stage; nothing else is asked of it."""
        return ("car", "van", "truck", "pedestrian", "cyclist")

    def __init__(self, settings: BoxesSettings) -> None:
        self.settings = settings

    def supports(self, scene: Scene) -> list[str]:
        """Why this scene cannot be staged, a sentence each."""
        return []

    def render(self, scene: Scene) -> Frame:
        """The picture, and the labels of what is seen in it, in the actors' order."""
        picture = np.empty((scene.height, scene.width, 3), np.uint8)
        picture[:], picture[int(scene.camera.cy) :] = self.settings.sky, 90  # the sky, the ground
        ids = np.full(picture.shape[:2], -1)  # which actor each pixel shows
        boxes = [projected_box(actor.cuboid, scene.camera) for actor in scene.actors]
        for index in sorted(range(len(boxes)), key=lambda i: -scene.actors[i].cuboid.z):  # far first
            if scene.actors[index].cuboid.corners()[:, 2].min() > 0.2:  # m: all of it lies before the lens
                x1, y1, x2, y2 = (round(v) for v in boxes[index].clipped(scene.width, scene.height))
                picture[y1:y2, x1:x2] = 255 * np.clip(scene.actors[index].color, 0, 1) ** 0.45
                ids[y1:y2, x1:x2] = index
        objects = []
        for index, (actor, whole) in enumerate(zip(scene.actors, boxes)):
            if actor.labelled and (ids == index).any():
                box = whole.clipped(scene.width, scene.height)
                hidden = 1 - min((ids == index).sum() / box.area, 1)
                cut = 1 - box.area / whole.area
                label = Object(actor.category, box, amodal_box=whole, occlusion=hidden, truncation=cut)
                objects.append(replace(label, cuboid=actor.cuboid))
        size, image = (scene.width, scene.height), encode_png(picture)
        return Frame(scene.scene_id, *size, tuple(objects), image=image, camera=scene.camera)

    def close(self) -> None:
        """Nothing is held."""
