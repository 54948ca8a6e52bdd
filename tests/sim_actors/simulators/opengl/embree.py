"""What every pixel of a scene should show, by Embree (Wald et al., "Embree: A Kernel Framework for
Efficient CPU Ray Tracing", SIGGRAPH 2014).

Nothing of the renderer's geometry is used but its meshes: poses come from the cuboid's corners as
`imitation.data.records` defines them, rays from the pinhole camera, and no projection matrix, clipping or
rasterisation is involved. Rays start on the near plane, which the renderer documents at 0.2 m, so
what lies before it neither shows nor hides. The ground is no body: it hides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from imitation.data.records import Box, Camera, Cuboid
from sim_actors.scene.records import Prop, Scene
from sim_actors.simulators.opengl.assets.families import FAMILIES
from sim_actors.simulators.opengl.assets.meshes import body_mesh, model_of, prop_mesh, prop_variant
from sim_actors.simulators.opengl.assets.shapes import Mesh

NEAR = 0.2
"""Depth of the near plane, m."""

RAYS = 200_000
"""Rays over a body's whole extent; a larger one gets a ray every few pixels."""

GRAZE = 1 / 128
"""Rasterisers round corners to a grid, of 1/256 px as a rule: where a silhouette passes a pixel's centre
as closely as this, px, the pixel may be drawn either way."""

DEFAULT_HEIGHT = 1.65
"""Of a camera that does not say, m."""


Window = tuple[int, int, int, int]
"""Left, top, right, bottom, px; may reach beyond the image."""


class Bounds(NamedTuple):
    """The box around the pixels that show a body by the rays through their centres; around those that
    surely do; and around those that may, where silhouettes graze the centres. None around nothing."""

    box: Box | None
    least: Box | None
    most: Box | None

    @classmethod
    def of(cls, masks: Sequence[np.ndarray], left: float = 0, top: float = 0) -> Bounds:
        """Of masks by the rays through the centres and then by those beside them."""
        kinds = (masks[0], np.all(masks, axis=0), np.any(masks, axis=0))
        return cls(*(mask_box(mask, left, top) for mask in kinds))


@dataclass(frozen=True)
class Expected:
    """What the rays say of one labelled actor.

    `pixels`: how many of the image it would cover alone. `whole`: what it would show alone, None where
    it leaves the image. `extent` is what its edges project to, tips that pass between the rays with
    them, and `amodal_box` the box of the rays that meet it, every `step` px, anywhere; None where it is
    wholly before the near plane. `occlusions`: the least and the most that the rays through the centres and
    those beside them find hidden; of wires thinner than a pixel it hangs on where rays pass."""

    visible_pixels: int
    pixels: int
    visible: Bounds
    whole: Bounds | None
    amodal_box: Box | None
    extent: Box | None
    occlusions: tuple[float, float]
    truncation: float
    step: int

    @property
    def height(self) -> float:
        """Of the object, hidden and outside parts with it, px."""
        return 0.0 if self.amodal_box is None else self.amodal_box.height


@dataclass(frozen=True)
class Solid:
    """A posed mesh in camera coordinates, m."""

    vertices: np.ndarray
    triangles: np.ndarray


@dataclass(frozen=True)
class Truth:
    """`ids` (height, width): the index + 1 of the labelled actor that each pixel shows, or 0; `grazed`
    (height, width) bool: whether a silhouette passes so close to its centre that it may show another
    body; `actors`: what to expect of each labelled actor, by index."""

    ids: np.ndarray
    grazed: np.ndarray
    actors: dict[int, Expected]


def truth_of(scene: Scene) -> Truth:
    """Rays through every pixel's centre against everything in the scene, and against each actor alone."""
    family = FAMILIES[scene.family]
    solids = [
        _solid(body_mesh(scene.family, a.category, model_of(family, a)), _corner_frame(a.cuboid))
        for a in scene.actors
    ]
    solids += [
        _solid(prop_mesh(scene.family, p.kind, prop_variant(family, p)), _prop_frame(p, scene.camera))
        for p in scene.props
    ]
    first, *beside = _grazing_hits(_world(*solids), scene.camera, (0, 0, scene.width, scene.height))
    labels = np.array(
        [i + 1 if a.labelled else 0 for i, a in enumerate(scene.actors)] + [0] * len(scene.props)
    )
    ids = np.append(labels, 0)[first]  # a miss is -1
    expected = {
        index: _expect(solids[index], [found == index for found in (first, *beside)], scene)
        for index, actor in enumerate(scene.actors)
        if actor.labelled
    }
    return Truth(ids.astype(np.uint16), np.any([found != first for found in beside], axis=0), expected)


def _expect(solid: Solid, seen: list[np.ndarray], scene: Scene) -> Expected:
    """`seen`: which pixels show it, by the rays through their centres and then by those close by."""
    alone, extent = _world(solid), _extent(solid, scene.camera)
    amodal, whole, counts, step, truncation = None, None, [0] * len(seen), 1, 0.0
    if extent is not None:
        left, top = math.floor(extent.x1) - 1, math.floor(extent.y1) - 1
        right, bottom = math.ceil(extent.x2) + 1, math.ceil(extent.y2) + 1
        window = (left, top, right, bottom)
        if extent == extent.clipped(scene.width, scene.height):
            masks = [found == 0 for found in _grazing_hits(alone, scene.camera, window)]
            whole, counts = Bounds.of(masks, left, top), [int(mask.sum()) for mask in masks]
            amodal = whole.box
        else:
            image = (0, 0, scene.width, scene.height)
            counts = [int((found == 0).sum()) for found in _grazing_hits(alone, scene.camera, image)]
            step = max(1, math.ceil(math.sqrt((right - left) * (bottom - top) / RAYS)))
            anywhere = _first_hits(alone, scene.camera, window, step) == 0
            amodal = mask_box(anywhere, left, top, step)
            x = left + (np.arange(anywhere.shape[1]) + 0.5) * step
            y = top + (np.arange(anywhere.shape[0]) + 0.5) * step
            inside = np.outer((y > 0) & (y < scene.height), (x > 0) & (x < scene.width))
            outside = int((anywhere & ~inside).sum()) * step**2
            truncation = outside / max(outside + counts[0], 1)
    hidden = [1 - int(mask.sum()) / max(count, 1) for mask, count in zip(seen, counts, strict=True)]
    return Expected(
        visible_pixels=int(seen[0].sum()),
        pixels=counts[0],
        visible=Bounds.of(seen),
        whole=whole,
        amodal_box=amodal,
        extent=extent,
        occlusions=(min(hidden), max(hidden)),
        truncation=truncation,
        step=step,
    )


def mask_box(mask: np.ndarray, left: float = 0, top: float = 0, step: float = 1) -> Box | None:
    """The tight box around a mask's cells, px; None around nothing."""
    if not mask.any():
        return None
    y, x = np.nonzero(mask)
    return Box(
        float(left + x.min() * step),
        float(top + y.min() * step),
        float(left + (x.max() + 1) * step),
        float(top + (y.max() + 1) * step),
    )


def _world(*solids: Solid) -> EmbreeScene:
    world = EmbreeScene(robust=True)  # else a ray may slip through the edge between two triangles
    for solid in solids:
        TriangleMesh(world, solid.vertices.astype(np.float32), solid.triangles.astype(np.int32))
    return world


def _grazing_hits(world: EmbreeScene, camera: Camera, window: Window) -> list[np.ndarray]:
    """The first hits of the rays through the pixels' centres, and of four sets of rays close by."""
    shifts = [(0.0, 0.0), *((x, y) for x in (-GRAZE, GRAZE) for y in (-GRAZE, GRAZE))]
    return [_first_hits(world, camera, window, shift=shift) for shift in shifts]


def _first_hits(
    world: EmbreeScene,
    camera: Camera,
    window: Window,
    step: int = 1,
    shift: tuple[float, float] = (0.0, 0.0),
) -> np.ndarray:
    """Which solid the ray through each cell's centre, or `shift` px beside it, meets first; -1 for none."""
    left, top, right, bottom = window
    x = left + (np.arange(math.ceil((right - left) / step)) + 0.5) * step
    y = top + (np.arange(math.ceil((bottom - top) / step)) + 0.5) * step
    u, v = np.meshgrid((x + shift[0] - camera.cx) / camera.fx, (y + shift[1] - camera.cy) / camera.fy)
    directions = np.stack([u, v, np.ones_like(u)], axis=-1).reshape(-1, 3)
    found = world.run(
        (directions * NEAR).astype(np.float32), directions.astype(np.float32), query="INTERSECT", output=True
    )
    return found["geomID"].reshape(u.shape)


def _solid(mesh: Mesh, frame: tuple[np.ndarray, np.ndarray]) -> Solid:
    """A mesh fills the unit cuboid: length along x, height up along -y from the bottom's centre, width
    along z."""
    origin, axes = frame
    return Solid(origin + mesh.positions.astype(np.float64) * [1.0, -1.0, 1.0] @ axes, mesh.triangles)


def _corner_frame(cuboid: Cuboid) -> tuple[np.ndarray, np.ndarray]:
    """The bottom's centre and the edges along length, height (upwards) and width, read off the corners."""
    corners = cuboid.corners()
    edges = np.stack([corners[0] - corners[3], corners[4] - corners[0], corners[0] - corners[1]])
    return corners[:4].mean(axis=0), edges


def _prop_frame(prop: Prop, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """The same of a prop, which stands upright on the ground: the plane at the camera's height along
    the world's downward direction, (0, cos pitch, sin pitch)."""
    pitch = camera.pitch or 0.0
    height = DEFAULT_HEIGHT if camera.height is None else camera.height
    right, down = np.array([1.0, 0.0, 0.0]), np.array([0.0, math.cos(pitch), math.sin(pitch)])
    ahead = np.cross(right, down)
    origin = np.array([prop.x, (height - prop.z * down[2]) / down[1], prop.z])
    cos, sin = math.cos(prop.yaw), math.sin(prop.yaw)
    edges = [
        prop.length * (cos * right - sin * ahead),
        -prop.height * down,
        prop.width * (sin * right + cos * ahead),
    ]
    return origin, np.array(edges)


def _extent(solid: Solid, camera: Camera) -> Box | None:
    """The box around a body's projection, px: around its corners and where its edges cross the near plane."""
    corners = solid.vertices[solid.triangles]
    a, b = corners.reshape(-1, 3), np.roll(corners, 1, axis=1).reshape(-1, 3)
    across = (a[:, 2] < NEAR) != (b[:, 2] < NEAR)
    a, b, beyond = a[across], b[across], a[a[:, 2] >= NEAR]
    x, y, z = np.concatenate([beyond, a + ((NEAR - a[:, 2]) / (b[:, 2] - a[:, 2]))[:, None] * (b - a)]).T
    if not len(z):
        return None
    u, v = camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy
    return Box(float(u.min()), float(v.min()), float(u.max()), float(v.max()))
