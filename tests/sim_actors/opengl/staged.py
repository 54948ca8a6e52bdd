"""Scenes for the tests, and an independent ray caster that says what each pixel should show."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from imitation.records import Box, Camera, Cuboid
from sim_actors.ground import ground_y
from sim_actors.opengl.families import FAMILIES
from sim_actors.opengl.meshes import bodies_of, body_mesh
from sim_actors.scene import Actor, Environment, Scene, Sensor

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


def random_scene(rng: np.random.Generator, family: str) -> Scene:
    """A crowd that occludes and leaves the image: 3 to 7 actors, one in four of them unlabelled."""
    actors = []
    for _ in range(rng.integers(3, 8)):
        category = str(rng.choice(list(SIZES)))
        z = rng.uniform(6.0, 26.0)
        model = str(rng.choice(bodies_of(FAMILIES[family], category)))
        actors.append(
            actor(
                category, rng.uniform(-0.75, 0.75) * z, z, rng.uniform(-math.pi, math.pi),
                model=model, labelled=bool(rng.random() > 0.25), seed=int(rng.integers(1000)),
            )
        )  # fmt: skip
    return scene(*actors, family=family)


@dataclass(frozen=True)
class Expected:
    """What a ray through every pixel centre says of one labelled actor."""

    visible_pixels: int
    visible_box: Box | None
    amodal_box: Box
    occlusion: float
    truncation: float


def cast(staged: Scene, margin: int) -> dict[int, Expected]:
    """Rays against the triangles of every posed mesh, in float64 and without any of the renderer's
    projection, clipping or rasterisation. The image plane is extended by `margin` px on each side,
    which must hold every actor's whole silhouette."""
    camera = staged.camera
    columns = np.arange(-margin, staged.width + margin)
    rows = np.arange(-margin, staged.height + margin)
    u, v = np.meshgrid((columns + 0.5 - camera.cx) / camera.fx, (rows + 0.5 - camera.cy) / camera.fy)
    depth = np.stack([_depths(a, staged.family, u, v) for a in staged.actors])
    inside = np.zeros(u.shape, dtype=bool)
    inside[margin : margin + staged.height, margin : margin + staged.width] = True
    first = np.where(np.isfinite(depth.min(axis=0)), depth.argmin(axis=0), -1)
    result = {}
    for index, one in enumerate(staged.actors):
        if one.labelled:
            alone, seen = np.isfinite(depth[index]), (first == index) & inside
            within = int((alone & inside).sum())
            result[index] = Expected(
                visible_pixels=int(seen.sum()),
                visible_box=_box(seen, margin),
                amodal_box=_box(alone, margin) or Box(0, 0, 0, 0),
                occlusion=1 - seen.sum() / max(within, 1),
                truncation=1 - within / max(int(alone.sum()), 1),
            )
    return result


def _box(mask: np.ndarray, margin: int) -> Box | None:
    if not mask.any():
        return None
    y, x = np.nonzero(mask)
    return Box(*(float(value - margin) for value in (x.min(), y.min(), x.max() + 1, y.max() + 1)))


def _depths(one: Actor, family: str, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Depth (m) at which the ray (u, v, 1) t first meets an actor, inf where it misses."""
    mesh, c = body_mesh(family, one.category.lower(), one.model), one.cuboid
    x, y, z = (mesh.positions.astype(np.float64) * [c.length, c.height, c.width]).T
    cos, sin = math.cos(c.yaw), math.sin(c.yaw)
    corners = np.stack([c.x + cos * x + sin * z, c.y + y, c.z - sin * x + cos * z], axis=1)[mesh.triangles]
    depth = np.full(u.shape, np.inf)
    for a, b, d in corners:
        p = np.stack([a, b, d])
        if (p[:, 2] <= 0.01).any():
            continue
        pu, pv = p[:, 0] / p[:, 2], p[:, 1] / p[:, 2]
        near = (u[0] >= pu.min()) & (u[0] <= pu.max())
        level = (v[:, 0] >= pv.min()) & (v[:, 0] <= pv.max())
        if not (near.any() and level.any()):
            continue
        block = np.ix_(level, near)
        e1, e2 = b - a, d - a  # Moeller and Trumbore, with the ray from the origin
        ray = np.stack([u[block], v[block], np.ones_like(u[block])], axis=-1)
        h = np.cross(ray, e2)
        det = h @ e1
        with np.errstate(divide="ignore", invalid="ignore"):
            s = (h @ -a) / det
            q = np.cross(-a, e1)
            t, w = float(e2 @ q) / det, (ray @ q) / det
        hit = (s >= 0) & (w >= 0) & (s + w <= 1) & (t > 0)
        depth[block] = np.where(hit, np.minimum(depth[block], t), depth[block])
    return depth
