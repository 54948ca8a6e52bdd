"""Scenes for the tests: hand-made ones, and random ones that hold every hard case for the labels."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from imitation.data.records import Camera, Cuboid
from sim_actors.randomization.free_scene import Mix, free_scene
from sim_actors.randomization.perturb import RandomizeSettings
from sim_actors.scene.footprint import Footprint, overlaps_any
from sim_actors.scene.ground import ground_y
from sim_actors.scene.records import Actor, Environment, Prop, Scene, Sensor
from sim_actors.scene.sizes import size_prior
from sim_actors.simulators.opengl.assets.families import FAMILIES
from sim_actors.simulators.opengl.assets.meshes import bodies_of

CAMERA = Camera(fx=150.0, fy=150.0, cx=98.0, cy=30.0, height=1.65, pitch=0.0)
WIDTH, HEIGHT = 200, 64

SIZES = {
    "Car": (4.2, 1.75, 1.5),
    "Van": (5.0, 1.9, 2.1),
    "Truck": (8.0, 2.5, 3.2),
    "Pedestrian": (0.9, 0.6, 1.75),
    "Cyclist": (1.76, 0.6, 1.74),
}


def actor(
    category: str, x: float, z: float, yaw: float = 0.0, camera: Camera = CAMERA, **fields: object
) -> Actor:
    """An actor of a typical size that stands on the ground plane."""
    length, width, height = SIZES[category]
    cuboid = Cuboid(x, ground_y(camera, z), z, length, width, height, yaw)
    return Actor(category, cuboid, **fields)  # type: ignore[arg-type]


def scene(*actors: Actor, **fields: object) -> Scene:
    """A small scene of these actors, as PNG without sensor noise unless asked otherwise."""
    given = {"sensor": Sensor(noise=0.0, jpeg_quality=0), "environment": Environment(), **fields}
    size = (given.pop("width", WIDTH), given.pop("height", HEIGHT))
    return Scene("test", *size, given.pop("camera", CAMERA), actors, **given)  # type: ignore[arg-type]


def random_scene(seed: int) -> Scene:
    """A scene of the kind, family, camera and size that `seed` draws. By turns traffic on a road among
    surroundings; a crowd; things so near that they leave the image or cross the camera's plane; things
    behind walls, hedges and poles. A quarter of the actors is clutter without label, and some stand
    above or below the flat ground, as on a slope."""
    rng = np.random.default_rng([7, seed])
    family = ("simulator", "standin")[seed % 2]
    width, height = ((416, 128), (480, 160), (640, 192), (300, 300))[int(rng.integers(4))]
    focal = width * float(rng.uniform(0.4, 1.0))
    camera = Camera(
        focal, focal * float(rng.uniform(0.9, 1.1)),  # told apart: pixels need not be square
        width * float(rng.uniform(0.4, 0.6)), height * float(rng.uniform(0.3, 0.6)),
        float(rng.uniform(1.2, 2.2)), float(rng.uniform(-0.03, 0.06)),
    )  # fmt: skip
    catalog = sorted(FAMILIES[family].bodies)
    if seed % 4 == 0:
        made = free_scene(
            RandomizeSettings(), scene_id=f"road-{seed}", seed=seed, camera=camera, width=width,
            height=height, categories=catalog, convention="amodal_clipped", family=family,
            mix=Mix(occluded=0.4, truncated=0.3),
        )  # fmt: skip
        return replace(made, actors=tuple(_varied(a, rng) for a in made.actors))
    ranges = {1: (5.0, 24.0, 0.8, 12), 2: (-2.0, 7.0, 1.3, 9), 3: (8.0, 24.0, 0.7, 10)}
    near, far, spread, count = ranges[seed % 4]
    actors: list[Actor] = []
    for _ in range(count):
        category = str(rng.choice(catalog))
        z = float(rng.uniform(near, far))
        x = float(rng.uniform(-spread, spread)) * max(z, 3.0)
        one = _any_size(category, x, z, camera, family, rng)
        # Bodies that run into each other would leave their common surface to the depth's precision.
        if not overlaps_any(Footprint.of(one.cuboid), [Footprint.of(a.cuboid) for a in actors]):
            actors.append(_varied(one, rng))
    props = _barriers(rng, camera) if seed % 4 == 3 else ()
    return scene(*actors, props=props, camera=camera, width=width, height=height, family=family, seed=seed)


def _any_size(
    category: str, x: float, z: float, camera: Camera, family: str, rng: np.random.Generator
) -> Actor:
    prior = size_prior(category)
    assert prior is not None
    length, width, height = (
        float(s * rng.uniform(0.85, 1.2)) for s in (prior.length, prior.width, prior.height)
    )
    yaw = float(rng.uniform(-math.pi, math.pi))
    model = str(rng.choice(bodies_of(FAMILIES[family], category)))
    cuboid = Cuboid(x, ground_y(camera, z), z, length, width, height, yaw)
    return Actor(category, cuboid, model=model, seed=int(rng.integers(1000)))


def _varied(one: Actor, rng: np.random.Generator) -> Actor:
    sunk = float(rng.uniform(-0.6, 0.6)) if rng.random() < 0.4 else 0.0
    return replace(one, labelled=bool(rng.random() > 0.25), cuboid=replace(one.cuboid, y=one.cuboid.y + sunk))


def _barriers(rng: np.random.Generator, camera: Camera) -> tuple[Prop, ...]:
    """Props between the camera and what stands beyond 8 m, off the actors' footprints."""
    sizes = {
        "wall": (3.0, 0.3, 1.2), "hedge": (2.5, 0.6, 1.0), "pole": (0.2, 0.2, 6.0), "tree": (2.0, 2.0, 5.0),
        "sign": (0.7, 0.1, 2.5), "debris": (1.0, 0.8, 0.5), "building": (1.5, 1.0, 3.0),
    }  # fmt: skip
    props = []
    for kind, size in sizes.items():
        z = float(rng.uniform(3.0, 6.0))
        x = float(rng.uniform(-0.6, 0.6)) * z
        props.append(Prop(kind, x, z, *size, float(rng.uniform(-0.6, 0.6)), seed=int(rng.integers(100))))
    return tuple(props)
