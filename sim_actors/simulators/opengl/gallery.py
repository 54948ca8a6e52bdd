"""The pictures of docs/simulator.md, drawn anew by one command:

    python -m sim_actors.simulators.opengl.gallery [docs/images/simulator]

Every body from the front and from behind, free scenes in each weather and at each hour, and what the
labels say of a scene: boxes, masks, how much of each object is hidden.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
from PIL import Image

from imitation.data.drawing import caption, category_colour, draw_labels, draw_objects, grid
from imitation.data.records import Camera, Frame
from sim_actors.randomization.free_scene import FreeSettings, free_scene
from sim_actors.randomization.perturb import RandomizeSettings
from sim_actors.randomization.scenarios import SCENARIOS
from sim_actors.scene.appearance import dark, environment
from sim_actors.scene.one_body import body_scene
from sim_actors.scene.records import Scene, Sensor, Weather
from sim_actors.simulators.opengl.assets.families import FAMILIES
from sim_actors.simulators.opengl.renderer import OpenGLSimulator

CAMERA = Camera(721.5, 721.5, 621.0, 172.5, 1.65, 0.0)  # KITTI's, centred
SIZE = (1242, 375)
HOURS = (5.75, 7.0, 9.5, 13.0, 17.0, 18.3, 22.0)
CATEGORIES = ("Car", "Van", "Truck", "Pedestrian", "Cyclist")
SEED = 11  # of the street that is shown in every light
QUALITY = 88


def picture(frame: Frame) -> Image.Image:
    assert frame.image is not None
    return Image.open(io.BytesIO(frame.image)).convert("RGB")


def bodies(simulator: OpenGLSimulator) -> Image.Image:
    """Every model of every category, from the front and from behind."""
    cells = []
    for category, models in FAMILIES["simulator"].bodies.items():
        for model in models:
            for yaw in (2.4, -0.75):
                size = simulator.body_size(category, model)
                frame = simulator.render(body_scene(category, model, size, yaw))
                cells.append(caption(picture(frame), f"{category}: {model}"))
    return grid(cells, 6)


def street(hour: float, weather: Weather, seed: int = SEED, free: FreeSettings | None = None) -> Scene:
    """The same free scene in another light."""
    scene = free_scene(
        RandomizeSettings(),
        scene_id=f"{weather}-{hour:g}",
        seed=seed,
        camera=CAMERA,
        width=SIZE[0],
        height=SIZE[1],
        categories=CATEGORIES,
        convention="amodal_clipped",
        light=environment(weather, hour, -2.2),
        free=free,
    )
    actors = tuple(replace(a, lights=dark(hour) and a.category in CATEGORIES[:3]) for a in scene.actors)
    return replace(scene, sensor=Sensor(), actors=actors)


def lights(simulator: OpenGLSimulator) -> Image.Image:
    """One street at several hours, and in each weather by day and by night."""
    scenes = [(f"clear, {_clock(hour)}", street(hour, "clear")) for hour in HOURS]
    for weather in get_args(Weather)[1:]:
        scenes += [(f"{weather}, {_clock(hour)}", street(hour, weather)) for hour in (13.0, 22.0)]
    return _sheet([(text, picture(simulator.render(scene))) for text, scene in scenes])


def places(simulator: OpenGLSimulator, count: int = 10) -> Image.Image:
    """Free scenes of every kind of place in turn."""
    cells = []
    for seed in range(count):
        scenario = SCENARIOS[seed % len(SCENARIOS)]
        scene = street(13.0 + 0.25 * seed, "clear", seed, FreeSettings(scenarios={scenario: 1.0}))
        cells.append((scenario, picture(simulator.render(scene))))
    return _sheet(cells)


def truth(simulator: OpenGLSimulator) -> Image.Image:
    """A scene, its boxes and cuboids, its visible masks, and how much of each object is hidden."""
    scene = street(13.0, "clear")
    frame = simulator.render(scene)
    plain = picture(frame)
    ids = simulator.identities(scene)
    colours = np.array([(0, 0, 0), *(category_colour(actor.category) for actor in scene.actors)])
    shades = np.random.default_rng(0).uniform(0.55, 1.0, (len(colours), 1))
    masks = Image.fromarray((colours * shades)[ids].astype(np.uint8))
    blended = Image.blend(plain, masks, 0.6)
    hidden = [replace(o, category=f"{100 * (o.occlusion or 0):.0f}% hidden") for o in frame.objects]
    return _sheet(
        [
            ("as rendered", plain),
            ("boxes and cuboids", draw_labels(plain, frame.objects, frame.camera)),
            ("visible masks", blended),
            ("occlusion", draw_objects(plain, hidden)),
        ]
    )


def _clock(hour: float) -> str:
    return f"{int(hour)}:{round(hour % 1 * 60):02}"


def _sheet(cells: Sequence[tuple[str, Image.Image]], columns: int = 2, width: int = 620) -> Image.Image:
    drawn = []
    for text, image in cells:
        size = (width, round(image.height * width / image.width))
        drawn.append(caption(image.resize(size, Image.Resampling.LANCZOS), text))
    return grid(drawn, columns)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", default="docs/images/simulator", help="where the pictures go")
    folder = Path(parser.parse_args().folder)
    folder.mkdir(parents=True, exist_ok=True)
    simulator = OpenGLSimulator()
    try:
        for draw in (bodies, places, lights, truth):
            path = folder / f"{draw.__name__}.jpg"
            draw(simulator).save(path, quality=QUALITY)
            sys.stdout.write(f"{path}\n")
    finally:
        simulator.close()


if __name__ == "__main__":
    main()
